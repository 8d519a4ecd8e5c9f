"""Where packets may go."""
