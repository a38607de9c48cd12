"""Work divided among this machine's cores, by threads: compiled loops and the BLAS let go of the GIL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import numba
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

Part = TypeVar("Part")
Result = TypeVar("Result")


def in_threads(work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """``work`` on each part, the answers in the order of the parts, one thread a core. An error of any part is raised."""
    if len(parts) <= 1:
        return [work(part) for part in parts]
    with one_blas_thread(), ThreadPoolExecutor(cores()) as threads:
        return list(threads.map(work, parts))


def in_slices(work: Callable[[slice], None], n: int, size: int) -> None:
    """``work`` on 0:n in slices of ``size``, as ``in_threads`` does it."""
    in_threads(work, [slice(start, min(start + size, n)) for start in range(0, n, size)])


def cores() -> int:
    """How many threads may compute at once: numba's number, which the environment can lower."""
    return int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Every BLAS on one thread while anybody is inside: threads of its own beneath ours only get in the way."""
    _limit.enter()
    try:
        yield
    finally:
        _limit.leave()


class _Limit:
    """How often it was entered; a plain limit would be lifted wrongly when two requests overlap."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limiter: object = None

    def enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._limiter = _controller().limit(limits=1, user_api="blas")
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limiter.restore_original_limits()  # type: ignore[attr-defined]


_limit = _Limit()


@cache
def _controller() -> ThreadpoolController:
    """Looking the libraries up takes milliseconds, and those that matter are loaded with numba's first matrix product."""
    import scipy.linalg  # noqa: F401

    return ThreadpoolController()
