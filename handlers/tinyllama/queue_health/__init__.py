"""The function that measures the queue's health."""
