"""Memory, time and settings before a run starts. Pure functions of facts; starts no process."""
