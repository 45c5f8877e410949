"""Getting the files of a scene: downloaded and verified, or made here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsad.catalog.items import Asset, CatalogItem, get_item
from hsad.errors import HsadError, OutputError

if TYPE_CHECKING:
    from hsad.progress import Progress

__all__ = ["Fetched", "fetch"]


@dataclass(frozen=True)
class Fetched:
    """A file of a scene that is there now.

    Attributes
    ----------
    path : Path
        The file, or the folder of an archive that was unpacked.
    sha256 : str or None
        Checksum of the file that came, None for one that was made here.
    compared : bool
        Whether it was compared with a checksum of the catalogue, and is the same.
    there_already : bool
        Whether the file was there before.
    """

    path: Path
    sha256: str | None = None
    compared: bool = False
    there_already: bool = False


def fetch(name: str, folder: Path, root: Path | None = None, *, progress: Progress | None = None) -> list[Fetched]:
    """Download and verify the files of a scene, or make them.

    The folder is made. A file that exists with the right checksum is not downloaded again. A download that breaks off
    continues where it was; archives are unpacked beside themselves.

    Parameters
    ----------
    name : str
        Name of the scene.
    folder : Path
        Folder for its files.
    root : Path, optional
        Folder of another catalogue of the same form.
    progress : callable, optional
        Shows how far a download is, as `hsad.detect` takes it.

    Returns
    -------
    list of Fetched
        The files, the cube first.

    Raises
    ------
    ParameterError
        If there is no such scene.
    HsadError
        If the scene cannot be downloaded; the message says who provides it.
    SceneError
        If the download fails or has another checksum.
    OutputError
        If the folder cannot be written, or holds another file of that name.
    """
    item = get_item(name, root)
    parameters = item.content["properties"].get("hsad:parameters")
    if parameters is not None:
        _make_folder(folder)
        return [Fetched(path) for path in _make(item, parameters, folder)]
    assets = {asset.file: asset for asset in item.assets}
    if item.how != "download":
        what = "needs a login" if item.how == "login" else f"{next(iter(assets))} cannot be downloaded"
        where = [str(asset.url) for asset in assets.values() if asset.url] or item.links
        addresses = f": {' '.join(where)}" if where else ""
        raise HsadError(f"{name}: {what}; obtain it {item.content['properties']['hsad:obtain']}{addresses}")
    _make_folder(folder)
    return [_downloaded(asset, folder, progress) for asset in assets.values()]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: the folder cannot be made ({error.strerror})") from error


def _downloaded(asset: Asset, folder: Path, progress: Progress | None) -> Fetched:
    """Download a file, unless it is there, and unpack it if it has to be."""
    from hsad.catalog.download import download
    from hsad.catalog.unpack import unpack, unpacked_name
    from hsad.products.provenance import sha256_of

    path = folder / asset.file
    there = path.is_file()
    if there:
        found = sha256_of(path)
        if asset.sha256 is not None and found != asset.sha256:
            raise OutputError(
                f"{path} exists already and is another file (sha256 {found[:16]} instead of {asset.sha256[:16]}); "
                "move it away"
            )
    else:
        found = download(str(asset.url), path, size=asset.size, sha256=asset.sha256, progress=progress)
    if asset.unpacks:
        place = folder / unpacked_name(asset.file)
        path = place if place.is_dir() else unpack(path, place)
    return Fetched(path, found, compared=asset.sha256 is not None, there_already=there)


def _make(item: CatalogItem, parameters: dict[str, Any], folder: Path) -> list[Path]:
    """Make a synthetic scene, write its cube and its truth, and return their paths."""
    import hashlib

    from hsad.files import check_output
    from hsad.products import write_envi
    from hsad.synthetic import make_scene

    cube, truth = (folder / asset.file for asset in item.assets)
    check_output(truth, ())
    scene = make_scene(**parameters)
    found = hashlib.sha256(scene.truth.values.astype("<i4").tobytes()).hexdigest()
    if found != item.content["properties"]["hsad:truth_sha256"]:
        raise HsadError(f"{item.name}: this version of hsad makes another truth (sha256 {found[:16]})")
    return [write_envi(scene.cube, cube), write_envi(scene.truth.expand_dims("band", axis=-1), truth)]
