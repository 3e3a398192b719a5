"""Outlines that are plainly in order, told from their bytes alone.

A ring that goes once around a point, and always the same way, never meets itself. Most parcels
are drawn so, and need no geometry library to be found valid; the others are looked at closely.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from shapely import GeometryType

from geo_urc.inputs.repair import LARGEST_COORDINATE
from geo_urc.wkb import rings_in

_LEAST_TURN = 1e-9
"""Turns smaller than this, relative to what they are the difference of, get a closer look: far
more than rounding can bring about."""


class Sound(NamedTuple):
    """What is plainly in order.

    Attributes
    ----------
    rows
        True where a value is a valid polygon of one ring, or a multi-polygon of one.
    bounds
        Extents of those alone: west, south, east, north.
    type_ids
        Shapely's types of those.
    """

    rows: npt.NDArray[np.bool_]
    bounds: npt.NDArray[np.float64]
    type_ids: frozenset[int]


def sound_outlines(wkb: pa.Array) -> Sound:
    """Return which polygons are surely valid, and their extents.

    A row that is not among them may be valid nonetheless.

    Examples
    --------
    >>> import shapely
    >>> bow_tie = shapely.from_wkt("POLYGON ((0 0, 1 1, 1 0, 0 1, 0 0))")
    >>> shapes = [shapely.box(0, 0, 2, 1), bow_tie, None]
    >>> found = sound_outlines(pa.array(shapely.to_wkb(shapes), pa.binary()))
    >>> found.rows.tolist(), found.bounds.tolist()
    ([True, False, False], [[0.0, 0.0, 2.0, 1.0]])
    """
    rings = rings_in(wkb)
    rows, size, xy = rings.plain.copy(), np.diff(rings.start), rings.xy
    long = size >= 4
    if not long.all():
        size, xy = size[long], xy[np.repeat(long, size)]
    rows[rows] = long
    if not len(size):
        return Sound(rows, np.empty((0, 4)), frozenset())
    first = np.cumsum(size) - size
    last = first + size - 1
    low, high = np.minimum.reduceat(xy, first), np.maximum.reduceat(xy, first)
    with np.errstate(invalid="ignore", over="ignore"):  # such are not sound
        sound = _go_round_once(xy, first, last)
    sound &= (xy[first] == xy[last]).all(axis=1)
    sound &= (low >= -LARGEST_COORDINATE).all(axis=1) & (high <= LARGEST_COORDINATE).all(axis=1)
    rows[rows] = sound
    multi = rings.multi[rows]
    kinds = {
        GeometryType.MULTIPOLYGON if many else GeometryType.POLYGON for many in set(multi.tolist())
    }
    return Sound(rows, np.column_stack([low, high])[sound], frozenset(map(int, kinds)))


def _go_round_once(
    xy: npt.NDArray[np.float64], first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return which rings go once around the middle of their vertices, and never back."""
    size = last - first + 1
    middle = (np.add.reduceat(xy, first) - xy[last]) / (size - 1)[:, None]
    x, y = (xy - np.repeat(middle, size, axis=0)).T
    left, right = x[:-1] * y[1:], x[1:] * y[:-1]
    turn, doubt = left - right, _LEAST_TURN * (np.abs(left) + np.abs(right))
    # Beyond the last vertex of a ring no edge is drawn: it goes either way and does not rise.
    ahead, back = (np.ones(len(xy), bool) for _ in range(2))
    ahead[:-1], back[:-1] = turn > doubt, turn < -doubt
    rises = np.zeros(len(xy), bool)
    rises[:-1] = (y[:-1] < 0) & (y[1:] >= 0)
    ahead[last], back[last], rises[last] = True, True, False
    one_way = np.logical_and.reduceat(ahead, first) | np.logical_and.reduceat(back, first)
    return one_way & (np.add.reduceat(rises, first, dtype=np.int32) == 1)
