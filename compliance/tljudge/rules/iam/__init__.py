"""Rules on IAM: what roles and policies may allow."""
