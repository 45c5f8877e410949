"""Scenes in several images, which are pages of a TIFF, files of a folder, or members of an archive."""
