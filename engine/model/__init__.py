"""What a base model is, from its config and headers. Loads no weights; knows nothing about data."""
