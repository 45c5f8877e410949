"""The report, in a real browser: no network, no errors, keys, filters, marks that stay, downloads, hostile names."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import hsad
from hsad.anomalies.options import ListOptions
from hsad.anomalies.vectors import read_anomalies
from hsad.cli import run
from hsad.errors import OutputError, ParameterError, SceneError
from hsad.products import write_envi
from hsad.report.page import _SCRIPTS, report_to_file
from hsad.report.review import apply_review


def records(files):
    return read_anomalies(files / "a.gpkg")


def test_one_file_that_asks_for_nothing(files):
    text = (files / "report.html").read_text()
    assert len(text) < 4e6
    for outside in ("http://", "https://", "<link rel=stylesheet", 'src="http', "@import"):
        assert outside not in text.replace("http://www.w3.org/2000/svg", "")


def test_it_shows_every_anomaly_and_names_as_text(opened, files):
    assert "<img src=x onerror=alert(1)>&amp;.hdr" in opened.inner_text("h1")
    assert opened.locator("header img").count() == 0
    assert opened.inner_text("#count") == f"{len(records(files))} anomalies"
    first = records(files)[0]
    assert opened.inner_text("#name") == "Anomaly 1 · pending"
    assert f"row {first['row']}, col {first['col']}" in opened.inner_text("#facts")
    assert "Its squared Mahalanobis" in opened.inner_text("#reason")
    assert opened.locator("#spectrum path").count() >= 2
    assert opened.locator("#parts rect").count() > 20
    painted = opened.evaluate(
        """(() => {
          const map = document.getElementById("map"), seen = new Set();
          const data = map.getContext("2d").getImageData(0, 0, map.width, map.height).data;
          for (let k = 0; k < data.length; k += 400) seen.add(data[k] + "," + data[k + 1]);
          return seen.size;
        })()"""
    )
    assert painted > 30


def test_keys_walk_and_mark_and_marks_survive_a_reload(opened):
    opened.keyboard.press("j")
    assert opened.inner_text("#name") == "Anomaly 2 · pending"
    opened.keyboard.press("k")
    opened.keyboard.press("r")  # marks 1, goes on to 2
    opened.keyboard.press("n")
    assert opened.inner_text("#name") == "Anomaly 3 · pending"
    opened.keyboard.press("n")
    opened.keyboard.press("k")
    opened.keyboard.press("p")
    opened.keyboard.press("?")
    assert opened.locator("dialog[open]").count() == 1
    opened.keyboard.press("Escape")
    assert opened.locator("dialog[open]").count() == 0
    opened.reload()
    opened.wait_for_function("document.querySelectorAll('.row').length > 0")
    states = opened.locator(".row span:last-child").all_inner_texts()
    assert states[:4] == ["real", "not real", "pending", "pending"]
    opened.click(".filters summary")
    opened.select_option("#state", "not real")
    assert opened.locator(".row").count() == 1


def test_filters_and_orders(opened, files):
    all_records = records(files)
    opened.click(".filters summary")
    opened.fill("#least-size", "3")
    wanted = [r["id"] for r in all_records if r["n_pixels"] >= 3]
    assert f"{len(wanted)} of" in opened.inner_text("#count")
    opened.click("#head [data-key=n_pixels]")
    shown = [int(text) for text in opened.locator(".row span:first-child").all_inner_texts()]
    expected = sorted(wanted, key=lambda i: (-all_records[i - 1]["n_pixels"], i))
    assert shown[:5] == expected[:5]
    opened.fill("#least-size", "")
    opened.fill("#least-score", str(all_records[4]["score_max"]))
    assert "5 of" in opened.inner_text("#count")
    opened.fill("#least-score", "")
    opened.fill("#most-p", str(all_records[2]["p_false"] * 1.0001))
    likely = [r for r in all_records if r["p_false"] <= all_records[2]["p_false"] * 1.0001]
    number = f"{len(likely)} of " if len(likely) < len(all_records) else ""
    assert opened.inner_text("#count") == f"{number}{len(all_records)} anomalies"


def test_a_click_on_the_map_selects_what_is_there(opened, files):
    record = records(files)[3]
    box = opened.locator("#map").bounding_box()
    zoom = min(box["width"] / 110, box["height"] / 100)
    x = box["x"] + box["width"] / 2 + (record["col"] + 0.5 - 55) * zoom
    y = box["y"] + box["height"] / 2 + (record["row"] + 0.5 - 50) * zoom
    opened.mouse.move(x, y)
    assert f"row {record['row']}, col {record['col']}" in opened.inner_text("#cursor")
    opened.mouse.click(x, y)
    assert opened.inner_text("#name") == "Anomaly 4 · pending"
    opened.mouse.wheel(0, -300)
    opened.locator(".row").nth(0).click()
    assert opened.inner_text("#name") == "Anomaly 1 · pending"


def test_downloads_and_the_way_back(opened, files, tmp_path):
    for key in "rnr":
        opened.keyboard.press(key)
    with opened.expect_download() as saved:
        opened.click("#geojson")
    saved.value.save_as(tmp_path / "reviewed.geojson")
    with opened.expect_download() as saved:
        opened.click("#csv")
    saved.value.save_as(tmp_path / "reviewed.csv")
    table = list(csv.DictReader((tmp_path / "reviewed.csv").read_text().splitlines()))
    assert [row["state"] for row in table[:4]] == ["real", "not real", "real", "pending"]
    assert table[0]["source"].endswith("<img src=x onerror=alert(1)>&amp;.hdr")
    shutil.copy(files / "a.gpkg", tmp_path / "a.gpkg")
    assert run(["review", str(tmp_path / "a.gpkg"), str(tmp_path / "reviewed.geojson")]) == 0
    states = [record["state"] for record in read_anomalies(tmp_path / "a.gpkg")]
    assert states[:4] == ["real", "not real", "real", "pending"]


def test_the_csv_holds_no_formula_that_a_spreadsheet_would_run(browser, files, tmp_path):
    text = (files / "report.html").read_text()
    (listed,) = re.findall(r'"source":(\[[^\]]*\])', text)
    dangerous = ["=1+1", "\t=1+1", "\r=1+1", " \n=1+1", "+1", "-1", "@A1", "\uff1d1+1", "\x00=1", "\u00a0=1"]
    sources = [*dangerous, *["plain.hdr"] * (len(json.loads(listed)) - len(dangerous))]
    (tmp_path / "r.html").write_text(text.replace(listed, json.dumps(sources)))
    page = browser.new_page()
    page.goto((tmp_path / "r.html").as_uri())
    with page.expect_download() as saved:
        page.click("#csv")
    saved.value.save_as(tmp_path / "reviewed.csv")
    page.close()
    with (tmp_path / "reviewed.csv").open(newline="") as file:
        found = [row["source"] for row in csv.DictReader(file)]
    assert found == [f"'{source}" for source in dangerous] + sources[len(dangerous) :]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1300])
def test_it_fits_phones_and_the_dark(browser, files, scheme, width):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    page.goto((files / "report.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = (
        "[...document.querySelectorAll('.row > span')].filter((cell) => cell.scrollWidth > cell.clientWidth + 1).length"
    )
    assert page.evaluate(cut) == 0
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(number) for number in paper.strip("rgb()").split(","))
    assert (brightness > 600) == (scheme == "light")
    context.close()


@pytest.mark.long
def test_ten_thousand_anomalies_answer_within_a_tenth_of_a_second(browser, tmp_path):
    rng = np.random.default_rng(0)
    spectra = rng.normal(size=(500, 500, 4)).astype(np.float32)
    spectra[2::5, 2::5] += 9 + rng.random((100, 100, 1)).astype(np.float32)
    np.save(tmp_path / "x.npy", spectra)
    cube = hsad.check_cube(spectra)
    write_envi(cube, tmp_path / "scene.hdr")
    hsad.detect_to_file(tmp_path / "scene.hdr", tmp_path / "scores.tif", "rx")
    scores = hsad.open_cube(tmp_path / "scores.tif").values[..., 0]
    least = float(np.sort(scores[2::5, 2::5].ravel())[0])
    result = report_to_file(
        tmp_path / "scene.hdr",
        tmp_path / "scores.tif",
        tmp_path / "r.html",
        ListOptions(threshold=least, merge=1),
        reasons=False,
    )
    assert result["anomalies"] >= 9000
    page = browser.new_page()
    page.goto((tmp_path / "r.html").as_uri())
    page.wait_for_function("document.querySelectorAll('.row').length > 0")
    assert page.locator(".row").count() < 60
    took = page.evaluate(
        """new Promise((done) => {
          const all = [];
          const next = (n) => {
            const start = performance.now();
            document.dispatchEvent(new KeyboardEvent("keydown", { key: n % 2 ? "r" : "j" }));
            requestAnimationFrame(() => setTimeout(() => {
              all.push(performance.now() - start);
              if (n) next(n - 1); else done(all);
            }));
          };
          next(30);
        })"""
    )
    assert sorted(took)[len(took) // 2] < 100, took
    page.close()


def test_the_script_is_a_script():
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here to check the script with")
    scripts = Path(hsad.__file__).parent / "report" / "assets" / "scripts"
    assert {path.stem for path in scripts.glob("*.js")} == set(_SCRIPTS)
    for path in scripts.glob("*.js"):
        subprocess.run([node, "--check", str(path)], check=True, timeout=60)
        assert len(path.read_text().splitlines()) <= 400


def test_reviews_that_do_not_fit_are_refused(files, tmp_path):
    shutil.copy(files / "a.gpkg", tmp_path / "a.gpkg")
    first = records(files)[0]

    def review(**properties):
        feature = {"properties": {"id": 1, "state": "real", "row": first["row"], "col": first["col"], **properties}}
        path = tmp_path / "r.geojson"
        path.write_text(json.dumps({"features": [feature]}))
        return apply_review(tmp_path / "a.gpkg", path)

    assert review()["changed"] == 1
    with pytest.raises(SceneError, match="review of other anomalies"):
        review(row=first["row"] + 1)
    with pytest.raises(ParameterError, match="state 'nice' is not one of"):
        review(state="nice")
    with pytest.raises(ParameterError, match="has no anomaly 5000"):
        review(id=5000)
    (tmp_path / "broken.geojson").write_text("{")
    with pytest.raises(SceneError, match="not a review"):
        apply_review(tmp_path / "a.gpkg", tmp_path / "broken.geojson")
    with pytest.raises(SceneError, match="no such file"):
        apply_review(tmp_path / "a.gpkg", tmp_path / "none.geojson")


def test_pages_that_cannot_be_written_are_refused(files, tmp_path):
    header = next(files.glob("*.hdr"))
    with pytest.raises(OutputError, match=r"must end with one of \.html"):
        report_to_file(header, files / "scores.tif", tmp_path / "r.pdf")
    with pytest.raises(SceneError, match="do not hold the scores"):
        report_to_file(np.zeros((5, 6, 3)), files / "scores.tif", tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []


def test_a_scene_without_anomalies_or_georeferencing_has_a_page(browser, tmp_path):
    scene = np.random.default_rng(0).normal(size=(40, 50, 5)).astype(np.float32)
    write_envi(hsad.check_cube(scene), tmp_path / "s.hdr")
    hsad.detect_to_file(tmp_path / "s.hdr", tmp_path / "s.tif", "rx")
    report_to_file(tmp_path / "s.hdr", tmp_path / "s.tif", tmp_path / "none.html", ListOptions(threshold=1e9))
    page = browser.new_page()
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto((tmp_path / "none.html").as_uri())
    assert page.inner_text("#count") == "0 anomalies"
    assert page.inner_text("#empty") == "There is no anomaly to list."
    assert "pixel" in page.inner_text("#scale")
    page.keyboard.press("j")
    page.keyboard.press("r")
    assert trouble == []
    page.close()
