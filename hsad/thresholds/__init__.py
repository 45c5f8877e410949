"""From scores to decisions: thresholds with stated false alarms, and the objects above them.

Arrays and score maps in, numbers and outlines out: nothing here reads a file or knows a detector but by name.
"""
