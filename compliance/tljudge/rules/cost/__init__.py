"""Rules on costs: ceilings, on-demand hours, and residues of deleted stacks."""
