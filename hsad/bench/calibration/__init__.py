"""The bank of the thresholds (`hsad.anomalies.null`): how it is measured, and how well it predicts other scenes.

``scenes``: the scenes of the bank, and those that judge it. ``backgrounds``: their scores and peaks. ``fit``: the law
of background over scenes. ``judge``: stated and delivered false objects, each ground by the bank of the others.
``tables``: what is printed. ``run``: the command.
"""

from hsad.bench.calibration.run import Calibration, run_calibration

__all__ = ["Calibration", "run_calibration"]
