"""Keeps the signing keys within reach of the functions in the private subnets."""
