"""Autoencoder of the scene, as in Auto-AD: pixels that it does not reproduce after a short training are anomalous."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.base import Background, Scan
from hsad.detectors.block import Block, widened
from hsad.detectors.checks import at_least
from hsad.detectors.deep.components import ComponentImages, learn_components, scene_moments
from hsad.detectors.deep.crops import sample_crops
from hsad.detectors.deep.model import DeepDetector
from hsad.detectors.described import for_users
from hsad.detectors.parameters import parameter
from hsad.errors import ParameterError
from hsad.kernels.image.smoothing import smoothed, smoothing_radius
from hsad.kernels.networks.halos import SKIP_HALO
from hsad.kernels.summaries import pixel_keys

__all__ = ["Autoencoder", "SkipModel"]

_NOISE = 0.1
"""Range of the noise that is the input. If the scene is the input, standard deviation of the added noise in units of
the deviation of the images."""


@dataclass(frozen=True, eq=False)
class SkipModel(Background):
    """The result of the learning of `Autoencoder`.

    Attributes
    ----------
    images : ComponentImages
    states : tuple of dict of str to ndarray of float32
        Weights of the network at several steps, with the statistics of its normalisation.
    given : str
        ``"noise"`` or ``"scene"``: the input of the network.
    pieces : int
        Number of pieces of the scene that the network was trained on.
    """

    images: ComponentImages
    states: tuple[dict[str, NDArray[np.float32]], ...]
    given: str
    pieces: int

    def __post_init__(self) -> None:
        if not self.states or self.given not in ("noise", "scene"):
            raise ValueError("there is no network")
        for state in self.states:
            if "last.weight" not in state or len(state["last.weight"]) != self.images.count:
                raise ValueError("the network does not fit its images")
            if not all(np.isfinite(array).all() for array in state.values()):
                raise ValueError("the network is not finite")


@for_users
@dataclass(frozen=True)
class Autoencoder(DeepDetector):
    """Residual of a network that is fitted to the scene for a short time, in which it does not learn rare objects.

    The network is that of Auto-AD, three levels down and up with narrow skip connections, 24 channels. Its data are 20
    principal components, each divided by √(its deviation · deviation of the first). Every 50 steps each pixel gets the
    weight 4/(1 + r/median)², r its residual. Without these weights the network learns anomalies like all other pixels.
    The squared residual is averaged over states of the second half of the 120 steps. Scores are smoothed a little.

    Notes
    -----
    ``input="noise"`` is Auto-AD: the input is noise that depends on the number of each pixel, and the output is the
    scene. Such a model cannot score pixels that it was not fitted to. So hsad refuses it for other scenes, and for
    scenes of more than 128 × 128 pixels, from which at most 16 pieces are learned. With ``input="scene"`` the input is
    the scene with noise that the network removes. This model can score any scene, tile by tile. ``auto`` is noise if
    the scene is one piece, else the scene.

    Examples
    --------
    >>> import hsad
    >>> detector = hsad.Autoencoder(input="scene", steps=60)  # hsad.detect(scene, detector) needs torch
    >>> detector.given, detector.halo
    ('scene', 51)
    """

    title: ClassVar[str] = "autoencoder (Auto-AD): residual of a network fitted to the scene; needs torch"
    cites: ClassVar[tuple[str, ...]] = ("wang2022",)
    leaf: ClassVar[int] = 256

    given: Literal["auto", "noise", "scene"] = parameter(
        "auto",
        "input of the network; auto: noise for scenes of at most 128 x 128 pixels, else the scene",
        alias="input",
    )
    channels: int = parameter(24, "channels of the network", check=at_least(1))
    components: int = parameter(20, "number of spectral components", check=at_least(1))
    smooth: float = parameter(0.7, "standard deviation of the smoothing, pixels", check=at_least(0))
    steps: int = parameter(120, "number of steps of the training", check=at_least(1))

    @property
    def halo(self) -> int:
        """The halo of the network and the radius of the smoothing."""
        return SKIP_HALO + smoothing_radius(self.smooth)

    @property
    def smallest_side(self) -> int:
        """A scene of any size can be scored."""
        return 1

    def footprint(self, bands: int, itemsize: int) -> float:
        """Return the bytes per pixel of two copies of the spectra, the images and the network's layers (measured)."""
        return 2.0 * itemsize * bands + 16.0 * self.components + 40.0 * self.channels

    def learn(self, scan: Scan) -> SkipModel:
        """Return the components, and the network after its fit to pieces of the scene."""
        from hsad.kernels.device import torch_device
        from hsad.kernels.networks.skip import SkipPiece, skip_start, taught_skip

        torch_device(self.device, "autoencoder")
        images = learn_components(scene_moments(scan, "autoencoder"), self.components, "soft")
        crops = sample_crops(scan, images, self.seed)
        given = self.given
        if given == "auto":
            given = "noise" if len(crops) == 1 else "scene"
        if given == "noise" and len(crops) > 1:
            raise ParameterError("input: noise needs one scene of at most 128 x 128 pixels; choose scene")
        pieces = [
            SkipPiece(
                _noise(crop.origin, crop.valid.shape, crop.cols, images.count, self.seed)
                if given == "noise"
                else crop.images,
                crop.images,
                crop.valid,
            )
            for crop in crops
        ]
        random = np.random.default_rng(self.seed)
        begin = skip_start(random, images.count, images.count, self.channels)
        noise = 0.0 if given == "noise" else _NOISE * float(np.mean([crop.images.std() for crop in crops]))
        states = taught_skip(begin, pieces, random, self.steps, noise, scan.progress, self.device)
        return SkipModel(images, states, given, len(crops))

    def adapt(self, scan: Scan, background: SkipModel) -> SkipModel:
        """Return the model; refuse one with noise as its input if the scene that will be scored next is another one."""
        if background.given == "noise":
            moments = scene_moments(scan, "autoencoder")
            if learn_components(moments, 1, "soft").checksum != background.images.checksum:
                raise ParameterError(
                    "autoencoder: a model with noise as its input scores only the scene that it was learned from; "
                    "learn with input scene"
                )
        return background

    def score(self, block: Block, background: SkipModel) -> NDArray[np.float64]:
        """Return the residuals of the block's core, smoothed."""
        from hsad.kernels.networks.skip import skip_residual

        wide, core = widened(block, smoothing_radius(self.smooth))
        valid = wide.core_valid
        if not block.core_valid.any():
            return np.full(block.core_valid.shape, np.nan)
        given, images = self._images(wide, background)
        residual = skip_residual(background.states, given, images, wide.origin, self.device)[wide.core]
        scores = smoothed(residual, valid, self.smooth)
        return np.where(block.core_valid, scores[core], np.nan)

    def account(self, block: Block, background: SkipModel) -> Reason:
        """Return the squared residual of each component over its root, smoothed as the score, divided over bands."""
        from hsad.kernels.networks.skip import skip_squares

        wide, core = widened(block, smoothing_radius(self.smooth))
        given, images = self._images(wide, background)
        squares = skip_squares(background.states, given, images, wide.origin, self.device)[:, *wide.core]
        parts = squares / np.maximum(np.sqrt(squares.sum(axis=0)), np.finfo(np.float64).tiny)
        by_component = np.array([smoothed(part, wide.core_valid, self.smooth)[core][0, 0] for part in parts])
        strongest = int(by_component.argmax())
        return Reason(
            f"the network does not reproduce {len(parts)} components of it; component {strongest + 1} is the worst, "
            f"with {by_component[strongest] / max(by_component.sum(), np.finfo(np.float64).tiny):.0%} of the residual",
            background.images.in_bands(by_component),
            unlike="what the network reproduces of the scene",
        ).summing_to(float(self.score(block, background)[0, 0]))

    def _images(self, block: Block, background: SkipModel) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the input of the network, and the images that are its target."""
        images = background.images.of(block)
        if background.given == "noise":
            return _noise(block.origin, block.valid.shape, block.scene.cols, len(images), self.seed), images
        return images, images


def _noise(first: tuple[int, int], shape: tuple[int, ...], cols: int, count: int, seed: int) -> NDArray[np.float32]:
    """Return uniform noise ``(count, rows, cols)`` that depends only on the position of a pixel in its scene."""
    rows = np.arange(first[0], first[0] + shape[0])
    here = rows[:, None] * cols + np.arange(first[1], first[1] + shape[1])
    numbers = here[None] * count + np.arange(count)[:, None, None]
    keys = pixel_keys(numbers.ravel(), seed, 0).reshape(numbers.shape)
    return np.asarray(_NOISE * (keys >> np.uint64(40)).astype(np.float64) / 2**24, dtype=np.float32)
