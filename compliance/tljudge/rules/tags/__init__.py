"""Rules on tags: every cost has an owner."""
