"""Figures that show several score maps of one scene at once."""
