"""Who may come in, and what of each request is let through to the page."""
