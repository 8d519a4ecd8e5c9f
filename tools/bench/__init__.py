"""Measurements of `tl bench`: ours beside a peer, in one run, as a ratio."""
