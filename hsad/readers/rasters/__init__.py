"""Recipes for windows of files: HDF5, files mapped or loaded whole, several files stacked by band."""
