"""Whose turn is it? What is taken of a holder's cap before each of its members, and with it.

Members have a stage (what exists, what is approved, what is proposed) and a number in the
queue. Where either is missing, or two numbers are equal, a member may stand in several
places: what is surely ahead and what is possibly ahead of it are told apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely

from geo_urc.facts.outlines import Floats, Ints, runs
from geo_urc.inputs.table import Geometries

LAST_STAGE = 2


class Queue(NamedTuple):
    """Where members may stand; a larger place is later.

    Attributes
    ----------
    first, last
        Earliest and latest place of the member.
    before, until
        Whoever surely stands before ``before`` is ahead of the member; whoever may stand
        up to ``until`` is possibly ahead.
    """

    first: Floats
    last: Floats
    before: Floats
    until: Floats


def queue(stage: Floats, number: Floats, *, together: bool = False) -> Queue:
    """Return where members stand: by stage (0, 1, 2), then by number.

    Parameters
    ----------
    stage, number
        NaN where not known. Without a stage the place is anywhere, without a number
        anywhere within the stage.
    together
        Whether members of the last stage come all at once, whatever their numbers.

    Examples
    --------
    >>> line = queue(np.array([0.0, 2.0, 2.0]), np.array([np.nan, 1.0, 2.0]))
    >>> (line.last[:, None] < line.before).astype(int).tolist()
    [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
    """
    known = np.unique(number[~np.isnan(number)])
    width = len(known) + 1.0
    place = stage + (np.searchsorted(known, number) + 1) / width
    first = np.where(np.isnan(number), stage, place)
    last = np.where(np.isnan(number), stage + 1 - 0.5 / width, place)
    first = np.where(np.isnan(stage), 0.0, first)
    last = np.where(np.isnan(stage), LAST_STAGE + 1.0, last)
    at_once = together & (stage == LAST_STAGE)
    return Queue(first, last, np.where(at_once, np.inf, first), np.where(at_once, np.inf, last))


class Taken(NamedTuple):
    """What is taken once a member has had its turn, itself included.

    Attributes
    ----------
    ahead
        What is taken by those surely ahead of it, without itself.
    least, most
        By what is surely, and by what is possibly ahead of it.
    outline_m
        Outline of the parts behind ``least``.
    unsized
        Whether the size of itself, or of a member that is possibly ahead, is not known.
    doubtful
        How many other members are possibly, but not surely, ahead.
    """

    ahead: Floats
    least: Floats
    most: Floats
    outline_m: Floats
    unsized: npt.NDArray[np.bool_]
    doubtful: Ints


def taken(
    holder: Ints,
    size: Floats,
    line: Queue,
    parts: Geometries | None = None,
    outline_m: Floats | None = None,
) -> Taken:
    """Return what is taken of each holder at the turn of each of its members.

    Parameters
    ----------
    holder
        Holder of each member, sorted.
    size
        What the member takes; NaN where not known, counted as nothing.
    parts
        Footprints: ground under several of them is taken once. Without them sizes add up.
    outline_m
        Length of each footprint's outline; what cannot be measured amiss has none.

    Examples
    --------
    >>> line = queue(np.array([0.0, 2.0]), np.array([np.nan, 1.0]))
    >>> plots = np.array([shapely.box(0, 0, 4, 5), shapely.box(2, 0, 6, 5)], dtype=object)
    >>> taken(np.array([0, 0]), shapely.area(plots), line, plots).least.tolist()
    [20.0, 30.0]
    """
    n = len(holder)
    ahead, least, most, around = np.zeros((4, n))
    got = Taken(ahead, least, most, around, np.zeros(n, bool), np.zeros(n, np.intp))
    known = np.nan_to_num(size)
    bare = np.isnan(size)
    length = np.zeros(n) if outline_m is None else outline_m
    met = {} if parts is None else _met(holder, parts)
    for a, b in runs(holder):
        here = slice(a, b)
        shape = None if parts is None else _Overlapping(parts[here], met, a)
        surely = _Ahead(line.last[here], known[here], length[here], shape)
        possibly = _Ahead(line.first[here], known[here], bare[here].astype(float), shape)
        sure = np.searchsorted(surely.place, line.before[here], side="left")
        maybe = np.searchsorted(possibly.place, line.until[here], side="right")
        rank = np.empty(b - a, np.intp)
        rank[surely.order] = np.arange(b - a)
        new = rank >= sure  # not already among those ahead of it
        own = np.where(new, surely.own(sure), 0.0)
        got.ahead[here] = surely.sum[sure]
        got.least[here] = surely.sum[sure] + own
        got.most[here] = possibly.sum[maybe]
        got.outline_m[here] = surely.weight[sure] + np.where(new, length[here], 0.0)
        got.unsized[here] = (possibly.weight[maybe] > 0) | bare[here]
        got.doubtful[here] = maybe - sure - new
    return got


def _met(holder: Ints, parts: Geometries) -> dict[int, Ints]:
    """Return, for each footprint that touches others of its holder, which those are."""
    a, b = shapely.STRtree(parts).query(parts, predicate="intersects")
    other = (holder[a] == holder[b]) & (a != b)
    order = np.lexsort((b[other], a[other]))
    a, b = a[other][order], b[other][order]
    return {int(a[i]): b[i:j] for i, j in runs(a)}


class _Overlapping:
    """Footprints of one holder and which of them overlap."""

    def __init__(self, parts: Geometries, met: Mapping[int, Ints], first: int) -> None:
        self.parts = parts
        here = (k for k in range(len(parts)) if first + k in met)
        self.others = {k: met[first + k] - first for k in here}
        self.known: dict[tuple[int, bytes], float] = {}
        """Member and which others are counted → how much is new: mostly the order is one."""

    def new(self, member: int, counted: npt.NDArray[np.bool_], size: float) -> float:
        """Return how much of a footprint no footprint counted so far covers."""
        others = self.others.get(member)
        if others is None or not counted[others].any():
            return size
        asked = (member, counted[others].tobytes())
        if asked not in self.known:
            new = self.parts[member]
            for other in self.parts[others[counted[others]]]:  # quicker than all in one piece
                new = shapely.difference(new, other)
                if shapely.is_empty(new):
                    break
            self.known[asked] = float(shapely.area(new))
        return self.known[asked]


class _Ahead:
    """Members of one holder in the order of their places, and what the first k take and weigh."""

    def __init__(
        self, place: Floats, size: Floats, weight: Floats, shape: _Overlapping | None
    ) -> None:
        self.order = np.argsort(place, kind="stable")
        self.place = place[self.order]
        self.size, self.shape = size, shape
        added = size[self.order]
        if shape is not None and shape.others:
            counted = np.zeros(len(size), bool)
            for k, member in enumerate(self.order.tolist()):
                added[k] = shape.new(member, counted, size[member])
                counted[member] = True
        self.sum = np.concatenate([[0.0], np.cumsum(added)])
        self.weight = np.concatenate([[0.0], np.cumsum(weight[self.order])])

    def own(self, ahead: Ints) -> Floats:
        """Return what each member takes beside the first ``ahead`` ones."""
        own = self.size.copy()
        if self.shape is None:
            return own
        rank = np.empty(len(own), np.intp)
        rank[self.order] = np.arange(len(own))
        for member in self.shape.others:
            own[member] = self.shape.new(member, rank < ahead[member], own[member])
        return own
