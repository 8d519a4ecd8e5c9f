"""Rules on logs: expiry, declared groups, and what a deleted stack leaves."""
