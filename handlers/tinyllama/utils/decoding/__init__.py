"""Strict decoding of text that somebody else wrote."""
