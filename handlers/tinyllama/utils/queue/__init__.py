"""The job queue in Redis: job ids, key names, the connection, the scripts, and each operation.

Imports aws (for IAM tokens) and settings (for the address). redis-py is loaded by the function
that makes a client.
"""
