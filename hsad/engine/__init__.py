"""Runs detectors over scenes: cuts tiles, reads them, merges what was learned, and hands out the scores."""
