"""What belongs to what: by its larger part, and where that is within accuracy or split."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from geo_urc.facts.areas import NOISE_M, Depth, lie_to, reach
from geo_urc.facts.fact import is_empty
from geo_urc.facts.holdings import meet
from geo_urc.facts.outlines import Ints
from geo_urc.inputs.table import Features, Geometries

HALF = 0.5 - 1e-9


class Belonging(NamedTuple):
    """Pairs of holder and feature, sorted by holder, then feature.

    Attributes
    ----------
    row, feature
        The feature lies in the holder by its larger part; a point, wholly.
    doubt_row, doubt_feature
        Pairs for which this is open: a point within the band of the holder's edge, or a
        feature of which both the part inside and the part outside are beyond the band.
    """

    row: Ints
    feature: Ints
    doubt_row: Ints
    doubt_feature: Ints


def belong(holders: Geometries, features: Geometries, band_m: float) -> Belonging:
    """Return which features belong to which holders; None on either side has no part in it.

    Examples
    --------
    >>> plots = np.array([shapely.box(0, 0, 10, 10), shapely.box(10, 0, 20, 10)], dtype=object)
    >>> shops = np.array([shapely.Point(3, 3), shapely.Point(10.2, 5)], dtype=object)
    >>> got = belong(plots, shops, band_m=0.5)
    >>> got.row.tolist(), got.feature.tolist(), got.doubt_row.tolist()
    ([0, 1], [0, 1], [0, 1])
    """
    about = shapely.STRtree(features).query(holders, predicate="dwithin", distance=band_m)[0]
    some = np.unique(about)  # of many parcels few hold anything
    got = _belong(holders[some], features, band_m)
    return Belonging(some[got.row], got.feature, some[got.doubt_row], got.doubt_feature)


def _belong(holders: Geometries, features: Geometries, band_m: float) -> Belonging:
    met = meet(holders, features, band_m)
    size = shapely.area(features[met.feature])
    flat = size == 0
    inside = np.divide(met.part_m2, size, out=np.ones(len(size)), where=~flat)
    rest = shapely.difference(features[met.feature], holders[met.row])
    out = reach(rest, holders[met.row]) >= max(band_m, NOISE_M)
    split = ~flat & met.sure & out
    place = np.flatnonzero(~shapely.is_missing(features) & (shapely.area(features) == 0))
    near_row, k = shapely.STRtree(features[place]).query(
        holders, predicate="dwithin", distance=band_m
    )
    near = place[k]
    sure = met.row[flat & met.sure] * len(features) + met.feature[flat & met.sure]
    open_ = ~np.isin(near_row * len(features) + near, sure) & (band_m > 0)
    whole = inside >= HALF
    row = np.concatenate([met.row[split], near_row[open_]])
    feature = np.concatenate([met.feature[split], near[open_]])
    order = np.lexsort((feature, row))
    return Belonging(met.row[whole], met.feature[whole], row[order], feature[order])


def lie_in(geometry: Geometries, area: Geometries, band_m: float) -> Depth:
    """Return how each geometry lies to its own area, pair by pair: as an area layer says it.

    Examples
    --------
    >>> plot = np.array([shapely.box(0, 0, 10, 10)], dtype=object)
    >>> lie_in(np.array([shapely.box(2, 2, 5, 5)], dtype=object), plot, 1.0).depth_m.tolist()
    [2.0]
    """
    covered = shapely.covers(area, geometry)
    apart = shapely.distance(area, geometry)
    edge = shapely.boundary(area)
    depth, inside, straddles = lie_to(geometry, area, edge, covered, apart, band_m)
    outside = ~covered & (apart >= max(band_m, NOISE_M))
    if band_m == 0:
        outside = ~inside & ~straddles
    return Depth(depth, inside, outside, straddles)


def key_of(values: npt.NDArray[np.object_], ids: npt.NDArray[np.object_]) -> Ints:
    """Return where among the ids each text stands, −1 for one that is not there.

    Examples
    --------
    >>> key_of(np.array(["b", None, "x"], dtype=object), np.array(["a", "b"], dtype=object))
    array([ 1, -1, -1])
    """
    found = pc.index_in(pa.array(values, pa.string()), value_set=pa.array(ids, pa.string()))
    return found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.intp)


class Ties(NamedTuple):
    """Which members belong to which holders: by the id that they name, else by place.

    Attributes
    ----------
    row, member
        Pairs, sorted by holder, then member.
    doubt_row, doubt_member
        Pairs of which the place leaves it open.
    loose
        Members that name no holder and have no place: they may belong to any.
    """

    row: Ints
    member: Ints
    doubt_row: Ints
    doubt_member: Ints
    loose: npt.NDArray[np.bool_]


def tie(holders: Features, members: Features, key: str) -> Ties:
    """Return which members belong to which holders; ``key`` is the field that names one."""
    named = members.words(key)
    by_name = key_of(named, holders.ids)
    free = is_empty(named)
    placed = members.geometry.copy()
    placed[~free] = None
    band = float(np.hypot(holders.accuracy_m, members.accuracy_m))
    got = belong(holders.geometry, placed, band)
    told = np.flatnonzero(by_name >= 0)
    row = np.concatenate([by_name[told], got.row])
    member = np.concatenate([told, got.feature])
    order = np.lexsort((member, row))
    loose = free & shapely.is_missing(members.geometry)
    return Ties(row[order], member[order], got.doubt_row, got.doubt_feature, loose)
