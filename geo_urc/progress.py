"""How far a run has come, told as it goes along to whoever wants to show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from geo_urc.text import Text

if TYPE_CHECKING:
    import pyarrow as pa


class Progress(Protocol):
    """Is told of a run's phases, and in each of them how many subjects are done.

    Nothing that it does changes a result, and it is asked for nothing.
    """

    def phase(self, title: Text, subjects: int | None = None) -> None:
        """Begin the next phase; the one before has ended.

        Parameters
        ----------
        subjects
            How many the phase will go through; None where that is not known or they are
            not counted.
        """

    def done(self, subjects: int) -> None:
        """Count so many more subjects as done."""


class Silent:
    """Shows nothing: what is told where nobody wants to know."""

    def phase(self, title: Text, subjects: int | None = None) -> None:
        """Take no notice of a phase."""

    def done(self, subjects: int) -> None:
        """Take no notice of what is done."""


SILENT = Silent()


def counted(batches: Iterable[pa.RecordBatch], progress: Progress) -> Iterator[pa.RecordBatch]:
    """Yield the batches; each is told of when the next one is asked for."""
    for batch in batches:
        yield batch
        progress.done(batch.num_rows)
