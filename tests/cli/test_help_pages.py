"""Help pages: short, in the order of work, and complete where everything is asked for."""

import click
import pytest

from hsad.cli import run
from hsad.cli.program import hsad as program
from hsad.detectors import DETECTORS

COMMANDS = sorted(program.commands)


def page(capsys, *arguments):
    assert run(arguments) == 0
    return capsys.readouterr().out


def options_of(name):
    command = program.commands[name]
    context = click.Context(command, info_name=name, parent=click.Context(program))
    return [p for p in command.get_params(context) if isinstance(p, click.Option) and not p.hidden]


def test_commands_stand_in_the_order_of_work_each_on_one_line(capsys):
    shown = page(capsys, "--help")
    lines = [line.split() for line in shown.splitlines() if line.startswith("  ")]
    order = [words[0] for words in lines if words and words[0] in program.commands]
    assert sorted(order) == COMMANDS
    work = ["info", "survey", "detect", "threshold", "report", "explain", "review"]
    assert [name for name in order if name in work] == work
    assert "\nCommands:" not in shown  # no command without a section
    for name, command in program.commands.items():
        text = command.get_short_help_str(limit=1000)
        assert any(line.startswith(f"  {name} ") and line.endswith(text) for line in shown.splitlines()), name
    assert page(capsys) == shown


def test_the_commands_of_the_catalogue_are_not_cut(capsys):
    shown = page(capsys, "catalog", "--help")
    for command in program.commands["catalog"].commands.values():
        assert command.get_short_help_str(limit=1000) in " ".join(shown.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_help_page_is_short_and_names_every_option(name, capsys):
    shown = page(capsys, name, "--help")
    assert len(shown.splitlines()) < 100
    words = set(shown.replace(",", " ").replace("/", " ").split())
    own = [p for p in options_of(name) if getattr(p, "section", None) != "Parameters of methods"]
    assert {p.opts[-1] for p in own} <= words
    if any(getattr(p, "rare", False) for p in own):
        everything = page(capsys, name, "--help-all")
        assert "Less common options" not in everything
        for p in own:
            assert " ".join((p.help or "").split()) in " ".join(everything.split()), p.opts


def test_the_parameters_of_a_method_are_shown_for_the_method_that_is_named(capsys):
    assert "Parameters of crd (" not in page(capsys, "detect", "--help")
    named = page(capsys, "detect", "-m", "crd", "--help")
    assert "Parameters of crd (" in named
    assert "Parameters of rx (" not in named
    everything = page(capsys, "detect", "--help-all")
    for method, cls in DETECTORS.items():
        assert f"Parameters of {method} ({cls.title})" in everything
    assert "--sum-to-one/--no-sum-to-one" in everything


def test_options_of_methods_name_the_methods_that_take_them():
    helped = {p.opts[-1]: p.help for p in options_of("detect")}
    assert helped["--gamma"] == "The kernel's γ on spectra of order one. Methods: kcrd."
    takers = helped["--inner"].removesuffix(".").partition(" Methods: ")[2].split(", ")
    assert {"lrx", "crd", "kcrd", "srd"} <= set(takers)
    assert "rx" not in takers


@pytest.mark.parametrize(
    "command", [("threshold", "s.tif", "-o", "a.gpkg"), ("report", "s.hdr", "s.tif", "-o", "r.html")]
)
def test_bands_are_the_bands_of_a_scene_only(command, capsys):
    assert run([*command, "--bands", "8"]) == 2
    assert "--bands are the bands of a scene; chi2 and f take --degrees-of-freedom" in capsys.readouterr().err
    for name in COMMANDS:
        for option in options_of(name):
            if "--bands" in option.opts:
                assert option.help.startswith("Bands to use: 420-1340,1450-1790 (nm)"), name
