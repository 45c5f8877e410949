"""The reference of the command line: a page for each command, with the texts and sections of its ``--help``."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import click

from hsad.cli.help_page import HELP_ALL
from hsad.cli.program import hsad as program

__all__ = ["COMMANDS", "pages"]

#: The names of all commands, in the order of ``hsad --help``.
COMMANDS = program.list_commands(click.Context(program))


def pages() -> dict[str, str]:
    """Return the text of each page by document."""
    made = {f"commands/{name}": _page(program.commands[name], f"hsad {name}") for name in COMMANDS}
    lines = [_page(program, "hsad", "Command line"), "```{toctree}", ":hidden:", "", *COMMANDS, "```", ""]
    return {"commands/index": "\n".join(lines), **made}


def _page(command: click.Command, name: str, heading: str = "", level: str = "#") -> str:
    """Return the text about a command, and below it that about its own commands."""
    context = click.Context(command, info_name=name)
    context.meta[HELP_ALL] = True
    written = _Markdown(name, f"{level}#")
    command.format_help(context, written)
    text = "\n".join([f"{level} {heading or f'`{name}`'}", "", *written.lines])
    if isinstance(command, click.Group) and command is not program:
        further = [_page(command.commands[own], f"{name} {own}", level="##") for own in command.list_commands(context)]
        return "\n".join([text, *further])
    return text


class _Markdown(click.HelpFormatter):
    """Writes what a command says about itself as Markdown; options become targets of links."""

    def __init__(self, name: str, heading: str) -> None:
        super().__init__(width=100)
        self.name = name
        self.heading = heading
        self.lines: list[str] = []

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:  # noqa: ARG002
        self.lines += ["```text", f"{prog} {args}".strip(), "```", ""]

    def write_text(self, text: str) -> None:
        for paragraph in re.split(r"\n\s*\n", text):
            as_it_is = paragraph.startswith("\b")
            self.lines += ["```text", paragraph[2:], "```", ""] if as_it_is else [_escaped(paragraph), ""]

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:  # noqa: ARG002
        listed = list(rows)
        if not any(name.startswith("-") for name, _ in listed):
            self.lines += ["| command | does |", "|---|---|"]
            for name, text in listed:
                word = f"`{self.name} {name.strip()}`"
                link = f"[{word}]({name.strip()}.md)" if name.strip() in COMMANDS and self.name == "hsad" else word
                self.lines += [f"| {link} | {_escaped(text)} |"]
            self.lines += [""]
            return
        self.lines += ["```{program} " + self.name, "```", ""]
        for name, text in listed:
            self.lines += ["````{option} " + name, _escaped(text), "````", ""]

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        self.lines += [f"{self.heading} {_escaped(name)}", ""]
        yield

    @contextmanager
    def indentation(self) -> Iterator[None]:
        yield


def _escaped(text: str) -> str:
    """Return a text in Markdown: options are code, and only backticks are marks."""
    parts: Sequence[str] = re.split(r"(`[^`]*`|(?<![\w-])--[a-z][\w-]*|hsad help [a-z][\w/-]*)", " ".join(text.split()))
    return "".join(
        f"`{part.strip('`')}`" if number % 2 else re.sub(r"([\\*_<>\[\]|$#])", r"\\\1", part)
        for number, part in enumerate(parts)
    )
