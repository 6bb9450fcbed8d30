"""Faster equivalents of library computations, each checked against the library's."""
