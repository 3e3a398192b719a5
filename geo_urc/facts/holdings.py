"""What does a subject hold? Sums and unions of the features that lie in or under it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely

from geo_urc.facts.areas import NOISE_M, reach_into, unions
from geo_urc.facts.outlines import Floats, Ints
from geo_urc.inputs.table import Geometries


class Meeting(NamedTuple):
    """Pairs of a holder and a feature in it, sorted by holder, then feature.

    Attributes
    ----------
    row, feature
        Pairs that share area, or a feature without area that lies in the holder.
    part
        What they share.
    part_m2
        Its area; NaN for a feature without area.
    sure
        Whether the part reaches deeper into the holder than accuracy can explain.
    """

    row: Ints
    feature: Ints
    part: Geometries
    part_m2: Floats
    sure: npt.NDArray[np.bool_]


def meet(geometry: Geometries, features: Geometries, band_m: float) -> Meeting:
    """Return which holders and features share area; None on either side shares nothing."""
    row, feature = shapely.STRtree(features).query(geometry, predicate="intersects")
    order = np.lexsort((feature, row))
    row, feature = row[order], feature[order]
    part = shapely.intersection(geometry[row], features[feature])
    flat = shapely.area(features[feature]) == 0
    shared = (shapely.area(part) > 0) | flat
    row, feature, part, flat = row[shared], feature[shared], part[shared], flat[shared]
    size = np.where(flat, np.nan, shapely.area(part))
    edges = shapely.boundary(geometry)
    shapely.prepare(edges)
    sure = reach_into(part, edges[row], band_m) >= max(band_m, NOISE_M)
    return Meeting(row, feature, part, size, sure)


class Holding(NamedTuple):
    """What each holder holds: total area and the outline of what was totalled."""

    area_m2: Floats
    boundary_m: Floats


def total(met: Meeting, n: int, *, overlapping: str) -> Holding:
    """Return what area of each of ``n`` holders the features take up.

    Parameters
    ----------
    overlapping
        ``"once"``: ground under two footprints counts once (their union).
        ``"each"``: every footprint counts in full (their sum).

    Examples
    --------
    >>> green = np.array([shapely.box(0, 0, 10, 10)], dtype=object)
    >>> dug = np.array([shapely.box(0, 0, 4, 5), shapely.box(2, 0, 6, 5)], dtype=object)
    >>> met = meet(green, dug, band_m=0.1)
    >>> total(met, 1, overlapping="once").area_m2, total(met, 1, overlapping="each").area_m2
    (array([30.]), array([40.]))
    """
    area = np.bincount(met.row, np.nan_to_num(met.part_m2), n).astype(np.float64)
    boundary = np.bincount(met.row, shapely.length(met.part), n).astype(np.float64)
    if overlapping == "once":
        several = np.bincount(met.row, minlength=n)[met.row] > 1
        of, union = unions(met.row[several], met.part[several])
        area[of], boundary[of] = shapely.area(union), shapely.length(union)
    return Holding(area, boundary)


class Clearance(NamedTuple):
    """Free distance from each subject to what it must keep clear of.

    Attributes
    ----------
    metres
        Least of (distance − protection) over the features near; negative: encroached
        upon; +inf where nothing is near; NaN for a missing subject.
    feature
        Where it is least; −1 where nothing is near.
    unprotected
        Subjects near a feature, and outside it, whose protection distance is not known.
    """

    metres: Floats
    feature: Ints
    unprotected: npt.NDArray[np.bool_]


def keep_clear(
    geometry: Geometries, features: Geometries, protection_m: Floats, concern_m: float
) -> Clearance:
    """Return how much room each subject leaves to features and their protected distance.

    A feature inside a subject encroaches whatever its protection. Features farther off
    than ``concern_m`` and than the largest protection are of no concern.

    Examples
    --------
    >>> garage = np.array([shapely.box(0, 0, 10, 10)], dtype=object)
    >>> trees = np.array([shapely.Point(14, 5), shapely.Point(5, 3)], dtype=object)
    >>> keep_clear(garage, trees[:1], np.array([5.0]), 50.0).metres.tolist()
    [-1.0]
    >>> keep_clear(garage, trees[1:], np.array([np.nan]), 50.0).metres.tolist()
    [-3.0]
    """
    n = len(geometry)
    metres = np.where(shapely.is_missing(geometry), np.nan, np.inf)
    feature = np.full(n, -1)
    unprotected = np.zeros(n, bool)
    known = protection_m[~np.isnan(protection_m)]
    far = max(concern_m, float(known.max(initial=0.0)))
    row, other = shapely.STRtree(features).query(geometry, predicate="dwithin", distance=far)
    if not len(row):
        return Clearance(metres, feature, unprotected)
    free = shapely.distance(geometry[row], features[other])
    hit = np.flatnonzero(free == 0)
    free[hit] = -_encroached(geometry[row[hit]], features[other[hit]])
    room = free - protection_m[other]
    bare = np.isnan(protection_m[other])
    unprotected[row[bare & (free >= 0)]] = True
    room[bare] = np.where(free[bare] < 0, free[bare], np.inf)
    order = np.lexsort((other, room, row))
    first = order[np.unique(row[order], return_index=True)[1]]
    metres[row[first]] = room[first]
    feature[row[first]] = np.where(np.isinf(room[first]), -1, other[first])
    return Clearance(metres, feature, unprotected)


def _encroached(geometry: Geometries, features: Geometries) -> Floats:
    """Return how deep feature and subject lie in each other."""
    point = shapely.area(features) == 0
    deep = np.zeros(len(geometry))
    deep[point] = shapely.distance(features[point], shapely.boundary(geometry[point]))
    part = shapely.intersection(geometry[~point], features[~point])
    for whole in (geometry[~point], features[~point]):
        into = reach_into(part, shapely.boundary(whole), NOISE_M)
        deep[~point] = np.maximum(deep[~point], into)
    return deep
