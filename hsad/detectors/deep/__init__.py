"""Detectors that learn features, backgrounds or thresholds; their numerics need torch (the extra `deep`)."""
