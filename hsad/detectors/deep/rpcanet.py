"""RPCANet: robust PCA as stages of small networks that are trained with pseudo-anomalies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.base import Background, Scan
from hsad.detectors.block import Block
from hsad.detectors.checks import at_least
from hsad.detectors.deep.components import ComponentImages, learn_components, scene_moments
from hsad.detectors.deep.crops import sample_crops
from hsad.detectors.deep.implants import Examples
from hsad.detectors.deep.model import DeepDetector, check_weights
from hsad.detectors.described import for_users
from hsad.detectors.parameters import parameter
from hsad.kernels.networks.halos import STAGE_HALO
from hsad.kernels.networks.pieces import Piece

__all__ = ["RPCANet", "StagesModel"]

_CLIP = 8.0
"""Whitened components are clipped to ± this limit."""

_AT_ONCE = 6
"""Number of components that are drawn for a step of the training."""

_EVERY = 20
"""Number of training steps between evaluations of the validation examples."""

_SMOOTHING = 2
"""Radius of the smoothing kernel in pixels."""


@dataclass(frozen=True, eq=False)
class StagesModel(Background):
    """The result of the learning of `RPCANet`.

    Attributes
    ----------
    images : ComponentImages
    states : tuple of dict of str to ndarray of float32
        Weights of the stages. With ``start="control"`` or without training the weights before training are included.
    medians : (states,) ndarray of float64
        Median over the sample of the norm of the sparse part, for each state.
    """

    images: ComponentImages
    states: tuple[dict[str, NDArray[np.float32]], ...]
    medians: NDArray[np.float64]

    def __post_init__(self) -> None:
        if not self.states or self.medians.shape != (len(self.states),) or not (self.medians > 0).all():
            raise ValueError("the stages and their medians do not fit each other")
        for state in self.states:
            check_weights(state, {"0.L.0.weight": 4, "0.epsilon": 0, "log_kernel": 2})


@for_users
@dataclass(frozen=True)
class RPCANet(DeepDetector):
    """Root mean square over the components of the sparse part that stages of networks find.

    D is a component and T its sparse part. A stage has three small networks L, S, M, the same for all components, and
    computes X = D − T, B = X + L(X); Y = T + D − B, T = Y − ε·S(Y); D = M(B + T). Components are whitened and clipped
    at ±8. In training the network learns to find small objects with the spectrum of another pixel in pieces of the
    scene. The loss is the published one (cross-entropy and overlap), except for the weight of the objects.

    Notes
    -----
    With ``start="control"`` the network before training is exactly global RX on the components with a little smoothing,
    and the logarithms of the scores of this start and of the trained network are averaged. ``start="random"`` is as
    published. On scenes of 100 × 100 pixels the trained network is worse than this start. One filter sees one whitened
    component at a time, and learns the edges of the implanted objects. See the page on learned detectors.

    Examples
    --------
    >>> import hsad
    >>> detector = hsad.RPCANet(stages=2, start="random")  # hsad.detect(scene, detector) needs torch
    >>> detector.halo
    20
    """

    title: ClassVar[str] = "RPCANet: robust PCA as stages of small networks, trained with implants; needs torch"
    cites: ClassVar[tuple[str, ...]] = ("wu2024",)
    leaf: ClassVar[int] = 256

    stages: int = parameter(3, "number of stages", check=at_least(1))
    channels: int = parameter(16, "channels of each network", check=at_least(2))
    components: int = parameter(20, "number of whitened components", check=at_least(1))
    start: Literal["control", "random"] = parameter("control", "weights before training: equal to global RX, or random")
    steps: int = parameter(60, "largest number of steps of the training; 0: no training", check=at_least(0))

    @property
    def halo(self) -> int:
        """Nine convolutions for each stage, and the smoothing."""
        return STAGE_HALO * self.stages + _SMOOTHING

    @property
    def smallest_side(self) -> int:
        """A scene of any size can be scored."""
        return 1

    def footprint(self, bands: int, itemsize: int) -> float:
        """Return the bytes per pixel of two copies of the spectra, images, and two layers of components (measured)."""
        return 2.0 * itemsize * bands + 24.0 * self.components + 12.0 * self.components * self.channels

    def learn(self, scan: Scan) -> StagesModel:
        """Return the components, and the stages after their training on pieces of the scene."""
        from hsad.kernels.device import torch_device
        from hsad.kernels.networks.rpcanet import rpcanet_norm, rpcanet_start, taught_rpcanet
        from hsad.kernels.networks.training import Schedule

        torch_device(self.device, "rpcanet")
        images = learn_components(scene_moments(scan, "rpcanet"), self.components, "white", limit=_CLIP)
        crops = sample_crops(scan, images, self.seed)
        at_control = self.start == "control"
        begin = rpcanet_start(np.random.default_rng(self.seed), self.stages, self.channels, at_control=at_control)
        states = [begin] if at_control or self.steps == 0 else []
        if self.steps:
            pieces = [Piece(crop.images, crop.valid) for crop in crops]
            examples = Examples(pieces, self.seed, images.count, at_once=_AT_ONCE)
            schedule = Schedule(self.steps, {"": 1e-3 if at_control else 3e-3}, warm=True, every=_EVERY)
            states.append(taught_rpcanet(begin, examples.lessons(schedule, scan.progress, "rpcanet", self.device)))
        medians = [
            np.median(
                np.concatenate(
                    [rpcanet_norm(state, crop.images, crop.valid, self.device)[crop.valid] for crop in crops]
                )
            )
            for state in states
        ]
        return StagesModel(images, tuple(states), np.array(medians))

    def score(self, block: Block, background: StagesModel) -> NDArray[np.float64]:
        """Return the norm of the sparse part of the core in medians, the geometric mean if there are several states."""
        from hsad.kernels.networks.rpcanet import rpcanet_norm

        if not block.core_valid.any():
            return np.full(block.core_valid.shape, np.nan)
        images = background.images.of(block)
        total = np.zeros(block.core_valid.shape)
        for state, median in zip(background.states, background.medians, strict=True):
            total += np.log(rpcanet_norm(state, images, block.valid, self.device)[block.core] / median + 0.1)
        return np.where(block.core_valid, np.exp(total / len(background.states)), np.nan)

    def account(self, block: Block, background: StagesModel) -> Reason:
        """Return the score divided over the components by their squared sparse parts, and then over the bands."""
        from hsad.kernels.networks.rpcanet import rpcanet_squares

        images = background.images.of(block)
        shares = np.zeros(len(images))
        for state in background.states:
            squares = rpcanet_squares(state, images, block.valid, self.device)[:, *block.core][:, 0, 0]
            shares += squares / max(squares.sum(), np.finfo(np.float64).tiny) / len(background.states)
        score = float(self.score(block, background)[0, 0])
        return Reason(
            f"the sparse part of its {len(images)} components is {score:.3g} times as large as the median of the "
            f"scene; component {int(shares.argmax()) + 1} has {shares.max():.0%} of it",
            background.images.in_bands(shares * score),
            unlike="what the network takes for background",
        ).summing_to(score)
