"""The same rings for many pixels at once, batched with torch: for a GPU."""
