"""The command `tl`: one module a subcommand, and what a clone of the repository adds to them."""
