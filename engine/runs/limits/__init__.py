"""What the limits of an owner do to runs: fewer steps, an end in time, files that are forgotten."""
