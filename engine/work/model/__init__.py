"""Loading, adapting and running a model. Knows nothing about training."""
