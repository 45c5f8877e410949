"""Kernels that call their own copies of other functions, are optimized once, and are cached safely.

Everything in hsad that rests on names which numba keeps private is in this file. Where such a name is missing, or
behaves otherwise, importing this file fails with `ImportError`, and `hsad.kernels.compiled` compiles with the public
``numba.njit`` instead.
"""

# ruff: noqa: SLF001  private names are what this file is about
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite.binding import Linkage
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.registry import CPUDispatcher
from numba.core.runtime.nrt import rtsys
from numba.core.typed_passes import NativeLowering

from hsad.errors import HsadWarning, OutputWarning

__all__ = ["TESTED", "inner_part", "kernel", "warn_uncached"]

TESTED = ((0, 61), (0, 68))
"""First and last minor version of numba that the tests ran with; others are tried out when this file is imported."""

_NAMES: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (JITCodeLibrary, ("_optimize_final_module", "_finalize_final_module", "_finalize_dynamic_globals")),
    (JITCodeLibrary, ("enable_object_caching",)),
    (NativeLowering, ("run_pass",)),
    (DefaultPassBuilder, ("define_nopython_pipeline",)),
    (FunctionCache, ("load_overload", "_load_overload", "_guard_against_spurious_io_errors")),
    (FunctionCache, ("save_overload", "flush", "disable", "cache_path")),
    (type(rtsys), ("initialize",)),
    (IndexDataCacheFile, ("_load_index", "_save_data", "_load_data", "_dump")),
)
"""What this file overrides or calls. A name that numba no longer calls would be overridden in vain."""

for _owner, _names in _NAMES:
    for _name in _names:
        if not hasattr(_owner, _name):
            raise ImportError(f"{_owner.__name__}.{_name} is missing")


class _OwnCopies(JITCodeLibrary):
    """Machine code of a kernel that calls its own copies of other functions, never those of another kernel.

    numba links every callee into its caller as a copy that the process may share. Of several copies the one that was
    loaded first is called by all. Each copy was optimized in its own surroundings and sums in another order, so the
    last bits of a score would depend on which kernels ran before, and on whether they were compiled or cached.
    """

    def _optimize_final_module(self) -> None:
        for function in self._final_module.functions:
            if function.linkage == Linkage.linkonce_odr and not function.name.startswith("NRT_"):
                function.linkage = Linkage.internal
        super()._optimize_final_module()


class _ForKernels(JITCodeLibrary):
    """LLVM code of an `inner` function, which is neither optimized nor turned into machine code by itself."""

    def _optimize_final_module(self) -> None:
        """Leave the code as it is: the kernel that takes it in is optimized as a whole."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(NativeLowering):
    """numba's lowering, into one of the two libraries of this file."""

    _name = "hsad_lowering"

    def run_pass(self, state: Any) -> bool:
        is_inner = state.flags.no_compile = state.flags.no_cpython_wrapper
        library = _ForKernels if is_inner else _OwnCopies
        state.library = library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        changed: bool = super().run_pass(state)
        if is_inner:
            # Kernels look an inner function up by a function of C. Nothing calls that one; it has to be unique.
            state.cr = state.cr._replace(cfunc=object().__sizeof__)
            state.targetctx.insert_user_function(state.cr.cfunc, state.cr.fndesc, [state.library])
        return changed


class _KernelCompiler(CompilerBase):
    """numba's passes, with the lowering of this file."""

    def define_pipelines(self) -> list[Any]:
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        pipeline.passes = [(_Lowering if step is NativeLowering else step, why) for step, why in pipeline.passes]
        pipeline.finalize()
        return [pipeline]


class _InnerPart(CPUDispatcher):
    """The object by which kernels call an `inner` function."""

    def __call__(self, *_: Any) -> Any:
        name = self.py_func.__name__
        raise TypeError(f"{name} runs inside of kernels only; hsad.kernels.compiled.as_kernel({name}) can be called")


class _CheckedFile(IndexDataCacheFile):
    """The cache files of a kernel, with a digest of the data in front of them."""

    def _save_data(self, name: str, data: Any) -> None:
        packed = self._dump(data)
        super()._save_data(name, (hashlib.sha256(packed).digest(), packed))

    def _load_data(self, name: str) -> Any:
        digest, packed = super()._load_data(name)
        if hashlib.sha256(packed).digest() != digest:
            raise ValueError(f"{name}: the digest differs")
        return pickle.loads(packed)  # noqa: S301  numba's format; the folder is the user's


class _SafeCache(FunctionCache):
    """numba's cache of a kernel, which is current as long as no source of any kernel changed, and never ends a run.

    numba takes a cached kernel for current as long as the file of the kernel is unchanged, although functions of other
    files are compiled into it. So the stamp of this cache is the digest of all sources.
    """

    def __init__(self, function: Callable[..., Any], sources: str) -> None:
        super().__init__(function)
        file = _CheckedFile(self.cache_path, self._impl.filename_base, sources)
        # numba compares the version before it unpickles the rest, which fails if the sources of then had other types.
        file._version = f"{file._version} {sources}"
        self._cache_file = file

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled kernel for a signature, or None if there is none or its files are damaged.

        numba's own method first imports all that it knows to compile, 200 modules in .15 s. Machine code needs numba's
        memory for arrays only; the compiler imports the rest if there is something to compile.
        """
        rtsys.initialize(target_context)
        try:
            with self._guard_against_spurious_io_errors():
                return self._load_overload(sig, target_context)
        except NotADirectoryError:  # writing will say so
            return None
        except Exception as error:  # noqa: BLE001  a damaged pickle raises anything
            _warn_damaged(f"{self._cache_file._index_path} ({type(error).__name__}: {error})")
        try:
            self.flush()
        except OSError:
            self.disable()
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write a compiled kernel; where that is impossible, warn and go on."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            self.disable()
            warn_uncached(f"{self.cache_path}: {error.strerror}")


_WARNED: set[str] = set()


def warn_uncached(reason: str) -> None:
    """Warn, once in a process, that compiled kernels are lost when it ends."""
    if "uncached" not in _WARNED:
        _WARNED.add("uncached")
        text = "compiled kernels cannot be kept, so that every process compiles them anew"
        remedy = "set NUMBA_CACHE_DIR to a folder that can be written"
        warnings.warn(f"{text} ({reason}); {remedy}", OutputWarning, stacklevel=2)


def _warn_damaged(reason: str) -> None:
    if "damaged" not in _WARNED:
        _WARNED.add("damaged")
        text = "a file in the cache of compiled kernels is damaged, its kernel is compiled anew"
        warnings.warn(f"{text}: {reason}", HsadWarning, stacklevel=2)


def kernel(function: Callable[..., Any], options: dict[str, Any], sources: str) -> Any:
    """Return a kernel of `function` that Python can call; it is cached if `sources`, a digest, is not empty."""
    options = {**options, "nopython": True, "no_cfunc_wrapper": True}
    made: Any = CPUDispatcher(function, targetoptions=options, pipeline_class=_KernelCompiler)
    if sources:
        try:
            made._cache = _SafeCache(function, sources)
        except RuntimeError as error:  # numba's word for: no folder can be written
            warn_uncached(str(error))
    return made


def inner_part(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Return `function` as kernels take it in."""
    options = {**options, "nopython": True, "no_cfunc_wrapper": True, "no_cpython_wrapper": True}
    return _InnerPart(function, targetoptions=options, pipeline_class=_KernelCompiler)


def _try_out() -> None:
    """Compile a kernel and a function inside of it, and check the result and who may call the copy."""

    def part(value: float) -> float:
        return value * value

    called = inner_part(part, {})

    def whole(values: Any) -> float:
        total = 0.0
        for value in values:
            total += called(value)
        return total

    made = kernel(whole, {}, "")
    if made(np.array([3.0, 4.0])) != 25.0:
        raise ImportError("a kernel on trial gave a wrong result")
    (code,), (overload,) = made.inspect_llvm().values(), made.overloads.values()
    shared = re.search(r"^define [^@\n]*linkonce_odr [^@\n]*@(?!NRT_)", code, re.MULTILINE)
    if shared or not isinstance(overload.library, _OwnCopies):
        raise ImportError("a kernel on trial shares its functions")


if not TESTED[0] <= numba.version_info.short <= TESTED[1]:
    try:
        _try_out()
    except ImportError:
        raise
    except Exception as _error:
        raise ImportError(f"a kernel on trial failed: {_error}") from _error
