"""Log lines and metrics, both printed to stdout as JSON. Imports nothing of ours."""
