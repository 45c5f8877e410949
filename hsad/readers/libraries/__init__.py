"""Spectra by name: spectral libraries (ENVI, CSV, folders of text files, packages), and anomalies of lists."""
