"""One BLAS thread while hsad computes: its own threads or processes are the parallelism."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["one_blas_thread"]


class _BlasLimit:
    """Limits BLAS to one thread while at least one thread is inside the context.

    The limit holds for the whole process. threadpoolctl lets only the thread that set a limit restore it, but the
    first thread to enter is often not the last to leave. So one extra thread sets and restores the limit for all.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all threads inside: a forked child has none of them, and not the extra thread either."""
        self._lock = threading.Lock()
        self._setter = ThreadPoolExecutor(1, thread_name_prefix="hsad-blas")
        self._inside = 0
        self._limits: Any = None
        self._libraries: Any = None
        self._modules = 0

    def _limit(self) -> Any:
        """Limit the loaded libraries. A search for them takes milliseconds, so only new imports cause one."""
        from threadpoolctl import ThreadpoolController

        if self._modules != len(sys.modules):
            self._modules = len(sys.modules)
            self._libraries = ThreadpoolController()
        return self._libraries.limit(limits=1, user_api="blas")

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        import scipy.linalg  # noqa: F401  loads a second BLAS, which must be there before the limit is set

        with self._lock:
            if self._inside == 0:
                self._limits = self._setter.submit(self._limit).result()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._setter.submit(self._limits.restore_original_limits).result()


#: Context in which BLAS uses one thread. Several BLAS threads beside several tasks slow each other down.
one_blas_thread = _BlasLimit()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=one_blas_thread.reset)
