"""Learning: Adam with early stopping, in one thread, from numbers that a seed decides."""

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

#: Shows how far it has come: ``show(range(steps), total=steps, desc=...)``, see `hsad.progress`.
Show = Callable[..., Iterable[Any]]

#: The loss of an example: ``loss(weights, images, change, target, weight)``, tensors of what `Example` holds.
Loss = Callable[..., "Tensor"]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn.

    Attributes
    ----------
    steps : int
    rates : dict
        Learning rate of the weights whose name begins with a key; the longest key decides, ``""`` is for the rest.
    warm : bool
        Rise to the rate and fall again (one cycle) instead of a fall alone (half a cosine).
    steady : bool
        Keep the rate as it is.
    every : int
        Steps between looks at the loss that decides about stopping; 0: never stop early.
    patience : int
        So many looks without a better loss end the learning.
    clip : float
        Largest norm of the gradient; 0: any.
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
    """What a network that is taught with objects learns from.

    Attributes
    ----------
    draw : callable
        ``draw()``, the next `Example`.
    held : sequence of Example
        Are not learned from: they decide which weights are kept, and when to stop.
    schedule : Schedule
    show : callable
        Shows progress.
    method : str
        Whose learning it is, for messages.
    device : str
    """

    draw: Callable[[], Example]
    held: Sequence[Example]
    schedule: Schedule
    show: Show
    method: str
    device: str


def taught(start: Arrays, lessons: Lessons, loss: Loss, *, not_negative: Sequence[str] = ()) -> Arrays:
    """Return the weights after learning from examples, those at which the loss of the held ones was least.

    Parameters
    ----------
    start : dict of str to ndarray
    lessons : Lessons
    loss : callable
    not_negative : sequence of str
        Weights that are kept at 0 or above.

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
    """Return the weights after learning; with `look`, those at which it was smallest.

    Parameters
    ----------
    weights : dict of Tensor
        Are changed in place; those that require a gradient learn.
    loss : callable
        ``loss(step)``, a scalar that depends on the weights.
    schedule : Schedule
    method : str
        Whose learning it is, for messages.
    show : callable
        Shows progress.
    look : callable, optional
        The loss on what is not learned from.
    after : callable, optional
        ``after(step)`` is called when a step has been taken.

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
