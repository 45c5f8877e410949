"""What hsad is measured against: loops in numpy, other programs, GNU Octave, torch in batches."""
