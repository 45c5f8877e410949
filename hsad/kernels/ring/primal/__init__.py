"""Ring detectors with systems of the order of the bands: eight pixels side by side, sums that slide along a row."""
