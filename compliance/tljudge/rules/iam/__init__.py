"""What roles and policies may say."""
