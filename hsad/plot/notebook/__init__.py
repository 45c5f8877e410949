"""What notebooks show of figures and results: a picture, a line, a short table."""
