"""What people say of anomalies: states, notes and classes, read from a review, written, carried to a new list."""
