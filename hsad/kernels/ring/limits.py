"""Floors and cut-offs: where a number counts as rounding. Compiled kernels and torch share them."""

from __future__ import annotations

DISTANCE_FLOOR = 1e-10
"""An atom that equals y would be free of charge: no Γᵢ² is smaller than this times ‖y‖²."""

VARIANCE_FLOOR = 1e-12
"""The mean variance of a (constant) ring is not taken below this share of ‖z‖²: distances stay finite."""

PIVOT_FLOOR = 1e-14
"""A pivot below this share of its diagonal is rounding: the atom depends on those before it."""

REFINED_BELOW = 1e-6
"""A least pivot below this share of its diagonal calls for refinement."""

REFINEMENTS = 4
"""Most steps of refinement."""

TRUSTED_SHARE = 1e-9
"""Where a pivot falls below this share of its diagonal, a system of the bands is solved again from the ring, whose
systems can be refined."""

KEPT_TRACE = 0.9999
"""Share of the trace that the truncated solver of published code keeps."""

RANK_CUTOFF = 1e-12
"""Eigenvalues below this share of the largest are zero to the pseudo-inverse."""

RANK_CERTAIN = 1e-8
"""Pivots above this share of their diagonal prove full rank."""

SINGLE_SHARE = 1e-5
"""A pivot below this share of its diagonal has no digits left in single precision."""

SINGLE_ERROR = 3e-8
"""Most error, as a share of the score, that a system factored in single precision may be left with: half a digit of
the scores that are written."""

SINGLE_STEPS = 4
"""Most steps of refinement in double precision of such a system."""

SINGLE_GAIN = 0.1
"""Each of them has to make the error at least this much smaller."""
