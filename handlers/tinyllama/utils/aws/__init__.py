"""AWS: signatures, one DynamoDB call, and the compute node through EC2."""
