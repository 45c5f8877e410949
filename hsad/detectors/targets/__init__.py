"""Target detectors: how much a pixel is like a given spectrum."""
