"""Modules that run when something of them is used, and not when another package imports them.

Packages import whole trees of modules at their start, of which a command uses little. Python's own
`importlib.util.LazyLoader` puts such a module off until a name of it is asked for. Here the same is done for a list of
modules, by a finder for this process, and three things are added. Several threads may use a module at the same time. A
package runs before its parts. And what xarray asks of dask, whether an array is one of dask, has an answer in advance:
as long as dask has not run, nothing is. Without this answer, dask would run in every command, for half a second.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

__all__ = ["defer_modules", "when_run"]

_LOCK = threading.RLock()
_DEFERRED: frozenset[str] = frozenset()
_STARTED: set[str] = set()
_CALLED: dict[str, list[Callable[[], object]]] = {}

_OF_IMPORT = {"__file__", "__cached__", "__path__", "__warningregistry__", "__wrapped__"}


class _Later(ModuleType):
    """A module that has not run, or is running."""

    def __getattr__(self, name: str) -> Any:
        if name in _OF_IMPORT:  # Python looks whether it has set them
            raise AttributeError(name)
        with _LOCK:  # another thread may be running it
            if name == "__version__" and self.__name__ not in _STARTED:
                from importlib.metadata import version

                return version(self.__name__)
            _run(self)
            if type(self) is _Later:  # this thread is running it, and has not come to this name
                raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} yet")
        return getattr(self, name)


class _OfDask(type):
    """Makes instances of `dask.array.Array` those of a class that stands for it."""

    def __instancecheck__(cls, value: object) -> bool:
        return cls.__subclasscheck__(type(value))

    def __subclasscheck__(cls, kind: type) -> bool:
        known = vars(sys.modules["dask.array"]).get("Array", cls)
        return known is not cls and issubclass(kind, known)


class _Array(metaclass=_OfDask):
    """Stands for `dask.array.Array`."""


def _is_dask_collection(value: Any) -> bool:
    """Stand for `dask.is_dask_collection`."""
    return "dask" in _STARTED and bool(importlib.import_module("dask.base").is_dask_collection(value))


_ANSWERS: dict[str, dict[str, Any]] = {
    "dask": {"is_dask_collection": _is_dask_collection},
    "dask.base": {"is_dask_collection": _is_dask_collection},
    "dask.array": {"Array": _Array},
}
"""Names that modules of dask have before they run: there is nothing of dask then."""


class _LaterLoader(Loader):
    """Makes a module that runs later."""

    def __init__(self, loader: SourceFileLoader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Later(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        if "dask" not in _STARTED:
            vars(module).update(_ANSWERS.get(module.__name__, {}))


class _Known(Loader):
    """Returns a module that is imported already."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, _: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class _Finder:
    """Finds the modules that are put off, and the parts of a package that has not run."""

    def find_spec(self, name: str, path: Sequence[str] | None, _: ModuleType | None = None) -> ModuleSpec | None:
        """Return how a module is imported; None to leave it to Python."""
        if name in _DEFERRED:
            spec = PathFinder.find_spec(name, path)
            if spec is not None and isinstance(spec.loader, SourceFileLoader):
                spec.loader = _LaterLoader(spec.loader)
            return spec
        parent = sys.modules.get(name.rpartition(".")[0])
        if type(parent) is not _Later or parent.__name__ in _STARTED:
            return None
        with _LOCK:
            _run(parent)
        if name not in sys.modules:
            return None
        # The package itself has imported this part. Python takes the spec of the part, and would run it again.
        module = sys.modules[name]
        module.__spec__ = ModuleSpec(name, _Known(module))
        return module.__spec__


def defer_modules(names: Sequence[str]) -> None:
    """Put off modules in this process until something of them is used; those that are imported already stay."""
    global _DEFERRED  # noqa: PLW0603  as `sys.meta_path`, it is of the process
    if not _DEFERRED:
        sys.meta_path.insert(0, _Finder())
    _DEFERRED |= {name for name in names if name.partition(".")[0] not in sys.modules}


def when_run(name: str, function: Callable[[], object]) -> Callable[[], None]:
    """Call a function as soon as a package is used, at once if it may be in use; return what calls that off."""
    if name not in _DEFERRED or name in _STARTED:
        function()
        return lambda: None
    waiting = _CALLED.setdefault(name, [])
    waiting.append(function)
    return lambda: waiting.remove(function) if function in waiting else None


def _run(module: ModuleType) -> None:
    """Run a module after the packages that it is a part of; nothing happens if it was started already."""
    name = module.__name__
    parent = sys.modules.get(name.rpartition(".")[0])
    if type(parent) is _Later:
        _run(parent)
    if name in _STARTED:  # by its package
        return
    _STARTED.add(name)
    if name == "dask":
        for part, answers in _ANSWERS.items():
            known = vars(sys.modules[part]) if part in sys.modules else {}
            for answer in answers:
                known.pop(answer, None)
    spec = module.__spec__
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(name)
    spec.loader.exec_module(module)
    module.__class__ = ModuleType
    for call in _CALLED.pop(name, ()):
        call()
