"""Where tasks run: in the calling thread, in several threads, or on a dask cluster."""
