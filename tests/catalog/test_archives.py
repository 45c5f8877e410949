"""Archives are unpacked whole or not at all, and never outside of their folder."""

import io
import stat
import tarfile
import zipfile

import pytest

from hsad.catalog.unpack import unpack
from hsad.errors import OutputError, SceneError


def zipped(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return path


def tarred(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for item, content in members:
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
    return path


def member(name, kind=tarfile.REGTYPE, target=""):
    item = tarfile.TarInfo(name)
    item.type, item.linkname = kind, target
    return item


def test_zip_and_tar_are_unpacked_with_their_folders(tmp_path):
    packed = zipped(tmp_path / "a.zip", P__x="1", y="2")
    folder = unpack(packed, tmp_path / "a")
    assert {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()} == {
        "P/x": "1",
        "y": "2",
    }
    packed = tarred(tmp_path / "b.tar.gz", [(member("P", tarfile.DIRTYPE), b""), (member("P/x"), b"1")])
    assert (unpack(packed, tmp_path / "b") / "P" / "x").read_bytes() == b"1"


@pytest.mark.parametrize("name", ["../out", "/out", "P/../../out", "..\\out", "C:out", "P/x\\..\\out"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_that_lead_out_of_the_folder_are_refused(tmp_path, name, kind):
    packed = tmp_path / "inner" / "a.zip"
    packed.parent.mkdir()
    if kind == "zip":
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("fine", "1")
            info = zipfile.ZipInfo("x")
            info.filename = name  # else the separator of other systems is replaced
            archive.writestr(info, "2")
    else:
        tarred(packed, [(member("fine"), b"1"), (member(name), b"2")])
    with pytest.raises(SceneError, match="leads out of its folder; nothing was unpacked"):
        unpack(packed, tmp_path / "inner" / "a")
    assert [p.name for p in tmp_path.rglob("*")] == ["inner", "a.zip"]


@pytest.mark.parametrize(
    "item",
    [
        member("x", tarfile.SYMTYPE, "/etc/passwd"),
        member("x", tarfile.LNKTYPE, "/etc/passwd"),
        member("x", tarfile.FIFOTYPE),
        member("x", tarfile.CHRTYPE),
    ],
)
def test_links_and_devices_are_refused(tmp_path, item):
    packed = tarred(tmp_path / "a.tar.gz", [(member("fine"), b"1"), (item, b"")])
    with pytest.raises(SceneError, match="the member 'x' is no regular file; nothing was unpacked"):
        unpack(packed, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_link_in_a_zip_is_refused(tmp_path):
    packed = tmp_path / "a.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        info = zipfile.ZipInfo("x")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(SceneError, match="'x' is no regular file"):
        unpack(packed, tmp_path / "a")


def test_an_archive_made_to_fill_the_disk_is_refused(tmp_path):
    packed = zipped(tmp_path / "a.zip", bomb=b"\0" * 50_000_000)
    assert packed.stat().st_size < 60_000
    with pytest.raises(SceneError, match="unpacked it takes over 200 times its size; nothing was unpacked"):
        unpack(packed, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_damaged_archives_leave_nothing(tmp_path):
    packed = zipped(tmp_path / "a.zip", x="content of a file " * 100)
    content = bytearray(packed.read_bytes())
    content[45] ^= 0xFF
    packed.write_bytes(content)
    with pytest.raises(SceneError, match=r"a.zip: not a readable archive"):
        unpack(packed, tmp_path / "a")
    packed.write_bytes(b"no archive at all")
    with pytest.raises(SceneError, match=r"a.zip: not a readable archive"):
        unpack(packed, tmp_path / "a")
    cut = tarred(tmp_path / "b.tar.gz", [(member("x"), b"12345678" * 1000)])
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(SceneError, match=r"b.tar.gz: "):
        unpack(cut, tmp_path / "b")
    assert {p.name for p in tmp_path.iterdir()} == {"a.zip", "b.tar.gz"}


def test_a_folder_that_exists_stays_as_it_is(tmp_path):
    packed = zipped(tmp_path / "a.zip", x="1")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine").touch()
    with pytest.raises(OutputError, match="exists already"):
        unpack(packed, tmp_path / "a")
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["mine"]
