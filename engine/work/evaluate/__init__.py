"""Base against tuned model on held-out rows. Knows nothing about training."""
