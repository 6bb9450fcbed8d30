"""What is on the disk: the workspace, run folders and their events."""
