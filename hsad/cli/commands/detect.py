"""``hsad detect``: scenes into score rasters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hsad.cli.declared import parameters_by_name
from hsad.cli.options import (
    OUTPUT,
    DetectCommand,
    json_option,
    overwrite_option,
    print_json,
    progress,
    remarks,
)
from hsad.cli.shell.completion import detector_names
from hsad.cli.shell.interrupt import keeps
from hsad.cli.shell.terminal import echo, outcome

if TYPE_CHECKING:
    from hsad.job.files import RunOutcome

__all__ = ["check_log", "detect", "result_line", "run_options"]


@click.command(cls=DetectCommand)
@click.argument("scenes", metavar="SCENE...", nargs=-1, required=True)
@click.option(
    "-m",
    "--method",
    metavar="METHOD",
    help="Detector; hsad methods lists them.  [default: auto]",
    shell_complete=detector_names,
)
@click.option(
    "-o",
    "--output",
    type=OUTPUT,
    required=True,
    metavar="SCORES.tif",
    help="Raster of scores, .tif or ENVI (.img); for several scenes, a folder.",
)
@click.option("--plot", type=OUTPUT, metavar="FILE.png", help="Also draw the scene in true colour, beside the scores.")
@click.option(
    "--save-background",
    type=OUTPUT,
    metavar="FILE",
    help="Also write what was learned, for --background of later runs.",
)
@overwrite_option
@click.option("--restart", is_flag=True, help="Drop an unfinished run instead of continuing it.")
@click.option("--parts", is_flag=True, help="Add each evidence behind the score of auto as a further band.")
@click.option("--log", type=OUTPUT, metavar="FILE", help="Append lines of progress to this log.")
@json_option
def detect(
    scenes: tuple[str, ...],
    method: str | None,
    output: str,
    plot: str | None,
    save_background: str | None,
    log: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Score every pixel of SCENE; higher is more anomalous.

    The scores are a Cloud-Optimized GeoTIFF. Those of several scenes, of a list (.txt, one scene per line) or of a
    STAC item collection (.json) go into a folder, -o FOLDER; a scene that fails stops no other. The same command
    continues a run that was ended early.
    """
    from hsad.errors import ParameterError
    from hsad.files import check_output
    from hsad.job.files import OUTPUT_SUFFIXES, detect_to_file
    from hsad.plot.figures import FIGURE_SUFFIXES
    from hsad.readers.collection import expand_scenes

    if log is not None:
        check_log(Path(log), Path(output), plot, save_background)
    options = {**run_options(method, options), "progress": progress(log)}
    named = expand_scenes(scenes)
    if named != list(scenes) or len(named) > 1 or Path(output).is_dir():
        if Path(output).suffix.lower() in OUTPUT_SUFFIXES and not Path(output).is_dir():
            raise ParameterError(f"output: {output} is the name of one raster; {len(named)} scenes need a folder")
        if plot is not None:
            raise ParameterError("plot draws one scene: there are several here")
        _detect_many(named, output, method, options, save_background=save_background, as_json=as_json)
        return
    if plot is not None:
        check_output(plot, FIGURE_SUFFIXES, overwrite=options["overwrite"])
    keeps(Path(f"{output}.unfinished"))
    result = detect_to_file(named[0], output, method, save_background=save_background, **options)
    if plot is not None:
        from hsad.anomalies.decide import choose_anomalies
        from hsad.anomalies.headline import headline
        from hsad.anomalies.opened import Scene, open_scores, window_origin
        from hsad.anomalies.options import ListOptions
        from hsad.job.options import RunOptions
        from hsad.plot.quicklook import plot_quicklook

        scores = open_scores(output)
        run, _ = RunOptions.split(options)
        scene = Scene.of(named[0], scores.grid, window_origin(run), run)
        found = choose_anomalies(scores, None, ListOptions())
        plot_quicklook(scores, scene, plot, anomalies=found, title=headline(found), overwrite=options["overwrite"])
    remarks(result.remarks)
    if as_json:
        print_json(result)
    else:
        outcome(f"{result.output}: {result_line(result)}")


def check_log(log: Path, output: Path, *others: str | None) -> None:
    """Refuse a log with the name of a file that the run writes at its end."""
    from hsad.errors import OutputError
    from hsad.products.raster import companions

    written = [output, *companions(output), *(output.with_suffix(end) for end in (".hdr", ".img"))]
    written += [Path(other) for other in others if other is not None]
    if log.absolute() in {path.absolute() for path in written}:
        raise OutputError(f"{log} is written when the run ends; choose another name for the log")


def run_options(method: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a `DetectCommand` as the library takes them."""
    from hsad.detectors import DEFAULT_METHOD, read_parameters

    names = {p.name for p in parameters_by_name().values()} & set(options)
    given = {name: options[name] for name in names if options[name] not in (None, ())}
    own = {name: value for name, value in options.items() if name not in names}
    if "references" in own:
        own["references"] = list(own["references"]) or None
    return {**own, **read_parameters(method or DEFAULT_METHOD, given)}


def _detect_many(
    scenes: list[str],
    folder: str,
    method: str | None,
    options: dict[str, Any],
    *,
    save_background: str | None,
    as_json: bool,
) -> None:
    """Score scenes into a folder, with a line for each and a summary; status 1 if any failed."""
    from hsad.cli.shell.errors import told
    from hsad.errors import ParameterError
    from hsad.job.batch import detect_many

    if save_background is not None:
        raise ParameterError("save-background keeps what was learned from one scene: there are several here")
    outcomes = []
    for scored in detect_many(scenes, folder, method, **options):
        outcomes.append(scored)
        if scored.error is not None:
            message = told(scored.error)[0]
            named = "" if message.startswith(scored.scene) else f"{scored.scene}: "
            echo(f"hsad: error: {named}{message}", err=True)
        elif not as_json:
            remarks(scored.result.remarks if scored.result else (), scored.scene)
            outcome(f"{scored.output}: {result_line(scored.result) if scored.result else scored.state}")
    counts = {state: sum(o.state == state for o in outcomes) for state in ("scored", "there already", "failed")}
    if as_json:
        listed = [
            {
                "scene": o.scene, "output": o.output, "state": o.state,
                "error": told(o.error)[0] if o.error else None, **(o.result or {}),
            }
            for o in outcomes
        ]  # fmt: skip
        print_json({"scenes": listed, **{state.replace(" ", "_"): count for state, count in counts.items()}})
    else:
        outcome(f"{len(outcomes)} scenes: {', '.join(f'{count} {state}' for state, count in counts.items())}")
    if counts["failed"]:
        raise click.exceptions.Exit(1)


def result_line(result: RunOutcome) -> str:
    """Return the outcome of a scene as one line."""
    continued = f" ({result.continued} by an earlier run)" if result.continued else ""
    highest, *others = (f"{place.score:.6g} at {place.place}" for place in result.strongest)
    then = f"; then {', '.join(others)}" if others else ""
    return f"{result.method}, {result.valid} of {result.pixels} pixels scored{continued}, highest {highest}{then}"
