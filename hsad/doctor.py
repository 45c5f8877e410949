"""Checks of the machine and the installation: each finding has a state and, if needed, a remedy."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hsad.errors import ParameterError
from hsad.job.environment import check_environment

__all__ = ["Finding", "examine"]

_PACKAGES = (
    "numpy", "scipy", "numba", "xarray", "dask", "distributed", "rasterio", "rioxarray", "pyogrio", "h5py", "shapely",
    "spectral", "matplotlib", "threadpoolctl",
)  # fmt: skip


_EXTRAS = {
    "dashboard": "the page of a dask scheduler that shows its tasks",
    "deep": "deep methods and --device cuda",
    "zarr": "Zarr stores",
    "notebooks": "notebooks in a browser",
    "test": "what the tests need",
}

#: The pip of this Python. A bare `pip` may belong to another Python.
_PIP = f"{sys.executable} -m pip"


@dataclass(frozen=True)
class Finding:
    """The result of one check: the subject, its state, the details and a remedy where the state is not well."""

    subject: str
    state: Literal["well", "remark", "wrong"]
    found: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Return the findings about versions, the environment, threads, GDAL and PROJ, caches, the GPU and QGIS."""
    return [
        *_versions(),
        *_extras(),
        *_environment(),
        *_threads(),
        *_proj(),
        *_gdal(),
        *_caches(),
        *_gpu(),
        *_qgis(),
    ]


def _versions() -> Iterator[Finding]:
    from packaging.requirements import Requirement

    from hsad import __version__

    yield Finding("hsad", "well", f"{__version__} on Python {platform.python_version()}, {platform.platform()}")
    allowed = {r.name: r for text in importlib.metadata.requires("hsad") or [] if not (r := Requirement(text)).marker}
    for package in _PACKAGES:
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(package, "wrong", "not installed", f"{_PIP} install {package}")
            continue
        wanted = allowed.get(package)
        if wanted is None or wanted.specifier.contains(version, prereleases=True):
            yield Finding(package, "well", version)
        else:
            found = f"{version}, hsad is tested with {wanted.specifier}"
            yield Finding(package, "remark", found, f'{_PIP} install "{package}{wanted.specifier}"')


def _extras() -> Iterator[Finding]:
    """Yield the missing packages of each extra, with a command that installs them."""
    from packaging.requirements import Requirement

    wanted: dict[str, list[str]] = {extra: [] for extra in _EXTRAS}
    for text in importlib.metadata.requires("hsad") or []:
        requirement = Requirement(text)
        for extra in _EXTRAS:
            if requirement.marker and requirement.marker.evaluate({"extra": extra}) and not requirement.extras:
                wanted[extra].append(requirement.name)
    for extra, what in _EXTRAS.items():
        missing = [name for name in wanted[extra] if not _is_installed(name)]
        if missing:
            command = f"{_PIP} install {' '.join(missing)}"
            yield Finding(f"extra {extra}", "remark", f"{what}: {', '.join(missing)} not installed", command)
        else:
            yield Finding(f"extra {extra}", "well", f"{what}: all installed")


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _environment() -> Iterator[Finding]:
    try:
        check_environment()
    except ParameterError as error:
        variable, _, rest = str(error).partition("=")
        found, _, remedy = rest.partition("; ")
        yield Finding(variable, "wrong", found, remedy)


def _threads() -> Iterator[Finding]:
    import numpy as np  # noqa: F401  loads a BLAS to look at
    from threadpoolctl import threadpool_info

    from hsad.engine.runners.local import available_cpus

    yield Finding("processors", "well", f"{available_cpus()} usable of {os.cpu_count()}")
    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            yield Finding(
                "BLAS",
                "well",
                f"{pool['internal_api']} {pool['version']}, {pool['num_threads']} threads outside hsad",
            )
    trim = os.environ.get("MALLOC_TRIM_THRESHOLD_")
    if trim is not None:
        yield Finding(
            "MALLOC_TRIM_THRESHOLD_",
            "remark",
            f"{trim}: glibc returns freed memory at once, which makes numpy many times slower",
            "unset it; dask sets it for its workers: give them, in distributed.nanny.pre-spawn-environ, "
            "MALLOC_TRIM_THRESHOLD_: 1073741824 and MALLOC_MMAP_THRESHOLD_: 33554432 (glibc takes no more)",
        )


def _proj() -> Iterator[Finding]:
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    named = {name: os.environ[name] for name in ("PROJ_DATA", "PROJ_LIB", "GDAL_DATA") if name in os.environ}
    stated = ", ".join(f"{name}={value}" for name, value in named.items()) or "their own"
    try:
        CRS.from_epsg(32633).to_wkt()
    except CRSError as error:
        remedy = f"unset {', '.join(named)}: rasterio brings its own PROJ data" if named else "reinstall rasterio"
        yield Finding("PROJ data", "wrong", f"{stated}: EPSG codes cannot be looked up ({error})", remedy)
    else:
        yield Finding("PROJ data", "well", f"{stated}; EPSG codes are found")


def _gdal() -> Iterator[Finding]:
    import rasterio

    with rasterio.Env() as env:
        drivers = env.drivers()
    missing = {"GTiff", "COG", "ENVI"} - set(drivers)
    state: Literal["well", "wrong"] = "wrong" if missing else "well"
    remedy = f"install a rasterio with the drivers {', '.join(sorted(missing))}" if missing else ""
    yield Finding("GDAL", state, f"{rasterio.__gdal_version__}, {len(drivers)} drivers", remedy)


def _caches() -> Iterator[Finding]:
    from hsad.kernels.compiled import PLAIN, cache_folder

    folder = cache_folder()
    if PLAIN:
        yield Finding("compiled code", "remark", PLAIN, f"{_PIP} install --upgrade hsad, or an older numba")
    elif folder:
        yield Finding("compiled code", "well", f"cached in {folder}")
    else:
        remedy = "set NUMBA_CACHE_DIR to a folder that can be written"
        yield Finding("compiled code", "remark", "no folder can be written: every process compiles anew", remedy)
    space = os.statvfs(tempfile.gettempdir()) if hasattr(os, "statvfs") else None
    if space is not None:
        free = space.f_bavail * space.f_frsize / 1e9
        state: Literal["well", "remark"] = "well" if free > 1 else "remark"
        remedy = "" if free > 1 else "set TMPDIR to a folder with more space"
        yield Finding("temporary space", state, f"{free:.1f} GB in {tempfile.gettempdir()}", remedy)


def _gpu() -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        yield Finding("GPU", "remark", "torch is not installed: neither --device cuda nor deep methods")
        return
    import torch

    if torch.cuda.is_available():
        text = (
            f"torch {torch.__version__}, {torch.cuda.get_device_name(0)}; its makers never ran --device cuda on a GPU"
        )
        yield Finding("GPU", "remark", text, "compare some scores with those of --device cpu")
    else:
        yield Finding("GPU", "remark", f"torch {torch.__version__} without CUDA: the processor computes")


def _qgis() -> Iterator[Finding]:
    tools = Path(__file__).parent / "gis" / "qgis_provider.py"
    yield Finding("tools for QGIS", "well", f"{tools} (hsad help qgis says where it goes)")
