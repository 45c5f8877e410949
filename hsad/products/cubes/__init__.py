"""Cubes as files that others read: ENVI, GeoTIFF, Zarr."""
