"""Everything like a given spectrum in a scene, and the smallest objects that would have been found."""
