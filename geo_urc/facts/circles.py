"""What share of a polygon lies within a radius of any centre? Exact: circles, not polygons.

One circle and one polygon have a closed form: walk the edges, add the triangle to the
centre where the edge is inside the circle and the sector where it is outside. Where
several circles overlap, the plane is first cut into the cells of the nearest centre; in
its own cell a circle is alone, because all radii are equal.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely

from geo_urc.facts.distance import Centres, Nearest, farthest_vertex
from geo_urc.facts.outlines import Floats, Ints, Outlines, outlines
from geo_urc.inputs.table import Geometries


class CircleShare(NamedTuple):
    """Share of each polygon's area inside the circles, and the overlap's outline."""

    share: Floats
    boundary_m: Floats


def share_within(
    geometry: Geometries,
    rings: Outlines,
    centres: Centres,
    near: Nearest,
    radius_m: float,
) -> CircleShare:
    """Return the share of each polygon within the radius of any centre.

    Parameters
    ----------
    geometry, rings
        Subjects and their outlines. Points count as wholly in or out.
    centres
        Middles of the circles.
    near
        Nearest centre of each subject, from :func:`geo_urc.facts.distance.nearest`.
    radius_m
        Common radius in metres.

    Returns
    -------
    CircleShare
        0–1, NaN for missing subjects; the boundary in metres is that of the overlap
        (an upper bound where several circles take part).

    Examples
    --------
    A square of side 2 centred on a circle of radius 1 holds π of its 4 square metres.

    >>> from geo_urc.facts.distance import nearest
    >>> square = np.array([shapely.box(-1, -1, 1, 1)], dtype=object)
    >>> middle = Centres(np.array([shapely.Point(0, 0)], dtype=object))
    >>> rings = outlines(square)
    >>> got = share_within(square, rings, middle, nearest(square, rings, middle), 1.0)
    >>> bool(np.isclose(got.share[0], np.pi / 4)), bool(np.isclose(got.boundary_m[0], 2 * np.pi))
    (True, True)
    """
    area, length = shapely.area(geometry), shapely.length(geometry)
    reached = near.distance_m <= radius_m
    share = np.where(np.isnan(near.distance_m), np.nan, reached.astype(float))
    boundary = np.where(reached, length, 0.0)

    candidates = np.flatnonzero(reached & (area > 0))
    if not len(candidates):
        return CircleShare(share, boundary)
    place = np.full(int(centres.feature.max()) + 1, -1)
    place[centres.feature] = np.arange(len(centres))
    nearest_xy = centres.xy[place[near.feature[candidates]]]
    cut = candidates[farthest_vertex(rings.pick(candidates), nearest_xy) > radius_m]
    if not len(cut):
        return CircleShare(share, boundary)

    tree = shapely.STRtree(centres.points)
    rows, centre = tree.query(geometry[cut], predicate="dwithin", distance=radius_m)
    alone = np.bincount(rows, minlength=len(cut))[rows] == 1
    inside, outline = _disc_overlap(
        rings.pick(cut[rows[alone]]), centres.xy[centre[alone]], radius_m
    )
    share[cut[rows[alone]]] = inside / area[cut[rows[alone]]]
    boundary[cut[rows[alone]]] = outline

    shared = np.unique(rows[~alone])
    if len(shared):
        subject, inside, outline = _by_cells(geometry[cut[shared]], centres, radius_m)
        total = np.bincount(subject, inside, len(shared))
        share[cut[shared]] = total / area[cut[shared]]
        boundary[cut[shared]] = np.bincount(subject, outline, len(shared))
    return CircleShare(np.clip(share, 0.0, 1.0), boundary)


def share_of_circles(geometry: Geometries, centres: Floats, radii_m: Floats) -> Floats:
    """Return the share of each feature's area within any of a few circles of any radius.

    Where circles of different radii overlap, each keeps the half of the plane in which it is
    the nearer by power (distance² − radius²): there it is alone, as equal ones are in the
    cells of the nearest centre. A point is in (1; the radius itself counts) or out (0).

    Examples
    --------
    Two half circles of radius 1 in a square of side 2: π of 4 m².

    >>> square = np.array([shapely.box(-1, -1, 1, 1), shapely.Point(0, 5)], dtype=object)
    >>> share_of_circles(square, np.array([[-1.0, 0.0], [1.0, 0.0]]), np.ones(2)).round(6).tolist()
    [0.785398, 0.0]
    """
    area = shapely.area(geometry)
    share = np.zeros(len(geometry))
    flat = area == 0
    centres, radii_m = _outermost(centres, radii_m)
    middles = np.asarray(shapely.points(centres), dtype=object).reshape(1, -1)
    off = shapely.distance(geometry[:, None], middles)
    share[flat & (off <= radii_m).any(axis=1)] = 1.0
    broad = np.flatnonzero(~flat & (off < radii_m).any(axis=1))
    if not len(broad):
        return share
    x0, y0, x1, y1 = shapely.total_bounds(geometry[broad])
    for k, (centre, radius) in enumerate(zip(centres, radii_m.tolist(), strict=True)):
        cell = shapely.box(x0, y0, x1, y1)
        for j in np.flatnonzero(np.arange(len(centres)) != k):
            cell = cell.intersection(
                _nearer(centre, radius, centres[j], radii_m[j], (x0, y0, x1, y1))
            )
        pieces = shapely.intersection(geometry[broad], cell)
        inside, _ = _disc_overlap(outlines(pieces), np.tile(centre, (len(broad), 1)), radius)
        share[broad] += inside / area[broad]
    return np.clip(share, 0.0, 1.0)


def _outermost(centres: Floats, radii_m: Floats) -> tuple[Floats, Floats]:
    """Return the circles without those that lie in another, and each once."""
    apart = np.hypot(*(centres[:, None] - centres[None]).transpose(2, 0, 1))
    holds = apart + radii_m <= radii_m[:, None]
    same = holds & holds.T
    hidden = (holds & ~same).any(axis=0) | np.triu(same, 1).any(axis=0)
    return centres[~hidden], radii_m[~hidden]


def _nearer(
    centre: Floats, radius: float, other: Floats, other_radius: float, box: tuple[float, ...]
) -> shapely.Polygon:
    """Return the part of the plane about a box that is nearer to one circle by power."""
    apart = float(np.hypot(*(other - centre)))
    towards = (other - centre) / apart
    across = np.array([-towards[1], towards[0]])
    line = centre + (apart**2 + radius**2 - other_radius**2) / (2 * apart) * towards
    far = 2 * (np.abs(np.array([[box[0], box[1]], [box[2], box[3]]]) - line).max() + 1)
    near, off = far * across, far * towards
    return shapely.Polygon([line + near, line - near, line - near - off, line + near - off])


def _by_cells(
    geometry: Geometries, centres: Centres, radius_m: float
) -> tuple[Ints, Floats, Floats]:
    """Return subject, area and outline of the part of each subject in each centre's circle."""
    sites = np.unique(centres.xy, axis=0)
    extent = shapely.box(*shapely.total_bounds(geometry)).buffer(4 * radius_m)
    cells = np.array([extent], dtype=object)
    if len(sites) > 1:
        points = shapely.multipoints(sites)
        cells = shapely.get_parts(shapely.voronoi_polygons(points, extend_to=extent, ordered=True))
    rows, cell = shapely.STRtree(cells).query(geometry, predicate="intersects")
    pieces = shapely.intersection(geometry[rows], cells[cell])
    inside, outline = _disc_overlap(outlines(pieces), sites[cell], radius_m)
    return rows, inside, outline


def _disc_overlap(rings: Outlines, centre: Floats, radius_m: float) -> tuple[Floats, Floats]:
    """Return area and outline of each polygon's overlap with its own circle."""
    if not len(rings.row):
        return np.zeros(rings.n), np.zeros(rings.n)
    size = np.diff(rings.start)
    p = rings.xy - centre[np.repeat(rings.row, size)]
    q = np.roll(p, -1, axis=0)
    d = q - p
    length2 = (d * d).sum(axis=1)
    along, out2 = (p * d).sum(axis=1), (p * p).sum(axis=1) - radius_m**2
    discriminant = along * along - length2 * out2
    root = np.sqrt(np.maximum(discriminant, 0.0))
    safe = np.where(length2 == 0, 1.0, length2)
    enter = np.clip((-along - root) / safe, 0.0, 1.0)
    leave = np.clip((-along + root) / safe, 0.0, 1.0)
    missed = (discriminant <= 0) | (length2 == 0)
    enter[missed] = leave[missed] = 0.0
    a, b = p + enter[:, None] * d, p + leave[:, None] * d
    turn = _angle(p, a) + _angle(b, q)
    swept = 0.5 * _cross(a, b) + 0.5 * radius_m**2 * turn
    chord = (leave - enter) * np.sqrt(length2)
    for figure in (swept, turn, chord):
        figure[rings.last] = 0.0

    def per_ring(figure: Floats) -> Floats:
        return np.add.reduceat(figure, rings.start[:-1])

    area = np.bincount(rings.row, rings.sign * per_ring(swept), rings.n)
    arc = radius_m * np.bincount(rings.row, rings.sign * per_ring(turn), rings.n)
    straight = np.bincount(rings.row, per_ring(chord), rings.n)
    return np.maximum(area, 0.0), straight + np.maximum(arc, 0.0)


def _cross(u: Floats, v: Floats) -> Floats:
    return u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]


def _angle(u: Floats, v: Floats) -> Floats:
    """Return the signed angle from u to v."""
    return np.arctan2(_cross(u, v), (u * v).sum(axis=1))
