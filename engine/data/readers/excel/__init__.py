"""Excel workbooks: looked through for what would do harm, then read."""
