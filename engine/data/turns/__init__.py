"""The turns of conversations as other tools write them."""
