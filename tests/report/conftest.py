"""A report of a scene with a hostile name, and a real browser to open it in."""

from __future__ import annotations

import shutil

import pytest

import hsad
from hsad.anomalies.options import ListOptions
from hsad.cli import run
from hsad.products import write_envi
from hsad.report.page import report_to_file

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """A scored scene with a hostile name, its anomalies and its page."""
    folder = tmp_path_factory.mktemp("report")
    scene = hsad.make_scene(rows=100, cols=110, seed=3)
    header = folder / "<img src=x onerror=alert(1)>&amp;.hdr"
    write_envi(scene.cube, header)
    hsad.detect_to_file(header, folder / "scores.tif", "rx")
    assert run(["threshold", str(folder / "scores.tif"), "-o", str(folder / "a.gpkg"), "--false-objects", "50"]) == 0
    report_to_file(header, folder / "scores.tif", folder / "report.html", ListOptions(false_objects=50))
    return folder


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def opened(browser, files):
    """The page in a new profile; whatever it asks for or complains about is an error."""
    context = browser.new_context(viewport={"width": 1300, "height": 900}, accept_downloads=True)
    context.set_default_timeout(10_000)
    page = context.new_page()
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("dialog", lambda dialog: trouble.append(f"dialog {dialog.message}"))
    page.on("request", lambda request: trouble.append(request.url) if request.url.startswith("http") else None)
    page.goto((files / "report.html").as_uri())
    page.wait_for_function("document.querySelectorAll('.row').length > 0")
    yield page
    context.close()
    assert trouble == []
