"""What space volumes take up, whether they clash, and whether they keep to a ground plan.

A volume is a vertical prism: a footprint between two levels. Rights to space are drawn to
common boundaries, so lines that coincide are one line and carry no error against each other;
everything else is told from accuracy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely

from geo_urc.facts.areas import reach
from geo_urc.facts.outlines import Floats, Ints
from geo_urc.inputs.table import Geometries

Mask = npt.NDArray[np.bool_]

SAME_M = 0.001
"""Lines and levels this near are one: files round to the millimetre, conversions move less."""


class Level(NamedTuple):
    """The level of one face of each volume.

    Attributes
    ----------
    metres
        Absolute level; NaN where not known.
    accuracy_m
        0 for a stated level.
    ground_m
        The ground that the level was counted from; NaN for a stated level.
    """

    metres: Floats
    accuracy_m: Floats
    ground_m: Floats


def above(
    high: Level, low: Level, i: Ints | slice = slice(None), j: Ints | slice = slice(None)
) -> tuple[Floats, Floats]:
    """Return how far one face lies above another, and how well that is known.

    Two levels counted from the same ground share its error, which then drops out.

    Examples
    --------
    >>> def counted(*metres):
    ...     return Level(10 + np.array(metres), np.full(1, 0.5), np.full(1, 10.0))
    >>> above(counted(4.0), counted(-3.0))
    (array([7.]), array([0.]))
    """
    shared = np.abs(high.ground_m[i] - low.ground_m[j]) <= SAME_M
    band = np.hypot(high.accuracy_m[i], low.accuracy_m[j])
    return high.metres[i] - low.metres[j], np.where(shared, 0.0, band)


def prism_m3(
    footprint: Geometries, height_m: Floats, height_accuracy_m: Floats, accuracy_m: float
) -> tuple[Floats, Floats]:
    """Return the volume of each prism in m³ and its accuracy; NaN without height or footprint.

    The accuracy carries that of the outline along the walls and that of the height.

    Examples
    --------
    >>> ring = shapely.box(0, 0, 10, 10).difference(shapely.box(4, 4, 6, 6))
    >>> prism_m3(np.array([ring]), np.array([3.0]), np.zeros(1), 0.5)
    (array([288.]), array([72.]))
    """
    area, height = shapely.area(footprint), np.where(height_m > 0, height_m, np.nan)
    height = np.where(area > 0, height, np.nan)
    walls = shapely.length(footprint) * height * accuracy_m
    return area * height, np.hypot(walls, area * height_accuracy_m)


def touches_itself(footprint: Geometries) -> Mask:
    """Return whether walls of one part would meet: its solid would have an edge of four faces.

    A hole that touches the outline, or another hole, at a point is allowed in a plane but
    encloses no clean space.

    Examples
    --------
    >>> plan = shapely.from_wkt("POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0), (0 4, 3 3, 3 6, 0 4))")
    >>> touches_itself(np.array([plan, shapely.box(0, 0, 1, 1)])).tolist()
    [True, False]
    """
    parts, row = shapely.get_parts(footprint, return_index=True)
    touching = np.zeros(len(footprint), bool)
    touching[row[~shapely.is_simple(shapely.boundary(parts))]] = True
    return touching


class Neighbours(NamedTuple):
    """Each volume's near volumes: every pair twice, sorted by volume, the worst one first.

    Attributes
    ----------
    row, other
        The volume and its neighbour.
    apart_m
        Free distance in space, 0 where they touch; negative: how far they lie in each other,
        upwards or in plan, whichever is less. NaN where a level is not known.
    accuracy_m
        Of that distance. It never reaches the distance of volumes that are surely apart.
    clash, open
        Surely in each other; within accuracy. Neither: surely apart, or not known.
    unlevelled
        The footprints may share area, and the neighbour has no usable levels.
    overlap_m3
        Shared space, 0 where there is none.
    """

    row: Ints
    other: Ints
    apart_m: Floats
    accuracy_m: Floats
    clash: Mask
    open: Mask
    unlevelled: Mask
    overlap_m3: Floats


def neighbours(
    footprint: Geometries, bottom: Level, top: Level, band_m: float, search_m: float
) -> Neighbours:
    """Return how volumes that are no farther than ``search_m`` in plan lie to each other.

    Faces and walls that coincide are no clash, whatever the accuracy. Volumes with a missing
    level, or without height, are in no sure relation to any other.

    Examples
    --------
    >>> plan = np.array([shapely.box(0, 0, 10, 10), shapely.box(0, 0, 10, 10)])
    >>> def stated(*metres):
    ...     return Level(np.array(metres), np.zeros(2), np.full(2, np.nan))
    >>> neighbours(plan, stated(-5.0, 0.0), stated(0.0, 6.0), 1.4, 50.0).apart_m.tolist()
    [0.0, 0.0]
    >>> neighbours(plan, stated(-5.0, -1.0), stated(0.0, 6.0), 1.4, 50.0).overlap_m3.tolist()
    [100.0, 100.0]
    """
    i, j = shapely.STRtree(footprint).query(footprint, predicate="dwithin", distance=search_m)
    once = i < j
    i, j = i[once], j[once]
    usable = top.metres - bottom.metres > SAME_M
    known = usable[i] & usable[j]
    up, up_band = above(bottom, top, j, i)
    down, down_band = above(bottom, top, i, j)
    rise, rise_band = np.maximum(up, down), np.where(up > down, up_band, down_band)
    entwined = rise < -SAME_M
    apart = known & ~entwined & ((rise >= rise_band) | (rise_band == 0))

    gap = shapely.distance(footprint[i], footprint[j])
    depth, shared_m2, sure = np.zeros(len(i)), np.zeros(len(i)), np.ones(len(i), bool)
    rest = np.flatnonzero(~apart)  # most volumes lie clear over each other: no more of those
    depth[rest], shared_m2[rest], sure[rest] = _in_plan(
        footprint[i[rest]], footprint[j[rest]], gap[rest], band_m
    )
    overlaid = depth > SAME_M
    inside = overlaid & entwined
    clash = known & inside & sure & (-rise >= rise_band)
    apart |= known & ~overlaid & sure

    free, clear = np.where(overlaid, 0.0, gap), np.where(entwined, 0.0, np.maximum(rise, 0.0))
    space = np.hypot(free, clear)
    carried = np.hypot(free * band_m, clear * rise_band)
    band = np.divide(carried, space, out=np.where(overlaid, rise_band, band_m), where=space > 0)
    sideways = depth < -rise
    metres = np.where(inside, -np.where(sideways, depth, -rise), space)
    band = np.where(inside, np.where(sideways, band_m, rise_band), band)
    band = np.where(apart, np.minimum(band, space), band)
    metres = np.where(known, metres, np.nan)
    open_ = known & ~clash & ~apart
    high = np.minimum(-rise, _thinner(bottom, top, i, j))
    m3 = np.where(known & inside, shared_m2 * high, 0.0)

    row, other = np.concatenate([i, j]), np.concatenate([j, i])
    metres, band, clash, open_, m3 = (np.tile(c, 2) for c in (metres, band, clash, open_, m3))
    unlevelled = np.tile(~sure | overlaid, 2) & ~usable[other]
    rank = np.select([clash, open_], [0, 1], 2)
    order = np.lexsort((other, metres, rank, row))  # NaN comes last
    columns = (row, other, metres, band, clash, open_, unlevelled, m3)
    return Neighbours(*(column[order] for column in columns))


def _thinner(bottom: Level, top: Level, i: Ints, j: Ints) -> Floats:
    """Return the lesser height of each pair: one may lie wholly between the other's levels."""
    height = top.metres - bottom.metres
    return np.minimum(height[i], height[j])


def _in_plan(
    a: Geometries, b: Geometries, gap: Floats, band_m: float
) -> tuple[Floats, Floats, Mask]:
    """Return depth and area of the overlap of footprints, and whether overlap or not is sure."""
    depth, shared_m2 = np.zeros(len(a)), np.zeros(len(a))
    met = np.flatnonzero(gap == 0)
    part = shapely.intersection(a[met], b[met])
    shared_m2[met] = shapely.area(part)
    edges = [shapely.boundary(a[met]), shapely.boundary(b[met])]
    depth[met] = np.maximum(*(_reach(part, edge, band_m) for edge in edges))
    sure = gap >= band_m
    overlaid = depth > SAME_M
    sure[overlaid] = depth[overlaid] >= band_m
    near = np.flatnonzero(~overlaid & ~sure)
    sure[near] = ~_loose(a[near], b[near], band_m)
    return depth, shared_m2, sure


def _reach(part: Geometries, edge: Geometries, band_m: float) -> Floats:
    """Return how far each part reaches from an edge that it begins at.

    The farthest vertex says so; but all vertices of a strip from side to side lie on edges,
    so that what seems to be within the band is as wide as the widest circle in it. Of a long
    thin bow that circle is hard to find, but not twice the area over the outline, which is
    never more than it.
    """
    metres = reach(part, edge)
    thin = np.flatnonzero(metres < max(band_m, SAME_M))
    pieces, place = shapely.get_parts(part[thin], return_index=True)
    broad = shapely.area(pieces) > 0  # an intersection may hold lines and points beside
    pieces, place = pieces[broad], place[broad]
    circle = 2 * shapely.length(shapely.maximum_inscribed_circle(pieces))
    width = np.maximum(circle, 2 * shapely.area(pieces) / shapely.length(pieces))
    np.maximum.at(metres, thin[place], width)
    return metres


def _loose(a: Geometries, b: Geometries, band_m: float) -> Mask:
    """Return pairs of which a vertex lies within the band of the other's edge, and not on it."""
    loose = np.zeros(len(a), bool)
    for one, edge in ((a, shapely.boundary(b)), (b, shapely.boundary(a))):
        xy, pair = shapely.get_coordinates(one, return_index=True)
        metres = shapely.distance(shapely.points(xy), edge[pair])
        loose[pair[(metres > SAME_M) & (metres < band_m)]] = True
    return loose


class Keeping(NamedTuple):
    """How footprints keep to the plans that they belong to.

    Attributes
    ----------
    depth_m
        Wholly inside: metres to the plan's edge. Else minus how far the footprint sticks out,
        and minus the metres between where they share nothing.
    accuracy_m
        0 where the footprint's edge is the plan's edge.
    inside, outside, straddles
        Beyond accuracy; a pair that is none of the three is within it.
    """

    depth_m: Floats
    accuracy_m: Floats
    inside: Mask
    outside: Mask
    straddles: Mask


def keeping(footprint: Geometries, plan: Geometries, band_m: float) -> Keeping:
    """Return how each footprint lies to its own plan (row i to row i).

    A footprint drawn along the plan's edge is inside: it is the same line. One that leaves
    the edge has to be clear of it by the band at every corner, its own and the plan's.

    Examples
    --------
    >>> plot = np.array([shapely.box(0, 0, 100, 100)] * 3)
    >>> plans = np.array([shapely.box(0, 0, 100, 40), shapely.box(0, 0, 101, 40),
    ...                   shapely.box(0, 0, 150, 40)])
    >>> found = keeping(plans, plot, band_m=1.4)
    >>> found.depth_m.tolist(), found.inside.tolist(), found.straddles.tolist()
    ([0.0, -1.0, -50.0], [True, False, False], [False, False, True])
    """
    edge = shapely.boundary(plan)
    least = max(band_m, SAME_M)
    out = _reach(shapely.difference(footprint, plan), edge, band_m)
    into = _reach(shapely.intersection(footprint, plan), edge, band_m)
    gap = shapely.distance(footprint, plan)
    held = out <= SAME_M
    loose = np.zeros(len(footprint), bool)
    loose[held] = _loose(footprint[held], plan[held], band_m)
    metres = np.where(held, shapely.distance(footprint, edge), np.where(gap > 0, -gap, -out))
    same = held & ~loose & (metres <= SAME_M)
    return Keeping(
        np.where(same, 0.0, metres),
        np.where(same, 0.0, band_m),
        held & ~loose,
        ~held & (into <= SAME_M) & (gap >= band_m),
        ~held & (out >= least) & (into >= least),
    )
