"""Features of networks from outside hsad: a `torch.nn.Module` with named layers, or an ONNX file.

Such a network takes images ``(1, k, rows, cols)`` of float32 and returns maps ``(1, f, rows/s, cols/s)`` of stride s.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hsad.errors import MissingExtraError, ParameterError
from hsad.kernels.device import one_torch_thread, torch_device

__all__ = ["Foreign", "ModuleFeatures", "OnnxFeatures", "measured_extent", "on_pixels", "stride_of"]

Maps = list[NDArray[np.float32]]

_one_at_a_time = threading.Lock()
"""A layer sends its output to all hooks, so a hook of one thread would also get the outputs of another thread."""


class Foreign(Protocol):
    """A network that returns maps of features."""

    def __call__(self, images: NDArray[np.float32]) -> Maps:
        """Return the maps ``(f, h, w)`` of images ``(k, rows, cols)``."""
        ...

    def digest(self) -> str:
        """Return a checksum of the network."""
        ...


class ModuleFeatures:
    """The outputs of the named layers of a module, or the output of the module if no layer is named."""

    def __init__(self, module: Any, layers: Sequence[str], device: str) -> None:
        self._place = torch_device(device, "deep-rx")
        self._module = module.to(self._place).eval()
        known = dict(module.named_modules())
        for name in layers:
            if name not in known:
                some = ", ".join(list(known)[1:9])
                raise ParameterError(f"layers: the network has no layer {name!r}; it has {some}")
        self._layers = [known[name] for name in layers]

    def __call__(self, images: NDArray[np.float32]) -> Maps:
        """Return the maps."""
        import torch

        caught: list[Any] = []
        with _one_at_a_time:
            hooks = [layer.register_forward_hook(lambda _, __, output: caught.append(output)) for layer in self._layers]
            try:
                with one_torch_thread(), torch.no_grad():
                    returned = self._module(torch.tensor(images, device=self._place)[None])
            except RuntimeError as error:
                line = str(error).strip().splitlines()[0]
                raise ParameterError(
                    f"network: it does not take images of {len(images)} components ({line})"
                ) from error
            finally:
                for hook in hooks:
                    hook.remove()
        outputs = caught if self._layers else returned if isinstance(returned, list | tuple) else [returned]
        return _checked([output.float().cpu().numpy() for output in outputs])

    def digest(self) -> str:
        """Return a checksum of the module's parameters and buffers."""
        found = hashlib.sha256()
        for name, tensor in sorted(self._module.state_dict().items()):
            found.update(name.encode())
            found.update(np.ascontiguousarray(tensor.cpu().numpy()).tobytes())
        return found.hexdigest()


class OnnxFeatures:
    """The named outputs of an ONNX file, or all outputs if none is named."""

    def __init__(self, path: str, outputs: Sequence[str]) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError(
                "features: an ONNX file needs onnxruntime, which is not installed: pip install -e '.[onnx]' in a clone"
            ) from error
        try:
            self._content = Path(path).read_bytes()
        except OSError as error:
            raise ParameterError(f"features: {path}: cannot be read ({error.strerror or error})") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(self._content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            line = str(error).strip().splitlines()[0]
            raise ParameterError(f"features: {path} is not a network that onnxruntime reads ({line})") from error
        known = [output.name for output in self._session.get_outputs()]
        for name in outputs:
            if name not in known:
                raise ParameterError(f"layers: {path} has no output {name!r}; it has {', '.join(known)}")
        self._path, self._outputs = path, list(outputs) or known

    def __call__(self, images: NDArray[np.float32]) -> Maps:
        """Return the maps."""
        name = self._session.get_inputs()[0].name
        try:
            return _checked(self._session.run(self._outputs, {name: images[None]}))
        except ParameterError:
            raise
        except Exception as error:
            line = str(error).strip().splitlines()[0]
            raise ParameterError(
                f"features: {self._path} does not take images of {len(images)} components ({line})"
            ) from error

    def digest(self) -> str:
        """Return the checksum of the file."""
        return hashlib.sha256(self._content).hexdigest()


def _checked(outputs: Sequence[NDArray[np.float32]]) -> Maps:
    maps = [np.asarray(output[0], dtype=np.float32) for output in outputs if np.ndim(output) == 4]
    if not maps or len(maps) < len(outputs):
        shapes = ", ".join(str(np.shape(output)) for output in outputs)
        raise ParameterError(f"layers: features are maps (1, f, rows, cols), not {shapes}")
    return maps


def stride_of(maps: Maps, rows: int, cols: int) -> int:
    """Return the largest stride of the maps in pixels; `rows` and `cols` are the size of the images."""
    return int(max(max(-(-rows // one.shape[1]), -(-cols // one.shape[2])) for one in maps))


def on_pixels(maps: Maps, rows: int, cols: int) -> NDArray[np.float32]:
    """Return all maps interpolated bilinearly on the grid of the pixels, ``(sum of f, rows, cols)``."""
    import torch
    from torch.nn.functional import interpolate

    grown = []
    with one_torch_thread(), torch.no_grad():
        for one in maps:
            stride = max(-(-rows // one.shape[1]), -(-cols // one.shape[2]))
            # The scale is a whole number, so that an element of the map covers the same pixels in every block.
            large = (one.shape[1] * stride, one.shape[2] * stride)
            image = torch.tensor(one)[None]
            if stride > 1:
                image = interpolate(image, size=large, mode="bilinear", align_corners=False)
            grown.append(image[0, :, :rows, :cols].numpy())
    return np.concatenate(grown)


def measured_extent(network: Foreign, components: int, most: int) -> int:
    """Return the halo of the features in pixels, measured as the distance at which a changed pixel changes features.

    Parameters
    ----------
    network : Foreign
    components : int
    most : int
        Largest distance that is measured.

    Returns
    -------
    int
        `most` + 1 if the halo is larger than `most`.
    """
    random = np.random.default_rng(0)
    side = 4 * (most // 2 + 8)
    images = random.standard_normal((components, side, side)).astype(np.float32)
    changed = images.copy()
    centre = side // 2
    changed[:, centre, centre] += 10.0
    before, after = (on_pixels(network(given), side, side) for given in (images, changed))
    rows, cols = np.nonzero((np.abs(after - before) > 1e-6 * np.abs(before).max()).any(axis=0))
    if not len(rows):
        return 0
    return int(min(max(np.abs(rows - centre).max(), np.abs(cols - centre).max()), most + 1))
