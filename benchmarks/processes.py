"""Runs one process of the benchmark and tells what it took: seconds, phases, memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

MOST_OF_THE_TIME = 0.02
"""Looking at memory may take this share of the time, not more."""


@dataclass(frozen=True)
class Cost:
    """What a process took.

    Attributes
    ----------
    seconds
        From start to end, the interpreter and all imports included.
    importing
        Of these, in import statements.
    phases, steps
        Seconds by name, imports not counted; steps are what phases are made of.
    peak_mb
        Most memory at a time of all its processes together: proportional set size (what is
        shared counts once), looked at several times a second. Without /proc, the resident
        size of the largest single process.
    """

    seconds: float
    importing: float = 0.0
    phases: Mapping[str, float] = field(default_factory=dict)
    steps: Mapping[str, float] = field(default_factory=dict)
    peak_mb: float = 0.0

    @property
    def working(self) -> float:
        """Seconds less imports."""
        return self.seconds - self.importing

    def told(self) -> dict[str, Any]:
        """Return the figures as JSON knows them, rounded to what can be meant."""
        return json.loads(json.dumps(asdict(self)), parse_float=lambda n: round(float(n), 4))


class FailedError(Exception):
    """A process ended with an error; says how."""


def run(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    with_processes: Sequence[int] = (),
) -> Cost:
    """Run a process to its end.

    Parameters
    ----------
    with_processes
        Others that work for it, such as a server: their memory, and their children's, counts.

    Raises
    ------
    FailedError
        It did not end well.
    """
    os.sync()  # what the one before left to write is not this one's burden
    with tempfile.TemporaryDirectory() as folder:
        phases = Path(folder) / "phases.json"
        errors = Path(folder) / "errors.txt"
        env = {**os.environ, **(environment or {}), "PHASES_FILE": str(phases)}
        with errors.open("wb") as said:
            start = time.perf_counter()
            process = subprocess.Popen(
                [str(word) for word in command], env=env, stdout=subprocess.DEVNULL, stderr=said
            )
            watch = _Memory([process.pid, *with_processes])
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        peak = watch.stop()
        if process.returncode:
            last = errors.read_text("utf-8", errors="replace").strip().splitlines()[-3:]
            raise FailedError(f"ended with status {process.returncode}: {' '.join(last)}")
        if not peak:
            peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        told = json.loads(phases.read_text("utf-8")) if phases.exists() else {}
    importing, steps = told.pop("import", 0.0), told.pop("steps", {})
    return Cost(seconds, importing, told, steps, peak / 1e6)


class _Memory:
    """Looks at the memory of processes and all their children until told to stop."""

    def __init__(self, roots: Sequence[int]) -> None:
        self._roots = roots
        self._most = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        if Path("/proc/self/smaps_rollup").exists():
            self._thread.start()

    def stop(self) -> int:
        """Return the most that was seen, in bytes; 0 where it cannot be seen."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        return self._most

    def _look(self) -> None:
        pause = 0.05
        while not self._end.wait(pause):
            start = time.perf_counter()
            self._most = max(self._most, sum(_bytes(pid) for pid in _family(self._roots)))
            pause = max(0.05, (time.perf_counter() - start) / MOST_OF_THE_TIME)


def _family(roots: Sequence[int]) -> list[int]:
    found, ask = [], list(roots)
    while ask:
        pid = ask.pop()
        found.append(pid)
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                ask += [int(child) for child in children.read_text().split()]
            except OSError:  # it has ended meanwhile
                continue
    return found


def _bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
