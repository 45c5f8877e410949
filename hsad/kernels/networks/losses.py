"""Losses of networks that are trained with pseudo-anomalies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SPARSITY", "detection_loss", "implant_loss", "soft_iou"]

_POSITIVES = 5.0
"""Weight of the pixels of an object in the cross-entropy; it is above 1 because they are few."""

_SPARSE_ERROR = 0.1
"""Weight of |S − S*| in the loss, in units of the root mean square of S*."""

SPARSITY = 0.3
"""Weight of ‖S‖ in a reconstruction loss, whose two parts are in units of the median residual."""


def soft_iou(probability: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return 1 − (intersection + 1)/(union + 1) of two soft maps."""
    both = (probability * target * weight).sum()
    either = ((probability + target - probability * target) * weight).sum()
    return 1 - (both + 1) / (either + 1)


def detection_loss(logit: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted binary cross-entropy, in which objects count five times, plus `soft_iou`.

    Parameters
    ----------
    logit, target, weight : (rows, cols) Tensor
        The weight is 0 where a pixel does not count.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    positives = torch.tensor(_POSITIVES, device=logit.device)
    entropy = binary_cross_entropy_with_logits(logit, target, reduction="none", pos_weight=positives)
    mean = (entropy * weight).sum() / weight.sum().clamp(min=1)
    return mean + soft_iou(torch.sigmoid(logit), target, weight)


def implant_loss(logit: Tensor, sparse: Tensor, change: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return `detection_loss` plus the weighted mean of |S − S*|.

    S is the sparse part, S* the change by the implanted objects, both ``(k, rows, cols)``.
    """
    unit = change.square().mean().sqrt() + 1e-9
    error = (((sparse - change) / unit).abs().mean(0) * weight).mean()
    return detection_loss(logit, target, weight) + _SPARSE_ERROR * error
