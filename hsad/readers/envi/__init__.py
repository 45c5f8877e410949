"""ENVI: a header of text beside a file of plain numbers."""
