"""The function that stops the compute node."""
