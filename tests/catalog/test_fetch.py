"""`hsad catalog fetch`: once, compared with the catalogue, and unpacked."""

from __future__ import annotations

import hashlib
import json
import zipfile

import pytest
from server import SHA256

from hsad.catalog import fetch
from hsad.cli import run
from hsad.errors import OutputError


@pytest.fixture
def root(site, tmp_path):
    """A catalogue of one scene at the site."""
    root = tmp_path / "catalogue"
    (root / "c").mkdir(parents=True)
    item = {
        "id": "one",
        "collection": "c",
        "properties": {"hsad:obtain": "nowhere", "hsad:how": "download"},
        "assets": {
            "cube": {
                "href": site.url,
                "data_type": "uint16",
                "hsad:shape": [10, 10, 50],
                "file:checksum": f"1220{SHA256}",
            }
        },
    }
    links = {"catalog.json": ("child", "c/collection.json"), "c/collection.json": ("item", "one.json")}
    for name, (relation, href) in links.items():
        (root / name).write_text(json.dumps({"links": [{"rel": relation, "href": href}]}))
    (root / "c" / "one.json").write_text(json.dumps(item))
    return root


def change(root, **fields):
    file = root / "c" / "one.json"
    item = json.loads(file.read_text())
    for name, value in fields.items():
        item["assets"]["cube"].pop(name, None)
        if value is not None:
            item["assets"]["cube"][name] = value
    file.write_text(json.dumps(item))


def test_a_scene_is_fetched_once_and_compared_each_time(site, root, tmp_path):
    target = tmp_path / "new" / "target"
    (first,) = fetch("one", target, root)
    assert (first.path, first.sha256, first.compared, first.there_already) == (
        target / "scene.bin", SHA256, True, False,
    )  # fmt: skip
    (second,) = fetch("one", target, root)
    assert (second.there_already, second.compared) == (True, True)
    assert len(site.asked) == 1
    (target / "scene.bin").write_bytes(b"another file")
    with pytest.raises(OutputError, match=r"scene\.bin exists already and is another file"):
        fetch("one", target, root)
    assert (target / "scene.bin").read_bytes() == b"another file"
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="the folder cannot be made"):
        fetch("one", tmp_path / "file" / "target", root)


def test_without_a_checksum_in_the_catalogue_the_file_is_not_called_compared(root, tmp_path):
    change(root, **{"file:checksum": None})
    (fetched,) = fetch("one", tmp_path / "target", root)
    assert (fetched.sha256, fetched.compared) == (SHA256, False)


def test_an_archive_is_unpacked_beside_itself(site, root, tmp_path):
    packed = tmp_path / "product.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("PRODUCT/a.txt", "a")
    site.content = packed.read_bytes()
    digest = hashlib.sha256(site.content).hexdigest()
    change(
        root,
        **{"file:checksum": f"1220{digest}", "hsad:unpack": True, "href": site.url.replace("scene.bin", "product.zip")},
    )
    target = tmp_path / "target"
    for there_already in (False, True):
        (fetched,) = fetch("one", target, root)
        assert (fetched.path, fetched.there_already) == (target / "product", there_already)
        assert (target / "product" / "PRODUCT" / "a.txt").read_text() == "a"
    assert {entry.name for entry in target.iterdir()} == {"product", "product.zip"}


def test_the_command_says_what_came_and_whether_it_was_compared(site, root, tmp_path, capsys, monkeypatch):
    from hsad.catalog import items

    monkeypatch.setattr(items, "_folder", lambda: root)
    site.breaks = [1_000_000]
    target = tmp_path / "target"
    assert run(["catalog", "fetch", "one", "-o", str(target)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{target / 'scene.bin'}: complete, sha256 {SHA256[:16]} as in the catalogue",
        f"try: hsad info {target / 'scene.bin'}",
    ]
    change(root, **{"file:checksum": None})
    assert run(["catalog", "fetch", "one", "-o", str(target)]) == 0
    out = capsys.readouterr().out
    assert f"there already, sha256 {SHA256}, which could not be compared: the catalogue has none" in out
    assert run(["catalog", "fetch", "one", "-o", str(target), "--json"]) == 0
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert (file["sha256"], file["compared"], file["there_already"]) == (SHA256, False, True)
    site.statuses = [404]
    assert run(["catalog", "fetch", "one", "-o", str(tmp_path / "other")]) == 1
    err = capsys.readouterr().err
    assert err == f"hsad: error: {site.url}: the server has no such file any more (404 Not Found)\n"
