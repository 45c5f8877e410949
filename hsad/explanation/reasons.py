"""Why a pixel scores as it does: a detector's own account of it, by band where there is one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.detectors.auto import MEANINGS, Auto
from hsad.detectors.deep.unrolled import UnrolledModel, UnrolledRPCA
from hsad.detectors.global_rx import Gaussian, GlobalRX
from hsad.detectors.low_rank.rpca import RPCA, Decomposition, sparse_part
from hsad.detectors.reduced import Components, OnComponents
from hsad.detectors.ring.collaborative import CRD
from hsad.detectors.ring.local_rx import LocalRX
from hsad.kernels.covariance import regularize, whitener

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.detectors.base import Detector
    from hsad.detectors.block import Block
    from hsad.detectors.ring.windows import DualWindow

__all__ = ["Layers", "Reason", "reason_of"]


@dataclass(frozen=True, eq=False)
class Layers:
    """What an unrolled network learned, network by network.

    Attributes
    ----------
    names : tuple of str
        The start, then the trained networks.
    thresholds : tuple of (layers,) ndarray
        θ of each layer.
    matrices : tuple of (k, k) ndarray
        W.
    unit : str
        Of the thresholds.
    index : str
        What rows and columns of W stand for.
    """

    names: tuple[str, ...]
    thresholds: tuple[NDArray[np.float64], ...]
    matrices: tuple[NDArray[np.float64], ...]
    unit: str
    index: str

    def to_dict(self) -> list[dict[str, Any]]:
        """Return what JSON says of it: one entry a network."""
        return [
            {"network": name, "thresholds": theta.tolist(), "unit": self.unit, "W": matrix.tolist()}
            for name, theta, matrix in zip(self.names, self.thresholds, self.matrices, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Reason:
    """A detector's account of one pixel.

    Attributes
    ----------
    sentence : str
        In plain words.
    contributions : (bands,) ndarray or None
        What of the score comes from each band; they sum to it. Negative where a band speaks for background.
    reconstruction, residual : (bands,) ndarray or None
        What the background makes of the pixel, and what it does not explain.
    evidence : mapping of str to float
        Each kind of evidence, where a score is made of several.
    ring : (n, bands) ndarray or None
        The pixels that the detector compared with.
    layers : Layers or None
        What an unrolled network learned.
    """

    sentence: str
    contributions: NDArray[np.float64] | None = None
    reconstruction: NDArray[np.float64] | None = None
    residual: NDArray[np.float64] | None = None
    evidence: dict[str, float] = field(default_factory=dict)
    ring: NDArray[np.float64] | None = None
    layers: Layers | None = None


def reason_of(detector: Detector, background: Any, block: Block, score: float) -> Reason:
    """Return a detector's account of the one pixel in a block's core.

    Parameters
    ----------
    detector : Detector
    background : Background or None
        What it learned.
    block : Block
        Its core is the pixel.
    score : float
        The pixel's.
    """
    if isinstance(detector, OnComponents):
        return _on_components(detector, background, block, score)
    if isinstance(detector, GlobalRX):
        return _global_rx(detector, background, block)
    if isinstance(detector, LocalRX):
        return _local_rx(detector, block)
    if isinstance(detector, CRD):
        return _collaborative(detector, background.factor, block)
    if isinstance(detector, RPCA):
        return _sparse(detector, background, block, score)
    if isinstance(detector, UnrolledRPCA):
        return _unrolled(detector, background, block)
    if isinstance(detector, Auto):
        parts = detector.parts(block, background)[0, 0]
        evidence = {name: float(value) for name, value in zip(detector.evidence, parts, strict=True)}
        listed = ", ".join(f"{name} {value:+.2f}" for name, value in evidence.items() if name in MEANINGS)
        number = evidence.pop("evidence")
        if np.isnan(number):
            return Reason(f"kinds of evidence: {listed}; too few valid pixels around for a score", evidence=evidence)
        name, meaning = list(MEANINGS.items())[int(number) - 1]
        return Reason(f"{meaning} (kinds of evidence: {listed}; the {name} one decides)", evidence=evidence)
    return Reason("this method gives no account by band: compare the spectrum with its surroundings")


def _pixel(block: Block) -> NDArray[np.float64]:
    return np.asarray(block.spectra[block.core][0, 0])


def _ring(detector: DualWindow, block: Block) -> NDArray[np.float64]:
    """Return the ring of the pixel, by the rule that the kernels use."""
    from hsad.kernels.ring.one_ring import ring_pixels
    from hsad.kernels.ring.window import largest_ring

    window = detector.window
    numbers = np.empty(largest_ring(window.outer, window.inner), dtype=np.int64)
    row, col = block.core[0].start, block.core[1].start
    count = ring_pixels(block.valid, row, col, window.outer, window.inner, window.border, numbers)
    return block.spectra.reshape(-1, block.spectra.shape[2])[numbers[:count]]


def _mahalanobis(difference: NDArray[np.float64], whitening: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each band's share of a squared Mahalanobis distance: ``d · (C⁻¹ d)``, which sums to it."""
    return np.asarray(difference * (whitening @ (whitening.T @ difference)))


def _strongest(contributions: NDArray[np.float64]) -> str:
    total = contributions.sum()
    order = np.argsort(-contributions)
    needed = int(np.searchsorted(np.cumsum(contributions[order]), total / 2)) + 1
    return f"half of the score comes from {needed} of {len(contributions)} bands"


def _global_rx(detector: GlobalRX, background: Gaussian, block: Block) -> Reason:
    contributions = _mahalanobis(_pixel(block) - background.mean, background.whitening)
    usual = (
        f", {background.rank} on average over the scene" if detector.covariance == "pinv" and not detector.trim else ""
    )
    return Reason(
        f"its squared Mahalanobis distance to the scene's mean is {contributions.sum():.4g}{usual}; "
        f"{_strongest(contributions)}",
        contributions,
    )


def _local_rx(detector: LocalRX, block: Block) -> Reason:
    ring = _ring(detector, block)
    centred = ring - ring.mean(axis=0)
    covariance = centred.T @ centred / len(ring)
    fourth = float((np.einsum("ij,ij->i", centred, centred) ** 2).mean())
    estimate = regularize(covariance, detector.covariance, ridge=detector.ridge, count=len(ring), fourth=fourth)
    contributions = _mahalanobis(_pixel(block) - ring.mean(axis=0), whitener(estimate))
    return Reason(
        f"its squared Mahalanobis distance to the {len(ring)} pixels of its ring is {contributions.sum():.4g}; "
        f"{_strongest(contributions)}",
        contributions,
        reconstruction=ring.mean(axis=0),
        residual=_pixel(block) - ring.mean(axis=0),
        ring=ring,
    )


def _collaborative(detector: CRD, factor: float, block: Block) -> Reason:
    ring = _ring(detector, block)
    if detector.solver != "exact" or detector.normalize:
        return Reason("this variant of crd gives no account by band: compare the spectrum with its ring", ring=ring)
    pixel, atoms = _pixel(block) * factor, ring * factor
    mean = atoms.mean(axis=0) if detector.center else np.zeros_like(pixel)
    pixel, atoms = pixel - mean, atoms - mean
    distance = np.linalg.norm(atoms - pixel, axis=1)
    cost = np.maximum(distance**2, np.finfo(float).eps) if detector.weights == "distance" else np.ones(len(atoms))
    gram, right = atoms @ atoms.T, atoms @ pixel
    if detector.sum_to_one:
        gram, right = gram + 1.0, right + 1.0
    weights = np.linalg.solve(gram + detector.lam * np.diag(cost), right)
    reconstruction = weights @ atoms
    residual = pixel - reconstruction
    length = float(np.linalg.norm(residual))
    contributions = residual**2 / length / factor if length > 0 and detector.measure == "residual" else None
    share = length / max(float(np.linalg.norm(pixel)), 1e-300)
    return Reason(
        f"the {len(ring)} pixels of its ring together leave {share:.1%} of its length unexplained",
        contributions,
        (reconstruction + mean) / factor,
        residual / factor,
        ring=ring,
    )


def _sparse(detector: RPCA, background: Decomposition, block: Block, score: float) -> Reason:
    sparse = sparse_part(block, background.steps)[0]
    size = {"l1": np.abs(sparse), "l2": sparse**2 / max(score, 1e-300)}.get(detector.measure)
    return Reason(
        f"the low-rank part of the scene (rank {background.rank}) leaves a sparse part of length "
        f"{float(np.linalg.norm(sparse)):.4g}",
        size,
        _pixel(block) - sparse,
        sparse,
    )


def _unrolled(detector: UnrolledRPCA, background: UnrolledModel, block: Block) -> Reason:
    """Return the evidence of each layer beside its threshold, and how far W is from where learning began."""
    members = background.members
    unit, index = ("of the components' range", "pixel of the patch") if detector.patch else ("medians", "component")
    thresholds, matrices = tuple(m.thresholds for m in members), tuple(m.matrix for m in members)
    layers = Layers(background.names, thresholds, matrices, unit, index)
    theta, change = layers.thresholds[-1], members[-1].change
    learned = (
        f"{'learned ' if change else ''}thresholds θ {_listed(theta)} {unit}; "
        f"W, of norm {np.linalg.norm(members[-1].matrix):.3g}, is {change:.2g} away from ½I"
    )
    if detector.patch:
        return Reason(f"{len(theta)} layers over patches, {learned}", layers=layers)
    u = detector.layer_evidence(block, background)[:, 0, 0]
    evidence = {f"layer {number}": float(value) for number, value in enumerate(u, start=1)}
    return Reason(
        f"layer by layer its residual is {_listed(u)} medians of the scene ({learned})",
        evidence=evidence,
        layers=layers,
    )


def _listed(values: NDArray[np.float64]) -> str:
    return ", ".join(f"{value:.3g}" for value in values)


def _on_components(detector: OnComponents, background: Components, block: Block, score: float) -> Reason:
    """Return the inner detector's account, in bands where a component's part can be traced back to them."""
    inner = reason_of(detector.detector, background.inner, background.project(block), score)
    vectors, mean = background.vectors, background.mean
    pixel = _pixel(block)
    reconstruction = None if inner.reconstruction is None else mean + vectors @ inner.reconstruction
    contributions = None
    if isinstance(detector.detector, GlobalRX) and background.inner is not None:
        gaussian = background.inner
        assert isinstance(gaussian, Gaussian)  # noqa: S101  what GlobalRX learns
        contributions = _mahalanobis(pixel - mean - vectors @ gaussian.mean, vectors @ gaussian.whitening)
    return Reason(
        f"{inner.sentence} (on {detector.pca} principal components)",
        contributions,
        reconstruction,
        None if reconstruction is None else vectors @ (vectors.T @ (pixel - mean)) + mean - reconstruction,
        inner.evidence,
    )
