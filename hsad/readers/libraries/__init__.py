"""Spectral libraries: named spectra from ENVI libraries, CSV files, folders of text files and packages."""
