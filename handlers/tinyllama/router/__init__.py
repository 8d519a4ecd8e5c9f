"""Takes prompts in and hands replies out."""
