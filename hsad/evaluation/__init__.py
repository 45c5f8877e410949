"""Comparison of scores with a truth: measures and their confidence intervals."""

from hsad.evaluation.measures import ROC, Evaluation, Scored, evaluate, roc_curve, scored_pixels

__all__ = ["ROC", "Evaluation", "Scored", "evaluate", "roc_curve", "scored_pixels"]
