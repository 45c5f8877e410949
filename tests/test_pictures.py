"""The pictures of the README and the manual: they are there, small, shown, and made by one command."""

import importlib.util
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
        assert len(words.split()) >= 4, f"{path.name}: say what the picture shows, for those who cannot see it"


def test_pictures_are_small():
    for path in (MANUAL / "pictures").iterdir():
        assert path.stat().st_size <= 150_000, path
        assert Image.open(path).format == "PNG", path
    assert sum(path.stat().st_size for path in shown(ROOT / "README.md")) < 300_000


def test_each_picture_is_shown_and_made_by_the_command():
    script = ROOT / ".ci" / "pictures.py"
    if not script.exists():
        pytest.skip("no clone: the command that makes pictures is not here")
    spec = importlib.util.spec_from_file_location("pictures", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    here = {path.name for path in (MANUAL / "pictures").iterdir()}
    assert here == set(module.MAKERS)
    assert here == {path.name for page in PAGES for path in shown(page)}
