"""Accuracy of the detectors of change on pairs with known changes."""
