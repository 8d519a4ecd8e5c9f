"""The functions behind the API, and what they share in `tinyllama.utils`."""
