"""`hsad help`: the contents, pages in a terminal, and where a word stands."""

import re
import subprocess
import sys

import pytest

from hsad.cli import run
from hsad.errors import ParameterError
from hsad.manual import CONTENTS, page, section_title, topics
from hsad.manual.columns import Table, width_of, wrapped
from hsad.manual.search import search
from hsad.manual.terminal import rendered

#: What may be wider than a line: code, equations, addresses.
IN_ONE_PIECE = re.compile(r"^ {4}|://")


def test_the_contents_list_every_page_below_its_section_in_the_order_of_reading(capsys):
    assert run(["help"]) == 0
    text = capsys.readouterr().out
    words = [line.split()[0] for line in text.splitlines() if line.startswith("  ") and line[2] != " "]
    assert words == list(topics())
    headings = [line for line in text.splitlines() if line and not line.startswith(" ")]
    assert headings[:-1] == [section_title(folder) for folder in CONTENTS]
    starts = {line.index(title[:20], 3) for topic, title in topics().items() for line in text.splitlines()
              if line.startswith(f"  {topic} ")}  # fmt: skip
    assert len(starts) == 1
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("topic", topics())
def test_every_page_fits_a_terminal_of_80_columns(topic):
    lines = rendered(topic).splitlines()
    wide = [line for line in lines if width_of(line) > 80 and not IN_ONE_PIECE.search(line)]
    assert wide == []
    assert not any(line.startswith(("#", "|", "```", "$$")) for line in lines)


@pytest.mark.parametrize("topic", topics())
def test_no_word_of_a_page_is_lost_in_the_terminal(topic):
    def words(text):
        text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
        text = re.sub(r"\]\([^)\s]*\)", "]", text)  # targets of links, which become topics
        text = re.sub(r"\(https?://[^)\s]*\)", "", text)  # addresses, which stand behind the words of their links
        text = re.sub(r"\[picture:|\(hsad help [\w/-]+\)|\([\w/.-]+\)|\x1b\[\d*m", "", text)
        return re.sub(r"[^\w]+|_", "", text)

    # tests/manual/test_equations.py looks at equations.
    source = re.sub(r"^\$\$$.*?^\$\$ \([\w-]+\)$", "", page(topic), flags=re.MULTILINE | re.DOTALL)
    source = re.sub(r"^```\w*$|^\|[-:| ]+\|$", "", source, flags=re.MULTILINE)
    tables = re.compile(r"^\|.*\|$", re.MULTILINE)  # wrapped cells stand beside one another
    shown = words(rendered(topic, width=100_000))
    assert sorted(shown) == sorted(words(source)) or tables.search(source) is not None
    for line in tables.sub("", source).splitlines():
        assert words(line) in shown, line


def test_help_imports_no_library_that_takes_its_time():
    heavy = "heavy = {'numpy', 'xarray', 'dask', 'rasterio', 'scipy', 'matplotlib', 'numba'}\n"
    code = "import sys; from hsad.cli import run\nrun(['help', 'methods']); print(heavy.intersection(sys.modules))"
    done = subprocess.run([sys.executable, "-c", heavy + code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_name_of_a_command_that_is_no_page_shows_its_help(capsys):
    assert run(["help", "convert"]) == 0
    helped = capsys.readouterr().out
    assert run(["convert", "--help"]) == 0
    assert helped == capsys.readouterr().out


@pytest.fixture
def few(monkeypatch):
    """Let searches look through some pages only."""
    monkeypatch.setattr("hsad.manual.search.topics", lambda: dict.fromkeys(("answer", "thresholds", "install")))


@pytest.mark.usefixtures("few")
def test_search_names_topic_heading_and_line_of_each_place(capsys):
    assert run(["help", "--search", "Further  CANDIDATES"]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.split(": ")[0] in topics()
    assert second.startswith("    ")
    assert "further candidates" in second.lower()
    assert len(second) <= 80


def test_search_sees_every_page_that_holds_the_word():
    assert {hit.topic for hit in search("crs")} >= {topic for topic in topics() if " CRS " in page(topic)}


@pytest.mark.usefixtures("few")
def test_a_word_that_stands_nowhere_is_an_error_of_one_line(capsys):
    assert run(["help", "--search", "xyzzy"]) == 1
    assert capsys.readouterr().err == (
        "hsad: error: --search: no page of the manual holds 'xyzzy'; `hsad help` lists the pages\n"
    )
    with pytest.raises(ParameterError, match="--search needs a word"):
        search("  ")


def test_links_become_words_with_the_topic(monkeypatch):
    text = """# Title

See [how to set a limit](../guides/thresholds.md#x), [`hsad help naming`](../guides/naming.md), [a **site**](https://e.org/x)
and equation [](#two). `a|b` stays, $a_i < b_i$ too.

$$
a = b
$$ (one)

- $$c = d$$ (two)

![A map](../pictures/map.png)

<!-- a comment -->

| a | b |
|---|---:|
| `x\\|y` | **12** |
"""
    monkeypatch.setattr("hsad.manual.terminal.page", lambda topic: text)
    shown = re.sub(r"\x1b\[\d*m", "", rendered("answer"))
    assert "See how to set a limit (hsad help thresholds), `hsad help naming`, a site\n(https://e.org/x)" in shown
    assert "equation (2). `a|b` stays, a_i < b_i too." in shown
    assert re.search(r"^    a = b {60,}\(1\)$", shown, re.MULTILINE)
    assert "[picture: A map]" in shown
    assert "comment" not in shown
    assert re.search(r"^a {7}b\n─+  ──\n`x\|y`  12$", shown, re.MULTILINE)


def test_a_table_with_too_many_columns_is_written_row_by_row():
    table = Table([f"column{n}" for n in range(12)], [["a value"] * 12], [False] * 12)
    lines = table.lines(40)
    assert lines[0] == "column0   a value"
    assert max(map(len, lines)) <= 40


def test_japanese_takes_two_columns_a_character_and_breaks_between_them_but_not_before_a_full_stop():
    assert width_of("異常 a") == 6
    assert wrapped("二重窓の外側。", 12) == ["二重窓の外", "側。"]
    assert wrapped("窓は RX の", 8) == ["窓は RX", "の"]
