"""Which rows say the same: pieces and wording that texts share, found by numbers alone."""
