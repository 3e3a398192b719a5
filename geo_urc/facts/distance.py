"""How far is it? Exact straight distances from subjects to features; no buffers anywhere."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely

from geo_urc.facts.outlines import Floats, Ints, Outlines, no_outlines
from geo_urc.inputs.table import Geometries

NEIGHBOURS = 4
"""Centres looked at before a parcel is given to the tree: beyond that, few remain."""


class Nearest(NamedTuple):
    """Nearest feature of each subject: distance in metres (NaN: none) and its row (−1)."""

    distance_m: Floats
    feature: Ints


class Centres:
    """Points to measure to, with the index that finds the near ones.

    Parameters
    ----------
    geometry
        Features; polygons and lines stand for their centroid. None is left out.
    """

    def __init__(self, geometry: Geometries) -> None:
        from scipy.spatial import cKDTree

        self.feature = np.flatnonzero(~shapely.is_missing(geometry))
        self.points = shapely.centroid(geometry[self.feature])
        self.xy = shapely.get_coordinates(self.points)
        self.kd = cKDTree(self.xy)

    def __len__(self) -> int:
        return len(self.xy)


def nearest(geometry: Geometries, rings: Outlines, centres: Centres) -> Nearest:
    """Return the distance from each subject's edge to the nearest centre.

    Parameters
    ----------
    geometry
        Subjects; polygons, or anything else at the price of a slower search.
    rings
        Their outlines.
    centres
        What to measure to.

    Returns
    -------
    Nearest
        Distance 0 where a centre lies inside; NaN and −1 for a missing subject or when
        there are no centres. Equal distances: the first feature in file order.

    Examples
    --------
    >>> from geo_urc.facts.outlines import outlines
    >>> squares = np.array([shapely.box(0, 0, 2, 2), None], dtype=object)
    >>> station = Centres(np.array([shapely.Point(5, 6)], dtype=object))
    >>> nearest(squares, outlines(squares), station)
    Nearest(distance_m=array([ 5., nan]), feature=array([ 0, -1]))
    """
    n = len(geometry)
    distance, feature = np.full(n, np.nan), np.full(n, -1)
    present = np.flatnonzero(~shapely.is_missing(geometry) & ~shapely.is_empty(geometry))
    if not len(present) or not len(centres):
        return Nearest(distance, feature)

    flat = np.zeros(n, bool)
    flat[rings.row] = True
    exact = present[flat[present]]
    left = present[~flat[present]]
    if len(exact):
        found, where, unsure = _by_edges(geometry, rings, centres, exact)
        distance[exact], feature[exact] = found, where
        left = np.concatenate([left, exact[unsure]])
    if len(left):
        tree = shapely.STRtree(centres.points)
        pairs, metres = tree.query_nearest(geometry[left], return_distance=True)
        order = np.lexsort((pairs[1], pairs[0]))
        first = order[np.unique(pairs[0][order], return_index=True)[1]]
        distance[left[pairs[0][first]]] = metres[first]
        feature[left[pairs[0][first]]] = pairs[1][first]
    known = feature >= 0
    feature[known] = centres.feature[feature[known]]
    return Nearest(distance, feature)


def nearest_to_points(xy: Floats, centres: Centres) -> Nearest:
    """Return the distance from each point to the nearest centre.

    Parameters
    ----------
    xy
        A row each of x and y; NaN for a missing point.
    centres
        What to measure to.

    Returns
    -------
    Nearest
        As of :func:`nearest`.

    Examples
    --------
    >>> stations = Centres(np.array([shapely.Point(3, 4), shapely.Point(0, 5)], dtype=object))
    >>> nearest_to_points(np.array([[0.0, 0.0], [0.0, 4.0], [np.nan, 0.0]]), stations)
    Nearest(distance_m=array([ 5.,  1., nan]), feature=array([ 0,  1, -1]))
    """
    distance, feature = np.full(len(xy), np.nan), np.full(len(xy), -1)
    placed = np.flatnonzero(np.isfinite(xy).all(axis=1))
    if not len(placed) or not len(centres):
        return Nearest(distance, feature)
    far, near = centres.kd.query(xy[placed], k=[1, 2])
    distance[placed] = far[:, 0]
    feature[placed] = centres.feature[near[:, 0]]
    tied = placed[far[:, 0] == far[:, 1]]
    points = np.asarray(shapely.points(xy[tied]), dtype=object)
    feature[tied] = nearest(points, no_outlines(len(tied)), centres).feature
    return Nearest(distance, feature)


def _by_edges(
    geometry: Geometries, rings: Outlines, centres: Centres, rows: Ints
) -> tuple[Floats, Ints, npt.NDArray[np.bool_]]:
    """Return distance, centre and "more than a few centres could be nearest" for polygons.

    A centre can only be the nearest if it is no farther from the middle of the polygon's
    box than the nearest one plus the box's diagonal: few are left, and numpy settles them.
    """
    box = shapely.bounds(geometry[rows])
    middle = (box[:, :2] + box[:, 2:]) / 2
    radius = np.hypot(*(box[:, 2:] - box[:, :2]).T) / 2
    k = min(NEIGHBOURS, len(centres))
    far, near = centres.kd.query(middle, k=k)
    far, near = far.reshape(len(rows), k), near.reshape(len(rows), k)
    reach = far[:, 0] + 2 * radius
    unsure = (far[:, -1] <= reach) if k < len(centres) else np.zeros(len(rows), bool)

    pair_row, pair_k = np.nonzero(far <= reach[:, None])
    centre = near[pair_row, pair_k]
    metres = edge_distance(rings.pick(rows[pair_row]), centres.xy[centre])
    may_hold = far[pair_row, pair_k] <= radius[pair_row]
    inside = np.zeros(len(centre), bool)
    inside[may_hold] = shapely.intersects(
        geometry[rows[pair_row[may_hold]]], centres.points[centre[may_hold]]
    )
    metres[inside] = 0.0

    order = np.lexsort((centre, metres, pair_row))
    first = order[np.unique(pair_row[order], return_index=True)[1]]
    return metres[first], centre[first], unsure


def edge_distance(rings: Outlines, points: Floats) -> Floats:
    """Return the distance from each polygon's edge to its own point (row i to point i)."""
    row_of_vertex = np.repeat(rings.row, np.diff(rings.start))
    px, py = (rings.xy - points[row_of_vertex]).T
    dx, dy = np.diff(px, append=0.0), np.diff(py, append=0.0)
    length2 = dx * dx + dy * dy
    along = np.clip(-(px * dx + py * dy) / np.where(length2 == 0, 1.0, length2), 0.0, 1.0)
    along[rings.last] = 0.0
    square = (px + along * dx) ** 2 + (py + along * dy) ** 2
    best = np.full(rings.n, np.inf)
    np.minimum.at(best, rings.row, np.minimum.reduceat(square, rings.start[:-1]))
    return np.sqrt(best)


def farthest_vertex(rings: Outlines, points: Floats) -> Floats:
    """Return the distance from each point to the farthest vertex of its polygon."""
    row_of_vertex = np.repeat(rings.row, np.diff(rings.start))
    square = ((rings.xy - points[row_of_vertex]) ** 2).sum(axis=1)
    most = np.zeros(rings.n)
    np.maximum.at(most, rings.row, np.maximum.reduceat(square, rings.start[:-1]))
    return np.sqrt(most)


def within(geometry: Geometries, centres: Centres, radius_m: float) -> tuple[Ints, Ints]:
    """Return (subject, feature) of all pairs no farther apart than the radius.

    Sorted by subject, then by feature in file order; the radius itself counts.
    """
    tree = shapely.STRtree(centres.points)
    rows, centre = tree.query(geometry, predicate="dwithin", distance=radius_m)
    feature = centres.feature[centre]
    order = np.lexsort((feature, rows))
    return rows[order], feature[order]
