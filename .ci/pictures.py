"""Make the pictures of the README and the manual again: `python .ci/pictures.py [NAME …]`.

All of them show the scene of `hsad demo`, so no data is needed. Screenshots need chromium, and playwright of the extra
`test`. A picture of another page is added to `MAKERS`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from hsad.demo import run_demo

PICTURES = Path(__file__).parents[1] / "hsad" / "manual" / "pictures"

#: Colours of a picture: with a palette a file is a third as large. An octree keeps rare colours, such as those of targets.
PALETTE = {"colors": 256, "method": Image.Quantize.FASTOCTREE, "dither": Image.Dither.NONE}
#: Width and height of the window of a screenshot, in pixels.
WINDOW = (1200, 760)


def from_demo(name: str) -> Callable[[Path], Image.Image]:
    """Return a maker that takes a picture among the files of the demo."""
    return lambda demo: Image.open(demo / name)


def report_page(demo: Path) -> Image.Image:
    """Return a screenshot of the page on which the list of the demo is reviewed."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WINDOW[0], "height": WINDOW[1]}, color_scheme="light")
        page.goto((demo / "report.html").as_uri())
        page.wait_for_load_state("networkidle")
        page.screenshot(path=demo / "report.png")
        browser.close()
    return Image.open(demo / "report.png")


#: What makes each picture from the folder of a demo.
MAKERS: dict[str, Callable[[Path], Image.Image]] = {
    "overview.png": from_demo("overview.png"),
    "report.png": report_page,
}


def main(names: list[str]) -> None:
    """Write the pictures with these names, or all."""
    unknown = set(names) - set(MAKERS)
    if unknown:
        raise SystemExit(f"no picture is called {', '.join(sorted(unknown))}; there are {', '.join(MAKERS)}")
    with tempfile.TemporaryDirectory() as folder:
        demo = Path(folder, "demo")
        run_demo(demo)
        for name in names or MAKERS:
            picture = MAKERS[name](demo).convert("RGB").quantize(**PALETTE)
            picture.save(PICTURES / name, optimize=True)
            sys.stdout.write(f"{PICTURES / name}: {(PICTURES / name).stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main(sys.argv[1:])
