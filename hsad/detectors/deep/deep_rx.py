"""Deep RX: one Gaussian of the features that a network computes for each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.base import Background, Scan
from hsad.detectors.block import Block, widened
from hsad.detectors.checks import at_least
from hsad.detectors.deep.components import ComponentImages, learn_components, scene_moments
from hsad.detectors.deep.crops import Crop, sample_crops
from hsad.detectors.deep.implants import rare_pixels
from hsad.detectors.deep.model import DeepDetector
from hsad.detectors.described import for_users
from hsad.detectors.parameters import parameter
from hsad.errors import DataError, ParameterError
from hsad.kernels.covariance import mahalanobis, regularize, whitener
from hsad.kernels.image.smoothing import smoothed, smoothing_radius
from hsad.kernels.networks.halos import ENCODER_HALO

__all__ = ["DeepRX", "FeatureGaussian"]

_CLIP = 8.0
"""Components are clipped to ± this limit."""

_RARE = 0.02
"""Share of the pixels, the rarest ones, that neither the second fit of the Gaussian nor the autoencoder uses."""

_OWN = ("autoencoder", "random")
"""Values of `features` that name a network of hsad."""


@dataclass(frozen=True, eq=False)
class FeatureGaussian(Background):
    """The result of the learning of `DeepRX`.

    Attributes
    ----------
    images : ComponentImages
    weights : dict of str to ndarray of float32
        Weights of the autoencoder; empty if the features come from another network.
    center, unit : (f,) ndarray of float64
        Mean and standard deviation of the features, which standardise them.
    mean : (f,) ndarray of float64
    whitening : (f, rank) ndarray of float64
        Whitening of the Gaussian of the standardised features.
    network : str
        Checksum of the user's network; empty for a network of hsad.
    features : int
        Number of features f.
    """

    shapes: ClassVar[dict[str, Any]] = {
        "center": ("features",), "unit": ("features",), "mean": ("features",), "whitening": ("features", "rank"),
    }  # fmt: skip

    images: ComponentImages
    weights: dict[str, NDArray[np.float32]]
    center: NDArray[np.float64]
    unit: NDArray[np.float64]
    mean: NDArray[np.float64]
    whitening: NDArray[np.float64]
    network: str
    features: int

    def distance(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return √Mahalanobis of ``(n, f)`` features."""
        standard = (features - self.center) / self.unit
        return np.sqrt(mahalanobis(standard, self.mean, self.whitening))


def _is_network(value: Any) -> str | None:
    """Return the allowed values of `features` if `value` is none of them, else None."""
    if isinstance(value, str) and (value in _OWN or value.endswith(".onnx") or value.startswith("module:")):
        return None
    return "autoencoder, random or the path of an .onnx file"


@for_users
@dataclass(frozen=True)
class DeepRX(DeepDetector):
    """Mahalanobis distance, not squared, of a network's features of a pixel to one Gaussian of all features.

    The input of the network is 20 principal components, each divided by √(its deviation · deviation of the first) and
    clipped at ±8. The network is a small autoencoder that removes noise from its input (1 × 1 to 32 channels, 3 × 3,
    12 channels in the middle). Its first two layers are the features. The covariance of the Gaussian is that of Ledoit
    and Wolf, fitted again without the rarest 2 % of the pixels. Scores are smoothed a little.

    Notes
    -----
    With ``features="random"`` the network is not trained. On the benchmark scenes it is as good as the trained one. So
    the benefit comes from the nonlinear map of many components and their neighbours, not from the training.

    ``features="FILE.onnx"`` (needs onnxruntime) and, in Python, ``DeepRX(network=module, layers="layer1,layer2")``
    use the features of another network that accepts ``(1, components, rows, cols)``. The features are all its outputs,
    or the outputs or layers in `layers`. Maps with a stride are interpolated on the grid of the pixels. The halo of the
    network is measured and must not exceed `context`, so that tiles fit together. A model with a module is saved with
    the checksum of the module, without the module.

    Examples
    --------
    >>> import hsad
    >>> detector = hsad.DeepRX(features="random", smooth=0)  # hsad.detect(scene, detector) needs torch
    >>> detector.halo
    1
    """

    title: ClassVar[str] = "deep RX: Mahalanobis distance of a network's features of a pixel; needs torch"
    cites: ClassVar[tuple[str, ...]] = ("rippel2021", "ledoit2004")
    leaf: ClassVar[int] = 256

    features: str = parameter(
        "autoencoder",
        "the network: autoencoder, random (autoencoder without training), or an ONNX file",
        check=_is_network,
    )
    layers: str = parameter(
        "",
        "for another network: names of its layers or outputs, separated by commas; none: all outputs",
        check=lambda _: None,
    )
    context: int = parameter(32, "for another network: largest halo in pixels", check=at_least(0))
    components: int = parameter(20, "number of spectral components", check=at_least(1))
    smooth: float = parameter(0.7, "standard deviation of the smoothing, pixels", check=at_least(0))
    steps: int = parameter(150, "number of steps of the training", check=at_least(1))
    network: Any = None

    def __post_init__(self) -> None:
        if self.network is not None:
            object.__setattr__(self, "features", f"module:{type(self.network).__name__}")
        super().__post_init__()

    @property
    def halo(self) -> int:
        """The halo of a feature and the radius of the smoothing."""
        own = self.features in _OWN
        return smoothing_radius(self.smooth) + (ENCODER_HALO if own else self.context)

    @property
    def smallest_side(self) -> int:
        """A scene of any size can be scored."""
        return 1

    def footprint(self, bands: int, itemsize: int) -> float:
        """Return the bytes per pixel of two copies of the spectra, the images and copies of the features (measured)."""
        return 2.0 * itemsize * bands + 16.0 * self.components + 2000

    def learn(self, scan: Scan) -> FeatureGaussian:
        """Return the components, the trained autoencoder, and the Gaussian of the features in pieces of the scene."""
        from hsad.kernels.device import torch_device

        torch_device(self.device, "deep-rx")
        foreign = self._foreign()
        moments = scene_moments(scan, "deep-rx")
        images = learn_components(moments, self.components, "soft", limit=_CLIP)
        crops = sample_crops(scan, images, self.seed)
        rare = [rare_pixels(crop.images, crop.valid, _RARE) for crop in crops]
        weights: dict[str, NDArray[np.float32]] = {}
        if foreign is None:
            weights = self._trained(scan, images, crops, rare)
        else:
            self._check_extent(foreign, images.count)
        maps = [self._maps(weights, foreign, crop.images, crop.origin) for crop in crops]
        features = np.concatenate([one[:, crop.valid].T for one, crop in zip(maps, crops, strict=True)]).astype(float)
        ordinary = np.concatenate([~seldom[crop.valid] for seldom, crop in zip(rare, crops, strict=True)])
        return self._fitted(images, weights, features, ordinary, "" if foreign is None else foreign.digest())

    def score(self, block: Block, background: FeatureGaussian) -> NDArray[np.float64]:
        """Return the distances of the block's core, smoothed."""
        wide, core = widened(block, smoothing_radius(self.smooth))
        valid = wide.core_valid
        if not block.core_valid.any():
            return np.full(block.core_valid.shape, np.nan)
        foreign = self._foreign()
        if foreign is not None and foreign.digest() != background.network:
            raise ParameterError("deep-rx: the background was learned with the features of another network")
        maps = self._maps(background.weights, foreign, background.images.of(wide), wide.origin)
        distance = np.zeros(valid.shape)
        distance[valid] = background.distance(maps[:, wide.core[0], wide.core[1]][:, valid].T)
        scores = smoothed(distance, valid, self.smooth)
        return np.where(block.core_valid, scores[core], np.nan)

    def account(self, block: Block, background: FeatureGaussian) -> Reason:  # noqa: ARG002  nothing depends on them
        """Return that there is no account by band."""
        return Reason(
            "this method gives no account by band, because a network mixes the bands nonlinearly in its features; "
            "compare the spectrum with its surroundings",
            unlike="the whole scene in the features of a network",
        )

    def _foreign(self) -> Any:
        """Return the network of the user, None for a network of hsad."""
        from hsad.kernels.networks.foreign import ModuleFeatures, OnnxFeatures

        if self.features in _OWN:
            return None
        names = [name.strip() for name in self.layers.split(",") if name.strip()]
        if self.network is not None:
            return ModuleFeatures(self.network, names, self.device)
        if self.features.startswith("module:"):
            raise ParameterError(
                f"features: {self.features!r} is a torch module, which a model file does not contain; pass the module, "
                "DeepRX(network=...)"
            )
        return OnnxFeatures(self.features, names)

    def _check_extent(self, foreign: Any, components: int) -> None:
        from hsad.kernels.networks.foreign import measured_extent

        found = measured_extent(foreign, components, self.context)
        if found > self.context:
            raise ParameterError(f"context: the halo of the network is larger than {self.context} pixels; choose more")

    def _trained(
        self, scan: Scan, images: ComponentImages, crops: Sequence[Crop], rare: Sequence[NDArray[np.bool_]]
    ) -> dict[str, NDArray[np.float32]]:
        from hsad.kernels.networks.encoder import encoder_start, taught_encoder

        random = np.random.default_rng(self.seed)
        weights = encoder_start(random, images.count)
        if self.features == "random":
            return weights
        pieces = [(crop.images, crop.valid & ~seldom) for crop, seldom in zip(crops, rare, strict=True)]
        return taught_encoder(weights, pieces, random, self.steps, scan.progress, self.device)

    def _maps(
        self,
        weights: dict[str, NDArray[np.float32]],
        foreign: Any,
        images: NDArray[np.float32],
        origin: tuple[int, int],
    ) -> NDArray[np.float32]:
        """Return the features ``(f, rows, cols)`` of images; `origin` is their first row and column in the scene."""
        from hsad.kernels.networks.encoder import features_of
        from hsad.kernels.networks.foreign import on_pixels, stride_of

        if foreign is None:
            return features_of(weights, images, self.device)
        rows, cols = images.shape[1:]
        stride = stride_of(foreign(images), rows, cols)
        # The block is padded at the front to a multiple of the stride, so that maps have the same grid in all blocks.
        before = [start % stride for start in origin]
        padded = np.pad(images, ((0, 0), (before[0], 0), (before[1], 0)), mode="edge")
        maps = on_pixels(foreign(padded), *padded.shape[1:])
        return maps[:, before[0] :, before[1] :]

    @staticmethod
    def _fitted(
        images: ComponentImages,
        weights: dict[str, NDArray[np.float32]],
        features: NDArray[np.float64],
        ordinary: NDArray[np.bool_],
        network: str,
    ) -> FeatureGaussian:
        """Return the model.

        The first Gaussian is fitted to the ordinary pixels, the second to all pixels but the rarest by the first.
        """
        count = features.shape[1]
        if len(features) < 2 * count:
            raise DataError(f"deep-rx: {len(features)} valid pixels are too few for a Gaussian of {count} features")
        center, unit = features.mean(axis=0), features.std(axis=0) + 1e-6
        standard = (features - center) / unit
        model: FeatureGaussian | None = None
        for _ in range(2):
            chosen = standard[ordinary]
            mean = chosen.mean(axis=0) if len(chosen) else center
            centred = chosen - mean
            if not centred.any():
                raise DataError(
                    "deep-rx: all but a few pixels have the same features, because a few values lie far beyond the "
                    "others: mask those pixels, or declare their value as nodata"
                )
            covariance = centred.T @ centred / len(chosen)
            fourth = float((np.einsum("ij,ij->i", centred, centred) ** 2).mean())
            whitening = whitener(regularize(covariance, "ledoit-wolf", ridge=0.0, count=len(chosen), fourth=fourth))
            model = FeatureGaussian(images, weights, center, unit, mean, whitening, network, count)
            distance = mahalanobis(standard, mean, whitening)
            ordinary = distance < np.quantile(distance, 1 - _RARE)
        assert model is not None  # noqa: S101  the loop runs
        return model
