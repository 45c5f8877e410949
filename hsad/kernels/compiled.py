"""How this project compiles a kernel: one decorator, so that every kernel follows the same rules."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from llvmlite.binding import Linkage
from numba import njit
from numba.core import event
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.typed_passes import NativeLowering

__all__ = ["compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])

# Sums may be reordered into vectors and products contracted into fused multiply-adds; NaN and infinity keep
# their meaning. For a given build of the compiled code the result is the same every time (see _OwnCopies).
_FAST = {"contract", "reassoc", "nsz"}

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


@register_pass(mutates_CFG=False, analysis_only=False)
class _ChooseLibrary(LoweringPass):
    """Makes the library that the next pass, the lowering, fills; it would take numba's own."""

    _name = "hsad_choose_library"

    def __init__(self) -> None:
        LoweringPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        codegen, name = state.targetctx.codegen(), state.func_id.func_qualname
        state.library = _OwnCopies(codegen, name)  # type: ignore[no-untyped-call]  # numba's, without types
        state.library.enable_object_caching()
        return True


class _KernelCompiler(CompilerBase):
    """numba's passes, with the choice of the library before the lowering."""

    def define_pipelines(self) -> list[Any]:
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes = [step for step, _ in pipeline.passes]
        pipeline.add_pass_after(_ChooseLibrary, passes[passes.index(NativeLowering) - 1])
        pipeline.finalize()
        return [pipeline]


def compiled(function: Function) -> Function:
    """Compile `function` with numba: without the GIL, cached on disk, division as in numpy, no threads of its own.

    Threads belong to the engine: numba's own threading layers abort the process under dask's threads.
    """
    kernel: Any = njit(nogil=True, cache=True, error_model="numpy", fastmath=_FAST, pipeline_class=_KernelCompiler)(
        function
    )
    # numba takes a cached kernel for current as long as its own file is unchanged, although the kernels that it
    # calls, from other files, are compiled into it. So the stamp of a cache is that of all sources together.
    file = kernel._cache._cache_file  # noqa: SLF001  there is no public way
    file._source_stamp = _SOURCES  # noqa: SLF001
    # The version is looked at before the rest is unpickled, which fails where a type of then is gone.
    file._version = f"{file._version} {_SOURCES}"  # noqa: SLF001
    return cast("Function", kernel)


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
