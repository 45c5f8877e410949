"""Parts of the default detector: directions of the scene, distances from it, and the account of a pixel."""
