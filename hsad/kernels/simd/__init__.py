"""Vector kernels: the inner loops that a compiler does not find by itself."""
