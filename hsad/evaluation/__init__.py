"""How well scores agree with a truth: measures, and how sure they are."""

from hsad.evaluation.measures import ROC, Evaluation, Scored, evaluate, roc_curve, scored_pixels

__all__ = ["ROC", "Evaluation", "Scored", "evaluate", "roc_curve", "scored_pixels"]
