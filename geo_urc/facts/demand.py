"""What demand does a facility reach? And what of it others reach already.

Demand is any weighted places: points count in full or not at all, polygons by the share of
their area in the circle, on foot by their centroid. Of a raster the cells count by the share of
them in the service area (:func:`service_areas`), straight only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely

from geo_urc.facts.circles import share_of_circles
from geo_urc.facts.network import Feet, Walks
from geo_urc.facts.outlines import Floats, Ints
from geo_urc.inputs.table import Geometries


class Reached(NamedTuple):
    """Pairs of a facility and a place of demand that it reaches, in order.

    Attributes
    ----------
    newly, already
        Share of the place that the facility reaches and no other does, and that others
        reach as well; together what it reaches, 0–1.
    """

    row: Ints
    place: Ints
    newly: Floats
    already: Floats


class Circles(NamedTuple):
    """Service areas: centres in metres, radii; NaN where not known."""

    centres: Floats
    radii_m: Floats


def meeting(own: Circles, others: Circles) -> tuple[Ints, Ints]:
    """Return (own, other) of all service areas that may share ground; NaN meets nothing."""
    row, other, far = [], [], others.radii_m
    for i, (centre, radius) in enumerate(zip(*own, strict=True)):
        apart = np.hypot(*(others.centres - centre).T)
        near = np.flatnonzero(apart <= radius + far)
        row.append(np.full(len(near), i))
        other.append(near)
    none = [np.empty(0, np.intp)]
    return np.concatenate(none + row), np.concatenate(none + other)


def in_circles(
    demand: Geometries, own: Circles, others: Circles, alike: tuple[Ints, Ints]
) -> Reached:
    """Return what facilities reach straight.

    Parameters
    ----------
    demand
        Points or polygons; None is nowhere.
    own, others
        The facilities asked about, and those that exist.
    alike
        Pairs of them that serve the same demand.

    Examples
    --------
    >>> homes = np.array([shapely.Point(0, 9), shapely.Point(0, -9)], dtype=object)
    >>> shop = Circles(np.array([[0.0, 0.0]]), np.array([10.0]))
    >>> rival = Circles(np.array([[0.0, 20.0]]), np.array([11.0]))
    >>> found = in_circles(homes, shop, rival, meeting(shop, rival))
    >>> found.newly.tolist(), found.already.tolist()
    ([0.0, 1.0], [1.0, 0.0])
    """
    tree = shapely.STRtree(demand)
    found = []
    for i, (centre, radius) in enumerate(zip(*own, strict=True)):
        if np.isnan(radius) or np.isnan(centre).any():
            continue
        place = np.sort(tree.query(shapely.Point(centre), "dwithin", radius))
        rivals = alike[1][alike[0] == i]
        all_centres = np.concatenate([others.centres[rivals], [centre]])
        all_radii = np.append(others.radii_m[rivals], radius)
        theirs = share_of_circles(demand[place], all_centres[:-1], all_radii[:-1])
        ours = share_of_circles(demand[place], all_centres[-1:], all_radii[-1:])
        newly = share_of_circles(demand[place], all_centres, all_radii) - theirs
        newly = np.clip(newly, 0.0, ours)
        found.append(Reached(np.full(len(place), i), place, newly, ours - newly))
    return _all(found)


CORNERS_A_QUARTER = 256
"""Of a circle drawn for a raster: its area is short by 6 millionths."""


def service_areas(
    own: Circles, others: Circles, alike: tuple[Ints, Ints]
) -> tuple[Geometries, Geometries]:
    """Return the ground that each facility newly serves, and what it serves besides others.

    None where its centre or radius is not known. Parameters as of :func:`in_circles`.

    Examples
    --------
    >>> shop = Circles(np.array([[0.0, 0.0]]), np.array([10.0]))
    >>> nobody = Circles(np.empty((0, 2)), np.empty(0))
    >>> newly, already = service_areas(shop, nobody, meeting(shop, nobody))
    >>> round(newly[0].area / (100 * np.pi), 4), already[0].area
    (1.0, 0.0)
    """
    theirs = _discs(others)
    newly, already = np.full((2, len(own.radii_m)), None, dtype=object)
    for i, disc in enumerate(_discs(own)):
        if disc is None:
            continue
        rivals = shapely.union_all(theirs[alike[1][alike[0] == i]])
        newly[i], already[i] = disc.difference(rivals), disc.intersection(rivals)
    return newly, already


def _discs(circles: Circles) -> Geometries:
    known = ~(np.isnan(circles.radii_m) | np.isnan(circles.centres).any(axis=1))
    discs = np.full(len(known), None, dtype=object)
    discs[known] = shapely.buffer(
        shapely.points(circles.centres[known]), circles.radii_m[known], CORNERS_A_QUARTER
    )
    return discs


def on_foot(
    walks: Walks,
    demand: Feet,
    own: tuple[Ints, Floats],
    others: tuple[Ints, Floats],
    alike: tuple[Ints, Ints],
) -> Reached:
    """Return what facilities reach along roads.

    Parameters
    ----------
    walks
        With all facilities as places.
    demand
        Where the demand meets the roads; what does not is not reached.
    own, others
        Places in ``walks``, and how far each serves.
    alike
        Pairs of them that serve the same demand.
    """
    n = int(demand.row.max(initial=-1)) + 1
    theirs: dict[tuple[int, ...], npt.NDArray[np.bool_]] = {}
    found = []
    for i, (place, radius) in enumerate(zip(*own, strict=True)):
        if np.isnan(radius):
            continue
        rivals = alike[1][alike[0] == i]
        key = tuple(rivals.tolist())
        if key not in theirs:
            theirs[key] = walks.reached(demand, n, others[0][rivals], others[1][rivals])
        ours = np.flatnonzero(walks.reached(demand, n, np.array([place]), np.array([radius])))
        already = theirs[key][ours].astype(np.float64)
        found.append(Reached(np.full(len(ours), i), ours, 1.0 - already, already))
    return _all(found)


def _all(found: list[Reached]) -> Reached:
    none = Reached(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0), np.empty(0))
    return Reached(*(np.concatenate(part) for part in zip(none, *found, strict=True)))
