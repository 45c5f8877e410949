"""Detectors that learn features, backgrounds or thresholds; their computations need torch (the extra `deep`)."""
