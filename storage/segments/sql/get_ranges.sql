-- Reads pieces of a segment's parts, in the order of ranges and parts.
-- $1 segment (uuid), $2 numbers of the ranges (integer[]), $3 parts (integer[]), $4 first bytes, counted from 1
-- (integer[]), $5 lengths (integer[]); {table}: of the segment's level
-- Leans on the primary key; only the pages of a piece are read, since the data are stored uncompressed.
SELECT piece.number, substring(stored.data FROM piece.start FOR piece.length) AS data
FROM unnest($2::integer[], $3::integer[], $4::integer[], $5::integer[]) AS piece (number, part, start, length)
JOIN {table} AS stored ON stored.segment_id = $1 AND stored.part = piece.part
ORDER BY piece.number, piece.part
