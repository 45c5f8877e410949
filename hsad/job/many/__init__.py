"""Work on many scenes: side by side in processes, each finished part with a record."""
