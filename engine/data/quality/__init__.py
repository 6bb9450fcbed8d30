"""What can be wrong with rows, and how to mend it. Knows nothing about file formats."""
