"""The live line on a terminal: which phase, how many, how fast, how long yet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from geo_urc.progress import SILENT, Progress
from geo_urc.text import Lang, Text

if TYPE_CHECKING:
    from rich import progress as rich_progress


@contextmanager
def progress_bar(lang: Lang) -> Iterator[Progress]:
    """Yield what draws a run's progress on standard error while the block lasts.

    Only a terminal is drawn on; logs and pipes get nothing. The line is gone afterwards.
    """
    if not sys.stderr.isatty():
        yield SILENT
        return
    from rich import progress as rich_progress
    from rich.console import Console

    rate = Text("{} 个/秒", "{}/s").to(lang)

    class Rate(rich_progress.ProgressColumn):
        def render(self, task: rich_progress.Task) -> str:
            speed = task.finished_speed or task.speed
            return rate.format(f"{speed:,.0f}") if speed else ""

    columns: tuple[str | rich_progress.ProgressColumn, ...] = (
        rich_progress.SpinnerColumn(),
        "{task.description}",
        rich_progress.BarColumn(bar_width=24),
        "{task.fields[count]}",
        Rate(),
        rich_progress.TimeElapsedColumn(),
        Text("剩余", "left").to(lang),
        rich_progress.TimeRemainingColumn(),
    )
    live = rich_progress.Progress(
        *columns,
        console=Console(stderr=True, markup=False, highlight=False),
        transient=True,
        refresh_per_second=5,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with live:
        yield _Drawn(live, lang)


class _Drawn:
    """A bar for the phase under way; a phase that is over leaves nothing behind."""

    def __init__(self, live: rich_progress.Progress, lang: Lang) -> None:
        self.live, self.lang = live, lang
        self.task: rich_progress.TaskID | None = None
        self.subjects: int | None = None
        self.so_far = 0

    def phase(self, title: Text, subjects: int | None = None) -> None:
        if self.task is not None:
            self.live.remove_task(self.task)
        self.subjects, self.so_far = subjects, 0
        self.task = self.live.add_task(title.to(self.lang), total=subjects, count=self._count())
        self.live.refresh()

    def done(self, subjects: int) -> None:
        self.so_far += subjects
        if self.task is not None:
            self.live.update(self.task, completed=self.so_far, count=self._count())

    def _count(self) -> str:
        if self.subjects is None:
            return f"{self.so_far:,}" if self.so_far else ""
        return f"{self.so_far:,}/{self.subjects:,}"
