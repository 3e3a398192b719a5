"""What a process of the benchmark tells of itself: seconds spent importing, and in each phase.

Import this module first: it times every import that comes after it, at the top of a file or in the
middle of the work. What it finds goes, as JSON, to the file that PHASES_FILE names.
"""

from __future__ import annotations

import builtins
import json
import os
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

LAYERS = (
    *("parcels", "stations", "districts", "greens"),
    *("rivers", "facilities", "underground", "trees"),
)
"""Files of the shared work."""


class Phases:
    """Phases one after another, each with steps; ``phase`` and ``step`` close what has run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.steps: dict[str, float] = {}
        self.importing = 0.0
        self._busy = threading.local()
        self._import = builtins.__import__
        self._phase = self._step = self._now()
        builtins.__import__ = self._timed  # type: ignore[assignment]

    def phase(self, name: str) -> None:
        """Say what the time since the last phase went into, imports not counted."""
        now = self._now()
        self.seconds[name] = now - self._phase
        self._phase = self._step = now

    def step(self, name: str) -> None:
        """Say what the time since the last step or phase went into."""
        now = self._now()
        self.steps[name] = now - self._step
        self._step = now

    def tell(self) -> None:
        """Write the figures down."""
        told = {"import": self.importing, **self.seconds, "steps": self.steps}
        if where := os.environ.get("PHASES_FILE"):
            Path(where).write_text(json.dumps(told), encoding="utf-8")
        else:
            print(json.dumps(told))

    def _now(self) -> float:
        return time.perf_counter() - self.importing

    def _timed(self, *args: Any, **kwargs: Any) -> ModuleType:
        """Import as ever; time it if no import is under way around it (in the main thread)."""
        outermost = not getattr(self._busy, "importing", False)
        main = threading.current_thread() is threading.main_thread()
        if not (outermost and main):
            return self._import(*args, **kwargs)
        self._busy.importing = True
        start = time.perf_counter()
        try:
            return self._import(*args, **kwargs)
        finally:
            self.importing += time.perf_counter() - start
            self._busy.importing = False


PHASES = Phases()
