"""A stack as the account has it: what CloudFormation says of it, and what the services say."""
