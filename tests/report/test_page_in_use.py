"""The report as a person uses it: the map's first sight, columns, order, notes and classes, kinds, and on paper."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import hsad
from hsad.anomalies.decide import choose_anomalies
from hsad.anomalies.opened import Scene, open_scores
from hsad.anomalies.options import ListOptions
from hsad.anomalies.vectors import read_anomalies
from hsad.products import write_envi
from hsad.report.page import write_page


@pytest.fixture
def changed(browser, files, tmp_path):
    """Return the function that opens the page with some of its data changed."""
    text = (files / "report.html").read_text()
    start = text.index(">", text.index('id="data"')) + 1
    stop = text.index("</script>", start)
    context = browser.new_context(viewport={"width": 1300, "height": 900}, accept_downloads=True)

    def open_with(change):
        data = json.loads(text[start:stop])
        change(data)
        (tmp_path / "changed.html").write_text(text[:start] + json.dumps(data).replace("<", "\\u003c") + text[stop:])
        page = context.new_page()
        page.goto((tmp_path / "changed.html").as_uri())
        return page

    yield open_with
    context.close()


def ids(page):
    return [int(text) for text in page.locator(".row span:first-child").all_inner_texts()]


def test_at_first_the_map_shows_the_scene_alone_with_outlines_and_numbers(browser, files):
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    context.add_init_script(
        """window.drawn = []; window.written = new Set();
        const draw = CanvasRenderingContext2D.prototype.drawImage, write = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.drawImage = function (...all) {
          if (this.canvas.id === "map") window.drawn.push(all[0].tagName);
          return draw.apply(this, all);
        };
        CanvasRenderingContext2D.prototype.fillText = function (text, ...all) {
          if (this.canvas.id === "map") window.written.add(text);
          return write.apply(this, [text, ...all]);
        };"""
    )
    page = context.new_page()
    page.goto((files / "report.html").as_uri())
    page.wait_for_function("window.drawn.length > 1")
    assert set(page.evaluate("window.drawn")) == {"IMG"}  # the picture of the scene, no canvas of scores
    assert {"1", "2", "3"} <= set(page.evaluate("[...window.written]"))
    assert page.is_hidden("#bar")
    page.fill("#opacity", "60")
    page.wait_for_function("window.drawn.includes('CANVAS')")
    least = min(record["score_max"] for record in read_anomalies(files / "a.gpkg"))
    assert page.is_visible("#bar")
    stated = re.match(r"([\d.]+) the list starts", page.inner_text("#low"))
    assert stated
    assert float(stated[1]) <= least * 1.005
    context.close()


def test_every_column_says_what_it_means(opened):
    heads = opened.locator("#head button")
    titles = [heads.nth(n).get_attribute("title") for n in range(heads.count())]
    assert heads.count() == opened.locator(".row").first.locator("span").count()
    assert all(title and title.endswith(".") for title in titles)
    opened.keyboard.press("?")
    assert opened.locator("#columns dd").all_inner_texts() == titles  # on a phone there are no tooltips


def test_sorting_keeps_the_place_of_the_list_and_of_the_page(opened):
    opened.set_viewport_size({"width": 1300, "height": 420})
    opened.evaluate("document.getElementById('rows').scrollTop = 95; scrollTo(0, 60)")
    for key in ("n_pixels", "score_max", "state"):
        opened.click(f"#head [data-key={key}]")
        assert opened.evaluate("document.getElementById('rows').scrollTop") == 95
        assert opened.evaluate("scrollY") == 60
        assert opened.get_attribute(f"#head [data-key={key}]", "aria-pressed") == "true"
    assert opened.locator("#head [aria-pressed=true]").count() == 1


def test_the_list_and_the_map_are_used_by_keys_alone(opened, files):
    number = len(read_anomalies(files / "a.gpkg"))
    opened.focus("#rows")
    opened.keyboard.press("End")
    assert opened.inner_text("#name").startswith(f"Anomaly {number} ")
    assert opened.get_attribute("#rows", "aria-activedescendant") == f"row-{number}"
    assert opened.get_attribute(f"#row-{number}", "aria-selected") == "true"
    opened.keyboard.press("Home")
    opened.keyboard.press("ArrowDown")
    assert opened.inner_text("#name").startswith("Anomaly 2 ")
    assert opened.inner_text("#live").startswith("Anomaly 2,")
    opened.focus("#map")
    before = opened.evaluate("document.getElementById('scale').innerText")
    for _ in range(4):
        opened.keyboard.press("+")
    from playwright.sync_api import expect

    expect(opened.locator("#scale")).not_to_have_text(before)
    named = "button:not([title]):not([aria-label]), input:not([aria-label])"
    for control in opened.locator(named).all():
        label = control.evaluate(
            "e => (e.textContent || (e.labels && e.labels[0] && e.labels[0].textContent) || '').trim()"
        )
        assert label


def test_classes_and_notes_stay_and_are_saved(opened, tmp_path):
    opened.fill("#own-class", "  car ")
    opened.fill("#own-note", 'red, "parked" =1+1')
    opened.keyboard.press("Tab")
    opened.locator("#row-2").click()
    assert opened.input_value("#own-class") == ""
    assert opened.locator("#classes option").get_attribute("value") == "car"  # offered again
    opened.reload()
    opened.wait_for_function("document.querySelectorAll('.row').length > 0")
    assert opened.input_value("#own-note") == 'red, "parked" =1+1'
    with opened.expect_download() as saved:
        opened.click("#geojson")
    saved.value.save_as(tmp_path / "reviewed.geojson")
    first, second = json.loads((tmp_path / "reviewed.geojson").read_text())["features"][:2]
    assert (first["properties"]["class"], first["properties"]["note"]) == ("car", 'red, "parked" =1+1')
    assert (second["properties"]["class"], second["properties"]["note"]) == (None, None)


def test_paper_has_every_anomaly_the_whole_scene_and_where_it_comes_from(opened, files):
    opened.fill("#own-note", "seen from the road")
    opened.keyboard.press("Tab")
    opened.click(".filters summary")
    opened.fill("#least-size", "3")  # filters are for the screen
    opened.emulate_media(media="print")
    opened.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    opened.wait_for_function("document.querySelector('#print > img').complete")
    rows = opened.locator("#print tbody tr")
    assert rows.count() == len(read_anomalies(files / "a.gpkg"))
    assert "seen from the road" in rows.first.inner_text()
    wide, high, shown_wide, shown_high = opened.evaluate(
        """(() => { const map = document.querySelector('#print > img'), box = map.getBoundingClientRect();
        return [map.naturalWidth, map.naturalHeight, box.width, box.height]; })()"""
    )
    assert wide / high == pytest.approx(110 / 100, rel=0.01)
    assert shown_wide / shown_high == pytest.approx(110 / 100, rel=0.02)
    about = opened.inner_text("#about")
    for named in ("Acquired", "Checksum", "SHA-256", f"by hsad {hsad.__version__}", "Threshold"):
        assert named in about
    assert re.search(r"Written\s+\d{4}-\d\d-\d\d \d\d:\d\d UTC", about)
    assert opened.is_hidden("main")
    opened.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert opened.locator("#print > *").count() == 0


def test_candidates_below_the_list_are_closed_at_first(changed):
    def two_below(data):
        data["listed"] -= 2
        data["anomalies"]["further"][-2:] = [True, True]

    page = changed(two_below)
    number = page.evaluate("JSON.parse(document.getElementById('data').textContent).listed")
    assert page.inner_text("#count") == f"{number} anomalies"
    assert page.inner_text("#further") == "▸ 2 further candidates, no better than background"
    assert page.get_attribute("#further", "aria-expanded") == "false"
    page.click("#further")
    assert page.inner_text("#count") == f"{number} anomalies, 2 candidates"
    assert page.get_attribute("#further", "aria-expanded") == "true"
    page.focus("#rows")
    page.keyboard.press("End")
    assert "no better than background" in page.inner_text("#facts")


def test_where_nothing_stands_out_the_highest_candidates_are_shown(changed):
    def none_listed(data):
        data["listed"] = 0
        data["anomalies"]["further"] = [True] * len(data["anomalies"]["id"])

    page = changed(none_listed)
    assert ids(page)[:3] == [1, 2, 3]
    assert page.inner_text("#name") == "Candidate 1 · pending"
    assert re.fullmatch(r"\d+ candidates", page.inner_text("#count"))


def test_a_kind_is_filtered_shown_with_what_is_like_it_and_marked_at_once(changed):
    def with_kinds(data):
        number = len(data["anomalies"]["id"])
        data["anomalies"]["kind"] = ["A", "B", "A", *[None] * (number - 3)]
        more = [{"row": 5, "col": 6, "cosine": 0.8, "fill": 0.3}, {"row": 50, "col": 60, "cosine": 0.7, "fill": 0.2}]
        data["kinds"] = {"A": {"name": "most like sand", "members": [1, 3], "more": more, "expected_false": 0.4}}

    page = changed(with_kinds)
    told = page.inner_text("#alike")
    assert "Kind A, most like sand: 2 anomalies of the list." in told
    assert "2 more like it (probably none false)" in told
    page.select_option("#colour", "kind")
    assert "kind A: 2 anomalies, most like sand" in page.inner_text("#map-legend")
    page.locator("#alike button", has_text="not real").click()
    page.click(".filters summary")
    page.select_option("#kind", "A")
    assert ids(page) == [1, 3]
    assert page.locator(".row span:last-child").all_inner_texts() == ["not real", "not real"]
    assert "2 anomalies of kind A marked not real." in page.inner_text("#live")


def test_pages_without_kinds_do_not_speak_of_them(changed):
    def without_kinds(data):
        data["anomalies"]["kind"] = [None] * len(data["anomalies"]["id"])

    page = changed(without_kinds)
    assert page.is_hidden("#alike")
    assert page.locator("#head [data-key=kind]").count() == 0
    page.click(".filters summary")
    assert page.is_hidden("#kind")


@pytest.fixture(scope="module")
def two_spectrometers(tmp_path_factory):
    """A page of a scene whose second spectrometer begins below the end of the first, with a spike at one band."""
    folder = tmp_path_factory.mktemp("two")
    spectra = np.random.default_rng(0).normal(100, 3, (30, 30, 60)).astype(np.float32)
    spectra[14, 15] += 40
    spectra[14, 15, 45] = 90_000
    wavelength = np.concatenate([np.linspace(420, 1000, 30), np.linspace(900, 1250, 30)])
    cube = hsad.check_cube(spectra).assign_coords(wavelength=("band", wavelength))
    write_envi(cube, folder / "s.hdr")
    hsad.detect_to_file(folder / "s.hdr", folder / "s.tif", "rx")
    scores = open_scores(folder / "s.tif")
    scene = Scene.of(folder / "s.hdr", scores.grid)
    found = choose_anomalies(scores, scene, ListOptions(threshold=float(np.nanmax(scores.values.values))))
    write_page(folder / "s.html", found, scores, scene, {})
    return folder / "s.html"


def test_a_spike_does_not_spoil_the_axis_and_two_spectrometers_are_two_lines(browser, two_spectrometers):
    page = browser.new_page()
    page.goto(two_spectrometers.as_uri())
    ticks = page.locator("#spectrum text[text-anchor=end]").all_text_contents()
    assert max(map(float, ticks)) < 1000
    assert "1 band of the anomaly beyond the axis" in page.inner_text("#legend")
    assert "two lines where two spectrometers overlap" in page.inner_text("#legend")
    for line in page.locator("#spectrum path").all():
        assert line.get_attribute("d").count("M") == 2
    assert page.locator("#spectrum polygon").count() == 2
    page.close()
