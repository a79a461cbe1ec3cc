-- Makes the table of the parts of a month's top segments.
-- {table}: its name
CREATE TABLE IF NOT EXISTS {table} (LIKE analytics_segment_parts_0 INCLUDING ALL)
