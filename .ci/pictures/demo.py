"""The pictures of the README and of the pages under Start: `python .ci/pictures/demo.py`.

They show what `hsad demo` writes. The screenshot needs chromium, and playwright of the extra `test`.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from hsad.demo import run_demo

PICTURES = Path(__file__).parents[2] / "hsad" / "manual" / "pictures"

#: How colours are reduced: with a palette a file is a third as large, and an octree keeps rare colours.
PALETTE: dict[str, Any] = {"colors": 256, "method": Image.Quantize.FASTOCTREE, "dither": Image.Dither.NONE}
#: Width and height of the window of a screenshot, in pixels.
WINDOW = (1200, 760)


def photograph(page: Path, picture: Path) -> None:
    """Write a screenshot of a page into a file."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": WINDOW[0], "height": WINDOW[1]}, color_scheme="light")
        shown.goto(page.as_uri())
        shown.wait_for_load_state("networkidle")
        shown.screenshot(path=picture)
        browser.close()


def main() -> None:
    """Run the demo and write its pictures with few colours."""
    with tempfile.TemporaryDirectory() as folder:
        demo = Path(folder, "demo")
        run_demo(demo)
        photograph(demo / "report.html", demo / "report.png")
        for name in ("overview.png", "report.png"):
            Image.open(demo / name).convert("RGB").quantize(**PALETTE).save(PICTURES / name, optimize=True)


if __name__ == "__main__":
    main()
