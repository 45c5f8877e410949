"""Two dates of one place: stacked on the grid of the first, and scored by the detectors of change."""
