"""Adapters that other programs made, added as runs of their own."""
