"""The README: short, its links lead somewhere, and its figures are those of the pages of evidence."""

import re
from pathlib import Path

import hsad

ROOT = Path(hsad.__file__).parents[1]
TEXT = (ROOT / "README.md").read_text("utf-8")


def row_of(method):
    """Return AUC and average precision of a method in the table of the page on accuracy."""
    page = (ROOT / "hsad" / "manual" / "evidence" / "accuracy.md").read_text("utf-8")
    row = next(line for line in page.splitlines() if line.startswith(f"| `{method}` |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    return float(cells[1]), float(cells[3])


def test_the_first_line_of_the_readme_leads_to_the_japanese_one():
    assert re.search(r"\]\(([^)]+)\)", TEXT.splitlines()[0])[1] == "hsad/manual/ja/README.md"


def test_links_of_the_readme_lead_to_files():
    links = re.findall(r"\]\(([^)\s]+)\)", TEXT)
    assert len(links) > 20
    for link in links:
        assert (ROOT / link.partition("#")[0]).is_file(), link


def test_the_accuracy_that_the_readme_states_is_that_of_the_page():
    stated = re.search(
        r"`auto` has a mean AUC of (\S+) and an average precision of (\S+),\s+global RX (\S+) and (\S+)\.", TEXT
    )
    measured = [*row_of("auto"), *row_of("rx")]
    assert [float(number) for number in stated.groups()] == [round(number, 3) for number in measured]
