"""Ring detectors for many pixels at once, batched with torch for a GPU."""
