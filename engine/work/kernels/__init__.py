"""Faster equivalents of library computations, each checked; the switch is in ``layers``."""
