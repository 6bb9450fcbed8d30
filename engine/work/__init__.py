"""The workers: the only package that imports torch. Nothing outside it imports it."""
