"""Rasters, which read windows of files in HDF5, mapped or loaded whole, or of several files stacked by band."""
