"""What a run's curves mean, during and after it: pure functions of events."""
