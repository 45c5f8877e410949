"""Systems of the order of the ring: inner products of pixels, whatever the number of bands."""
