"""Write the table of the manual's page on the catalogue: `python .ci/catalogue.py`.

The page ``hsad/manual/reference/catalogue.md`` is prose with a table between marks: ``<!-- made: scenes -->`` …
``<!-- end -->``. This script replaces what stands between them.
"""

from __future__ import annotations

import re

from hsad.catalog import CatalogItem, list_items
from hsad.manual import path_of

PART = re.compile(r"(<!-- made: scenes -->\n).*?(<!-- end -->)", re.DOTALL)


def table() -> str:
    """Return the table of all scenes, and a list of their titles, licences and publications."""
    items = list_items()
    lines = ["| scene | rows × columns × bands | nm | pixel | objects | how |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *map(_row, items), "", *map(_entry, items)])


def _row(item: CatalogItem) -> str:
    entry = item.summary()
    size = " × ".join(str(number or "?") for number in (entry["rows"], entry["cols"], entry["bands"]))
    nanometres = f"{entry['wavelength_from']:.0f}-{entry['wavelength_to']:.0f}"
    pixel = f"{entry['gsd']:g} m" if entry["gsd"] else "?"
    objects = entry["truth_objects"] or "no truth"
    return f"| `{item.name}` | {size} | {nanometres} | {pixel} | {objects} | {item.how} |"


def _entry(item: CatalogItem) -> str:
    """Return what a scene is, by which sensor, its licence and its publication, as a point of a list."""
    entry = item.summary()
    sensor = ", ".join(entry["instruments"]) or entry["platform"]
    licence = entry["license"].partition(":")[0]
    linked = f"[{licence}]({entry['license_link']})" if entry["license_link"] else licence
    parts = [
        f"{entry['title']}{f' ({sensor})' if sensor else ''}",
        f"licence {linked}",
        *([f"[doi:{entry['doi']}](https://doi.org/{entry['doi']})"] if entry["doi"] else []),
    ]
    return f"- `{item.name}`: {'; '.join(parts)}."


def filled(page: str) -> str:
    """Return the page with the table as the catalogue has it now."""
    return PART.sub(lambda found: f"{found[1]}\n{table()}\n\n{found[2]}", page)


if __name__ == "__main__":
    path = path_of("catalogue")
    path.write_text(filled(path.read_text("utf-8")), "utf-8")
