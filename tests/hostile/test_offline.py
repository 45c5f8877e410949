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
        thread = threading.Thread(target=server.serve_forever)
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
