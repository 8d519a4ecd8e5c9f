"""Whose costs they are."""
