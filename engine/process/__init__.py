"""Every child process of the app starts here. Knows nothing about what the workers compute."""
