"""Hostile files: corpora of damaged files, and a child process that opens them."""
