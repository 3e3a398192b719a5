"""A long sequence of results worked out by several processes, and had in order."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa

from geo_urc.errors import GeoUrcError, Problem
from geo_urc.text import Text

Result = TypeVar("Result")
Work = Callable[[int, int], Iterator[Result]]
"""From the number of the first result and a step to the results ``first``, ``first + step`` …"""


_TRIMMED_EVERY = 8
"""Results after which a worker gives back memory; each time takes some milliseconds."""


class _Worker(NamedTuple):
    process: Any
    connection: Connection


def default_workers() -> int:
    """Return how many processes this one may use: its cores where it can fork, else 1.

    Layers are handed on by forking, which costs nothing; macOS and Windows cannot safely.
    """
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def in_turn(work: Work[Result], workers: int, first: int = 0) -> Iterator[Result]:
    """Return the results from number ``first`` on, in order.

    Parameters
    ----------
    work
        Gives one result for each number until the sequence ends. Called in processes forked at
        once, which have whatever this one has; what it returns is pickled.
    workers
        Processes. With 1 the work is done here.

    Raises
    ------
    GeoUrcError
        A process died; and whatever ``work`` raises, when its turn comes.

    Examples
    --------
    >>> def squares(first, step):
    ...     return (n * n for n in range(first, 7, step))
    >>> list(in_turn(squares, 2)), list(in_turn(squares, 1, first=5))
    ([0, 1, 4, 9, 16, 25, 36], [25, 36])
    """
    if not _may_fork(workers):
        return work(first, 1)
    return _forked(work, workers, first)


def ahead(function: Callable[[], Result], workers: int) -> Callable[[], Result]:
    """Begin work beside what goes on here; return what to call for its result.

    Parameters
    ----------
    workers
        With 1 the work is done here, when its result is asked for.

    Examples
    --------
    >>> later = ahead(lambda: 6 * 7, workers=2)
    >>> later()
    42
    """
    if not _may_fork(workers):
        return function
    return partial(next, _forked(lambda first, step: iter([function()]), 1, 0))


def _may_fork(workers: int) -> bool:
    """Return whether work can go to other processes; one that was forked has none of its own."""
    forked = multiprocessing.current_process().daemon
    return workers > 1 and sys.platform == "linux" and not forked


def _forked(work: Work[Result], workers: int, first: int) -> Iterator[Result]:
    _give_back_what_is_free()
    gc.freeze()  # what is there is nobody's garbage: else looking for some would copy its pages
    started: list[_Worker] = []
    for turn in range(workers):
        ours, theirs = multiprocessing.Pipe()
        foreign = [ours, *(worker.connection for worker in started)]
        process = multiprocessing.get_context("fork").Process(
            target=_serve, args=(work, first + turn, workers, theirs, foreign), daemon=True
        )
        with warnings.catch_warnings(action="ignore"):  # Python 3.12 mistrusts threads of others
            process.start()
        theirs.close()
        started.append(_Worker(process, ours))
    gc.unfreeze()
    results: Iterator[Result] = _received(started)
    weakref.finalize(results, _dismiss, started)
    return results


def _give_back_what_is_free() -> None:
    """Return free memory to the system, or each process comes to hold its own copy of it."""
    gc.collect()
    _trim()


def _trim() -> None:
    """Return free memory to the system: in a long run it would come to lie about in pieces."""
    pa.default_memory_pool().release_unused()
    with suppress(AttributeError, OSError):  # of glibc; others do so by themselves
        ctypes.CDLL(None).malloc_trim(0)


def mapped(workers: int) -> Callable[..., Iterator[Any]]:
    """Return the like of ``map`` that calls a function in several processes.

    Examples
    --------
    >>> list(mapped(2)(abs, [-1, 2, -3]))
    [1, 2, 3]
    """

    def over(function: Callable[[Any], Any], items: Iterable[Any], /) -> Iterator[Any]:
        def work(first: int, step: int) -> Iterator[Any]:
            return map(function, islice(items, first, None, step))

        return in_turn(work, workers)

    return over


def _received(started: list[_Worker]) -> Iterator[Any]:
    while True:
        for worker in started:
            try:
                succeeded, result = worker.connection.recv()
            except EOFError:
                raise _lost(worker) from None
            if not succeeded:
                raise result
            if result is None:  # no worker has a later one either
                return
            yield from result


def _serve(
    work: Work[Any], first: int, step: int, connection: Connection, foreign: list[Connection]
) -> None:
    """Send results, each in a tuple of one; None at the end, an exception where one is raised."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all: the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in foreign:  # else a worker would not notice that the parent is gone
        other.close()
    threading.Thread(target=_end_with_the_parent, args=(connection,), daemon=True).start()
    try:
        for number, result in enumerate(work(first, step)):
            connection.send((True, (result,)))
            if number % _TRIMMED_EVERY == 0:
                _trim()
        connection.send((True, None))
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            connection.send((False, error))
    except Exception as error:
        connection.send((False, error))


def _end_with_the_parent(connection: Connection) -> None:
    """Leave at once when the other end is closed, by the parent or because it died."""
    try:
        connection.recv()
    except (EOFError, OSError):
        os._exit(1)


def _dismiss(started: list[_Worker]) -> None:
    for worker in started:
        worker.connection.close()
        worker.process.terminate()
        worker.process.join()


def _lost(worker: _Worker) -> GeoUrcError:
    worker.process.join()
    code = worker.process.exitcode
    return GeoUrcError(
        Problem(
            "--workers",
            Text(
                f"一个工作进程意外结束（退出码 {code}），可能内存不足。",
                f"a worker process ended unexpectedly (status {code}), perhaps short of memory.",
            ),
            Text(
                "请关闭其他程序后重试，或用 --workers 1。",
                "Close other programs and run again, or use --workers 1.",
            ),
        )
    )
