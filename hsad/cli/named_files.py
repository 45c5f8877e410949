"""The files that a command line names, and a digest of what it asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import click

from hsad import __version__
from hsad.cli.shell.completion import OutputName
from hsad.errors import OutputError

__all__ = ["identity", "named_files"]


def named_files(ctx: click.Context) -> tuple[list[Path], list[Path]]:
    """Return the existing files that a command line names as inputs, and the names of its outputs.

    Every text is an input unless the option says that it is an output: a new command cannot forget to say so.
    """
    inputs: list[Path] = []
    outputs: list[Path] = []
    for param in ctx.command.get_params(ctx):
        value = ctx.params.get(param.name or "")
        texts = [text for text in (value if isinstance(value, tuple) else (value,)) if isinstance(text, str)]
        if isinstance(param.type, OutputName):
            outputs += map(Path, texts)
        else:
            # SCENE.mat:NAME, LIST.gpkg:ID and @FILE name files, too.
            parts = (part for text in texts for part in (text, text.rpartition(":")[0], text.removeprefix("@")))
            inputs += [Path(part) for part in parts if part and _is_file(part)]
    named = [path.absolute() for path in outputs]
    twice = next((path for path in outputs if named.count(path.absolute()) > 1), None)
    if twice is not None:
        raise OutputError(f"{twice} is named for two outputs; choose another name for one of them")
    return inputs, outputs


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # no name at all
        return False


def identity(ctx: click.Context, inputs: Sequence[Path]) -> str:
    """Return a digest of a command line and of the files it names; options that change no result do not count."""
    told = {name: str(value) for name, value in sorted(ctx.params.items()) if name not in _WITHOUT_EFFECT}
    states = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in inputs]
    return hashlib.sha256(repr((ctx.command_path, __version__, told, states)).encode()).hexdigest()


#: Options that do not change what a command writes.
_WITHOUT_EFFECT = {"overwrite", "as_json", "log", "open_it", "workers", "memory", "tile", "scheduler"}
