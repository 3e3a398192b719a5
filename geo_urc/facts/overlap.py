"""How much ground do two polygons share? Exact, edge against edge, without drawing the overlap.

The ground under an edge is a trapezoid, and a polygon is the sum of its edges' trapezoids with
their signs. What two polygons share is then the sum over all pairs of their edges of what two
trapezoids share, which has a closed form; nothing has to be cut and joined. The same pairs say
how much of either outline runs inside the other polygon.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from geo_urc.facts.outlines import Floats, Ints, Outlines, ranges, runs

_SLANT = 1 / 64
"""Polygons are sheared by this, which keeps areas: no trapezoid stands under an edge straight up,
as many are drawn. A power of two, so that what has an exact answer on paper has it here."""
_SAME_M = 1e-8
"""Edges that are nowhere farther apart run along each other: coordinates of a city in float64
tell apart a billionth of a metre."""
_AT_ONCE = 1 << 19
"""Pairs of edges that are worked out together, so that they fit into a processor's cache."""


class Shared(NamedTuple):
    """Area and outline of what each pair of polygons shares."""

    area_m2: Floats
    outline_m: Floats


class _Edges(NamedTuple):
    """Edges of polygons, each a part of the line ``y0 + slope * (x - x0)``, left to right.

    ``x`` is the sheared one. ``sign`` is +1 with the polygon below the edge and −1 with it above; ``stretch`` is how long
    the edge is for each metre of x.
    """

    of: Ints
    x0: Floats
    x1: Floats
    y0: Floats
    slope: Floats
    sign: Floats
    stretch: Floats

    def pick(self, which: Ints) -> _Edges:
        return _Edges._make(column[which] for column in self)


def shared_ground(a: Outlines, b: Outlines, row: Ints, other: Ints) -> Shared:
    """Return area and outline of what pairs of polygons share.

    Parameters
    ----------
    a, b
        Outlines of valid polygons, in metres.
    row, other
        Pairs: numbers of polygons in ``a`` and in ``b``. It goes by the edges of ``b`` beside
        or above those of ``a``, so that ``b`` may be large.

    Returns
    -------
    Shared
        In m² and m, one each pair; 0 where nothing is shared, and where a row has no outline.
        An edge that both have in common is counted once. Ground that is nowhere wider than
        ten nanometres is none: polygons that touch share no area.

    Examples
    --------
    >>> import shapely
    >>> from geo_urc.facts.outlines import outlines
    >>> plot, lake = shapely.box(0, 0, 4, 4), shapely.box(1, 0, 9, 3)
    >>> got = shared_ground(*(outlines(np.array([g], dtype=object)) for g in (plot, lake)),
    ...                     np.array([0]), np.array([0]))
    >>> got.area_m2.round(9).tolist(), got.outline_m.round(9).tolist()
    ([9.0], [12.0])
    """
    area, outline = np.zeros(len(row)), np.zeros(len(row))
    cost = np.bincount(a.row, np.diff(a.start), a.n)[row] * 8
    block = (np.cumsum(cost) // _AT_ONCE).astype(np.intp)
    for first, end in runs(block):
        some = slice(first, end)
        area[some], outline[some] = _shared(a.pick(row[some]), b, other[some])
    return Shared(area, outline)


def _shared(a: Outlines, b: Outlines, other: Ints) -> tuple[Floats, Floats]:
    """Return area and outline of what each polygon of ``a`` shares with its own of ``b``."""
    n = a.n
    drawn = np.flatnonzero(np.bincount(a.row, minlength=n) > 0)
    origin = np.zeros((n, 2))
    first = a.start[np.unique(a.row, return_index=True)[1]]
    origin[drawn] = a.xy[first]
    mine = _edges(a, a.row, origin)
    left, low, right = np.full(n, np.inf), np.full(n, np.inf), np.full(n, -np.inf)
    ends = np.minimum(mine.y0, mine.y0 + mine.slope * (mine.x1 - mine.x0))
    np.minimum.at(left, mine.of, mine.x0)
    np.maximum.at(right, mine.of, mine.x1)
    np.minimum.at(low, mine.of, ends)

    theirs = _clipped(_edges(b.pick(other), None, origin), left, right, low)
    per = np.bincount(mine.of, minlength=n)
    before = np.cumsum(per) - per
    j = np.repeat(np.arange(len(theirs.of)), per[theirs.of])
    i = ranges(before[theirs.of], per[theirs.of])
    x0 = np.maximum(mine.x0[i], theirs.x0[j])
    x1 = np.minimum(mine.x1[i], theirs.x1[j])
    beside = np.flatnonzero(x1 > x0)
    i, j, x0, x1 = i[beside], j[beside], x0[beside], x1[beside]

    wide = x1 - x0
    y0 = mine.y0[i] + mine.slope[i] * (x0 - mine.x0[i])
    gap0 = theirs.y0[j] + theirs.slope[j] * (x0 - theirs.x0[j]) - y0
    rise = mine.slope[i] * wide
    gap1 = gap0 + theirs.slope[j] * wide - rise
    # Of mine what lies under theirs: all that is under mine, less where theirs is the lower.
    over, under = _two_sides(gap0, gap1, _SAME_M * np.hypot(1.0, mine.slope[i]))
    height = y0 - low[mine.of[i]] + rise / 2
    lower0, lower1 = np.minimum(gap0, 0.0), np.minimum(gap1, 0.0)
    common = height + (lower0 + lower1) / 2 * under
    sign = mine.sign[i] * theirs.sign[j]
    of = mine.of[i]
    area = np.bincount(of, sign * common * wide, n)
    inside = theirs.sign[j] * over * mine.stretch[i] + mine.sign[i] * under * theirs.stretch[j]
    outline = np.bincount(of, inside * wide, n)
    around = np.bincount(mine.of, mine.stretch * (mine.x1 - mine.x0), n)
    return np.where(area > _SAME_M * around, area, 0.0), np.maximum(outline, 0.0)


def _two_sides(gap0: Floats, gap1: Floats, none: Floats) -> tuple[Floats, Floats]:
    """Return over which part of an interval a gap from one end to the other is above 0, and below.

    Where it is never more than ``none``, each side has half.
    """
    most, least = np.maximum(gap0, gap1), np.minimum(gap0, gap1)
    over = np.clip(most / np.where(most == least, 1.0, most - least), 0.0, 1.0)
    over = np.where(most == least, (most > 0) * 1.0, over)
    over[(most <= none) & (least >= -none)] = 0.5
    return over, 1.0 - over


def _edges(rings: Outlines, of: Ints | None, origin: Floats) -> _Edges:
    """Return the edges of outlines, sheared, and measured from each pair's own origin."""
    of = rings.row if of is None else of
    size = np.diff(rings.start)
    of_vertex = np.repeat(of, size)
    east, y = (rings.xy - origin[of_vertex]).T
    x = east + _SLANT * y
    starts = np.flatnonzero(~rings.last)
    dx = x[starts + 1] - x[starts]
    kept = np.flatnonzero(dx != 0)
    starts, dx = starts[kept], dx[kept]
    dy = y[starts + 1] - y[starts]
    length = np.hypot(east[starts + 1] - east[starts], dy)
    forward = dx > 0
    slope = dy / dx
    left = np.where(forward, starts, starts + 1)
    sign = np.where(forward, -1.0, 1.0) * np.repeat(rings.sign, size)[starts]
    return _Edges(
        of_vertex[starts], x[left], x[left] + abs(dx), y[left], slope, sign, length / abs(dx)
    )


def _clipped(edges: _Edges, left: Floats, right: Floats, low: Floats) -> _Edges:
    """Return what of the edges lies between left and right, and not below low."""
    of = edges.of
    high = np.maximum(edges.y0, edges.y0 + edges.slope * (edges.x1 - edges.x0))
    kept = np.flatnonzero((edges.x1 > left[of]) & (edges.x0 < right[of]) & (high > low[of]))
    edges = edges.pick(kept)
    of, slope = edges.of, edges.slope
    x0, x1 = np.maximum(edges.x0, left[of]), np.minimum(edges.x1, right[of])
    with np.errstate(divide="ignore", invalid="ignore"):
        level = edges.x0 + (low[of] - edges.y0) / slope
    x0 = np.where(slope > 0, np.fmax(x0, level), x0)
    x1 = np.where(slope < 0, np.fmin(x1, level), x1)
    y0 = edges.y0 + slope * (x0 - edges.x0)
    kept = np.flatnonzero(x1 > x0)
    return _Edges(of, x0, x1, y0, slope, edges.sign, edges.stretch).pick(kept)
