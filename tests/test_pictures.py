"""The pictures of the README and the manual: they are there, small, described, and made by a script."""

import re
from pathlib import Path

import pytest
from PIL import Image

import hsad

ROOT = Path(hsad.__file__).parent.parent
MANUAL = ROOT / "hsad" / "manual"
PAGES = [ROOT / "README.md", *sorted(MANUAL.rglob("*.md"))]
SHOWN = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


def shown(page):
    """Return the pictures that a page shows, each with its description."""
    return {(page.parent / path).resolve(): words for words, path in SHOWN.findall(page.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pictures_that_a_page_shows_exist_and_are_described(page):
    for path, words in shown(page).items():
        assert path.is_relative_to(MANUAL / "pictures"), path
        assert path.is_file(), path
        assert len(words) >= 20, f"{path.name}: say what the picture shows, for those who cannot see it"


def test_pictures_are_small():
    for path in (MANUAL / "pictures").iterdir():
        assert path.stat().st_size <= 150_000, path
        with Image.open(path) as picture:
            assert picture.format == "PNG", path
    assert sum(path.stat().st_size for path in shown(ROOT / "README.md")) < 300_000


def test_each_picture_is_shown_and_made_by_one_script():
    folder = ROOT / ".ci" / "pictures"
    if not folder.exists():
        pytest.skip("no clone: the scripts that make pictures are not here")
    scripts = [path.read_text(encoding="utf-8") for path in folder.glob("*.py")]
    seen = {path.name for page in PAGES for path in shown(page)}
    for path in (MANUAL / "pictures").iterdir():
        assert path.name in seen, f"{path.name} is shown on no page"
        assert sum(path.name in script for script in scripts) == 1, path.name
