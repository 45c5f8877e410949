"""Cubes in formats of other programs: ENVI, GeoTIFF, Zarr."""
