"""Training with Adam and early stopping, in one thread so that a seed determines the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hsad.errors import DataError
from hsad.kernels.device import one_torch_thread, torch_device
from hsad.kernels.networks.pieces import Example
from hsad.kernels.networks.weights import Arrays, arrays_of, tensors_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Lessons", "Loss", "Schedule", "Show", "minimise", "taught"]

#: Shows progress: ``show(range(steps), total=steps, desc=...)``, see `hsad.progress`.
Show = Callable[..., Iterable[Any]]

#: The loss of an example: ``loss(weights, images, change, target, weight)``, the fields of `Example` as tensors.
Loss = Callable[..., "Tensor"]


@dataclass(frozen=True)
class Schedule:
    """Number of steps, learning rates and rule of stopping of a training.

    Attributes
    ----------
    steps : int
    rates : dict
        Learning rate of the weights whose name begins with a key. If several keys match, the longest counts; ``""``
        matches all names.
    warm : bool
        Whether the rate rises and falls again (one cycle). Otherwise it only falls (half a cosine).
    steady : bool
        Whether the rate is constant.
    every : int
        Number of steps between evaluations of the validation loss; 0 for no early stopping.
    patience : int
        The training ends after this number of evaluations in a row without a smaller loss.
    clip : float
        Largest norm of the gradient; 0 for no limit.
    """

    steps: int
    rates: Mapping[str, float]
    warm: bool = False
    steady: bool = False
    every: int = 0
    patience: int = 3
    clip: float = 1.0


@dataclass(frozen=True)
class Lessons:
    """The training and validation data of a network that is trained with implanted objects.

    Attributes
    ----------
    draw : callable
        ``draw()`` returns the next `Example`.
    held : sequence of Example
        Validation examples: their loss decides which weights are returned, and when the training ends.
    schedule : Schedule
    show : callable
        Shows progress.
    method : str
        Name of the detector, for messages.
    device : str
    """

    draw: Callable[[], Example]
    held: Sequence[Example]
    schedule: Schedule
    show: Show
    method: str
    device: str


def taught(start: Arrays, lessons: Lessons, loss: Loss, *, not_negative: Sequence[str] = ()) -> Arrays:
    """Return the weights of the training step at which the loss of the validation examples was smallest.

    Parameters
    ----------
    start : dict of str to ndarray
    lessons : Lessons
    loss : callable
    not_negative : sequence of str
        Weights that are set to 0 after a step that made them negative.

    Raises
    ------
    DataError
        When the loss is not finite.
    """
    import torch

    device = torch_device(lessons.device, lessons.method)
    weights = tensors_of(start, device, grow=True)

    def loss_of(example: Example) -> Tensor:
        return loss(weights, *(torch.tensor(array, device=device) for array in example))

    def clamp(_: int) -> None:
        for name in not_negative:
            weights[name].clamp_(min=0)

    learned = minimise(
        weights,
        lambda _: loss_of(lessons.draw()),
        lessons.schedule,
        method=lessons.method,
        show=lessons.show,
        look=lambda: float(sum(loss_of(example).item() for example in lessons.held)),
        after=clamp,
    )
    return arrays_of(learned)


def minimise(
    weights: dict[str, Tensor],
    loss: Callable[[int], Tensor],
    schedule: Schedule,
    *,
    method: str,
    show: Show,
    look: Callable[[], float] | None = None,
    after: Callable[[int], None] | None = None,
) -> dict[str, Tensor]:
    """Return the weights after training or, if `look` is present, those at which its value was smallest.

    Parameters
    ----------
    weights : dict of Tensor
        Changed in place; only weights that require a gradient are trained.
    loss : callable
        ``loss(step)``, a scalar that depends on the weights.
    schedule : Schedule
    method : str
        Name of the detector, for messages.
    show : callable
        Shows progress.
    look : callable, optional
        Returns the loss of the validation examples.
    after : callable, optional
        ``after(step)`` is called after each step.

    Raises
    ------
    DataError
        When the loss is not finite.
    """
    import torch

    if schedule.steps == 0:
        return {name: weight.detach().clone() for name, weight in weights.items()}
    learning = [weight for weight in weights.values() if weight.requires_grad]
    with one_torch_thread():
        optimiser = torch.optim.Adam(
            [
                {"params": [weight], "lr": _rate(name, schedule.rates)}
                for name, weight in weights.items()
                if weight.requires_grad
            ],
            foreach=False,
        )
        slower = _slower(optimiser, schedule)
        best, kept, worse = float("inf"), None, 0
        for step in show(range(schedule.steps), total=schedule.steps, desc=f"training {method}"):
            value = loss(step)
            if not bool(torch.isfinite(value)):
                raise DataError(
                    f"{method}: the loss is {value.item()} after {step} steps: the spectra hold values that cannot be "
                    "learned from, or the learning diverged (another seed, or fewer steps)"
                )
            optimiser.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            if schedule.clip:
                torch.nn.utils.clip_grad_norm_(learning, schedule.clip)
            optimiser.step()
            slower.step()
            if after is not None:
                with torch.no_grad():
                    after(step)
            last = step == schedule.steps - 1
            if look is not None and schedule.every and (last or step % schedule.every == schedule.every - 1):
                with torch.no_grad():
                    seen = look()
                if seen < best:
                    best, worse = seen, 0
                    kept = {name: weight.detach().clone() for name, weight in weights.items()}
                else:
                    worse += 1
                    if worse == schedule.patience:
                        break
    return kept or {name: weight.detach().clone() for name, weight in weights.items()}


def _rate(name: str, rates: Mapping[str, float]) -> float:
    return rates[max((key for key in rates if name.startswith(key)), key=len)]


def _slower(optimiser: Any, schedule: Schedule) -> Any:
    import torch

    if schedule.steady:
        return torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
    if schedule.warm:
        rates = [group["lr"] for group in optimiser.param_groups]
        return torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=schedule.steps + 1)
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, schedule.steps)
