"""The commands: each parses, makes one call to the library and prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hsad import __version__
from hsad.cli.options import DetectCommand, HsadGroup, json_option, print_json, progress

__all__ = ["hsad"]


@click.group(cls=HsadGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hsad")
def hsad() -> None:
    """Find the unusual in hyperspectral scenes: any cube file in, a georeferenced anomaly map out.

    SCENE is an ENVI header or data file, a GeoTIFF, or a MATLAB file (scene.mat:NAME picks an array).
    """


@hsad.command(cls=DetectCommand)
@click.argument("scenes", metavar="SCENE...", nargs=-1, required=True)
@click.option("-m", "--method", help="Detector, see `hsad methods`.")
@click.option("-o", "--output", required=True, metavar="SCORES.tif", help="Score raster, or folder of several.")
@click.option("--save-background", metavar="FILE", help="Keep what was learned, for --background.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output.")
@click.option("--restart", is_flag=True, help="Drop an unfinished run instead of continuing it.")
@click.option("--parts", is_flag=True, help="Add the kinds of evidence behind the score as further bands (auto).")
@click.option("--log", metavar="FILE", help="Append lines of progress to this file.")
@json_option
def detect(
    scenes: tuple[str, ...],
    method: str | None,
    output: str,
    save_background: str | None,
    log: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Score every pixel of SCENE into a Cloud-Optimized GeoTIFF: higher = more anomalous.

    Several scenes, a list of them (.txt, one a line) or a STAC item collection (.json) go into a folder, -o FOLDER; a
    scene that fails stops no other. A run that was ended early is continued by the same command.
    """
    from hsad.detectors import DEFAULT_METHOD, parse_parameters
    from hsad.job.files import detect_to_file
    from hsad.job.options import RunOptions
    from hsad.readers.collection import expand_scenes

    options["references"] = list(options["references"]) or None
    own = {name: options.pop(name) for name in ("overwrite", "restart")}
    run, parameters = RunOptions.split(options)
    given = {name: text for name, text in parameters.items() if text is not None}
    if run.background is None:
        method = method or DEFAULT_METHOD
        given = parse_parameters(method, given)
    options = {name: value for name, value in options.items() if name not in parameters}
    options |= {**given, **own, "progress": progress(log)}
    named = expand_scenes(scenes)
    if named != list(scenes) or len(named) > 1 or Path(output).is_dir():
        _detect_many(named, output, method, options, save_background=save_background, as_json=as_json)
        return
    result = detect_to_file(named[0], output, method, save_background=save_background, **options)
    if as_json:
        print_json(result)
    else:
        click.echo(f"{result['output']}: {_outcome(result)}")


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
    from hsad.cli.errors import told
    from hsad.errors import ParameterError
    from hsad.job.batch import detect_many

    if save_background is not None:
        raise ParameterError("save-background keeps what was learned from one scene: there are several here")
    outcomes = []
    for outcome in detect_many(scenes, folder, method, **options):
        outcomes.append(outcome)
        if outcome.error is not None:
            message = told(outcome.error)[0]
            named = "" if message.startswith(outcome.scene) else f"{outcome.scene}: "
            click.echo(f"hsad: error: {named}{message}", err=True)
        elif not as_json:
            click.echo(f"{outcome.output}: {_outcome(outcome.result) if outcome.result else outcome.state}")
    counts = {state: sum(o.state == state for o in outcomes) for state in ("scored", "there already", "failed")}
    if as_json:
        scored = [
            {
                "scene": o.scene, "output": o.output, "state": o.state,
                "error": told(o.error)[0] if o.error else None, **(o.result or {}),
            }
            for o in outcomes
        ]  # fmt: skip
        print_json({"scenes": scored, **{state.replace(" ", "_"): count for state, count in counts.items()}})
    else:
        click.echo(f"{len(outcomes)} scenes: {', '.join(f'{count} {state}' for state, count in counts.items())}")
    if counts["failed"]:
        raise click.exceptions.Exit(1)


def _outcome(result: dict[str, Any]) -> str:
    """Return in one line what became of a scene."""
    continued = f" ({result['continued']} by an earlier run)" if result["continued"] else ""
    return (
        f"{result['method']}, {result['valid']} of {result['pixels']} pixels scored{continued}, "
        f"highest {result['max']:.6g}"
    )


@hsad.command()
@click.argument("scores")
@click.option("--truth", required=True, metavar="TRUTH", help="Raster, .npy, .mat:NAME or vector file.")
@click.option(
    "--false-alarm-rate",
    default=1e-3,
    show_default=True,
    help="Rate of false pixels at which objects are counted.",
)
@click.option("--plot", metavar="ROC.png", help="Draw the ROC curve.")
@json_option
def evaluate(scores: str, truth: str, false_alarm_rate: float, plot: str | None, as_json: bool) -> None:
    """Compare SCORES with a truth: areas under the ROC and its relatives, objects found."""
    from hsad.cube import geo_grid
    from hsad.evaluation import evaluate as compare
    from hsad.evaluation import roc_curve
    from hsad.products.figures import plot_roc
    from hsad.readers import open_cube, open_mask

    score_map = open_cube(scores)[..., 0]
    truth_map = open_mask(truth, geo_grid(score_map))
    figures = compare(score_map, truth_map, false_alarm_rate=false_alarm_rate)
    if plot is not None:
        plot_roc({Path(scores).stem: roc_curve(score_map, truth_map)}, plot)
    if as_json:
        print_json(figures)
    else:
        for name, value in figures.items():
            click.echo(f"{name:18} {value:.4f}" if isinstance(value, float) else f"{name:18} {value}")


@hsad.command()
@click.argument("scene")
@json_option
def info(scene: str, as_json: bool) -> None:
    """Say what SCENE is: size, type, wavelengths, georeferencing, valid pixels."""
    from hsad.description import describe
    from hsad.readers import open_cube

    description = describe(open_cube(scene), progress=progress())
    if as_json:
        print_json(description)
        return
    for name, value in description.items():
        if name == "warnings":
            for remark in value:
                click.echo(f"{'remark':15} {remark}")
        elif name in {"wavelength", "fwhm"} and value is not None:
            known = [number for number in value if number is not None]
            span = f"{min(known):g} to {max(known):g} nm" if known else "not numbers"
            click.echo(f"{name:15} {span}, {len(value)} values")
        elif name == "good_bands" and value is not None:
            click.echo(f"{name:15} {sum(value)} of {description['bands']}")
        elif name == "valid_fraction":
            click.echo(f"{name:15} {value:.4f}")
        else:
            click.echo(f"{name:15} {'-' if value is None else value}")


@hsad.command()
@click.argument("method", required=False)
@json_option
def methods(method: str | None, as_json: bool) -> None:
    """List the detectors, or the parameters of one METHOD."""
    from hsad.detectors import describe_methods

    described = describe_methods(method)
    if as_json:
        print_json(described[method] if method else described)
        return
    for name, entry in described.items():
        click.echo(f"{name:16} {entry['title']}{'  (default)' if entry['default'] else ''}")
        if method:
            click.echo(f"{'':16} {entry['reference']}")
            for p in entry["parameters"]:
                choices = f" ({', '.join(map(str, p['choices']))})" if p["choices"] else ""
                click.echo(f"  --{p['name'].replace('_', '-'):18} {p['help']}{choices}  [{p['default']}]")


@hsad.group(cls=HsadGroup)
def catalog() -> None:
    """Scenes with known truth: where they come from, what is known about them."""


@catalog.command(name="list")
@json_option
def catalog_list(as_json: bool) -> None:
    """List the scenes."""
    from hsad.catalog import list_items

    items = list_items()
    if as_json:
        print_json([item.summary() for item in items])
        return
    for item in items:
        entry = item.summary()
        click.echo(f"{entry['name']:24} {entry['title']}")


@catalog.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show what is known about the scene NAME."""
    from hsad.catalog import get_item

    item = get_item(name)
    if as_json:
        print_json(item.to_dict())
        return
    for key, value in item.summary().items():
        click.echo(f"{key:18} {value}")


@catalog.command()
@click.argument("name")
@click.option("-o", "--output", default=".", show_default=True, metavar="DIR", help="Folder to put it in.")
def fetch(name: str, output: str) -> None:
    """Download (or make) the scene NAME and verify its checksum."""
    from hsad.catalog import fetch as fetch_item

    for path in fetch_item(name, Path(output)):
        click.echo(path)


@hsad.command()
@click.option("-o", "--output", default="hsad-demo", show_default=True, metavar="DIR", help="Folder to fill.")
@json_option
def demo(output: str, as_json: bool) -> None:
    """Do the main job end to end, offline: make a scene, detect, write maps and figures, print AUCs."""
    from hsad.demo import run_demo

    result = run_demo(Path(output), progress=progress())
    if as_json:
        print_json(result)
        return
    click.echo(f"{'method':24} {'AUC':>7} {'avg. precision':>15} {'objects found':>14} {'seconds':>8}")
    for row in result["methods"]:
        found = f"{row['objects_found']} of {row['objects']}"
        click.echo(
            f"{row['name']:24} {row['auc']:7.4f} {row['average_precision']:15.4f} {found:>14} {row['seconds']:8.1f}"
        )
    click.echo(f"{len(result['files'])} files in {result['folder']}; open the .tif in a GIS")


@hsad.command()
@click.option("--quick", is_flag=True, help="Leave out many bands and the slowest peers.")
@click.option("--only", default="", metavar="TEXT", help="Measure only cases whose name holds this.")
@click.option("--plot", metavar="BENCH.png", help="Draw the times.")
@json_option
def bench(quick: bool, only: str, plot: str | None, as_json: bool) -> None:
    """Time hsad side by side with the peers that are installed, in one run."""
    from hsad.bench import run_bench

    report = run_bench(quick=quick, only=only, progress=progress())
    if plot is not None:
        report.plot(plot)
    if as_json:
        print_json(report.to_dict())
    else:
        click.echo(report.table())


@hsad.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check versions, threads, GDAL and PROJ data, GPU: what would go wrong, and how to mend it."""
    from hsad.doctor import examine

    findings = examine()
    if as_json:
        print_json([finding.__dict__ for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{finding.state:8} {finding.subject:18} {finding.found}")
            if finding.remedy:
                click.echo(f"{'':27} {finding.remedy}")
    if any(finding.state == "wrong" for finding in findings):
        raise click.exceptions.Exit(1)
