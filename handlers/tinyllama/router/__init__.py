"""The function that takes prompts and returns replies."""
