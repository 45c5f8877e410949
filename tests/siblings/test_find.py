"""Everything like a query, against a plain search that holds the whole scene, and in every way of running it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401  gives cubes their rio
import xarray as xr
from pyogrio.raw import read
from scipy import ndimage

import hsad
from hsad.job.prepare import prepared
from hsad.siblings import detector as siblings
from hsad.siblings.find import _request, search

PAINT = (np.sin(np.arange(40) / 2.2) + 0.4) * 3
PLACES = [(12, 15), (40, 100), (70, 30), (100, 120), (127, 64), (128, 10), (140, 128)]


@pytest.fixture(scope="module")
def scene():
    """Return a scene of more than one leaf with seven objects of one material at fills from 1 to .3."""
    random = np.random.default_rng(2)
    mixture = ndimage.gaussian_filter(random.random((150, 140, 3)), (3, 3, 0))
    cube = 20 + 30 * mixture @ random.normal(size=(3, 40)).cumsum(axis=1) + random.normal(size=(150, 140, 40))
    for number, place in enumerate(PLACES):
        cube[place] += PAINT * (1 - 0.1 * number)
    return cube


def naive(scene, spectrum, own, share):
    """The search written out: peaks of the cosine, of its negative, and of 16 decoys with both signs."""
    rows, cols, bands = scene.shape
    pixels = scene.reshape(-1, bands)
    mean = pixels.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(pixels.T, bias=True))
    basis = vectors / np.sqrt(np.maximum(values, 0.1 * np.median(values)))
    white = (pixels - mean) @ basis
    white /= np.linalg.norm(white, axis=1)[:, None]
    free = np.ones((rows, cols), dtype=bool)
    for row, col in own:
        free[max(0, row - 2) : row + 3, max(0, col - 2) : col + 3] = False
    query = (spectrum - mean) @ basis
    query /= np.linalg.norm(query)

    def image(direction):
        return (white @ direction).reshape(rows, cols)

    def peaks(values):
        return (values == ndimage.maximum_filter(values, 5, mode="constant", cval=-np.inf)) & free

    def spread(values):
        return np.median(np.abs(values - np.median(values)))

    score = image(query)
    random = np.random.default_rng(0)
    decoys: list = []
    for number, move in enumerate(random.integers(bands // 10, bands - bands // 10, 16)):
        moved = np.roll(np.clip(spectrum / mean, -20, 20), move)
        other = ((moved[::-1] if number % 2 else moved) * mean - mean) @ basis
        other -= (other @ query) * query
        other = image(other / np.linalg.norm(other))
        for signed in (other, -other):
            decoys += (signed[peaks(signed) & (signed > score)] * spread(score) / spread(other)).tolist()
    decoys, mirror, found = np.array(decoys), -score[peaks(-score)], score[peaks(score)]

    def expected(t):
        return max((mirror >= t).sum(), (decoys >= t).sum() / 32)

    edges = np.arange(4097) / 4096
    ratio = [(expected(t) + 0.1) / max(1e-9, (found >= t).sum()) for t in edges]
    good = [t for t, r in zip(edges, ratio, strict=True) if r <= share]
    return score, peaks(score) & (score >= good[0]) if good else None, min(ratio), expected


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_the_list_is_that_of_the_plain_search(scene, share):
    found = hsad.find(scene, like=(12, 15), false_share=share, workers=1)
    score, listed, smallest, expected = naive(scene, scene[12, 15], [(12, 15)], share)
    places = list(zip(found.columns["row"].tolist(), found.columns["col"].tolist(), strict=True))
    assert set(places) == set(map(tuple, np.argwhere(listed).tolist()))
    np.testing.assert_allclose(found.columns["cosine"], [score[place] for place in places], atol=1e-5)
    assert found.threshold["smallest_share"] == pytest.approx(smallest, rel=0.05)
    for cosine, false in zip(found.columns["cosine"], found.columns["expected_false"], strict=True):
        assert false == pytest.approx(expected(np.floor(cosine * 4096) / 4096), abs=0.1)
    assert (np.diff(found.columns["cosine"]) <= 0).all()
    if share == 0.1:
        assert len(set(PLACES[1:]) & set(places)) >= 5
        fills = dict(zip(places, found.columns["fill"].tolist(), strict=True))
        assert fills[PLACES[1]] == pytest.approx(0.9, abs=0.25)
        assert fills[PLACES[6]] == pytest.approx(0.4, abs=0.25)


def records(found):
    return [{name: value for name, value in record.items() if name != "source"} for record in found.records()]


def test_tiles_threads_and_a_window_give_the_same_list(scene):
    whole = hsad.find(scene, like=(12, 15), workers=1, tile=10**6)
    for options in ({"workers": 1, "tile": 128}, {"workers": 3, "tile": 128}):
        assert records(hsad.find(scene, like=(12, 15), **options)) == records(whole)
    # In a window rows and columns are counted from its corner, those of the query from that of the scene.
    with prepared(scene, _request((12, 15), 0.1, {"workers": 1})) as job:
        (known,) = search(job, 0.1)
    wide = np.pad(scene, ((10, 0), (20, 0), (0, 0)), mode="reflect")
    cut = hsad.find(wide, like=(22, 35), region="10:160,20:160", workers=1)
    assert cut.columns["row"].tolist() == known.peaks.row.tolist()
    assert cut.columns["cosine"] == pytest.approx(known.cosine, abs=1e-6)


@pytest.mark.long
@pytest.mark.cluster
def test_the_processes_of_a_cluster_give_the_same_list(scene, cluster):
    one = hsad.find(scene, like=[(12, 15), (40, 100)], workers=1)
    assert records(hsad.find(scene, like=[(12, 15), (40, 100)], scheduler=cluster, tile=128)) == records(one)


def test_invalid_pixels_are_nowhere_and_change_nothing_else(scene):
    holes = scene.copy()
    holes[60:64, 20:40] = np.nan
    holes[np.random.default_rng(0).random(scene.shape[:2]) < 0.02] = np.nan
    holes[12, 15], holes[40, 100] = scene[12, 15], np.nan
    invalid = np.isnan(holes).any(axis=2)
    found = hsad.find(holes, like=(12, 15), workers=1)
    masked = hsad.find(np.where(invalid[..., None], 1e6, holes), like=(12, 15), mask=~invalid, workers=1)
    assert records(masked) == records(found)
    assert (40, 100) not in set(zip(found.columns["row"].tolist(), found.columns["col"].tolist(), strict=True))
    assert len(found) >= 3


def test_several_queries_in_one_pass_are_the_single_ones_and_an_object_is_listed_once(scene):
    passes = []
    both = hsad.find(
        scene, like=[(12, 15), (40, 100)], workers=1, progress=lambda work, **say: passes.append(say) or work
    )
    assert [say["desc"] for say in passes] == ["learning, pass 1", "learning, pass 2"]
    singles = [hsad.find(scene, like=place, workers=1) for place in ((12, 15), (40, 100))]
    assert [q["found"] for q in both.threshold["queries"]] == [len(single) for single in singles]
    cosines = {}
    for single in singles:
        for row, col, cosine in zip(*(single.columns[name].tolist() for name in ("row", "col", "cosine")), strict=True):
            cosines[row, col] = max(cosine, cosines.get((row, col), 0))
    places = list(zip(both.columns["row"].tolist(), both.columns["col"].tolist(), strict=True))
    assert len(set(places)) == len(places)
    assert dict(zip(places, both.columns["cosine"].tolist(), strict=True)) == pytest.approx(cosines, abs=1e-6)
    assert set(both.columns["like"]) == {"12,15", "40,100"}


def test_an_outline_holds_the_pixels_around_the_peak_that_reach_the_threshold(scene):
    cube = scene.copy()
    cube[70:73, 30] += PAINT
    found = hsad.find(cube, like=(12, 15), workers=1)
    number = found.columns["row"].tolist().index(70) if 70 in found.columns["row"] else None
    score, *_ = naive(cube, cube[12, 15], [(12, 15)], 0.1)
    for rank in range(len(found)):
        row, col, size = (int(found.columns[name][rank]) for name in ("row", "col", "n_pixels"))
        around = np.pad(score, 2, constant_values=-1)[row : row + 5, col : col + 5]
        labels, _ = ndimage.label(around >= found.threshold["threshold"], np.ones((3, 3)))
        assert size == (labels == labels[2, 2]).sum() == found.outline[rank].area
    assert number is None or found.columns["n_pixels"][number] >= 1


def test_doubts_say_what_the_numbers_do_not_hold_for(scene):
    common = scene.copy()
    common[:40, :40] += PAINT
    told = hsad.find(common, like=(12, 15), false_share=0.5, workers=1).threshold
    assert told["trusted"] is (not told["doubts"])
    few = hsad.find(scene[..., ::4], like=(12, 15), workers=1).threshold
    assert "10 are used here" in few["doubts"][0]
    centred = hsad.find(scene - scene.mean(axis=(0, 1)), like=(12, 15), workers=1).threshold
    assert centred["trusted"]
    plain = hsad.find(scene, like=(90, 90), workers=1).threshold
    assert any("cannot be found as an object" in doubt for doubt in plain["doubts"])


def test_what_covers_more_than_two_percent_is_a_material_of_the_scene():
    random = np.random.default_rng(1)
    cube = 20 + random.normal(size=(80, 80, 40))
    cube[random.random((80, 80)) < 0.03] += PAINT
    row, col = np.argwhere((cube - 20) @ PAINT > 0.8 * PAINT @ PAINT)[0]
    told = hsad.find(cube, like=(int(row), int(col)), workers=1).threshold
    assert "it is a material of the scene, not an object" in told["doubts"][0]


def test_where_nothing_is_alike_the_smallest_share_is_said():
    noise = 10 + np.random.default_rng(3).normal(size=(60, 60, 40))
    found = hsad.find(noise, like=(30, 30), workers=1)
    assert len(found) == 0
    sentence = found.threshold["sentence"]
    assert sentence.startswith("No other object is listed as like 30,30 at a false share of 10 %. The smallest share")
    assert sentence.endswith("what the scene is made of cannot be found as an object.")


@pytest.fixture
def placed(scene, tmp_path):
    cube = xr.DataArray(scene.astype(np.float32), dims=("y", "x", "band"))
    cube = cube.assign_coords(x=5e5 + 2.0 * np.arange(140) + 1, y=4e6 - 2.0 * np.arange(150) - 1)
    hsad.write_cube(cube.rio.write_crs("EPSG:32632"), tmp_path / "scene.hdr")
    return tmp_path / "scene.hdr"


def test_the_command_writes_a_list_and_a_raster(placed, tmp_path, hsad_run):
    output, raster = tmp_path / "found.gpkg", tmp_path / "s.tif"
    status, out, err = hsad_run(
        "find", placed, "--like", "12,15", "12,15", "-o", output, "--scores", raster, "--json", "-q"
    )
    assert (status, err) == (0, "")
    told = json.loads(out)
    assert {"found", "expected_false", "smallest_share", "doubts"} <= set(told)
    meta, _, outlines, fields = read(output, layer="anomalies")
    columns = dict(zip(meta["fields"], fields, strict=True))
    assert {"row", "col", "cosine", "fill", "expected_false", "like"} <= set(columns)
    assert len(outlines) == told["found"] == len(columns["row"])
    with rasterio.open(raster) as opened:
        cosine = opened.read(1)
        assert opened.crs.to_epsg() == 32632
    for row, col, value in zip(columns["row"], columns["col"], columns["cosine"], strict=True):
        assert cosine[row, col] == pytest.approx(value, abs=1e-6)
    # What was found is a query in turn, by its id.
    status, out, err = hsad_run("find", placed, "--like", f"{output}:1", "-o", tmp_path / "more.geojson")
    assert (status, err) == (0, "")
    assert f"like {output}:1" in out
    assert not list(tmp_path.glob("*.unfinished"))


def test_a_search_that_was_ended_goes_on(placed, tmp_path, hsad_run, monkeypatch):
    output = tmp_path / "found.gpkg"
    command = ("find", placed, "--like", "12,15", "-o", output, "--workers", "1", "-q")

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(siblings, "count", interrupted)
        assert hsad_run(*command)[0] != 0
    assert (tmp_path / "found.gpkg.unfinished").is_dir()
    assert not output.exists()
    with monkeypatch.context() as patch:
        patch.setattr(siblings, "moments_of", interrupted)  # the first pass is not made again
        assert hsad_run(*command)[0] == 0
    assert output.exists()
    assert not (tmp_path / "found.gpkg.unfinished").exists()


def test_what_is_wrong_is_one_line(placed, tmp_path, hsad_run, scene):
    mask = np.ones((150, 140), dtype=np.uint8)
    mask[12, 15] = 0
    np.save(tmp_path / "mask.npy", mask)
    cases = [
        (["--like", "150,3"], "like: 150,3 lies outside: the scene has 150 rows and 140 columns"),
        (["--like", "12,15", "--mask", tmp_path / "mask.npy"], "like: 12,15: the pixel is invalid"),
        (["--like", "12,15", "--false-share", "1"], "false_share must be above 0 and below 1, not 1.0"),
        (["--like", "12,15", "--false-share", "0"], "false_share must be above 0 and below 1, not 0.0"),
        (["--like", "here"], "like: 'here' is none of ROW,COL"),
        (["--like", f"{tmp_path}/list.gpkg:3"], "list.gpkg: no such file or directory"),
    ]
    for options, message in cases:
        status, _, err = hsad_run("find", placed, *options, "-o", tmp_path / "no.gpkg", "-q")
        assert status == 1
        assert err.startswith("hsad: error: ")
        assert message in err
        assert err.count("\n") == 1
        assert not (tmp_path / "no.gpkg").exists()
    for options, message in (
        ({"like": np.ones(39)}, "like: spectrum has 39 numbers for 40 used bands"),
        ({"like": (1, 1), "pca": 3}, "pca: a search for siblings takes no pca"),
        ({"like": (1, 1), "outer": 3}, "find has no option 'outer'"),
        ({"like": scene.reshape(-1, 40).mean(axis=0)}, "like: spectrum equals the mean of the scene"),
    ):
        with pytest.raises(hsad.HsadError, match=message):
            hsad.find(scene, **options)


def test_what_was_found_is_added_to_a_list_by_a_review(placed, tmp_path, hsad_run, scene):
    seeds, found = tmp_path / "seeds.gpkg", tmp_path / "found.gpkg"
    assert hsad_run("detect", placed, "-m", "ace", "--target", "12,15", "-o", tmp_path / "ace.tif", "-q")[0] == 0
    assert hsad_run("threshold", tmp_path / "ace.tif", "--threshold", "0.5", "-o", seeds, "-q")[0] == 0
    assert hsad_run("find", placed, "--like", f"{seeds}:1", "-o", found, "-q")[0] == 0
    before = read(seeds, layer="anomalies")
    searched = read(found, layer="anomalies")
    status, out, err = hsad_run("review", seeds, found, "--json")
    assert (status, err) == (0, "")
    told = json.loads(out)
    assert told["added"] + told["known"] == len(searched[2])
    assert told["added"] > 0
    meta, _, outlines, fields = read(seeds, layer="anomalies")
    assert len(outlines) == len(before[2]) + told["added"]
    columns = dict(zip(meta["fields"], fields, strict=True))
    assert columns["id"].tolist() == list(range(1, len(outlines) + 1))
    assert set(columns["state"]) == {"pending"}
    assert all("their whitened cosine is 0." in text for text in columns["reason"][len(before[2]) :])
    # A second time there is nothing to add.
    again = json.loads(hsad_run("review", seeds, found, "--json")[1])
    assert (again["added"], again["known"]) == (0, len(searched[2]))
    hsad.write_cube(xr.DataArray(scene[:90], dims=("y", "x", "band")), tmp_path / "other.hdr")
    assert hsad_run("find", tmp_path / "other.hdr", "--like", "12,15", "-o", tmp_path / "o.gpkg", "-q")[0] == 0
    status, _, err = hsad_run("review", seeds, tmp_path / "o.gpkg")
    assert status == 1
    assert "is of the scene other.img, and" in err or "is of the scene other.hdr, and" in err
