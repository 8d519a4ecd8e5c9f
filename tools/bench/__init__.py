"""What `tl bench` measures: ours beside a peer, in one run, as a ratio."""
