"""Several detectors on one scene: a table, curves, maps, and how far they agree."""
