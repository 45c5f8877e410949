"""What background does: how many anomalies of it reach a score, and how probable it is that one is background."""
