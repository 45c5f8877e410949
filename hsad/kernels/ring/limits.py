"""Floors and cut-offs that tell numbers from rounding, for compiled kernels and torch alike."""

from __future__ import annotations

DISTANCE_FLOOR = 1e-10
"""Γᵢ² is at least this times ‖y‖²: the weight of an atom that equals y would cost nothing otherwise."""

CLOSE = 1e-5
"""If ‖y - xᵢ‖² is below this share of the squares, it is formed from the spectra: the products cancel."""

VARIANCE_FLOOR = 1e-12
"""The mean variance of a ring is at least this times ‖z‖², so that distances from a constant ring are finite."""

PIVOT_FLOOR = 1e-14
"""A pivot below this share of its diagonal is rounding, because the atom depends on the atoms before it."""

REFINED_BELOW = 1e-6
"""If the least pivot is below this share of its diagonal, the solution is refined."""

REFINEMENTS = 4
"""Largest number of steps of refinement."""

TRUSTED_SHARE = 1e-9
"""If a pivot of a system of the bands is below this share of its diagonal, the pixel is solved again with a system of
the ring, which can be refined."""

KEPT_TRACE = 0.9999
"""Share of the trace that the truncated solver of published code keeps."""

RANK_CUTOFF = 1e-12
"""Eigenvalues below this share of the largest are zero to the pseudo-inverse."""

RANK_CERTAIN = 1e-8
"""Pivots above this share of their diagonal prove full rank."""

SINGLE_SHARE = 1e-5
"""A pivot below this share of its diagonal has no digits left in single precision."""

SINGLE_ERROR = 3e-8
"""Largest error, as a share of the score, of a system factored in single precision: half the rounding of scores to
float32."""

SINGLE_STEPS = 4
"""Largest number of steps of refinement, in double precision, of a system factored in single precision."""

SINGLE_GAIN = 0.1
"""Each of these steps must be at most this times as long as the step before; otherwise the pixel is left to double
precision."""

SINGLE_RIDGE = 1e-3
"""Least ridge of local RX, in mean variances, for single precision. A system of d bands has a condition of d/ridge at
most: with a smaller ridge the factor may miss its smallest eigenvalues, and steps that shrink do not show that."""

CENTRED_SHARE = 1e-8
"""A ring whose scatter is below this share of its squares lost half of its digits when it was centred."""
