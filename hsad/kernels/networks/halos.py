"""Halos of the networks in pixels, where detectors find them without importing torch."""

__all__ = ["ENCODER_HALO", "SKIP_HALO", "STAGE_HALO"]

ENCODER_HALO = 1
"""Of a feature of the encoder: the one 3 × 3 convolution."""

STAGE_HALO = 9
"""Of a stage of RPCANet: three networks of three 3 × 3 convolutions."""

SKIP_HALO = 48
"""Of a residual of the skip network, with the lead to a multiple of `hsad.kernels.networks.skip.CELL`."""
