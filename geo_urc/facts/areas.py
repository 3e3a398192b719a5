"""How do subjects lie to areas? Exact overlaps, and how deep inside or how far outside.

Big areas are cut into pieces once, so that no subject pays for a river's or a district's
every vertex. A piece that fills its whole cell answers by its box alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely

from geo_urc.edges import edge_runs
from geo_urc.facts.outlines import Floats, Ints, Outlines, outlines, ranges, runs
from geo_urc.facts.overlap import Shared, shared_ground
from geo_urc.facts.presence import Presence
from geo_urc.inputs.table import Geometries

PIECE_VERTICES = 64
"""Areas with more vertices are cut; found by timing cities of 10,000 to 1,000,000 parcels."""
NOISE_M = 1e-6
"""Less than any survey sees: where positions are said to be exact, arithmetic is not."""
AREA_TOLERANCE = 1e-9
"""Relative error of summed areas below which an overlap is the whole subject."""


class Overlaps(NamedTuple):
    """Pairs of subject and feature that share area, sorted by subject, then feature."""

    row: Ints
    feature: Ints
    size: Floats
    """Shared area in m²; 1 for a point subject that lies in the feature."""


class Depth(NamedTuple):
    """How each subject lies to the union of the areas.

    Attributes
    ----------
    depth_m
        Covered: metres to the areas' edge (≥ 0). Apart: minus the metres between. Partly
        in: minus how far it sticks out. NaN: farther than the search, or no subject.
    inside, outside, straddles
        Beyond the band; a subject that is none of the three is within accuracy.
    """

    depth_m: Floats
    inside: npt.NDArray[np.bool_]
    outside: npt.NDArray[np.bool_]
    straddles: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Meeting:
    """How subjects meet the pieces of areas; what follows from it is worked out once.

    Attributes
    ----------
    areas, geometry, area, box
        Areas, subjects, and of each of these area and bounds.
    row, piece
        Pairs that touch or share area, sorted by subject.
    whole
        The piece holds the whole subject.
    """

    areas: Areas
    geometry: Geometries
    area: Floats
    box: Floats
    row: Ints
    piece: Ints
    whole: npt.NDArray[np.bool_]

    @cached_property
    def shared(self) -> Shared:
        """What each pair shares; nothing if the subject has no area."""
        size, outline = np.zeros(len(self.row)), np.zeros(len(self.row))
        size[self.whole] = self.area[self.row[self.whole]]
        cut = np.flatnonzero(~self.whole & (self.area[self.row] > 0))
        subjects, row = np.unique(self.row[cut], return_inverse=True)
        size[cut], outline[cut] = shared_ground(
            outlines(self.geometry[subjects]), self.areas.rings, row, self.piece[cut]
        )
        return Shared(size, outline)

    def without(self, pairs: npt.NDArray[np.bool_]) -> Meeting:
        """Return the same subjects with fewer pairs."""
        row, piece, whole = self.row[~pairs], self.piece[~pairs], self.whole[~pairs]
        return replace(self, row=row, piece=piece, whole=whole)

    def overlaps(self) -> Overlaps:
        """Return the exact shared area of each subject with each feature.

        Touching along an edge is no overlap. A point has size 1 where a feature holds it
        or its edge runs through it.
        """
        area, row = self.area, self.row
        width = np.int64(len(self.areas.geometry))
        size = np.where(area[row] == 0, 1.0, self.shared.area_m2)

        shared = size > 0
        key = row[shared] * width + self.areas.owner[self.piece[shared]]
        pair, place = np.unique(key, return_inverse=True)
        total = np.bincount(place, size[shared], len(pair))
        row, feature = pair // width, pair % width
        limit = np.where(area[row] == 0, 1.0, area[row])
        full = total >= limit * (1 - AREA_TOLERANCE)
        return Overlaps(row, feature, np.where(full, limit, total))

    def union_overlap(self) -> tuple[Floats, Floats]:
        """Return area and outline of each subject's overlap with all features together."""
        row, area = self.row, self.area
        shared, outline = np.zeros(len(area)), np.zeros(len(area))
        held = np.unique(row[self.whole])
        shared[held], outline[held] = area[held], shapely.length(self.geometry[held])
        rest = ~np.isin(row, held)
        once = rest & (np.bincount(row, minlength=len(area))[row] == 1)
        shared[row[once]] = self.shared.area_m2[once]
        outline[row[once]] = self.shared.outline_m[once]
        row, piece = row[rest & ~once], self.piece[rest & ~once]
        of, union = unions(row, shapely.intersection(self.geometry[row], self.areas.pieces[piece]))
        shared[of], outline[of] = shapely.area(union), shapely.length(union)
        full = shared >= area * (1 - AREA_TOLERANCE)
        return np.where(full, area, shared), outline

    def depth(self, band_m: float, search_m: float) -> Depth:
        """Return how deep inside or how far outside the union of the areas subjects lie.

        A subject may be of any kind; None gives NaN and no state.

        Parameters
        ----------
        band_m
            Accuracy of the position of subject against area.
        search_m
            Beyond this distance a subject is outside and its depth NaN.

        Examples
        --------
        >>> park = Areas(np.array([shapely.box(0, 0, 100, 100)], dtype=object))
        >>> plots = np.array([shapely.box(10, 10, 20, 20), shapely.box(90, 40, 120, 60),
        ...                   shapely.box(103, 0, 110, 9)], dtype=object)
        >>> found = park.meet(plots).depth(band_m=1.0, search_m=1000.0)
        >>> found.depth_m.tolist(), found.straddles.tolist()
        ([10.0, -20.0, -3.0], [False, True, False])
        """
        geometry, areas = self.geometry, self.areas
        n = len(geometry)
        depth = np.full(n, np.nan)
        inside, straddles = np.zeros(n, bool), np.zeros(n, bool)
        outside = ~shapely.is_missing(geometry)
        if not len(areas):
            return Depth(depth, inside, outside, straddles)
        metres = self._distance(search_m)
        found = np.isfinite(metres)
        depth[found] = -metres[found]
        near = np.flatnonzero((metres < band_m) | (metres == 0))
        outside[near] = False
        if len(near):
            deep_in, out_m = self._corners(band_m)
            astride = deep_in[near] & (out_m[near] >= max(band_m, NOISE_M))
            straddles[near[astride]] = True
            depth[near[astride]] = -out_m[near[astride]]
            rest = near[~astride]
            depth[rest], inside[rest], straddles[rest] = areas.settle(
                geometry[rest], metres[rest], band_m
            )
            if band_m == 0:  # without any doubt, what is neither in nor astride is out
                outside[rest] = ~inside[rest] & ~straddles[rest]
        return Depth(depth, inside, outside, straddles)

    def _corners(self, band_m: float) -> tuple[npt.NDArray[np.bool_], Floats]:
        """Return whether a vertex lies deep inside, and how far the farthest lies outside.

        Deep is deeper than the band. Most subjects astride an edge are told by these alone;
        where no vertex lies inside, or none outside, neither is looked for.
        """
        n = len(self.geometry)
        deep_in, out_m = np.zeros(n, bool), np.zeros(n)
        touching = np.unique(self.row[~self.whole])
        xy, place = shapely.get_coordinates(self.geometry[touching], return_index=True)
        row = touching[place]
        held = self._held(xy, row)
        mixed = np.zeros(n, bool)
        mixed[row[held]] = True
        only_held = mixed.copy()
        only_held[row[~held]] = False
        inside = np.flatnonzero(held & (mixed & ~only_held)[row])
        points = np.asarray(shapely.points(xy[inside]), dtype=object)
        # The vertex farthest from where the others are is nearly always deep, if any is.
        outer = np.flatnonzero(~held & mixed[row])
        number = np.maximum(np.bincount(row[outer], minlength=n), 1)
        middle = np.column_stack(
            [np.bincount(row[outer], xy[outer, k], n) / number for k in (0, 1)]
        )
        off = np.hypot(*(xy[inside] - middle[row[inside]]).T)
        order = np.lexsort((-off, row[inside]))
        first = order[np.diff(row[inside][order], prepend=-1) != 0]
        deep_in[row[inside[first]]] = ~self.areas.close(points[first], band_m)
        open_ = np.flatnonzero(~deep_in[row[inside]])
        deep_in[row[inside[open_[~self.areas.close(points[open_], band_m)]]]] = True

        far = outer[deep_in[row[outer]]]
        if len(far):
            (point, _), metres = self.areas.edges.query_nearest(
                np.asarray(shapely.points(xy[far]), dtype=object),
                return_distance=True,
                all_matches=False,
            )
            np.maximum.at(out_m, row[far[point]], metres)
        return deep_in, out_m

    def _held(self, xy: Floats, row: Ints) -> npt.NDArray[np.bool_]:
        """Return which vertices of touching subjects lie in a piece or on its edge."""
        pairs = np.bincount(self.row, minlength=len(self.geometry))
        first = np.cumsum(pairs) - pairs
        vertex = np.repeat(np.arange(len(xy)), pairs[row])
        pair = ranges(first[row], pairs[row])
        met = shapely.intersects_xy(self.areas.pieces[self.piece[pair]], *xy[vertex].T)
        held = np.zeros(len(xy), bool)
        held[vertex[met]] = True
        return held

    def _distance(self, search_m: float) -> Floats:
        """Return the distance to the nearest piece; +inf beyond the search.

        No piece is nearer than its box is: once one has been measured, few others can be.
        """
        metres = np.full(len(self.geometry), np.inf)
        metres[self.row] = 0.0
        about = self.box + search_m * np.array([-1.0, -1.0, 1.0, 1.0])
        apart = np.flatnonzero(self.areas.presence.may_meet(about) & (metres > 0))
        box = self.box[apart]
        row, piece = self.areas.tree.query(shapely.box(*about[apart].T))
        cell = self.areas.boxes[piece]
        gap = np.maximum(cell[:, :2] - box[row, 2:], box[row, :2] - cell[:, 2:])
        least = np.hypot(*np.maximum(gap, 0.0).T)

        def measure(pairs: Ints) -> None:
            subject = apart[row[pairs]]
            found = shapely.distance(self.areas.pieces[piece[pairs]], self.geometry[subject])
            np.minimum.at(metres, subject, found)

        order = np.lexsort((least, row))
        nearest = order[np.diff(row[order], prepend=-1) != 0]
        measure(nearest)
        others = np.setdiff1d(order, nearest)
        measure(others[least[others] < metres[apart[row[others]]]])
        return np.where(metres <= search_m, metres, np.inf)


class Areas:
    """An area layer prepared for questions.

    Parameters
    ----------
    geometry
        Features; None and anything without area is left out, features may overlap.
    """

    def __init__(self, geometry: Geometries) -> None:
        self.geometry = geometry
        usable = np.flatnonzero(shapely.area(geometry) > 0)
        self.pieces, owner, self.full = _cut(geometry[usable])
        self.owner = usable[owner]
        self.tree = shapely.STRtree(self.pieces)
        self.boxes = shapely.bounds(self.pieces)
        self.presence = Presence(self.boxes)
        shapely.prepare(self.pieces)
        self.usable = usable
        self.features = shapely.STRtree(geometry[usable])

    @cached_property
    def edges(self) -> shapely.STRtree:
        """The areas' outlines in runs of a few edges, so that only near ones are looked at."""
        rings = shapely.get_parts(shapely.boundary(self.geometry[self.usable]))
        xy, ring = shapely.get_coordinates(rings, return_index=True)
        vertices, run = edge_runs(ring)
        runs = shapely.linestrings(xy[vertices], indices=run)
        return shapely.STRtree(np.atleast_1d(np.asarray(runs, dtype=object)))

    @cached_property
    def rings(self) -> Outlines:
        """The outlines of the pieces."""
        return outlines(self.pieces)

    def __len__(self) -> int:
        return len(self.usable)

    def meet(
        self, geometry: Geometries, area: Floats | None = None, bounds: Floats | None = None
    ) -> Meeting:
        """Return how subjects meet the areas, for all that may be asked of it.

        Parameters
        ----------
        area, bounds
            Of each subject, if they are at hand.
        """
        area = shapely.area(geometry) if area is None else area
        bounds = shapely.bounds(geometry) if bounds is None else bounds
        about = np.flatnonzero(self.presence.may_meet(bounds))
        row, piece = self.tree.query(geometry[about])
        row = about[row]
        order = np.lexsort((piece, row))
        row, piece = row[order], piece[order]
        box, cell = bounds[row], self.boxes[piece]
        whole = self.full[piece] & (box[:, :2] >= cell[:, :2]).all(1)
        whole &= (box[:, 2:] <= cell[:, 2:]).all(1)
        open_ = np.flatnonzero(~whole)
        met = shapely.intersects(self.pieces[piece[open_]], geometry[row[open_]])
        keep = whole.copy()
        keep[open_[met]] = True
        open_ = open_[met]
        whole[open_] = shapely.covers(self.pieces[piece[open_]], geometry[row[open_]])
        return Meeting(self, geometry, area, bounds, row[keep], piece[keep], whole[keep])

    def overlaps(self, geometry: Geometries) -> Overlaps:
        """Return the exact shared area of each subject with each feature."""
        return self.meet(geometry).overlaps()

    def union_overlap(self, geometry: Geometries) -> tuple[Floats, Floats]:
        """Return area and outline of each subject's overlap with all features together."""
        return self.meet(geometry).union_overlap()

    def depth(self, geometry: Geometries, band_m: float, search_m: float) -> Depth:
        """Return how deep inside or how far outside the union of the areas subjects lie."""
        return self.meet(geometry).depth(band_m, search_m)

    def vertices_deep_in(self, geometry: Geometries, band_m: float) -> tuple[Ints, Ints]:
        """Return pairs of subject and feature where a vertex lies deeper in than the band.

        A pair that is not among them may still share more: an edge may cross the feature.
        """
        points, row = _vertices(geometry)
        point, piece = self.tree.query(points, predicate="intersects")
        deep = ~self.close(points, band_m)[point]
        width = np.int64(len(self.geometry))
        pair = np.unique(row[point[deep]] * width + self.owner[piece[deep]])
        return pair // width, pair % width

    def close(self, points: Geometries, band_m: float) -> npt.NDArray[np.bool_]:
        """Return which points lie within the band of an edge."""
        close = np.zeros(len(points), bool)
        close[self.edges.query(points, predicate="dwithin", distance=band_m)[0]] = True
        return close

    def settle(
        self, geometry: Geometries, metres: Floats, band_m: float
    ) -> tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Return depth, inside and straddles of subjects that touch or nearly touch."""
        area, edge = self._surroundings(geometry, band_m)
        covered = shapely.covers(area, geometry)
        return lie_to(geometry, area, edge, covered, metres, band_m)

    def _surroundings(self, geometry: Geometries, band_m: float) -> tuple[Geometries, Geometries]:
        """Return, for each subject, the union of the areas about it and that union's edge.

        Neighbouring areas count as one: a subject across their common edge is inside.
        """
        row, piece = self.tree.query(geometry, predicate="dwithin", distance=band_m)
        width = np.int64(len(self.geometry))
        pair = np.unique(row * width + self.owner[piece])
        row, feature = pair // width, pair % width
        unions: dict[tuple[int, ...], int] = {}
        which = np.empty(len(geometry), np.intp)
        for a, b in runs(row):
            which[row[a]] = unions.setdefault(tuple(feature[a:b].tolist()), len(unions))
        merged = np.empty(len(unions), dtype=object)
        for key, k in unions.items():
            merged[k] = (
                self.geometry[key[0]]
                if len(key) == 1
                else shapely.union_all(self.geometry[list(key)])
            )
        edges = shapely.boundary(merged)
        shapely.prepare(merged)
        shapely.prepare(edges)
        return merged[which], edges[which]


def unions(row: Ints, part: Geometries) -> tuple[Ints, Geometries]:
    """Return each row once, and the union of its parts; rows are sorted.

    Examples
    --------
    >>> squares = shapely.box([0, 1, 9], 0, [2, 3, 10], 1)
    >>> of, union = unions(np.array([4, 4, 7]), squares)
    >>> of.tolist(), shapely.area(union).tolist()
    ([4, 7], [3.0, 1.0])
    """
    first = np.flatnonzero(np.diff(row, prepend=-1))
    size = np.diff(first, append=len(row))
    union = part[first]
    for many in np.unique(size[size > 1]):  # those of as many parts at once
        alike = np.flatnonzero(size == many)
        union[alike] = shapely.union_all(part[first[alike][:, None] + np.arange(many)], axis=1)
    return row[first], union


def _vertices(geometry: Geometries) -> tuple[Geometries, Ints]:
    xy, row = shapely.get_coordinates(geometry, return_index=True)
    return np.atleast_1d(np.asarray(shapely.points(xy), dtype=object)), row


def lie_to(
    geometry: Geometries,
    area: Geometries,
    edge: Geometries,
    covered: npt.NDArray[np.bool_],
    metres: Floats,
    band_m: float,
) -> tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return depth, inside and straddles of each geometry against its own area.

    Parameters
    ----------
    edge, covered, metres
        Of each area its boundary, whether it covers the geometry, and the distance between
        the two; as of :class:`Depth`.
    """
    depth = -metres
    depth[covered] = shapely.distance(edge[covered], geometry[covered])
    inside = covered & (depth >= band_m)
    straddles = np.zeros(len(geometry), bool)
    part = np.flatnonzero(~covered & (metres == 0))
    if len(part):
        out = reach(shapely.difference(geometry[part], area[part]), area[part])
        shared = shapely.intersection(geometry[part], area[part])
        into = reach_into(shared, edge[part], band_m)
        least = max(band_m, NOISE_M)
        straddles[part] = (out >= least) & (into >= least)
        depth[part] = np.where(into < least, 0.0, -out)
    return depth, inside, straddles


def reach(part: Geometries, area: Geometries) -> Floats:
    """Return how far the farthest vertex of each part lies from its area."""
    xy, row = shapely.get_coordinates(part, return_index=True)
    metres = np.zeros(len(part))
    np.maximum.at(metres, row, shapely.distance(area[row], shapely.points(xy)))
    return metres


def reach_into(part: Geometries, edge: Geometries, band_m: float) -> Floats:
    """Return how deep each part lies behind the edge of the area that it is a part of.

    The deepest vertex says so, but where a narrow area runs through the subject all
    vertices lie on its edge: what seems within the band is measured again by the widest
    circle that fits in.
    """
    metres = reach(part, edge)
    thin = np.flatnonzero(metres < max(band_m, NOISE_M))
    pieces, place = shapely.get_parts(part[thin], return_index=True)
    broad = shapely.area(pieces) > 0  # an intersection may hold lines and points beside
    circle = shapely.maximum_inscribed_circle(pieces[broad])
    np.maximum.at(metres, thin[place[broad]], shapely.length(circle))
    return metres


def _cut(geometry: Geometries) -> tuple[Geometries, Ints, npt.NDArray[np.bool_]]:
    """Return pieces of at most PIECE_VERTICES vertices, their owners, and "fills its cell"."""
    owner = np.arange(len(geometry))
    done: list[tuple[Geometries, Ints]] = []
    while len(geometry):
        big = shapely.get_num_coordinates(geometry) > PIECE_VERTICES
        done.append((geometry[~big], owner[~big]))
        geometry, owner = geometry[big], owner[big]
        x0, y0, x1, y1 = shapely.bounds(geometry).T
        wide = (x1 - x0) > (y1 - y0)
        xm, ym = (x0 + x1) / 2, (y0 + y1) / 2
        low = np.column_stack([x0, y0, np.where(wide, xm, x1), np.where(wide, y1, ym)])
        high = np.column_stack([np.where(wide, xm, x0), np.where(wide, y0, ym), x1, y1])
        halves = _clipped(np.concatenate([geometry, geometry]), np.concatenate([low, high]))
        parts, place = shapely.get_parts(halves, return_index=True)
        area = shapely.area(parts) > 0
        geometry, owner = parts[area], np.concatenate([owner, owner])[place[area]]
    pieces = np.concatenate([p for p, _ in done]) if done else geometry
    owners = np.concatenate([o for _, o in done]) if done else owner
    box = shapely.bounds(pieces)
    full = shapely.area(pieces) >= (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]) * (1 - 1e-12)
    return pieces, owners, full


def _clipped(geometry: Geometries, box: Floats) -> Geometries:
    """Return each geometry within its own box: quickly, and cleanly where quick is not clean."""
    clipped = np.array(
        [shapely.clip_by_rect(g, *b) for g, b in zip(geometry, box.tolist(), strict=True)],
        dtype=object,
    )
    unclean = ~shapely.is_valid(clipped)
    clipped[unclean] = shapely.intersection(geometry[unclean], shapely.box(*box[unclean].T))
    return clipped
