"""Hostile files, built and thrown at the program: corpora, and a child process that survives what they do to it."""
