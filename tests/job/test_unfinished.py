"""The folder of an unfinished run: what is not ours stays, and what is not this run's is not used."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from processes import unfinished, write_scene
from sketches import MeanDistance

import hsad as library
from hsad.detectors.parameters import parameter
from hsad.engine.resume import Journal
from hsad.engine.tile_scores import TileScores
from hsad.engine.tiles import LeafGrid
from hsad.errors import OutputError, SceneError

GRID = LeafGrid(24, 9, 8)


def tile(rows=slice(16, 24), cols=slice(0, 9), layers=3):
    scores = np.random.default_rng(0).random((rows.stop - rows.start, cols.stop - cols.start, layers))
    return TileScores(rows, cols, scores.astype(np.float32))


def interrupted(folder, *tiles, fingerprint=None):
    with pytest.raises(KeyboardInterrupt), Journal(folder, fingerprint or {"a": 1}) as journal:  # noqa: PT012
        for one in tiles:
            journal.keep(one)
        raise KeyboardInterrupt


def contents(folder):
    return {path.relative_to(folder): path.is_file() and path.read_bytes() for path in sorted(folder.rglob("*"))}


@pytest.fixture
def scene(tmp_path):
    (tmp_path / "in").mkdir()
    return write_scene(tmp_path / "in", rows=40, cols=50, bands=4)


def test_a_folder_of_somebody_else_is_left_as_it_is(scene, tmp_path):
    output = tmp_path / "s.tif"
    foreign = unfinished(output)
    (foreign / "sub").mkdir(parents=True)
    (foreign / "keep").write_text("mine")
    (foreign / "sub" / "deep").write_text("mine")
    before = contents(foreign)
    for restart in (False, True):
        with pytest.raises(OutputError, match=r"s\.tif\.unfinished: the folder holds no run\.json"):
            library.detect_to_file(scene, output, "rx", restart=restart)
        assert contents(foreign) == before
    assert not output.exists()


def test_a_link_in_the_place_of_the_folder_is_not_followed(scene, tmp_path):
    output, victim = tmp_path / "s.tif", tmp_path / "victim"
    (victim / "sub").mkdir(parents=True)
    (victim / "keep").write_text("mine")
    unfinished(output).symlink_to(victim)
    before = contents(victim)
    with pytest.raises(OutputError, match="is not a folder"):
        library.detect_to_file(scene, output, "rx")
    assert contents(victim) == before
    unfinished(output).unlink()
    # Not even where it leads to a folder that we made.
    interrupted(tmp_path / "ours", tile())
    unfinished(output).symlink_to(tmp_path / "ours")
    before = contents(tmp_path / "ours")
    with pytest.raises(OutputError, match="is not a folder"):
        library.detect_to_file(scene, output, "rx")
    assert contents(tmp_path / "ours") == before


def test_a_file_in_the_place_of_the_folder_is_kept(scene, tmp_path):
    output = tmp_path / "s.tif"
    unfinished(output).write_text("mine")
    with pytest.raises(OutputError, match="is not a folder"):
        library.detect_to_file(scene, output, "rx")
    assert unfinished(output).read_text() == "mine"


def test_links_in_the_folder_are_not_followed(tmp_path):
    run, victim = tmp_path / "run", tmp_path / "victim"
    victim.write_text("mine")
    for name in ("lock", "scan-0001", "0-8-0-9.part"):
        interrupted(run, tile())
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(victim)
        with pytest.raises(OutputError, match=f"holds a link \\({name}\\)"), Journal(run, {"a": 1}):
            pass
        (run / name).unlink()
        assert victim.read_text() == "mine"


def test_what_others_put_into_the_folder_stays(tmp_path):
    run = tmp_path / "run"
    interrupted(run, tile())
    (run / "notes").mkdir()
    (run / "notes" / "keep").write_text("mine")
    (run / "x.tile").write_text("mine")
    (run / ".s.tif.abc.partial").mkdir()
    with Journal(run, {"a": 1}) as journal:
        assert len(list(journal.finished(GRID, 3))) == 1
    assert {str(path) for path in contents(run)} == {"notes", "notes/keep", "x.tile"}


def test_a_run_that_was_killed_before_it_had_said_what_it_is_starts(tmp_path):
    (tmp_path / "run").mkdir()
    for name in ("lock", "run.part"):
        (tmp_path / "run" / name).write_bytes(b"")
    with Journal(tmp_path / "run", {"a": 1}):
        pass
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", [b"[]", b"null", b'"run"', b"{}", b'{"format": 2, "run": 3}', b"[" * 5000, b"{"])
def test_a_manifest_with_a_checksum_of_something_else_is_not_ours(text, tmp_path):
    (tmp_path / "run").mkdir()
    checksum = hashlib.sha256(b" run.json\n" + text).hexdigest().encode() + b"\n"
    (tmp_path / "run" / "run.json").write_bytes(checksum + text)
    with pytest.raises(OutputError, match=r"no run\.json of an unfinished run"), Journal(tmp_path / "run", {"a": 1}):
        pass


def test_tiles_and_scans_of_another_run_or_name_are_not_used(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    interrupted(one, tile())
    interrupted(other, tile(), fingerprint={"a": 2})
    name = "16-24-0-9.tile"
    content = (one / name).read_bytes()
    (one / "8-16-0-9.tile").write_bytes(content)  # valid, but said of another place
    (one / name).write_bytes((other / name).read_bytes())  # valid, in another run
    plain = b"x" * 288 * 3
    (one / "0-8-0-9.tile").write_bytes(hashlib.sha256(plain).hexdigest().encode() + b"\n" + plain)
    (one / "scan-0001").write_bytes(content)
    with Journal(one, {"a": 1}) as journal:
        assert list(journal.finished(GRID, 3)) == []
        assert journal.recall_scan(1) == (None, False)


def test_tiles_that_do_not_fit_the_scene_are_not_used(tmp_path):
    run = tmp_path / "run"
    fitting = tile()
    odd = [
        tile(slice(4, 12)),  # halves of leaves: the rest of them would never be scored
        tile(slice(16, 32)),
        tile(slice(0, 8), slice(0, 4)),
        tile(slice(0, 8), layers=1),
    ]
    interrupted(run, fitting, *odd)
    with Journal(run, {"a": 1}) as journal:
        (found,) = journal.finished(GRID, 3)
    assert (found.rows, found.cols, found.earlier) == (fitting.rows, fitting.cols, True)
    assert np.array_equal(found.layers, fitting.layers)


@dataclass(frozen=True)
class Rewriting(MeanDistance):
    """Rewrites the scene when it scores the leaf at this row, as another program may."""

    path: str = ""
    row: int = parameter(16, "row of the leaf")

    def score(self, block, background):
        if block.origin == (self.row, 0):
            spectra = np.fromfile(self.path, "<f4")
            spectra[::3] += 1
            spectra.tofile(self.path)
        return super().score(block, background)


def test_an_input_that_is_rewritten_in_mid_run_is_not_published(scene, tmp_path):
    data, output = scene.with_suffix(".img"), tmp_path / "s.tif"
    content, status = data.read_bytes(), data.stat()
    message = rf"{data}: changed while it was read"
    with pytest.raises(SceneError, match=message) as caught:
        library.detect_to_file(scene, output, Rewriting(path=str(data)), tile=16, workers=1)
    assert "kept" in caught.value.__notes__[0]
    assert "for the file as it was" in caught.value.__notes__[0]
    assert not output.exists()
    # Only what was read before is kept: the tile that saw the change is not among it.
    kept = {path.name for path in unfinished(output).glob("*.tile")}
    assert kept == {"0-16-0-16.tile", "0-16-16-32.tile"}
    with pytest.raises(SceneError, match=message):
        library.detect(scene, Rewriting(path=str(data)), tile=16, workers=1)
    data.write_bytes(content)
    os.utime(data, ns=(status.st_atime_ns, status.st_mtime_ns))
    detector = Rewriting(path=str(data), row=1000)
    outcome = library.detect_to_file(scene, output, detector, tile=16, workers=1, restart=True)
    assert outcome.continued == 0
    assert np.array_equal(library.open_cube(output).values[..., 0], library.detect(scene, detector, tile=16).values)


def test_an_input_that_is_gone_after_the_last_tile_is_not_published(scene, tmp_path):
    @dataclass(frozen=True)
    class Removing(MeanDistance):
        def score(self, block, background):
            scores = super().score(block, background)
            if block.core_valid.shape == (8, 2):  # the last leaf, when its spectra have been read
                scene.with_suffix(".img").unlink()
            return scores

    output = tmp_path / "s.tif"
    with pytest.raises(SceneError, match=r"scene\.img: gone while it was read"):
        library.detect_to_file(scene, output, Removing(), tile=16, workers=1)
    assert [path for path in Path(tmp_path).iterdir() if path.suffix in {".tif", ".json", ".qml"}] == []


def test_spectra_in_memory_do_not_change_with_their_file(scene):
    cube = library.open_cube(scene).load()
    expected = library.detect(cube, "rx")
    scene.with_suffix(".img").write_bytes(b"")
    assert np.array_equal(library.detect(cube, "rx").values, expected.values)
