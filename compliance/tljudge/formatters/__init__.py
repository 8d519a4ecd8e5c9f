"""Findings in one format a file."""
