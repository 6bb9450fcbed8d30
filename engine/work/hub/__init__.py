"""What asks the Hugging Face Hub, in a child process that may use the network.

It needs no torch, and stands here because everything that runs in a child process does.
"""
