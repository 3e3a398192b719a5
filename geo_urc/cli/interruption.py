"""Ctrl-C, and being told to end: answered once, whatever is going on, until it is too late."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_IMPATIENCE_S = 5.0
"""For so long others are taken for the same interruption, so that tidying up can end."""


@contextmanager
def answered(*, to_the_end: bool = False) -> Iterator[None]:
    """Raise KeyboardInterrupt in the block for what a user or the system sends to end it.

    A signal that the process was started to ignore, as by ``nohup``, stays ignored.

    Parameters
    ----------
    to_the_end
        Whether the process ends with the block: then nothing disturbs its last moments.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():  # no other may set handlers
        given = {number: signal.getsignal(number) for number in _SIGNALS}
        before = {n: handler for n, handler in given.items() if handler is not signal.SIG_IGN}
    stop = _Stop()
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, _take_no_notice if to_the_end else handler)


def too_late() -> None:
    """Take no more notice of interruptions: the result is in its place."""
    for number in _SIGNALS:
        if isinstance(signal.getsignal(number), _Stop):
            signal.signal(number, _take_no_notice)


class _Stop:
    """What a signal sets off, in the process that made it: forked ones leave it to that one."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.last = -_IMPATIENCE_S

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.process == os.getpid() and now - self.last >= _IMPATIENCE_S:
            self.last = now
            raise KeyboardInterrupt


def _take_no_notice(number: int, frame: FrameType | None) -> None:
    pass
