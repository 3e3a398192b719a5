"""Polygons as flat arrays of ring vertices, so that numpy can measure a batch at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import shapely

from geo_urc.inputs.table import Geometries

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Outlines:
    """The rings of many polygons, end to end.

    Attributes
    ----------
    xy
        Vertices of all rings, each ring closed.
    start
        First vertex of each ring, and one past the last.
    row
        Polygon that each ring belongs to (MultiPolygons have several shells).
    sign
        +1 for a shell and −1 for a hole, times the ring's turning direction: what its
        signed area has to be multiplied with.
    n
        Number of polygons, rows without any ring included.
    """

    xy: Floats
    start: Ints
    row: Ints
    sign: Floats
    n: int

    @property
    def last(self) -> npt.NDArray[np.bool_]:
        """Whether a vertex closes its ring, so that no edge starts there."""
        last = np.zeros(len(self.xy), bool)
        last[self.start[1:] - 1] = True
        return last

    def in_order(self) -> Outlines:
        """Return the same rings sorted by polygon."""
        order = np.argsort(self.row, kind="stable")
        size = np.diff(self.start)[order]
        start = np.concatenate([[0], np.cumsum(size)])
        vertices = ranges(self.start[order], size)
        return Outlines(self.xy[vertices], start, self.row[order], self.sign[order], self.n)

    def pick(self, rows: Ints) -> Outlines:
        """Return the outlines of ``rows``, numbered by their place there; may repeat."""
        counts = np.bincount(self.row, minlength=self.n)
        first = np.concatenate([[0], np.cumsum(counts)])
        rings = ranges(first[rows], counts[rows])
        row = np.repeat(np.arange(len(rows)), counts[rows])
        size = np.diff(self.start)[rings]
        vertices = ranges(self.start[rings], size)
        start = np.concatenate([[0], np.cumsum(size)])
        return Outlines(self.xy[vertices], start, row, self.sign[rings], len(rows))


def outlines(geometry: Geometries) -> Outlines:
    """Return the rings of polygons; other kinds and None have none.

    Examples
    --------
    >>> square = shapely.box(0, 0, 2, 2)
    >>> outlines(np.array([None, square], dtype=object)).row.tolist()
    [1]
    """
    polygon = shapely.get_type_id(geometry) == shapely.GeometryType.POLYGON
    simple = polygon & (shapely.get_num_interior_rings(geometry) == 0)
    plain, others = np.flatnonzero(simple), np.flatnonzero(~simple)
    xy, ring = shapely.get_coordinates(geometry[plain], return_index=True)
    drawn = np.bincount(ring, minlength=len(plain))
    found = _joined(xy, drawn[drawn > 0], plain[drawn > 0], np.ones(len(plain), bool)[drawn > 0])
    if not len(others):
        return replace(found, n=len(geometry))
    rest = _rings(geometry[others])
    both = Outlines(
        np.concatenate([found.xy, rest.xy]),
        np.concatenate([found.start, found.start[-1] + rest.start[1:]]),
        np.concatenate([found.row, others[rest.row]]),
        np.concatenate([found.sign, rest.sign]),
        len(geometry),
    )
    return both.in_order()


def _rings(geometry: Geometries) -> Outlines:
    """Return the outlines of polygons with holes or several parts, and of anything else."""
    parts, row_of_part = shapely.get_parts(geometry, return_index=True)
    polygon = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    parts, row_of_part = parts[polygon], row_of_part[polygon]
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    shell = np.ones(len(rings), bool)
    shell[1:] = part_of_ring[1:] != part_of_ring[:-1]
    xy, ring_of_vertex = shapely.get_coordinates(rings, return_index=True)
    size = np.bincount(ring_of_vertex, minlength=len(rings)) if len(rings) else np.empty(0, int)
    return _joined(xy, size, row_of_part[part_of_ring], shell)


def _joined(xy: Floats, size: Ints, row: Ints, shell: npt.NDArray[np.bool_]) -> Outlines:
    start = np.concatenate([[0], np.cumsum(size)]).astype(np.intp)
    sign = np.where(shell, 1.0, -1.0) * np.sign(_signed_area(xy, start))
    return Outlines(xy, start, row, sign, len(row))


def no_outlines(n: int) -> Outlines:
    """Return the outlines of ``n`` subjects that have none, such as points."""
    none = np.empty(0, np.intp)
    return Outlines(np.empty((0, 2)), np.zeros(1, np.intp), none, np.empty(0), n)


def _signed_area(xy: Floats, start: Ints) -> Floats:
    """Return twice the signed area of each ring, measured from its own first vertex."""
    if len(start) == 1:
        return np.empty(0)
    x, y = (xy - np.repeat(xy[start[:-1]], np.diff(start), axis=0)).T
    cross = np.zeros(len(x))
    cross[:-1] = x[:-1] * y[1:] - x[1:] * y[:-1]
    cross[start[1:] - 1] = 0.0
    return np.add.reduceat(cross, start[:-1])


def ranges(first: Ints, size: Ints) -> Ints:
    """Return the numbers ``first[i] … first[i] + size[i] − 1`` of all i, end to end."""
    skipped = np.cumsum(size) - size
    return np.arange(size.sum()) + np.repeat(first - skipped, size)


def runs(row: Ints) -> Iterator[tuple[int, int]]:
    """Yield first and one past the last place of each run of equal numbers."""
    start = np.flatnonzero(np.diff(row, prepend=-1)).tolist()
    yield from zip(start, [*start[1:], len(row)], strict=False)
