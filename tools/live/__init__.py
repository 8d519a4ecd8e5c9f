"""The rules on a deployed stack: it is read from CloudFormation and from each service."""
