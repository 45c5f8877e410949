"""Features of a network that somebody else trained: a torch module, or a file in the ONNX format."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
from strategies import a_scene

import hsad
from hsad.errors import MissingExtraError, ParameterError

torch = pytest.importorskip("torch")


def strided():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(4, 6, 3, padding=1), torch.nn.Tanh(), torch.nn.Conv2d(6, 5, 3, stride=2, padding=1)
    )


def test_features_of_a_module_fit_together_over_tiles():
    scene = a_scene(rows=60, cols=70)

    @dataclasses.dataclass(frozen=True)
    class Small(hsad.DeepRX):
        leaf = 16

    detector = Small(network=strided(), layers="1,2", components=4, context=8)
    learned = hsad.learn(scene, detector)
    whole = hsad.score(scene, dataclasses.replace(learned, detector=hsad.DeepRX(**vars(detector))))
    np.testing.assert_allclose(hsad.score(scene, learned, tile=16), whole, rtol=1e-3)
    assert learned.background.features == 11


def test_a_module_is_not_saved_but_recognised(tmp_path):
    scene = a_scene(rows=40, cols=40)
    learned = hsad.learn(scene, hsad.DeepRX(network=strided(), components=4, context=8))
    learned.save(tmp_path / "deep.npz")
    with pytest.raises(
        ParameterError, match=r"module:Sequential' is a torch module, which a model file does not contain"
    ):
        hsad.score(scene, tmp_path / "deep.npz")
    loaded = hsad.Learned.load(tmp_path / "deep.npz")
    same = dataclasses.replace(loaded, detector=learned.detector)
    assert np.array_equal(hsad.score(scene, same), hsad.score(scene, learned), equal_nan=True)
    other = strided()
    with torch.no_grad():
        other[0].weight += 0.1
    stranger = hsad.DeepRX(network=other, components=4, context=8)
    with pytest.raises(ParameterError, match="another network"):
        hsad.score(scene, dataclasses.replace(loaded, detector=stranger))


def test_networks_of_others_are_looked_at_first():
    scene = a_scene(rows=40, cols=40)
    for parameters, message in (
        ({"network": strided(), "components": 4, "context": 1}, "the halo of the network is larger than 1 pixels"),
        ({"network": strided(), "components": 4, "layers": "nine"}, "no layer 'nine'; it has 0, 1, 2"),
        ({"network": strided(), "components": 3}, "does not take images of 3 components"),
        ({"network": torch.nn.Flatten(), "components": 4}, r"features are maps \(1, f, rows, cols\)"),
        ({"features": "resnet"}, "features must be autoencoder, random or the path of an .onnx file, not 'resnet'"),
    ):
        with pytest.raises(ParameterError, match=message):
            hsad.detect(scene, hsad.DeepRX(**parameters))


def test_features_of_an_onnx_file(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    with pytest.raises(ParameterError, match=r"no\.onnx: cannot be read"):
        hsad.detect(a_scene(rows=40, cols=40), hsad.DeepRX(features=str(tmp_path / "no.onnx")))
    helper = onnx.helper
    weight = np.random.default_rng(0).normal(size=(6, 4, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["images", "weight"], ["maps"], pads=[1, 1, 1, 1]),
            helper.make_node("Tanh", ["maps"], ["features"]),
        ],
        "net",
        [helper.make_tensor_value_info("images", 1, [1, 4, "rows", "cols"])],
        [helper.make_tensor_value_info("features", 1, [1, 6, "rows", "cols"])],
        [onnx.numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    module = torch.nn.Sequential(torch.nn.Conv2d(4, 6, 3, padding=1, bias=False), torch.nn.Tanh())
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor(weight))
    scene = a_scene(rows=40, cols=40)
    made = hsad.detect(scene, "deep-rx", features=str(path), components=4, context=4)
    expected = hsad.detect(scene, hsad.DeepRX(network=module, components=4, context=4))
    np.testing.assert_allclose(made, expected, rtol=1e-3)
    learned = hsad.learn(scene, "deep-rx", features=str(path), components=4, context=4)
    learned.save(tmp_path / "deep.npz")
    assert np.array_equal(hsad.score(scene, tmp_path / "deep.npz"), made, equal_nan=True)
    path.write_bytes(b"damaged")
    with pytest.raises(ParameterError, match=r"net\.onnx is not a network that onnxruntime reads"):
        hsad.score(scene, tmp_path / "deep.npz")


def test_an_onnx_file_without_onnxruntime_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"onnxruntime, .*: pip install -e '\.\[onnx\]'"):
        hsad.detect(a_scene(rows=40, cols=40), "deep-rx", features="net.onnx")
