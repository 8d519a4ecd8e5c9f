"""Stops the compute node."""
