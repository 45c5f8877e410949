"""Targets that a user names: their spectra and their pixels."""
