"""What asks the Hugging Face Hub, in a child process that may use the network."""
