"""The run of `tl check`: judges files, in several processes, with cache and baseline."""
