"""The errors a user can meet, by what was being handled when they happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from geo_urc.safe_text import one_line, without_password
from geo_urc.text import Lang, Text


class Problem(NamedTuple):
    """What is wrong, where it is, and what to do about it."""

    where: str
    what: Text
    fix: Text

    def to(self, lang: Lang) -> str:
        """Return the problem as the two sentences shown to a user, on one line."""
        told = f"{self.where}: {self.what.to(lang)} {self.fix.to(lang)}"
        return one_line(without_password(told.removeprefix(": ")))


class GeoUrcError(Exception):
    """Base of every error the program raises on purpose.

    Parameters
    ----------
    problems
        Every problem found; a file is reported whole, not fault by fault.
    """

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (
            (problems,) if isinstance(problems, Problem) else tuple(problems)
        )
        super().__init__("\n".join(p.to("en") for p in self.problems))

    def __reduce__(self) -> tuple[type[GeoUrcError], tuple[tuple[Problem, ...]]]:
        """Return how another process makes the same error: of its problems, not of its text."""
        return type(self), (self.problems,)

    def to(self, lang: Lang) -> str:
        """Return the whole message in one language, a line per problem."""
        return "\n".join(p.to(lang) for p in self.problems)


class RulebookError(GeoUrcError):
    """A rule file, an overlay or a parameter is wrong; nothing can be evaluated."""


class LayerError(GeoUrcError):
    """A file of parcels or of a layer cannot be used as described."""


class CrsError(LayerError):
    """A coordinate system or datum is missing, unfit or contradicted."""


class OutputError(GeoUrcError):
    """The results cannot be written or read back."""
