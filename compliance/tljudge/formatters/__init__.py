"""Output formats of findings, bills and rules: one module for each format."""
