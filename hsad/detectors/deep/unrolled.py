"""Unrolled robust PCA: an iteration of a few layers with learned thresholds and a learned matrix, which can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Layers, Reason
from hsad.detectors.base import Background, Scan
from hsad.detectors.block import Block
from hsad.detectors.checks import at_least, odd_from, zero_or_at_least
from hsad.detectors.deep.components import ComponentImages, learn_components, scene_moments
from hsad.detectors.deep.crops import Crop, sample_crops
from hsad.detectors.deep.implants import Examples
from hsad.detectors.deep.model import DeepDetector, check_weights
from hsad.detectors.described import for_users
from hsad.detectors.parameters import parameter
from hsad.errors import ParameterError
from hsad.kernels.networks.pieces import Piece

__all__ = ["UnrolledMember", "UnrolledModel", "UnrolledRPCA"]

_GLOBAL_COMPONENTS = 20
"""Number of components of the global Gaussian, as for deep RX and RPCANet."""

_EVERY = 10
"""Number of training steps between evaluations of the validation examples."""

_CLIP = 8.0
"""The whitened components of the form with patches are clipped to ± this limit and scaled to [0, 1]."""

_UNLIKE = "what the layers of a network take for background"
"""What a pixel was compared with, in words."""

_PATCH_LAYERS, _RING_LAYERS = 10, 3
"""Default numbers of layers of the form with patches and of the form with rings."""


@dataclass(frozen=True, eq=False)
class UnrolledMember(Background):
    """One network and its scales.

    Attributes
    ----------
    weights : dict of str to ndarray of float32
        ``theta`` (layers,), ``W`` and the other weights of `hsad.kernels.networks`.
    medians : (layers,) ndarray of float64
        Median of the scene after each layer, the unit of the thresholds. The form with patches has one median.
    mean, whitening : ndarray of float64
        Mean and whitening of the global Gaussian; empty if it is not used.
    global_median : float
        Median of the distances to the global Gaussian.
    """

    weights: dict[str, NDArray[np.float32]]
    medians: NDArray[np.float64]
    mean: NDArray[np.float64]
    whitening: NDArray[np.float64]
    global_median: float

    def __post_init__(self) -> None:
        check_weights(self.weights, {"theta": 1, "W": 2, "log_kernel": 2, "slope": 0, "offset": 0})
        if not (np.isfinite(self.medians).all() and (self.medians > 0).all()):
            raise ValueError("the medians of a network must be positive")

    @property
    def scales(self) -> Any:
        """The scales of a scene for the kernels, `hsad.kernels.networks.unrolled_training.Scales`."""
        from hsad.kernels.networks.unrolled_training import Scales

        return Scales(self.medians, self.mean, self.whitening, self.global_median)

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """θ of each layer, in units of the scene's median; with patches, of the range of the components."""
        return np.asarray(self.weights["theta"], dtype=np.float64)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """W, the same for all positions and layers."""
        return np.asarray(self.weights["W"], dtype=np.float64)

    @property
    def change(self) -> float:
        """Frobenius norm of W − ½I, where ½I is W before training."""
        return float(np.linalg.norm(self.matrix - 0.5 * np.eye(len(self.matrix))))


@dataclass(frozen=True, eq=False)
class UnrolledModel(Background):
    """The result of the learning of `UnrolledRPCA`: components, one network or several, and a basis for patches.

    Attributes
    ----------
    images : ComponentImages
    members : tuple of UnrolledMember
        The score is the exponential of the mean of the logarithms of their evidence. In the form with rings the first
        network is the start, before training.
    basis : (patch², k) ndarray of float64
        Directions of the background of a patch; empty for the form with rings.
    """

    images: ComponentImages
    members: tuple[UnrolledMember, ...]
    basis: NDArray[np.float64]

    def __post_init__(self) -> None:
        if not self.members:
            raise ValueError("there is no network")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the networks: ``start`` if W is still ½I, else ``trained`` and a number."""
        starts = [number for number, member in enumerate(self.members) if member.change == 0]
        return tuple("start" if n in starts else f"trained {n + 1 - len(starts)}" for n in range(len(self.members)))

    def summary(self) -> dict[str, Any]:
        """Return θ of each layer, the norms of W and of W − ½I, and size and checksum of the scene."""
        facts: dict[str, Any] = {"pixels": self.images.pixels, "components": self.images.count}
        for number, member in enumerate(self.members):
            name = f"_{number}" if number else "_start" if len(self.members) > 1 else ""
            facts[f"thresholds{name}"] = [round(float(theta), 4) for theta in member.thresholds]
            facts[f"W_norm{name}"] = float(np.linalg.norm(member.matrix))
            facts[f"W_change{name}"] = member.change
        return {**facts, "checksum": self.images.checksum}


@for_users
@dataclass(frozen=True)
class UnrolledRPCA(DeepDetector):
    """A few layers of robust PCA whose thresholds θ, weights λ and matrix W were learned on pseudo-anomalies.

    M are components of the uncentred second moment over the root mean square length of a pixel, S is their sparse part,
    and N = M − S their background. Layer k computes:

    - the purity of a pixel, p = 1/(1 + (2‖S‖/median)²);
    - G, the second moment of N over the ring, with the weights p;
    - the residual ``R = λ_k(G + λ_k I)⁻¹N``, the part of N that the ring does not explain;
    - Z = S + W·R, with one matrix W for all positions and layers;
    - the evidence u: ‖Z‖, smoothed over 5 × 5 pixels, in units of the scene's median, divided by a learned power of the
      level of clutter around the pixel;
    - the next S = Z·relu(1 − θ_k/u).

    The score is the last u, before its threshold. The logarithms of the evidence of the untrained start and of
    `networks` trained networks are averaged, because each finds objects that the others miss. With ``scope="global"``
    the evidence of the start includes the distance from one Gaussian of the scene on 20 components, purified by u,
    because a ring does not see an object that fills it.

    With ``patch=P`` the network works on patches. A P × P patch of a component is one vector, all patches share W
    ``(P², P²)`` and θ, and the background of a patch has few directions. It has ten layers and starts with θ = .05 and
    W = ½I. See `hsad.kernels.networks.patches`.

    Notes
    -----
    *Training.* ``cutpaste`` puts small objects with the spectrum of another pixel into pieces of the scene and learns
    to find them. The rarest 2 % of the pixels by global RX count neither as objects nor as background.
    ``reconstruction`` minimises the residual of M − S plus ‖S‖ and needs no objects. It finds less than the start,
    because the loss is not smallest with S at the anomalies. With ``none`` only the start is used.

    For scenes of more than 128 × 128 pixels the training uses at most 16 pieces of that size, chosen by a hash. The
    result does not depend on tiles and threads. Leaves of another size would change the rounding of float32 only.

    Examples
    --------
    >>> import hsad
    >>> detector = hsad.UnrolledRPCA(layers=2, outer=15)  # hsad.detect(scene, detector) needs torch
    >>> detector.halo, detector.smallest_side
    (48, 15)
    """

    title: ClassVar[str] = "unrolled robust PCA: layers with learned thresholds that can be read; needs torch"
    cites: ClassVar[tuple[str, ...]] = ("gregor2010", "candes2011", "li2021")
    leaf: ClassVar[int] = 256

    layers: int | Literal["auto"] = parameter("auto", "number of layers; auto: 3, with patch 10", check=at_least(1))
    outer: int = parameter(25, "side of the outer window, odd", check=odd_from(3))
    inner: int = parameter(5, "side of the guard window, odd", check=odd_from(1))
    components: int = parameter(10, "number of spectral components", check=at_least(1))
    scope: Literal["ring", "global"] = parameter("global", "background of the start: the ring, or the scene as well")
    training: Literal["cutpaste", "reconstruction", "none"] = parameter(
        "cutpaste", "loss of the training, or no training"
    )
    networks: int = parameter(
        1,
        "number of networks with different seeds; their evidence and that of the start are averaged",
        check=at_least(1),
    )
    steps: int = parameter(60, "largest number of steps of the training", check=at_least(1))
    patch: int = parameter(
        0,
        "side of the patches in pixels; 0: rings instead of patches",
        check=zero_or_at_least(2),
    )
    low: Literal["rank", "smooth"] = parameter(
        "rank", "with --patch: background of a patch, its leading directions or polynomials of degree 2"
    )
    rank: int = parameter(4, "with --patch and --low rank: directions of the background of a patch", check=at_least(1))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.inner >= self.outer:
            raise ParameterError(f"inner must be smaller than outer ({self.outer}), not {self.inner}")
        directions = self.rank if self.low == "rank" else 6
        if self.patch and directions >= self.patch**2:
            raise ParameterError(
                f"patch: {self.patch} x {self.patch} pixels are too few for a background of {directions} directions"
            )

    @property
    def halo(self) -> int:
        """The sum of ring, smoothing and clutter for each layer; with patches, the patches over a pixel."""
        smooth = 2
        if self.patch:
            return self.patch + self.patch // 2 + smooth
        clutter = 15
        return self._layers * (self.outer // 2 + smooth + clutter)

    @property
    def smallest_side(self) -> int:
        """The outer window, or a patch, must lie in the scene."""
        return self.patch or self.outer

    def footprint(self, bands: int, itemsize: int) -> float:
        """Return the bytes per pixel of two copies of the spectra, images, their products, and systems (measured)."""
        count = self.components
        overlap = 4 * 12.0 * 4 * count if self.patch else 0.0
        return 2.0 * itemsize * bands + 4 * (6 * count**2 + 12 * count) + 100 + overlap

    def learn(self, scan: Scan) -> UnrolledModel:
        """Return the components, and the networks with their medians after training on pieces of the scene."""
        from hsad.kernels.device import torch_device

        torch_device(self.device, "unrolled-rpca")
        moments = scene_moments(scan, "unrolled-rpca")
        if self.patch:
            images = learn_components(moments, self.components, "white", limit=_CLIP)
        else:
            count = max(_GLOBAL_COMPONENTS, self.components) if self.scope == "global" else self.components
            images = learn_components(moments, count, "length")
        crops = sample_crops(scan, images, self.seed)
        return self._with_patches(scan, images, crops) if self.patch else self._with_rings(scan, images, crops)

    def score(self, block: Block, background: UnrolledModel) -> NDArray[np.float64]:
        """Return the evidence of the block's core."""
        from hsad.kernels.networks.patches import patch_norms
        from hsad.kernels.networks.unrolled_training import unrolled_score

        if not block.core_valid.any():
            return np.full(block.core_valid.shape, np.nan)
        piece = Piece(background.images.of(block), block.valid)
        total = np.zeros(block.valid.shape)
        for member in background.members:
            if self.patch:
                unit = _unit_range(piece)
                norm = patch_norms(member.weights, background.basis, unit, block.origin, self.device)
                total += np.log(norm / member.medians[0] + 0.1)
            else:
                total += unrolled_score(member.weights, self._network(background.images), member.scales, piece)
        scores = np.exp(total / len(background.members))
        return np.where(block.core_valid, scores[block.core], np.nan)

    def layer_evidence(self, block: Block, background: UnrolledModel) -> NDArray[np.float64]:
        """Return u of each layer of the last network at the block's core, ``(layers, rows, cols)``, in medians.

        It needs the form with rings. The form with patches has evidence after its last layer only.
        """
        from hsad.kernels.networks.unrolled_training import layer_maps

        member = background.members[-1]
        piece = Piece(background.images.of(block), block.valid)
        maps = layer_maps(member.weights, self._network(background.images), member.scales, piece)
        return np.stack([u[block.core] for u, _ in maps]).astype(np.float64)

    def account(self, block: Block, background: UnrolledModel) -> Reason:
        """Return the evidence and the threshold of each layer, and the distance of W from its value before training.

        There is no account by band, because each layer divides by the clutter of its surroundings and applies a
        threshold to the input of the next layer.
        """
        members = background.members
        unit, index = ("of the components' range", "pixel of the patch") if self.patch else ("medians", "component")
        thresholds, matrices = tuple(m.thresholds for m in members), tuple(m.matrix for m in members)
        layers = Layers(background.names, thresholds, matrices, unit, index)
        theta, change = layers.thresholds[-1], members[-1].change
        learned = (
            f"{'learned ' if change else ''}thresholds θ {_listed(theta)} {unit}; "
            f"W, of norm {np.linalg.norm(members[-1].matrix):.3g}, is {change:.2g} away from ½I"
        )
        if self.patch:
            return Reason(f"{len(theta)} layers over patches, {learned}", layers=layers, unlike=_UNLIKE)
        u = self.layer_evidence(block, background)[:, 0, 0]
        evidence = {f"layer {number}": float(value) for number, value in enumerate(u, start=1)}
        return Reason(
            f"layer by layer its residual is {_listed(u)} medians of the scene ({learned})",
            evidence=evidence,
            layers=layers,
            unlike=_UNLIKE,
        )

    @property
    def _layers(self) -> int:
        if self.layers == "auto":
            return _PATCH_LAYERS if self.patch else _RING_LAYERS
        return self.layers

    def _network(self, images: ComponentImages) -> Any:
        from hsad.kernels.networks.unrolled import Rings
        from hsad.kernels.networks.unrolled_training import Network

        count = min(self.components, images.count)
        return Network(Rings(self.outer, self.inner), self._layers, count, self.device)

    def _lessons(self, examples: Examples, scan: Scan) -> Any:
        from hsad.kernels.networks.training import Schedule
        from hsad.kernels.networks.unrolled import rates

        schedule = Schedule(self.steps, rates(), every=_EVERY)
        return examples.lessons(schedule, scan.progress, "unrolled-rpca", self.device)

    def _with_rings(self, scan: Scan, images: ComponentImages, crops: Sequence[Crop]) -> UnrolledModel:
        from hsad.kernels.networks.unrolled import start
        from hsad.kernels.networks.unrolled_training import settle, taught_rings

        network = self._network(images)
        pieces = [Piece(crop.images, crop.valid) for crop in crops]
        begin = start(network.components, self._layers)
        members = [_member(begin, settle(begin, network, pieces, globally=self.scope == "global"))]
        if self.training != "none":
            for number in range(self.networks):
                examples = Examples(pieces, self.seed + number, network.components)
                weights = taught_rings(begin, network, self._lessons(examples, scan), self.training)
                members.append(_member(weights, settle(weights, network, pieces, globally=False)))
        return UnrolledModel(images, tuple(members), np.zeros((0, 0)))

    def _with_patches(self, scan: Scan, images: ComponentImages, crops: Sequence[Crop]) -> UnrolledModel:
        from hsad.kernels.networks.patches import patch_basis, patch_norms, patch_start, smooth_basis, taught_patches

        pieces = [_unit_range(Piece(crop.images, crop.valid)) for crop in crops]
        basis = smooth_basis(self.patch) if self.low == "smooth" else patch_basis(pieces, self.patch, self.rank)
        begin = patch_start(self.patch, self._layers)
        learned = [begin] if self.training == "none" else []
        if self.training != "none":
            for number in range(self.networks):
                examples = Examples(pieces, self.seed + number, images.count)
                learned.append(taught_patches(begin, basis, self._lessons(examples, scan), self.training))
        members = []
        for weights in learned:
            norms = [
                patch_norms(weights, basis, piece, crop.origin, self.device)[piece.valid]
                for piece, crop in zip(pieces, crops, strict=True)
            ]
            median = max(float(np.median(np.concatenate(norms))), 1e-12)
            members.append(UnrolledMember(weights, np.array([median]), np.zeros(0), np.zeros((0, 0)), 1.0))
        return UnrolledModel(images, tuple(members), basis)


def _listed(values: NDArray[np.float64]) -> str:
    return ", ".join(f"{value:.3g}" for value in values)


def _member(weights: dict[str, NDArray[np.float32]], scales: Any) -> UnrolledMember:
    return UnrolledMember(weights, scales.medians, scales.mean, scales.whitening, scales.global_median)


def _unit_range(piece: Piece) -> Piece:
    """Return a piece whose images, clipped at ± `_CLIP`, are scaled to [0, 1]."""
    return piece._replace(images=(piece.images + np.float32(_CLIP)) / np.float32(2 * _CLIP))
