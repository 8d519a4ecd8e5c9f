"""AWS: Signature Version 4, one DynamoDB call, and the compute node through EC2.

Imports decoding alone. boto3 is loaded by the function that makes the EC2 client.
"""
