"""What of a stack is left in an account, after it is deleted: clean, dirty, or not looked at."""
