"""The command `tl`: a module for each subcommand, and the commands that a clone adds."""
