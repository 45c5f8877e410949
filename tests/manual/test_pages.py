"""The pages of the manual: links lead somewhere, pictures are small, and the site has what it needs."""

import functools
import re
from pathlib import Path

import pytest

import hsad
from hsad.manual import CONTENTS, page, path_of, topics
from hsad.manual.markdown import tree
from hsad.manual.terminal import Words

ROOT = Path(hsad.__file__).parents[1]
MANUAL = ROOT / "hsad" / "manual"
WORDS = Words("", styled=False)


@functools.cache
def slugs(text):
    """Return the targets within a page: its headings as GitHub and MyST write them, and the labels of equations."""
    nodes = list(tree(text).walk())
    headings = [WORDS.of(node).replace("`", "") for node in nodes if node.type == "heading"]
    found = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return found | {node.info for node in nodes if node.type == "equation"}


@pytest.mark.parametrize("topic", topics())
def test_links_within_the_repository_lead_to_a_file_and_a_heading_of_it(topic):
    nodes = list(tree(page(topic)).walk())
    targets = [node.attrs["href"] for node in nodes if node.type == "link"]
    targets += [node.attrs["src"] for node in nodes if node.type == "image"]
    for target in targets:
        if "://" in target:
            continue
        file, _, label = target.partition("#")
        path = path_of(topic).parent / file if file else path_of(topic)
        assert path.exists(), target
        if label:
            assert label in slugs(path.read_text("utf-8")), target


def test_every_topic_that_the_package_and_its_pages_name_is_a_page_or_a_command():
    from hsad.cli.program import hsad as program

    known = {*topics(), *program.commands, "TOPIC"}
    texts = {path: path.read_text("utf-8") for pattern in ("*.py", "*.md") for path in ROOT.glob(f"hsad/**/{pattern}")}
    texts[ROOT / "README.md"] = (ROOT / "README.md").read_text("utf-8")
    for path, text in texts.items():
        for topic in re.findall(r"hsad\s+help\s+([A-Za-z][\w/-]*)", re.sub(r'"\s*\n\s*f?"', "", text)):
            assert topic in known, f"{path.relative_to(ROOT)}: hsad help {topic}"


def test_pictures_of_the_manual_are_small_and_each_is_shown():
    shown = set(re.findall(r"pictures/([\w.-]+)", "".join(page(topic) for topic in topics())))
    shown |= set(re.findall(r"pictures/([\w.-]+)", (ROOT / "README.md").read_text("utf-8")))
    for path in MANUAL.glob("pictures/*"):
        assert path.name in shown
        assert path.stat().st_size <= 150_000, path.name


def test_the_site_begins_with_the_first_page():
    assert next(iter(CONTENTS)) == "start"
    assert CONTENTS["start"][0] == "index"
