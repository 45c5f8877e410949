"""How this project compiles a kernel: two decorators, so that every kernel follows the same rules.

`compiled` makes a kernel that Python calls. `inner` is for the functions inside of kernels: each kernel takes them in
as they are written and is optimized as a whole, once. Compiled like any other function they would be optimized again
in every kernel that calls them, and each would have machine code, a wrapper for Python and files in the cache that
nobody asks for: all kernels took 90 s and 17 MB instead of 53 s and 7 MB, and were no faster.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from llvmlite.binding import Linkage
from numba.core import event
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import NativeLowering

__all__ = ["compiled", "inner"]

Function = TypeVar("Function", bound=Callable[..., Any])

# Threads belong to the engine: numba's own threading layers abort the process under dask's threads. Division is
# numpy's, and nothing in C calls a kernel. Sums may be reordered into vectors and products contracted into fused
# multiply-adds; NaN and infinity keep their meaning. For a given build of the compiled code the result is the same
# every time (see _OwnCopies).
_OPTIONS = {
    "nopython": True,
    "nogil": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
    "fastmath": {"contract", "reassoc", "nsz"},
}

_SOURCES = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py")))
).hexdigest()


class _OwnCopies(JITCodeLibrary):
    """Machine code of a kernel that calls its own copies of its callees, never those of another kernel.

    numba links every callee into its caller as a copy that the process may share: of several, whichever was loaded
    first is called by all. Each copy was optimized in its own surroundings and sums in another order, so the last
    bits of a score would depend on which kernels ran before, and on whether they were compiled or came from the cache.
    """

    def _optimize_final_module(self) -> None:
        for function in self._final_module.functions:
            if function.linkage == Linkage.linkonce_odr and not function.name.startswith("NRT_"):
                function.linkage = Linkage.internal
        super()._optimize_final_module()  # type: ignore[no-untyped-call]  # numba's, without types


class _ForKernels(JITCodeLibrary):
    """What a kernel takes in of an `inner` function: neither optimized nor turned into machine code by itself."""

    def _optimize_final_module(self) -> None:
        """Do nothing."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()  # type: ignore[no-untyped-call]  # numba's, without types
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(NativeLowering):
    """numba's lowering into a library of this module's choice."""

    _name = "hsad_lowering"

    def run_pass(self, state: Any) -> bool:
        is_inner = state.flags.no_compile = state.flags.no_cpython_wrapper
        library = _ForKernels if is_inner else _OwnCopies
        state.library = library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        changed: bool = super().run_pass(state)  # type: ignore[no-untyped-call]  # numba's, without types
        if is_inner:
            # Kernels find it by a function of C, another one each; that is never called, see _Inner.
            state.cr = state.cr._replace(cfunc=object().__sizeof__)
            state.targetctx.insert_user_function(state.cr.cfunc, state.cr.fndesc, [state.library])
        return changed


class _KernelCompiler(CompilerBase):
    """numba's passes, with the lowering of this module."""

    def define_pipelines(self) -> list[Any]:
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        pipeline.passes = [(_Lowering if step is NativeLowering else step, why) for step, why in pipeline.passes]
        pipeline.finalize()
        return [pipeline]


class _Inner(CPUDispatcher):
    """What kernels know an `inner` function by."""

    def __call__(self, *_: Any) -> Any:
        raise TypeError(f"{self.py_func.__name__} belongs into kernels, Python cannot call it")


def compiled(function: Function) -> Function:
    """Compile `function`, a kernel that Python calls, with numba, and keep it on disk."""
    kernel: Any = CPUDispatcher(function, targetoptions=_OPTIONS, pipeline_class=_KernelCompiler)
    kernel.enable_caching()
    # numba takes a cached kernel for current as long as its own file is unchanged, although the functions that it
    # calls, from other files, are compiled into it. So the stamp of a cache is that of all sources together.
    file = kernel._cache._cache_file  # noqa: SLF001  there is no public way
    file._source_stamp = _SOURCES  # noqa: SLF001
    # The version is looked at before the rest is unpickled, which fails where a type of then is gone.
    file._version = f"{file._version} {_SOURCES}"  # noqa: SLF001
    return cast("Function", kernel)


def inner(function: Function) -> Function:
    """Compile `function` into the kernels that call it."""
    options = {**_OPTIONS, "no_cpython_wrapper": True}
    return cast("Function", _Inner(function, targetoptions=options, pipeline_class=_KernelCompiler))


class Announcement(event.Listener):
    """Says, once in a process, that kernels are being compiled: it takes seconds, the first time on a machine."""

    def __init__(self) -> None:
        self._made = False

    def on_start(self, event: Any) -> None:
        """Note that numba begins to compile a function that it has not found in its cache."""
        function = event.data["dispatcher"].py_func
        if not self._made and function.__module__.startswith(__package__):
            self._made = True
            logging.getLogger("hsad").info("compiling kernels, once for this machine")

    def on_end(self, event: Any) -> None:
        """Do nothing."""


cast("Any", event).register("numba:compile", Announcement())
