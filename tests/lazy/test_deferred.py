"""Modules that run when something of them is used: packages of the test, and dask behind xarray."""

import importlib
import subprocess
import sys
import textwrap

import pytest

from hsad.lazy import deferred

PACKAGE = {
    "__init__": "from later_package import first\nfrom later_package.second import two\nran = True",
    "first": "from later_package.second import two\none = two - 1",
    "second": "from later_package import third\ntwo = 2",
    "third": "three = 3",
    "alone": "import later_package.first\nfour = 4",
}


@pytest.fixture
def later(tmp_path, monkeypatch):
    """Put off a package of modules that import each other, and some of its parts."""
    folder = tmp_path / "later_package"
    folder.mkdir()
    for name, text in PACKAGE.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    for name in ("_DEFERRED", "_STARTED", "_CALLED"):
        monkeypatch.setattr(deferred, name, type(getattr(deferred, name))())
    deferred.defer_modules(["later_package", "later_package.second", "later_package.missing"])
    yield deferred
    for name in [name for name in sys.modules if name.startswith("later_package")]:
        del sys.modules[name]


def test_an_import_runs_nothing_and_a_name_runs_the_module(later):
    package = importlib.import_module("later_package")
    part = importlib.import_module("later_package.second")
    assert not later._STARTED
    assert part.two == 2
    assert package.ran
    assert type(package) is type(part) is type(sys)
    assert package.second is part
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


@pytest.mark.parametrize("name", ["first", "second", "third", "alone"])
@pytest.mark.usefixtures("later")
def test_every_part_may_be_imported_first_and_runs_once(name):
    part = importlib.import_module(f"later_package.{name}")
    package = importlib.import_module("later_package")
    assert package.ran
    assert package.first.one == 1
    assert part is sys.modules[f"later_package.{name}"] is getattr(package, name)
    assert part.__spec__.name == f"later_package.{name}"
    assert part.__spec__.loader.get_filename() == part.__file__


@pytest.mark.usefixtures("later")
def test_a_missing_part_is_missed_as_usual():
    for name in ("missing", "nowhere"):
        with pytest.raises(ModuleNotFoundError, match=name):
            importlib.import_module(f"later_package.{name}")


def test_a_function_is_called_as_soon_as_a_package_is_used(later):
    calls = []
    later.when_run("later_package", lambda: calls.append("called"))
    later.when_run("later_package", lambda: calls.append("called off"))()
    package = importlib.import_module("later_package")
    assert calls == []
    assert package.ran
    assert calls == ["called"]
    later.when_run("later_package", lambda: calls.append("at once"))
    later.when_run("json", lambda: calls.append("never put off"))
    assert calls == ["called", "at once", "never put off"]


def test_xarray_asks_for_arrays_of_dask_without_running_it():
    code = """
        import sys
        from hsad.lazy.deferred import defer_modules
        defer_modules(["dask", "dask.array", "dask.base", "scipy.special"])
        import numpy as np, xarray as xr, scipy.ndimage
        array = xr.DataArray(np.ones((4, 5)))
        assert array.isel(dim_0=slice(2)).sum().item() == 10
        assert not {"dask.core", "scipy.special._ufuncs"} & set(sys.modules)
        chunked = array.chunk()
        from xarray.namedarray.pycompat import array_type
        import dask
        assert isinstance(chunked.data, array_type("dask")) and not isinstance(array.data, array_type("dask"))
        assert type(chunked.data) is dask.array.Array and dask.is_dask_collection(chunked)
        assert not dask.is_dask_collection(array) and dask.array.zeros(3).sum().compute() == 0
        assert chunked.sum().compute(scheduler="synchronous").item() == 20 and scipy.special.gamma(4) == 6
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
