"""Downloads: whole or not at all, whatever the server and the connection do."""

from __future__ import annotations

import os
import shutil
import socket
import urllib.request

import pytest
from server import CONTENT, SHA256, Handler

from hsad.catalog import answers, download
from hsad.catalog.download import download as load
from hsad.errors import OutputError, SceneError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scene.bin"


def only(path):
    """Tell whether a folder holds the whole file and nothing else."""
    return [entry.name for entry in path.parent.iterdir()] == [path.name] and path.read_bytes() == CONTENT


def test_a_file_comes_whole_and_its_checksum_is_returned(site, path):
    shown = []

    def progress(steps, *, total, desc):
        assert (total, desc) == (3, "scene.bin, MB")
        for step in steps:
            shown.append(step)
            yield step

    assert load(site.url, path, size=len(CONTENT), sha256=SHA256, progress=progress) == SHA256
    assert only(path)
    assert shown == [1, 2, 3]
    assert "Range" not in site.asked[0]


@pytest.mark.parametrize("known", [SHA256, None])
@pytest.mark.parametrize("mark", [{"etag": '"one"'}, {"etag": None, "modified": "Mon, 30 Nov 2026 06:00:00 GMT"}])
def test_a_broken_connection_is_taken_up_where_it_broke(site, path, known, mark):
    site.breaks = [1_000_000, 500_000, 1]
    for name, value in mark.items():
        setattr(site, name, value)
    assert load(site.url, path, sha256=known) == SHA256
    assert only(path)
    assert [asked.get("Range") for asked in site.asked] == [
        None, "bytes=1000000-", "bytes=1500000-", "bytes=1500001-",
    ]  # fmt: skip
    assert {asked.get("If-Range") for asked in site.asked[1:]} == {mark.get("etag") or mark.get("modified")}


def test_a_server_without_ranges_sends_the_file_again(site, path):
    site.ranges, site.breaks = False, [2_000_000]
    assert load(site.url, path, sha256=SHA256) == SHA256
    assert only(path)


@pytest.mark.parametrize("known", [SHA256, None])
def test_a_file_that_changes_between_two_tries_is_taken_from_its_start(site, path, known):
    other = os.urandom(2_500_000)
    site.content, site.breaks = other, [1_200_000]
    site.after = {2: {"content": CONTENT, "etag": '"two"'}}
    assert load(site.url, path, sha256=known) == SHA256
    assert only(path)


def test_a_server_that_ignores_the_version_asked_for_is_noticed(site, path):
    site.content, site.breaks = os.urandom(3_000_000), [1_200_000]
    site.after = {2: {"content": CONTENT, "etag": '"two"'}}
    # What a careless proxy does: a part of the new file, although the old one was asked for.
    original = Handler.do_GET

    def careless(self):
        if "If-Range" in self.headers:
            del self.headers["If-Range"]
        original(self)

    Handler.do_GET = careless
    try:
        assert load(site.url, path) == SHA256
    finally:
        Handler.do_GET = original
    assert only(path)


def test_without_a_mark_and_without_a_checksum_two_halves_are_never_joined(site, path):
    site.etag, site.breaks = None, [1_000_000]
    assert load(site.url, path) == SHA256
    assert all("Range" not in asked for asked in site.asked)


def test_a_stated_length_that_is_too_large_does_not_go_on_for_ever(site, path):
    site.length = len(CONTENT) + 1000
    assert load(site.url, path, sha256=SHA256) == SHA256  # 416 says how long the file is
    path.unlink()
    site.ranges = False
    with pytest.raises(SceneError, match=r"failed after 6 tries \(the connection ended after 3000000 of 3001000 bytes"):
        load(site.url, path, sha256=SHA256)
    assert not path.exists()


def test_a_stated_length_that_is_too_small_is_a_wrong_checksum(site, path):
    site.length = 1_000_000
    with pytest.raises(SceneError, match=rf"scene.bin: sha256 .* instead of {SHA256}; the file was not kept"):
        load(site.url, path, sha256=SHA256)
    assert not list(path.parent.iterdir())


def test_a_server_that_states_no_length_is_believed_at_the_end(site, path):
    site.states_length = False
    assert load(site.url, path) == SHA256
    assert only(path)


def test_another_file_than_the_catalogue_states_is_refused_before_it_comes(site, path):
    with pytest.raises(SceneError, match="another file: 3000000 bytes instead of 2999999"):
        load(site.url, path, size=len(CONTENT) - 1, sha256=SHA256)
    assert not list(path.parent.iterdir())


def test_a_wrong_checksum_is_not_continued_the_next_time(site, path):
    site.content = CONTENT[::-1]
    with pytest.raises(SceneError, match="instead of"):
        load(site.url, path, sha256=SHA256)
    assert not list(path.parent.iterdir())
    site.content = CONTENT
    assert load(site.url, path, sha256=SHA256) == SHA256


@pytest.mark.parametrize(
    ("statuses", "message"),
    [
        ([404], "the server has no such file any more (404 Not Found)"),
        ([410], "the server has no such file any more (410 Gone)"),
        ([401], "the server asks for a login or allows no access (401 Unauthorized)"),
        ([403], "the server asks for a login or allows no access (403 Forbidden)"),
        ([418], "the server answers 418 I'm a Teapot"),
        ([503] * 5, "the download failed after 5 tries (the server answers 503 Service Unavailable)"),
    ],
)
def test_each_refusal_is_one_line_that_says_what_it_is(site, path, statuses, message):
    site.statuses = list(statuses)
    with pytest.raises(SceneError) as raised:
        load(site.url, path)
    assert str(raised.value) == f"{site.url}: {message}"
    assert len(site.asked) == len(statuses)
    assert not list(path.parent.iterdir())


def test_a_busy_server_is_asked_again_when_it_says(site, path, monkeypatch):
    slept = []
    monkeypatch.setattr(download.time, "sleep", slept.append)
    site.statuses, site.headers = [503, 429], {"Retry-After": "7"}
    assert load(site.url, path) == SHA256
    assert slept == [7.0, 7.0]


def test_nobody_at_the_address_is_said_at_once(path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/scene.bin"
    with pytest.raises(
        SceneError, match=r"the download failed \(no server answers at this address: connection refused"
    ):
        load(url, path)
    assert not list(path.parent.iterdir())


def test_a_server_that_falls_silent_is_given_up(site, path, monkeypatch):
    monkeypatch.setattr(answers, "_TIMEOUT", 0.05)
    site.silent = True
    with pytest.raises(SceneError, match=r"failed after 5 tries \(no byte came for 0\.05 s"):
        load(site.url, path)


def test_a_web_page_in_place_of_the_file_is_refused(site, path):
    site.content, site.kind = b"<html>log in</html>", "text/html; charset=utf-8"
    with pytest.raises(SceneError, match="the server sends a web page instead of the file"):
        load(site.url, path)
    assert not list(path.parent.iterdir())


def test_redirections_are_followed_but_not_to_other_protocols(site, path, tmp_path):
    site.moved_to = site.url.replace("/scene.bin", "/moved")
    assert load(site.url, path) == SHA256
    (tmp_path / "secret").write_text("secret")
    second = tmp_path / "second.bin"
    site.moved_to = (tmp_path / "secret").as_uri()
    with pytest.raises(SceneError, match=r"302 .* is not allowed"):
        load(site.url, second)
    site.moved_to = "ftp://127.0.0.1/secret"
    with pytest.raises(SceneError, match=r"the server leads to ftp://127\.0\.0\.1/secret, which is not followed"):
        load(site.url, second)
    assert not second.exists()
    encrypted = urllib.request.Request("https://example.org/scene.bin")
    with pytest.raises(SceneError, match="which is not followed"):
        answers._Redirects().redirect_request(encrypted, None, 302, "Found", {}, "http://example.org/scene.bin")


def test_a_disk_without_room_is_noticed_before_the_file_comes(site, path, monkeypatch):
    usage = shutil.disk_usage(path.parent)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(OutputError, match=r"scene.bin: 3 MB are to come, and 1 MB are free in "):
        load(site.url, path)
    assert not list(path.parent.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="limits of files are set otherwise there")
def test_a_disk_that_takes_no_more_is_one_line_and_keeps_what_came(site, path):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"scene.bin: File too large after 1\d{6} bytes") as raised:
            load(site.url, path, sha256=SHA256)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not path.exists()
    assert "bytes are kept in" in raised.value.__notes__[0]
    assert load(site.url, path, sha256=SHA256) == SHA256
    assert site.asked[-1]["Range"].startswith("bytes=1")


def test_an_ended_download_is_continued_by_the_same_command(site, path):
    site.breaks = [1_000_000]
    site.after = {2: {"statuses": [404]}}
    with pytest.raises(SceneError, match="no such file any more") as raised:
        load(site.url, path, sha256=SHA256)
    part = path.with_name("scene.bin.part")
    assert raised.value.__notes__ == [f"1000000 bytes are kept in {part}: the same command continues there"]
    assert not path.exists()
    assert load(site.url, path, sha256=SHA256) == SHA256
    assert site.asked[-1]["Range"] == "bytes=1000000-"
    assert only(path)


def test_what_came_from_another_address_is_not_continued(site, path):
    site.breaks, site.after = [1_000_000], {2: {"statuses": [404]}}
    with pytest.raises(SceneError):
        load(site.url, path)
    assert load(f"{site.url}?version=2", path) == SHA256
    assert "Range" not in site.asked[-1]


def test_two_processes_do_not_write_one_file(site, path):
    from hsad.files import locked

    part = path.with_name("scene.bin.part")
    part.mkdir()
    with (
        locked(part / "lock", os.O_CREAT),
        pytest.raises(OutputError, match="another process is downloading this file"),
    ):
        load(site.url, path)
    assert load(site.url, path) == SHA256


def test_an_existing_name_is_never_replaced(site, path):
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        load(site.url, path)
    assert path.read_bytes() == b"mine"
