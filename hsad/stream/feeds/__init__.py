"""Where lines come from: a scene of any format, a file that still grows, a pipe."""
