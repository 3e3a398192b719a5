"""What a fact is: a column of values with what is known about how well they are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

EXACT = 1e-9
"""Relative slack of a comparison: the last bits that a unit conversion may leave."""


class Bound(NamedTuple):
    """How far the true value may lie from the stated one because something is missing."""

    side: Literal["low", "high"]
    limit: npt.NDArray[np.float64]
    """The true value is nowhere below (``low``) or above (``high``) this, row by row."""
    reason: str


class Alternatives(NamedTuple):
    """Other answers that hold for a part of the subject (it straddles a boundary)."""

    rows: Rows
    values: np.ndarray


class Members(NamedTuple):
    """Features of a layer that a subject's fact was made from."""

    rows: Rows
    features: Rows
    sure: Mask
    """False where the relation itself is within accuracy."""


@dataclass(frozen=True, eq=False)
class Fact:
    """One column of answers.

    Attributes
    ----------
    value
        float64 with NaN, or text with None, where not known (or nothing to report).
    accuracy
        Half width of the band in the value's unit: one figure or one a row; 0 is exact.
    missing
        Reason code → rows whose value is not known for that reason.
    review
        Reason code → rows that a person must look at, whatever the limit.
    bounds
        Rows whose value could still move because data is missing.
    alternatives, members
        Only for facts that have them.
    parts
        Further columns of the same answer, by part name.
    """

    value: np.ndarray
    accuracy: float | npt.NDArray[np.float64] = 0.0
    missing: Mapping[str, Mask] = field(default_factory=dict)
    review: Mapping[str, Mask] = field(default_factory=dict)
    bounds: tuple[Bound, ...] = ()
    alternatives: Alternatives | None = None
    members: Members | None = None
    parts: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def unknown(self) -> Mask:
        """Rows without a usable value."""
        unknown = np.zeros(len(self.value), bool)
        for mask in self.missing.values():
            unknown |= mask
        return unknown


def absent(n: int, reason: str, *, text: bool = False) -> Fact:
    """Return a fact that nothing is known about, for ``n`` subjects."""
    value = np.full(n, None, dtype=object) if text else np.full(n, np.nan)
    return Fact(value, missing={reason: np.ones(n, bool)})


def is_empty(values: np.ndarray) -> Mask:
    """Return which entries of a column are missing: None among texts, NaN among numbers.

    Examples
    --------
    >>> is_empty(np.array(["a", None], dtype=object)).tolist(), is_empty(np.array([np.nan])).tolist()
    ([False, True], [True])
    """
    if values.dtype == object:
        return np.asarray(values == None, dtype=bool)  # noqa: E711  elementwise
    return np.isnan(values)
