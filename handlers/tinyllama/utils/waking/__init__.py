"""Waking the node: what everybody does who finds that a job waits and no worker beats."""
