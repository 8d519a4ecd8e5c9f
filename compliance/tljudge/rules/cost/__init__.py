"""What a project may cost, when, and for how long."""
