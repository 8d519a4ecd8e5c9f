"""How long logs are kept, and where they go."""
