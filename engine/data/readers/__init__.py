"""A reader for each file format: a path in, rows out. formats.py lists them and says how to add one."""
