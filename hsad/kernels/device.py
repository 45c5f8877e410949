"""Where torch computes: which devices are there."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from hsad.errors import MissingExtraError, ParameterError

if TYPE_CHECKING:
    import torch

__all__ = ["INSTALL_TORCH", "torch_device"]

#: What to type where torch is missing.
INSTALL_TORCH = "pip install -e '.[deep]' in a clone of hsad"


def torch_device(name: str, needed_by: str) -> torch.device:
    """Return a device of torch that is there.

    Parameters
    ----------
    name : str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
    needed_by : str
        What asks for it, for the message.

    Raises
    ------
    MissingExtraError
        When torch is not installed.
    ParameterError
        When there is no such device.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(f"{needed_by} needs torch, which is not installed: {INSTALL_TORCH}") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about drivers that are too old or missing
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    there = ["cpu", *(["cuda"] if gpus else []), *(f"cuda:{number}" for number in range(gpus))]
    if name not in there:
        raise ParameterError(f"device: {name!r} is not one of those that torch finds here: {', '.join(there)}")
    return torch.device(name)
