"""The control table: what forbids that the node is started, whoever asks."""
