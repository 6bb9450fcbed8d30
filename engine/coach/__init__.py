"""What a run's curves mean, during and after it. Pure functions of events; knows nothing about models."""
