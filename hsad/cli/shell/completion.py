"""Completion at the Tab key of a shell: click offers commands and options, this file offers words and files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

__all__ = ["SHELLS", "TextOrFile", "completion_script", "detector_names", "one_of", "scene_names", "topic_names"]

SHELLS = ("bash", "zsh", "fish")


class OutputName(click.types.StringParamType):
    """The name of a file or folder that a command writes, or changes in place."""

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Let the shell offer files."""
        return [CompletionItem(incomplete, type="file")]


class TextOrFile(click.types.StringParamType):
    """Text; the shell completes it to files."""

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Let the shell offer files."""
        return [CompletionItem(incomplete, type="file")]


def completion_script(program: click.Command, shell: str) -> str:
    """Return the script with which a shell asks `program` for completions."""
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"no completion for {shell}: choose from {', '.join(SHELLS)}")
    complete = made(program, {}, "hsad", "_HSAD_COMPLETE")
    # Not `source()`: that of bash starts bash to look at its version.
    script = complete.source_template % complete.source_vars()
    if shell == "zsh":
        # Some .zshrc do not load completion. The first line is for folders of zsh functions.
        first, _, rest = script.partition("\n")
        return f"{first}\n(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit -i; }}\n{rest}"
    return script


def one_of(words: Callable[[], Iterable[str]]) -> Callable[..., list[CompletionItem]]:
    """Return a completion to one of some words, which are looked up when they are needed."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
        return [CompletionItem(word) for word in words() if word.startswith(incomplete)]

    return complete


def _detectors() -> Iterable[str]:
    from hsad.detectors import DETECTORS

    return list(DETECTORS)


def _scenes() -> Iterable[str]:
    from hsad.catalog import list_items

    return [item.name for item in list_items()]


def _topics() -> Iterable[str]:
    from hsad.manual import topics

    return list(topics())


detector_names: Any = one_of(_detectors)
scene_names: Any = one_of(_scenes)
topic_names: Any = one_of(_topics)
