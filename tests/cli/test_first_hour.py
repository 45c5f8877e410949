"""What a newcomer stumbles over in the first hour, on the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
import rasterio

import hsad
from hsad.products import write_envi


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Return a folder with a synthetic scene as ENVI and its truth."""
    folder = tmp_path_factory.mktemp("scene")
    made = hsad.make_scene(rows=60, cols=70, bands=20, target_sizes=(1, 9), seed=4)
    write_envi(made.cube, folder / "scene.hdr")
    np.save(folder / "truth.npy", made.truth.values)
    return folder


def test_a_group_alone_prints_its_help_page(hsad_run):
    for arguments, word in (([], "detect"), (["catalog"], "fetch")):
        status, out, err = hsad_run(*arguments)
        assert (status, err) == (0, "")
        assert out.startswith("Usage: hsad")
        assert word in out


def test_the_result_says_where_the_strongest_places_are(scene, tmp_path, hsad_run):
    status, out, _ = hsad_run("detect", scene / "scene.hdr", "-m", "rx", "-o", tmp_path / "s.tif", "--json", "-q")
    assert status == 0
    with rasterio.open(tmp_path / "s.tif") as raster:
        scores, transform = raster.read(1), raster.transform
    row, col = np.unravel_index(np.nanargmax(scores), scores.shape)
    first, *others = json.loads(out)["strongest"]
    assert (first["row"], first["col"], first["score"]) == (row, col, pytest.approx(scores[row, col]))
    x, y = transform * (col + 0.5, row + 0.5)
    assert (first["x"], first["y"]) == pytest.approx((x, y))
    assert first["place"] == f"{x:.0f} E {y:.0f} N"
    for place in others:
        assert max(abs(place["row"] - row), abs(place["col"] - col)) >= 10
        assert place["score"] <= first["score"]
    arguments = ("detect", scene / "scene.hdr", "-m", "rx", "-o", tmp_path / "s.tif", "--overwrite", "--tile", 64)
    assert f"highest {first['score']:.6g} at {first['place']}" in hsad_run(*arguments)[1]


def test_quiet_commands_print_nothing_and_write_the_same(scene, tmp_path, hsad_run):
    scores = tmp_path / "new folder" / "s.tif"
    assert hsad_run("detect", scene / "scene.hdr", "-m", "rx", "-o", scores, "-q") == (0, "", "")
    for name in ("a.gpkg", "a.csv", "mask.tif"):
        assert hsad_run("threshold", scores, "-o", tmp_path / "lists" / name, "--quiet") == (0, "", "")
    status, out, _ = hsad_run("threshold", scores, "-o", tmp_path / "lists" / "b.gpkg")
    assert (status, len(out.splitlines())) == (0, 2)
    assert hsad_run("threshold", tmp_path / "none.tif", "-o", tmp_path / "c.gpkg", "-q")[2].startswith("hsad: error: ")


def test_a_box_in_another_crs_is_told_the_crs_and_the_bounds(scene, tmp_path, hsad_run):
    with rasterio.open(scene / "scene.img") as raster:
        bounds, crs = raster.bounds, raster.crs
    status, _, err = hsad_run("detect", scene / "scene.hdr", "--bbox", "9,48,9.1,48.1", "-o", tmp_path / "s.tif")
    assert status == 1
    assert f"W,S,E,N are in EPSG:{crs.to_epsg()}, in which the scene has " in err
    stated = [float(value) for value in err.rsplit(" ", 1)[1].split(",")]
    assert stated == pytest.approx(list(bounds), rel=1e-9)


@pytest.mark.parametrize("region", [[], ["--region", "5:55,10:70"]])
def test_plot_shows_the_scene_beside_the_scores(scene, tmp_path, hsad_run, region, monkeypatch):
    from hsad.plot import maps

    drawn = []
    save = maps.save_figure
    monkeypatch.setattr(maps, "save_figure", lambda figure, *a, **k: (drawn.append(figure), save(figure, *a, **k)))
    arguments = ("detect", scene / "scene.hdr", "-m", "rx", *region, "-o", tmp_path / "s.tif")
    status, _, err = hsad_run(*arguments, "--plot", tmp_path / "map.png")
    assert (status, err) == (0, "")
    assert (tmp_path / "map.png").read_bytes()[:4] == b"\x89PNG"
    (figure,) = drawn
    picture, scores, bar = figure.axes
    assert picture.get_title().startswith("Scene, true colour: ")
    assert scores.get_title() == "Anomaly score (rx)"
    with rasterio.open(tmp_path / "s.tif") as raster:
        west, east = scores.get_xlim()
        assert (west, east) == pytest.approx((raster.bounds.left, raster.bounds.right))
        assert scores.images[0].get_array().shape == raster.shape
    assert picture.images[0].get_array().shape[:2] == scores.images[0].get_array().shape
    assert picture.get_xlabel() == "Easting, m (EPSG:32632)"
    assert figure.get_suptitle().replace("\n", " ") == hsad.headline(hsad.polygons(tmp_path / "s.tif"))
    ticks = [label.get_text() for label in (*bar.get_yticklabels(), *bar.get_xticklabels())]
    assert any("in 10 are background)" in text for text in ticks)
    status, _, err = hsad_run(*arguments, "--overwrite", "--plot", tmp_path / "map.jpg")
    assert (status, "map.jpg" in err) == (1, True)


def test_a_name_of_envi_gives_an_envi_file(scene, tmp_path, hsad_run):
    assert hsad_run("detect", scene / "scene.hdr", "-m", "rx", "-o", tmp_path / "s.img")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.hdr", "s.img"]
    assert hsad_run("detect", scene / "scene.hdr", "-m", "rx", "-o", tmp_path / "s.tif")[0] == 0
    with rasterio.open(tmp_path / "s.img") as envi, rasterio.open(tmp_path / "s.tif") as cog:
        assert envi.driver == "ENVI"
        assert np.array_equal(envi.read(1), cog.read(1), equal_nan=True)
        assert envi.transform.almost_equals(cog.transform)
        assert envi.crs == cog.crs
    assert "method rx" in (tmp_path / "s.hdr").read_text()
    status, _, err = hsad_run("detect", scene / "scene.hdr", "-m", "rx", "-o", tmp_path / "s.hdr")
    assert status == 1
    assert "s.hdr exists already; --overwrite" in err


def test_several_score_rasters_are_compared(scene, tmp_path, hsad_run):
    for name, method in (("one", "rx"), ("two", "lrx")):
        given = ["--pca", 3] if method == "lrx" else []
        hsad_run("detect", scene / "scene.hdr", "-m", method, *given, "-o", tmp_path / f"{name}.tif")
    paths = [tmp_path / "one.tif", tmp_path / "two.tif"]
    truth = np.load(scene / "truth.npy")
    status, out, _ = hsad_run("evaluate", *paths, "--truth", scene / "truth.npy", "--plot", tmp_path / "roc.png")
    assert status == 0
    assert out.splitlines()[0].split() == ["one", "two"]
    [line] = [line for line in out.splitlines() if line.startswith("auc ")]
    expected = [f"{hsad.evaluate(hsad.open_cube(path)[..., 0], truth)['auc']:.4f}" for path in paths]
    assert line.split() == ["auc", *expected]
    assert (tmp_path / "roc.png").read_bytes()[:4] == b"\x89PNG"
    both = json.loads(hsad_run("evaluate", *paths, "--truth", scene / "truth.npy", "--json")[1])
    assert list(both) == ["one", "two"]


def test_a_band_of_a_cube_is_scores_only_when_that_is_said(scene, hsad_run):
    arguments = ("evaluate", scene / "scene.hdr", "--truth", scene / "truth.npy", "--json")
    assert hsad_run(*arguments)[0] == 1
    figures = json.loads(hsad_run(*arguments, "--band", 3)[1])
    cube = hsad.open_cube(scene / "scene.hdr")
    band = np.where(cube.values[..., 2] == -9999, np.nan, cube.values[..., 2].astype(float))
    assert figures["auc"] == pytest.approx(hsad.evaluate(band, np.load(scene / "truth.npy"))["auc"])


def test_a_git_lfs_pointer_is_called_that(tmp_path, hsad_run):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
    for name in ("scene.mat", "scene.tif", "scene.img"):
        (tmp_path / name).write_text(pointer)
    (tmp_path / "scene.hdr").write_text(
        "ENVI\nsamples = 4\nlines = 3\nbands = 2\nheader offset = 0\ndata type = 4\ninterleave = bip\nbyte order = 0\n"
    )
    for name in ("scene.mat", "scene.tif", "scene.img", "scene.hdr"):
        status, _, err = hsad_run("info", tmp_path / name)
        assert (status, err.count("\n")) == (1, 1)
        assert "Git LFS pointer" in err, name


def test_the_catalogue_says_where_scenes_come_from(tmp_path, hsad_run):
    out = hsad_run("catalog", "list")[1]
    for said in ("abu-airport-2", "100 x 100 x 205", "aviris, 7.1 m", "on request", "known defects"):
        assert said in out
    assert "7121476e700001e7" in hsad_run("catalog", "show", "abu-airport-2")[1]
    made = next(line.split()[0] for line in out.splitlines() if " made here " in line)
    assert hsad_run("catalog", "fetch", made, "-o", tmp_path / "new" / "folder")[0] == 0
    assert list((tmp_path / "new" / "folder").glob("*.hdr"))


def completed(words, shell="bash", cwd=None):
    """Return what the program offers to a shell."""
    environment = {**os.environ, "_HSAD_COMPLETE": f"{shell}_complete", "COMP_WORDS": " ".join(words)}
    environment["COMP_CWORD"] = str(len(words) - 1) if shell != "fish" else words[-1]
    code = "import sys; from hsad.cli import main; sys.argv[0] = 'hsad'; main()"
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=cwd
    )
    return result.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["hsad", "det"], "plain,detect"),
        (["hsad", "detect", "-m", "low"], "plain,low-rank"),
        (["hsad", "detect", "--over"], "plain,--overwrite"),
        (["hsad", "detect", "--bor"], "plain,--border"),
        (["hsad", "detect", "--border", "tr"], "plain,truncate"),
        (["hsad", "detect", "sce"], "file,sce"),
        (["hsad", "evaluate", "s.tif", "--truth", "tr"], "file,tr"),
        (["hsad", "catalog", "show", "abu-airport-2"], "plain,abu-airport-2"),
        (["hsad", "help", "adding-a-d"], "plain,adding-a-detector"),
    ],
)
def test_a_shell_is_offered_what_fits(words, offered):
    assert offered in completed(words).splitlines()


def test_scripts_of_shells(hsad_run):
    for shell in ("bash", "zsh", "fish"):
        status, out, _ = hsad_run("completion", shell)
        assert status == 0
        assert f"_HSAD_COMPLETE={shell}_complete" in out
        if shutil.which(shell):
            subprocess.run([shell, "-n"], input=out, text=True, check=True)
    assert "plain" in completed(["hsad", "det"], "zsh")
    assert "detect" in completed(["hsad", "det"], "fish")


def a_program(folder):
    """Put a program ``hsad`` into a folder."""
    program = folder / "hsad"
    program.write_text(f"#!{sys.executable}\nfrom hsad.cli import main\nmain()\n")
    program.chmod(0o755)
    return program


def test_a_bare_zsh_completes(tmp_path):
    """A .zshrc of nothing but our line: completion has to be loaded first."""
    zsh = shutil.which("zsh")
    if zsh is None:
        pytest.skip("no zsh")
    a_program(tmp_path)
    (tmp_path / ".zshrc").write_text('eval "$(hsad completion zsh)"\n')
    environment = {**os.environ, "ZDOTDIR": str(tmp_path), "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    asked = [zsh, "-i", "-c", "print -r -- $_comps[hsad]"]
    result = subprocess.run(asked, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "_hsad_completion"
    assert not result.stderr


def test_bash_completes_a_file(scene, tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    program = a_program(tmp_path)
    script = f"""
eval "$({program} completion bash)" 2>/dev/null
COMP_WORDS=(hsad detect -m l) COMP_CWORD=3 COMPREPLY=()
_hsad_completion {program} 2>/dev/null; echo "${{COMPREPLY[@]}}"
"""
    result = subprocess.run([bash, "-c", script], capture_output=True, text=True, check=False, cwd=scene)
    assert {"lrx", "low-rank"} <= set(result.stdout.split()), result.stderr


def test_doctor_says_what_is_missing_and_what_to_type(monkeypatch):
    from hsad import doctor

    monkeypatch.setattr(doctor, "_is_installed", lambda package: package != "torch")
    found = {finding.subject: finding for finding in doctor.examine()}
    assert found["extra deep"].state == "remark"
    assert found["extra deep"].remedy == f"{sys.executable} -m pip install torch"
    assert found["extra test"].state == "well"


@pytest.mark.cluster
def test_a_cluster_has_a_dashboard():
    import urllib.request

    from distributed import LocalCluster

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what dask says about ports and unclosed sockets is not ours
        with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as local:
            address = f"http://127.0.0.1:{local.scheduler.http_server.port}/status"
            with urllib.request.urlopen(address, timeout=60) as page:
                assert page.status == 200
                assert "Dask" in page.read().decode()


def test_a_device_that_is_not_here_is_refused_before_any_tile(scene, tmp_path, hsad_run, monkeypatch):
    arguments = ("detect", scene / "scene.hdr", "-m", "lrx", "--pca", 3, "--device", "cuda", "-o", tmp_path / "s.tif")
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("hsad.job.job.Job.learn", lambda *_: pytest.fail("went to work"))
    status, _, err = hsad_run(*arguments)
    assert (status, err.count("\n")) == (1, 1)
    assert "device: 'cuda' is not one of those that torch finds here: cpu" in err
    monkeypatch.setitem(sys.modules, "torch", None)
    status, _, err = hsad_run(*arguments)
    assert status == 1
    assert "needs torch, which is not installed: pip install -e '.[deep]' in a clone of hsad" in err
    assert list(tmp_path.iterdir()) == []
