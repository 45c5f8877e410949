"""With HSAD_OFFLINE no address in a file is followed."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import hsad
from hostile.scenes import CUBE, refused, write_envi, write_tiff
from hsad.errors import SceneError

pytestmark = pytest.mark.faults


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("HSAD_OFFLINE", "1")


VRT = """<VRTDataset rasterXSize="10" rasterYSize="12"><VRTRasterBand dataType="Float32" band="1"><SimpleSource>
<SourceFilename relativeToVRT="0">{}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>
</VRTDataset>"""


@pytest.mark.parametrize("suffix", [".vrt", ".tif", ".dat"])
def test_offline_a_vrt_reaches_no_server_and_no_other_file(tmp_path, monkeypatch, suffix):
    import http.server
    import threading

    asked = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815  the library's name

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            path = tmp_path / f"scene{suffix}"
            path.write_text(VRT.format(f"/vsicurl/http://127.0.0.1:{server.server_port}/x.tif"))
            with pytest.raises(SceneError):
                hsad.open_cube(path).values  # noqa: B018  reading is the test
            assert asked  # it is followed, unless told otherwise
            asked.clear()
            monkeypatch.setenv("HSAD_OFFLINE", "1")
            refused(path, "HSAD_OFFLINE")
            assert asked == []
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.usefixtures("offline")
def test_offline_what_stands_by_itself_is_read(tmp_path):
    np.testing.assert_array_equal(hsad.open_cube(write_tiff(tmp_path / "scene.tif")).values, CUBE)
    place = "map info = {UTM, 1, 1, 500000, 4500000, 30, 30, 32, North, WGS-84}"
    cube = hsad.open_cube(write_envi(tmp_path, place))
    np.testing.assert_array_equal(cube.values, CUBE)
    with h5py.File(tmp_path / "whole.mat", "w", userblock_size=512) as file:
        file["data"] = CUBE.T
    np.testing.assert_array_equal(hsad.open_cube(tmp_path / "whole.mat").values, CUBE)


@pytest.mark.parametrize("way", ["link", "storage", "virtual"])
@pytest.mark.parametrize("suffix", [".mat", ".h5"])
def test_offline_hdf5_reaches_no_other_file(tmp_path, monkeypatch, way, suffix):
    (tmp_path / "secret.bin").write_bytes(CUBE.tobytes())
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"] = CUBE.T
    path = tmp_path / f"scene{suffix}"
    with h5py.File(path, "w", userblock_size=512) as file:
        if way == "link":
            file["data"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/data")
        elif way == "storage":
            file.create_dataset("data", CUBE.shape, "<f4", external=[(str(tmp_path / "secret.bin"), 0, CUBE.nbytes)])
        else:
            layout = h5py.VirtualLayout(CUBE.T.shape, "<f4")
            layout[...] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "data", CUBE.T.shape)
            file.create_virtual_dataset("data", layout)
    monkeypatch.setenv("HSAD_OFFLINE", "1")
    refused(path, "lies in another file", "HSAD_OFFLINE")


ADDRESS = "/vsicurl/http://127.0.0.1:{port}/x.tif"


def _vrt(folder, name, source):
    (folder / name).write_text(VRT.format(source))
    return folder / name


def _nested(folder, source):
    _vrt(folder, "inner.vrt", source)
    return _vrt(folder, "scene.vrt", folder / "inner.vrt")


def _tiff_by_name(folder, source):
    _vrt(folder, "inner.tif", source)
    return _vrt(folder, "scene.vrt", folder / "inner.tif")


SCENES = {
    "a VRT": lambda folder, source: _vrt(folder, "scene.vrt", source),
    "a VRT in a VRT": _nested,
    "a VRT called TIFF": lambda folder, source: _vrt(folder, "scene.tif", source),
    "a VRT called TIFF in a VRT": _tiff_by_name,
    "entities": lambda folder, source: _vrt(folder, "scene.vrt", source.replace(":", "&#58;").replace("/v", "&#x2f;v")),
    "blanks": lambda folder, source: _vrt(folder, "scene.vrt", f"\n  {source}\n"),
}


@pytest.mark.parametrize("build", SCENES.values(), ids=SCENES)
def test_a_scene_that_only_a_raster_names_reaches_no_server(tmp_path, build):
    import http.server
    import threading

    import rasterio

    asked = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815  the library's name

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            path = build(tmp_path, ADDRESS.format(port=server.server_port))
            scores = tmp_path / "scores.tif"
            place = rasterio.Affine(10, 0, 500000, 0, -10, 4000500)
            with rasterio.open(
                scores, "w", driver="GTiff", height=12, width=10, count=1, dtype="float32", transform=place
            ) as dataset:
                dataset.write(np.random.default_rng(0).random((1, 12, 10), np.float32))
                dataset.update_tags(HSAD_METHOD="rx", HSAD_SOURCE=str(path))
            hsad.threshold(str(scores), threshold=0.9)
            from hsad.cli import run

            run(["threshold", str(scores), "-o", str(tmp_path / "found.gpkg"), "--threshold", "0.9", "--quiet"])
            assert (tmp_path / "found.gpkg").exists()
            assert asked == []
        finally:
            server.shutdown()
            thread.join()


def test_scenes_that_name_files_beside_them_are_looked_at_still(tmp_path):
    from hsad.readers.rasters.addresses import reaches_out

    tiff = write_tiff(tmp_path / "image.tif")
    assert not reaches_out(tiff)
    assert not reaches_out(write_envi(tmp_path))
    assert not reaches_out(_vrt(tmp_path, "mosaic.vrt", tiff))
    (tmp_path / "mosaic.json").write_text('{"stac_version": "1.0.0", "href": "https://example.org"}')
    assert not reaches_out(tmp_path / "mosaic.vrt")
    assert reaches_out(_vrt(tmp_path, "database.vrt", "PG:host=example.org dbname=x"))
    assert reaches_out(_vrt(tmp_path, "loop.vrt", "https://example.org/x.tif"))
    assert not reaches_out(_vrt(tmp_path, "itself.vrt", tmp_path / "itself.vrt"))
