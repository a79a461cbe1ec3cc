"""Reports against brute force: each definition written out in Python, and random histories that it is asked about."""
