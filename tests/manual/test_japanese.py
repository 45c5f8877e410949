"""The Japanese pages are in step with the English ones: headings, tables, commands, numbers, links and revision."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest

import hsad
from hsad.manual import CONTENTS
from hsad.manual.markdown import tree
from hsad.manual.terminal import rendered

ROOT = Path(hsad.__file__).parents[1]
MANUAL = ROOT / "hsad" / "manual"
PAGES = sorted((MANUAL / "ja").glob("*.md"))

#: The last line of a translation: its source, seen from the root of the repository, and the digest of that file.
SOURCE = re.compile(r"^<!-- translated from (\S+), sha256 (\w{12}) -->$", re.MULTILINE)
FENCE = re.compile(r"^```\w*\n.*?^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?|\.\d+")
#: Numbers that English writes as words where Japanese has digits.
WORDS = {
    "half": 30, "one": 1, "single": 1, "first": 1, "each": 1, "only": 1, "two": 2, "three": 3, "four": 4, "five": 5,
    "six": 6, "seven": 7, "eight": 8, "ten": 10, "tenth": 10,
}  # fmt: skip


def source_of(page):
    """Return the English page of a translation, and the digest that the translation names."""
    named = SOURCE.findall(page.read_text("utf-8"))
    assert len(named) == 1, f"{page.name} names no source: end it with <!-- translated from PAGE, sha256 DIGEST -->"
    return ROOT / named[0][0], named[0][1]


def nodes(page, *kinds):
    return [node for node in tree(page.read_text("utf-8")).walk() if node.type in kinds]


def numbers(page):
    """Return the numbers of the text outside of blocks of code, targets of links and the last line."""
    text = SOURCE.sub("", FENCE.sub("", page.read_text("utf-8")))
    text = re.sub(r"\]\([^)\s]+\)", "]", text)
    return Counter(float(number.replace(",", "")) for number in NUMBER.findall(text))


def code(page):
    """Return the blocks of code; comments may be translated."""
    blocks = [(node.info, node.content) for node in nodes(page, "fence")]
    return [
        (language, text if language == "text" else re.sub(r" *(?:^|(?<= ))# .*$", "", text, flags=re.MULTILINE))
        for language, text in blocks
    ]


def targets(page):
    """Return the files that a page links to, a translation as its source; itself left out."""
    found = set()
    for node in nodes(page, "link", "image"):
        target = str(node.attrs.get("href", node.attrs.get("src"))).partition("#")[0]
        if target and "://" not in target:
            path = (page.parent / target).resolve()
            found.add(source_of(path)[0] if path.parent == MANUAL / "ja" else path)
    return found - {page, source_of(page)[0] if page.parent == MANUAL / "ja" else page}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_translation_is_of_the_present_text_of_its_source(page):
    source, named = source_of(page)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    name = source.relative_to(ROOT)
    assert named == digest, (
        f"{name} has changed since {page.relative_to(ROOT)} was translated. Carry the change over (git diff shows it), "
        f"then write the new digest into its last line: <!-- translated from {name}, sha256 {digest} -->"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_translation_has_the_parts_of_its_source(page):
    source, _ = source_of(page)
    for kinds in (("heading",), ("tr",), ("list_item",)):
        assert [node.tag for node in nodes(page, *kinds)] == [node.tag for node in nodes(source, *kinds)], kinds
    assert code(page) == code(source)
    assert targets(page) == targets(source)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_translation_has_the_numbers_of_its_source(page):
    source, _ = source_of(page)
    english, japanese = numbers(source), numbers(page)
    assert not english - japanese, "numbers are missing in the translation"
    words = {WORDS[word] for word in re.findall(r"[a-z]+", source.read_text("utf-8").lower()) if word in WORDS}
    assert set(japanese) - set(english) <= words, "the translation has numbers that its source has not"


def rows(page, english, japanese):
    return [
        tuple(cells[place].strip() for place in (english, japanese))
        for cells in (line.strip("|").split("|") for line in page.read_text("utf-8").splitlines() if line[:2] == "| ")
    ]


def test_both_glossaries_have_the_same_pairs_of_words():
    first, second = rows(MANUAL / "reference" / "glossary.md", 0, 1), rows(MANUAL / "ja" / "glossary.md", 1, 0)
    assert [pair for pair in first if pair[0] != "word"] == [pair for pair in second if pair[0] != "English"]
    for column in zip(*first, strict=True):
        entries = [entry for entry in column if entry not in {"word", "日本語"}]
        assert len(set(entries)) == len(entries), "a word has two entries"


def test_short_words_of_a_table_stay_whole_in_the_terminal():
    assert "\nプロダクト  EnMAP" in rendered("ja/README")


@pytest.mark.parametrize("topic", CONTENTS["ja"])
def test_the_terminal_shows_no_mark_of_the_translation(topic):
    shown = rendered(f"ja/{topic}")
    assert "sha256" not in shown
    assert "hsad" in shown
