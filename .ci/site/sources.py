"""The sources of the site: pages of the manual, notebooks, and the pages that are made from the package."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import command_line
import python_api

import hsad
from hsad.manual import CONTENTS, path_of, section_title, topics_of

ROOT = Path(hsad.__file__).parents[1]
_MANUAL = ROOT / "hsad" / "manual"

#: The document of each page of the manual by topic; the first page of all is the first one of the site.
DOCUMENTS = {
    topic: "index" if (folder, topic) == ("start", "index") else f"{folder}/{path_of(topic).stem}"
    for folder in CONTENTS
    for topic in topics_of(folder)
}

COMMANDS = command_line.COMMANDS

#: The documents of files of the repository.
_FILES = {
    **{path_of(topic): document for topic, document in DOCUMENTS.items()},
    **{path: f"tutorials/{path.stem}" for path in sorted((ROOT / "notebooks").glob("*.ipynb"))},
    ROOT / "CHANGELOG.md": "project/changelog",
    ROOT / "README.md": "index",
}

_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
_FENCE = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)

#: The pages of a section that stand before or after those of the manual.
_FURTHER = {"reference": ("commands/index", "api/index"), "project": ("project/changelog",)}


def gather(folder: Path) -> None:
    """Write the sources of the site into a folder; what was in it is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("pictures", "data"):
        if (_MANUAL / name).is_dir():
            shutil.copytree(_MANUAL / name, folder / name)
    for path, document in _FILES.items():
        if path.suffix == ".md" and path != ROOT / "README.md":
            _write(folder, document, _moved(path.read_text("utf-8"), path, document))
        elif path.suffix == ".ipynb":
            target = folder / f"{document}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    for document, text in {**command_line.pages(), **python_api.pages()}.items():
        _write(folder, document, text)
    index = folder / "index.md"
    index.write_text(f"{index.read_text('utf-8')}\n{_contents()}", "utf-8")


def _write(folder: Path, document: str, text: str) -> None:
    path = folder / f"{document}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _moved(text: str, path: Path, document: str) -> str:
    """Return a page whose links lead to the documents of the site."""
    parts = _FENCE.split(text)
    parts[::2] = [_LINK.sub(_mover(path, document), part) for part in parts[::2]]
    return "".join(parts)


def _mover(path: Path, document: str) -> Callable[[re.Match[str]], str]:
    def move(found: re.Match[str]) -> str:
        mark, words, target, label = found.groups()
        if "://" in target:
            return found[0]
        file = (path.parent / target).resolve()
        if file in _FILES:
            name = f"{_FILES[file]}{file.suffix}"
        elif file.is_relative_to(_MANUAL):
            name = str(file.relative_to(_MANUAL))  # a picture or a table
        elif file.exists():  # code: the site has no page for it
            return f"{words} (`{file.relative_to(ROOT)}`)"
        else:
            name = target  # Sphinx says that it is missing
        return f"{mark}[{words}]({os.path.relpath(name, Path(document).parent)}{label or ''})"

    return move


def _contents() -> str:
    """Return the tables of contents that the first page holds."""
    sections = []
    for folder in CONTENTS:
        pages = [
            f"{title.partition(':')[0]} <{DOCUMENTS[topic]}>"
            for topic, title in topics_of(folder).items()
            if DOCUMENTS[topic] != "index"
        ]
        sections.append((section_title(folder), [*pages, *_FURTHER.get(folder, ())]))
        if folder == "guides":
            sections.append(("Tutorials", [name for name in _FILES.values() if name.startswith("tutorials/")]))
    return "\n".join(
        "\n".join(["```{toctree}", ":hidden:", f":caption: {title}", "", *pages, "```", ""])
        for title, pages in sections
        if pages
    )
