"""What deploying takes: zips, stacks, an operator's clients, and the inventory of an account."""
