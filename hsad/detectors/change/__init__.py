"""Detectors of change between two dates: the spectra of a pixel are those of the first date, then of the second."""
