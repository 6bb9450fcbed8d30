"""What can be wrong with rows, and how to fix it. Knows nothing about file formats."""
