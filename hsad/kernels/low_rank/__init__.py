"""Low-rank decompositions: principal component pursuit, and backgrounds of overlapping patches."""
