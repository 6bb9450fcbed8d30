"""Which column of a table is which: judged by names and by what the columns hold."""
