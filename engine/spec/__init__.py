"""What a run is: every setting with its bounds and help. Knows nothing about files or training."""
