"""Rows to token ids and labels. Knows nothing about models or training."""
