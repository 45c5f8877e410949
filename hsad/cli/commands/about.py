"""Commands about hsad itself: its manual, completion in shells, a demonstration, what it runs on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import cast

import click

from hsad.cli.options import OUTPUT, HsadCommand, json_option, overwrite_option, print_json, progress
from hsad.cli.shell.completion import SHELLS, completion_script, topic_names
from hsad.cli.shell.terminal import echo, echo_block, outcome
from hsad.errors import ParameterError

__all__ = ["completion", "demo", "doctor", "manual"]


@click.command(cls=HsadCommand, name="help")
@click.argument("topic", required=False, shell_complete=topic_names)
@click.option("--search", "word", metavar="WORD", help="List the places of the manual that hold this word.")
def manual(topic: str | None, word: str | None) -> None:
    """Show the page of the manual on TOPIC, or list the topics.

    If TOPIC is no page but a command, it shows what --help says about this command.
    """
    from hsad.manual import topics

    commands = cast("click.Group", click.get_current_context().find_root().command).commands
    if word is not None:
        if topic is not None:
            raise ParameterError(f"--search looks through all pages: leave {topic!r} out")
        click.echo_via_pager(_places(word))
    elif topic is not None and topic in commands and topic not in topics():
        echo_block(commands[topic].get_help(click.Context(commands[topic], info_name=f"hsad {topic}")))
    elif topic is not None:
        from hsad.manual.terminal import rendered

        click.echo_via_pager(rendered(topic, width=_width()))
    else:
        echo_block(_contents())


def _width() -> int:
    """Return the number of columns for text: those of the terminal, but not so many that lines are hard to read."""
    return min(max(shutil.get_terminal_size().columns, 40), 100)


def _contents() -> str:
    """Return the titles of all pages, section by section."""
    from hsad.manual import CONTENTS, section_title, topics, topics_of
    from hsad.manual.columns import padded, wrapped

    room = max(map(len, topics())) + 4
    lines: list[str] = []
    for folder in CONTENTS:
        lines += [section_title(folder)]
        for topic, title in topics_of(folder).items():
            first, *rest = wrapped(title, _width() - room)
            lines += [padded(f"  {topic}", room) + first, *(" " * room + line for line in rest)]
        lines += [""]
    lines += ["hsad help TOPIC shows a page, hsad help --search WORD the places of a word."]
    return "\n".join(lines)


def _places(word: str) -> str:
    """Return the places of the manual that hold a word: the topic and the heading, and below them the lines."""
    from hsad.manual.search import search

    lines: list[str] = []
    above = ""
    for hit in search(word):
        place = f"{hit.topic}: {hit.heading}"
        if place != above:
            lines += [place]
        lines += [f"    {hit.line(_width() - 4, len(word))}"]
        above = place
    return "\n".join(lines) + "\n"


@click.command(cls=HsadCommand)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that completes hsad's words in a SHELL.

    These are commands, options, methods, scenes and files. To keep it, add one line to a file: in ~/.bashrc eval
    "$(hsad completion bash)", in ~/.zshrc eval "$(hsad completion zsh)", in ~/.config/fish/config.fish hsad
    completion fish | source
    """
    echo_block(completion_script(click.get_current_context().find_root().command, shell))


@click.command(cls=HsadCommand)
@click.option(
    "-o", "--output", type=OUTPUT, default="hsad-demo", show_default=True, metavar="DIR", help="Folder to fill."
)
@overwrite_option
@json_option
def demo(output: str, overwrite: bool, as_json: bool) -> None:
    """Run the main work on a made scene, without a network.

    It makes a scene, surveys it, scores it with several methods and prints their AUCs. This takes less than a minute
    on two processors.
    """
    from hsad.demo import demo_lines, run_demo

    result = run_demo(Path(output), overwrite=overwrite, progress=progress())
    if as_json:
        print_json(result)
        return
    for line in demo_lines(result):
        outcome(line)


@click.command(cls=HsadCommand)
@click.option("--compile", "compile_all", is_flag=True, help="Compile all kernels now, not at their first use.")
@json_option
def doctor(compile_all: bool, as_json: bool) -> None:
    """Check the installation, and say how to mend it.

    It looks at versions, threads, the data of GDAL and PROJ, and the GPU.
    With --compile it compiles the kernels of all methods instead, once for this machine, and says how long each took.
    """
    from hsad.doctor import examine

    if compile_all:
        from hsad.bench.compilation import compile_kernels

        done = compile_kernels(progress())
        if as_json:
            print_json([run.__dict__ for run in done])
            return
        for run in done:
            echo(f"{run.name:32} {run.seconds:6.1f} s")
        echo(f"{'all':32} {sum(run.seconds for run in done):6.1f} s")
        return
    findings = examine()
    if as_json:
        print_json([finding.__dict__ for finding in findings])
    else:
        for finding in findings:
            echo(f"{finding.state:8} {finding.subject:18} {finding.found}")
            if finding.remedy:
                echo(f"{'':27} {finding.remedy}")
    if any(finding.state == "wrong" for finding in findings):
        raise click.exceptions.Exit(1)
