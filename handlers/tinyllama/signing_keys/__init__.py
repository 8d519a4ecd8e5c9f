"""The function that copies the signing keys to where the private subnets can read them."""
