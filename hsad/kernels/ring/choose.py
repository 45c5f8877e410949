"""Which of two exact ways is faster: systems of the order of the ring, or of the order of the bands."""

from __future__ import annotations

from typing import NamedTuple

from hsad.kernels.ring.dual.patches import strip_width
from hsad.kernels.ring.limits import SINGLE_RIDGE
from hsad.kernels.ring.task import CRD, LEDOIT_WOLF, LINEAR, PINV, RIDGE, RX, Task
from hsad.kernels.ring.window import REFLECT, Window

__all__ = ["COSTS", "Costs", "can_share", "cell_side", "dual_cost", "primal_allowed", "primal_cost", "takes_single"]


class Costs(NamedTuple):
    """Nanoseconds for each kind of work; only their ratios decide.

    Fitted to times of one thread of an AVX-512 server processor: windows (9, 3) and (15, 5), 40 to 240 bands, on
    either side of where the two ways are equally fast.

    Attributes
    ----------
    factor : float
        One multiply-add of the factorization of one pixel.
    entry : float
        One entry of the system: picking it from the Gram matrix, centring and scaling it.
    single_factor, single_entry : float
        The same where a system is factored in single precision, refinement included.
    atom : float
        One ring pixel: the loops over single rows, which are too short for vectors.
    gram : float
        One multiply-add of the shared inner products.
    residual : float
        One number of the spectra of a ring.
    lane_factor, lane_products, lane_slide : float
        With eight pixels side by side: one multiply-add of the factorization, one of the sums of products, and the
        update of one sliding sum.
    """

    factor: float
    entry: float
    single_factor: float
    single_entry: float
    atom: float
    gram: float
    residual: float
    lane_factor: float
    lane_products: float
    lane_slide: float


COSTS = Costs(
    factor=0.035,
    entry=1.0,
    single_factor=0.0165,
    single_entry=0.6,
    atom=160.0,
    gram=0.06,
    residual=0.13,
    lane_factor=0.07,
    lane_products=0.032,
    lane_slide=0.4,
)


def primal_allowed(task: Task) -> bool:
    """Return whether systems of the order of the bands can solve the task."""
    if task.detector == CRD:
        return task.kernel == LINEAR and not (task.center or task.truncated or task.normalize)
    return task.covariance not in (PINV, LEDOIT_WOLF)


def takes_single(task: Task) -> bool:
    """Return whether systems of the order of the ring can be factored in single precision: `mixed_crd`, `mixed_rx`."""
    if task.detector == RX:
        return task.covariance == RIDGE and task.lam >= SINGLE_RIDGE
    altered = task.center or task.normalize or task.sum_to_one or task.truncated
    return task.distance and not altered


def can_share(task: Task, window: Window) -> bool:
    """Return whether the system of a pixel differs from that of its neighbours by its ring alone."""
    own = task.distance or task.center or task.normalize or task.truncated
    return task.detector == CRD and not own and window.border != REFLECT


def cell_side(window: Window) -> int:
    """Return the side of the cells: three pixels, or less if the rings of a cell would hold pixels of the cell."""
    return min(3, window.inner // 2 + 1)


def primal_cost(bands: int, window: Window, task: Task, *, weighted: bool, costs: Costs = COSTS) -> float:
    """Return the expected time of a pixel, in ns, with systems of the order of the bands."""
    entries = bands * (bands + 1) / 2
    sums = costs.lane_slide * entries
    if weighted or task.distance:
        sums = costs.lane_products * (window.outer**2 - window.inner**2) * (entries + bands)
    return sums + costs.lane_factor * (bands**3 / 6 + bands**2)


def dual_cost(bands: int, window: Window, task: Task, costs: Costs = COSTS) -> float:
    """Return the expected time of a pixel, in ns, with systems of the order of the ring."""
    side = cell_side(window) if can_share(task, window) else 1
    width = strip_width(window.outer, side)
    ring = window.outer**2 - window.inner**2
    together = window.outer + side - 1
    products = together * (width + window.outer - 1) ** 2 / width * bands
    shared = max(0, (window.outer - side + 1) ** 2 - (window.inner + side - 1) ** 2) if side > 1 else 0
    rest, own = together**2 - shared, ring - shared
    cell = shared**3 / 6 + shared * rest * (shared + rest) / 2
    steps, entries = own**3 / 6, own**2 / 2
    if shared:
        steps += cell / side**2
        entries += together**4 / 2 / side**2
    factor, entry = (costs.single_factor, costs.single_entry) if takes_single(task) else (costs.factor, costs.entry)
    work = factor * steps + entry * entries + costs.atom * ring
    return work + costs.gram * products + costs.residual * ring * bands
