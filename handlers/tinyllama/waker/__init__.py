"""The function that wakes the node as long as a job waits, whoever asks."""
