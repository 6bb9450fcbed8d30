"""What a base model is, read from its config and headers. Never loads weights; knows nothing about data."""
