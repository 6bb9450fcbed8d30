"""A reader for each file format: path in, rows out. formats.py says how to add one."""
