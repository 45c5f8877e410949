"""The peers of the bench: loops in numpy, other programs, GNU Octave, torch in batches."""
