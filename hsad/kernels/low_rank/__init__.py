"""Low-rank decompositions: principal component pursuit, and patches with their merging."""
