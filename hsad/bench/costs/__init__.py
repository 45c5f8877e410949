"""What whole commands cost: seconds and memory, on large scenes, on many small ones, and on the first use."""
