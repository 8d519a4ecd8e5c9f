"""Tells how the queue is."""
