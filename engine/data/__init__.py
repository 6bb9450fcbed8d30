"""From a user's file to checked, prepared rows. Knows nothing about tokens or models."""
