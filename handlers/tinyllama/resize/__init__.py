"""The function that starts, stops and resizes the compute node for an administrator."""
