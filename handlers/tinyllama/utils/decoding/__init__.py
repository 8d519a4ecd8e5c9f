"""Strict decoding of text that a client or another service wrote. Imports nothing of ours."""
