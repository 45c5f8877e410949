"""Spectral libraries: named spectra from ENVI libraries and CSV files."""
