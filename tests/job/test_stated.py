"""What a user states about a scene beside its file, and the remarks that a run and a description make."""

import json

import numpy as np
import pytest

import hsad
from hsad.cli import run
from hsad.job.describe import describe
from hsad.job.remarks import remarks_on
from hsad.products import write_envi

RNG = np.random.default_rng(7)
SCENE = RNG.integers(200, 3000, (40, 50, 12)).astype(np.int16)


def rx(spectra, valid):
    """Return the squared Mahalanobis distance to the valid pixels, by the formula; NaN elsewhere."""
    pixels = spectra[valid].astype(float)
    centred = spectra.astype(float) - pixels.mean(axis=0)
    inverse = np.linalg.inv(np.cov(pixels, rowvar=False, bias=True))
    scores = np.einsum("rcb,bd,rcd->rc", centred, inverse, centred)
    return np.where(valid, scores, np.nan)


def filled(value=-9999, other=None):
    """Return a scene with a slanted border of fill, and which of its pixels are not fill."""
    row, col = np.mgrid[:40, :50]
    valid = col - row / 3 > 8
    spectra = SCENE.copy()
    spectra[~valid] = value
    if other is not None:
        corner = (row < 6) & (col > 40)
        spectra[corner] = other
        valid &= ~corner
    return spectra, valid


def header(folder, spectra, name="s", **fields):
    write_envi(hsad.check_cube(spectra), folder / f"{name}.hdr")
    text = (folder / f"{name}.hdr").read_text("utf-8")
    (folder / f"{name}.hdr").write_text(text + "".join(f"{key} = {value}\n" for key, value in fields.items()), "utf-8")
    return folder / f"{name}.hdr"


@pytest.mark.parametrize("kind", ["file", "array", "cube"])
def test_stated_nodata_leaves_pixels_out(tmp_path, kind):
    spectra, valid = filled(-9999, 0)
    scene = {"file": header(tmp_path, spectra), "array": spectra, "cube": hsad.check_cube(spectra)}[kind]
    for nodata in ("-9999,0", [-9999, 0]):
        scores = np.asarray(hsad.detect(scene, "rx", nodata=nodata))
        expected = rx(spectra, valid)
        ratio = scores / expected
        np.testing.assert_array_equal(np.isnan(scores), ~valid)
        np.testing.assert_allclose(ratio[valid], np.nanmedian(ratio), rtol=1e-4)
        assert np.nanmedian(ratio) == pytest.approx(1, rel=1e-2)
    with pytest.raises(hsad.HsadError, match="nodata: 'x' is not a number"):
        hsad.detect(scene, "rx", nodata="x")


def test_every_command_that_opens_a_scene_takes_nodata(tmp_path, capsys):
    spectra, valid = filled()
    scene = header(tmp_path, spectra)
    scores, nodata = tmp_path / "s.tif", ["--nodata", "-9999"]
    assert run([*map(str, ["detect", scene, "-m", "rx", "-o", scores]), *nodata]) == 0
    capsys.readouterr()
    assert run(["info", str(scene), "--json", *nodata]) == 0
    assert json.loads(capsys.readouterr().out)["valid_fraction"] == pytest.approx(valid.mean())
    assert run([*map(str, ["convert", scene, tmp_path / "c.tif"]), *nodata]) == 0
    assert hsad.open_cube(tmp_path / "c.tif").attrs["_FillValue"] == -9999
    assert run([*map(str, ["explain", scene, scores, "--at", "0,0"]), *nodata]) == 1
    assert "the pixel is invalid" in capsys.readouterr().err
    assert run([*map(str, ["report", scene, scores, "-o", tmp_path / "r.html"]), *nodata]) == 0
    assert run([*map(str, ["survey", scene, "-m", "rx", "-o", tmp_path / "out"]), *nodata]) == 0
    assert "probably fill" not in capsys.readouterr().err
    assert "probably fill" not in (tmp_path / "r.html").read_text("utf-8")


@pytest.mark.parametrize(("value", "dtype"), [(-9999, np.int16), (0, np.int16), (32767, np.int16), (-1.5, np.float32)])
def test_undeclared_fill_is_said_by_info_detect_survey_and_the_report(tmp_path, capsys, value, dtype):
    spectra, valid = filled(0)
    spectra = spectra.astype(dtype)
    spectra[~valid] = value
    scene = header(tmp_path, spectra)
    said = f"hold {value:g} in every band and lie at the border"
    assert run(["info", str(scene), "--json"]) == 0
    assert any(said in remark for remark in json.loads(capsys.readouterr().out)["warnings"])
    assert run(["detect", str(scene), "-m", "rx", "-o", str(tmp_path / "s.tif")]) == 0
    assert f"hsad: remark: {1 - valid.mean():.0%}" in capsys.readouterr().err
    if dtype is np.float32:
        assert run(["survey", str(scene), "-m", "rx", "-o", str(tmp_path / "out")]) == 0
        assert said in capsys.readouterr().err
        assert said in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_no_remark_on_fill_where_there_is_none(tmp_path):
    spectra, valid = filled()
    assert remarks_on(hsad.open_cube(header(tmp_path, SCENE, "plain"))) == []
    assert remarks_on(hsad.open_cube(header(tmp_path, spectra, "declared", **{"data ignore value": -9999}))) == []
    inside = SCENE.copy()
    inside[15:20, 20:30] = 0  # a region that touches no border
    assert remarks_on(hsad.open_cube(header(tmp_path, inside, "inside"))) == []
    dark = SCENE.copy()
    dark[0, :2] = 0  # two pixels of a shadow
    assert remarks_on(hsad.open_cube(header(tmp_path, dark, "dark"))) == []
    assert valid.any()


def test_remarks_of_the_reader_are_said_by_the_run(tmp_path, capsys):
    scene = header(tmp_path, SCENE, **{"data ignore value": "-0.9999"})
    assert run(["info", str(scene), "--json"]) == 0
    remarks = json.loads(capsys.readouterr().out)["warnings"]
    assert remarks
    assert run(["detect", str(scene), "-m", "rx", "-o", str(tmp_path / "s.tif"), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["remarks"] == remarks
    assert [line.removeprefix("hsad: remark: ") for line in said.err.splitlines()] == remarks


def test_wavelengths_of_a_file_choose_bands(tmp_path):
    scene = header(tmp_path, SCENE)
    nm = np.linspace(400, 950, 12)
    np.savetxt(tmp_path / "bands.txt", nm)
    chosen = np.asarray(hsad.detect(scene, "rx", wavelengths=tmp_path / "bands.txt", bands="500-700"))
    np.testing.assert_array_equal(chosen, np.asarray(hsad.detect(scene, "rx", bands=(nm >= 500) & (nm <= 700))))
    np.testing.assert_array_equal(chosen, hsad.detect(SCENE, "rx", wavelengths=nm, bands="500-700"))
    assert run([*map(str, ["detect", scene, "-m", "rx", "-o", tmp_path / "s.tif", "--bands", "500-700"]),
                "--wavelengths", str(tmp_path / "bands.txt")]) == 0  # fmt: skip


def test_a_band_axis_is_for_files_and_arrays(tmp_path):
    from scipy.io import savemat

    savemat(tmp_path / "first.mat", {"cube": np.moveaxis(SCENE, 2, 0)})
    expected = np.asarray(hsad.detect(SCENE, "rx"))
    np.testing.assert_array_equal(np.asarray(hsad.detect(tmp_path / "first.mat", "rx", band_axis=0)), expected)
    np.testing.assert_array_equal(hsad.detect(np.moveaxis(SCENE, 2, 0), "rx", band_axis=0), expected)
    with pytest.raises(hsad.HsadError, match="band_axis"):
        hsad.detect(hsad.check_cube(SCENE), "rx", band_axis=0)


def test_a_cut_off_file_gives_its_whole_lines(tmp_path):
    scene = header(tmp_path, SCENE)
    data = tmp_path / "s.img"
    data.write_bytes(data.read_bytes()[: SCENE[0].nbytes * 30 + 7])
    with pytest.raises(hsad.HsadError):
        hsad.detect(scene, "rx")
    scores = hsad.detect(scene, "rx", partial=True)
    np.testing.assert_allclose(scores.values[:30], rx(SCENE[:30], np.ones((30, 50), bool)), rtol=1e-2)
    with pytest.raises(hsad.HsadError, match="partial is for files"):
        hsad.detect(SCENE, "rx", partial=True)


def test_a_large_scene_is_described_by_a_sample(tmp_path, monkeypatch):
    spectra, valid = filled()
    cube = hsad.open_cube(header(tmp_path, spectra, **{"data ignore value": -9999}))
    monkeypatch.setattr("hsad.job.describe._SMALL", 0)
    monkeypatch.setattr("hsad.job.remarks._SAMPLE_BYTES", SCENE[0].nbytes * 14)
    quick = describe(cube, statistics=False)
    assert quick.valid_counted.startswith("a sample of 700 pixels") or "sample" in quick.valid_counted
    assert quick.valid_fraction == pytest.approx(valid.mean(), abs=0.03)
    whole = describe(cube)
    assert (whole.valid_fraction, whole.valid_counted) == (pytest.approx(valid.mean()), "all pixels")


def test_whole_numbers_without_nodata_are_not_read(tmp_path, monkeypatch):
    from hsad.engine.run import Engine

    cube = hsad.open_cube(header(tmp_path, SCENE))
    monkeypatch.setattr(Engine, "scan", None)
    described = describe(cube)
    assert (described.valid_fraction, described.valid_counted) == (1.0, "no pixel: every number is valid")


def test_a_method_that_scores_no_valid_pixel_does_not_call_the_scene_invalid(monkeypatch):
    from hsad.detectors.global_rx import GlobalRX

    monkeypatch.setattr(GlobalRX, "score", lambda _, block, __: np.full(block.core_valid.shape, np.nan))
    with pytest.raises(hsad.HsadError, match="no pixel a score, although 2000 pixels of the scene are valid"):
        hsad.detect(SCENE, "rx", workers=1)
