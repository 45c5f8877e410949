"""Detectors with a low-rank background: of the scene, of each band, of patches."""
