"""The Lambda functions, one folder each, and the modules they share, in `tinyllama.utils`."""
