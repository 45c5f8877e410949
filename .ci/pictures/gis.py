"""The pictures of the page `qgis`: a dialog, and the layers of a survey. Needs ``apt-get install python3-qgis``.

Run ``python .ci/pictures/gis.py`` in the root of a clone, in an environment with hsad.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

import hsad
from hsad.products import write_envi

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "hsad/manual/pictures"
PROGRAM = Path(__file__).with_name("_inside_qgis.py")
PROVIDER = ROOT / "hsad/gis/qgis_provider.py"
PYTHON = "/usr/bin/python3"  # that of QGIS
COLORS = 96


def main() -> None:
    """Make a scene, survey it, draw both pictures with QGIS's own widgets, and make them small."""
    if subprocess.run([PYTHON, "-c", "import qgis.core"], capture_output=True, check=False).returncode:  # noqa: S603
        sys.stdout.write("no QGIS here (apt-get install python3-qgis): its pictures stay as they are\n")
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        made = hsad.make_scene(rows=150, cols=190, seed=3, heading=0.0, target_sizes=[2, 4, 9, 16] * 3, contrasts=[1.0])
        write_envi(made.cube, folder / "scene.hdr")
        hsad.survey(str(folder / "scene.hdr"), str(folder / "survey"))
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
            "QT_QPA_PLATFORM": "offscreen",
            "HSAD_COMMAND": f"{sys.executable} -m hsad",
            "HSAD_PYTHONPATH": str(ROOT),
            "XDG_RUNTIME_DIR": place,
        }
        call = [PYTHON, str(PROGRAM), str(PROVIDER), str(folder)]
        subprocess.run(call, env=environment, check=True)  # noqa: S603  our own program
        for name in ("qgis-tool", "qgis-layers"):
            picture = Image.open(folder / f"{name}.png").convert("RGB")
            picture.quantize(COLORS).save(PICTURES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
