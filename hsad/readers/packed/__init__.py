"""Scenes that lie in several images: pages of a TIFF, files of a folder or of an archive, folders in folders."""
