"""How far is it to walk? Shortest ways along road lines, from any point on them to any other.

Roads meet where they share a vertex, and where one ends on another. Lines that merely cross
are a bridge or a tunnel and do not meet. Places off the roads are joined to the nearest point
of a road, wherever on the piece it lies: the piece is cut there, so that two places on one
piece need no case of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import shapely

from geo_urc.facts.outlines import Floats, Ints
from geo_urc.inputs.table import Geometries

if TYPE_CHECKING:
    from scipy.sparse import csr_array

JOIN_M = 0.01
"""Vertices no farther apart than this are one place: what rounding leaves, less than a step."""
GAP_M = 5.0
"""A road that ends this near to another without meeting it may be a slip of the drawing."""


class Pieces(NamedTuple):
    """Straight pieces of road between two nodes."""

    a: Ints
    b: Ints
    metres: Floats
    line: Ints
    """The feature of the layer that the piece is of."""


class Feet(NamedTuple):
    """Where points meet the road nearest to them; a point with several nearest has several."""

    row: Ints
    piece: Ints
    along_m: Floats
    """From the piece's node ``a``."""
    off_m: Floats
    """From the point to the road."""

    def where(self, kept: Ints) -> Feet:
        """Return some of the feet."""
        return Feet(self.row[kept], self.piece[kept], self.along_m[kept], self.off_m[kept])


class Gaps(NamedTuple):
    """Road ends near a road that they do not meet: node of the end, node opposite, metres."""

    end: Ints
    opposite: Ints
    metres: Floats


_NO_GAPS = Gaps(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))


@dataclass(frozen=True, eq=False)
class Network:
    """Roads as a graph; :meth:`of` makes one.

    Attributes
    ----------
    xy
        Nodes: every vertex of every line, and where a road ends on or opposite another.
    pieces
        Straight stretches between two nodes, each once however often it was drawn.
    joints
        Pairs of nodes that are apart but one place.
    gaps
        What may be missing, see :data:`GAP_M`.
    crossings
        Where lines cross or overlap without meeting.
    """

    xy: Floats
    pieces: Pieces
    joints: Ints
    gaps: Gaps
    crossings: Floats

    @classmethod
    def of(cls, lines: Geometries) -> Network:
        """Return the network of road centre lines in metres; None is left out.

        Examples
        --------
        >>> lines = ["LINESTRING(0 0,99 0)", "LINESTRING(60 0,60 90)", "LINESTRING(30 -9,30 9)"]
        >>> roads = Network.of(shapely.from_wkt(np.array(lines, dtype=object)))
        >>> len(roads.gaps.end), roads.crossings.tolist(), roads.components
        (0, [[30.0, 0.0]], 2)
        """
        xy, pieces, ends = _drawn(lines)
        joints = _joints(xy)
        place = _labels(len(xy), joints)
        xy, pieces, _ = _cut(xy, pieces, *_ends_on(xy, pieces, place, ends))
        crossings = _crossings(xy, pieces, place)
        end, foot = _ends_near(xy, pieces, place)
        xy, pieces, node = _cut(xy, pieces, foot)
        # two ends that face each other are one gap
        _, first = np.unique(
            np.sort(np.column_stack([end, node]), axis=1), axis=0, return_index=True
        )
        gaps = Gaps(end[first], node[first], foot.off_m[first])
        return cls(xy, pieces, joints, gaps, crossings)

    @cached_property
    def tree(self) -> shapely.STRtree:
        """Index of the pieces."""
        return _index(self.xy, self.pieces)

    @cached_property
    def label(self) -> Ints:
        """The component of each node, gaps left open; 0 has the most metres of road."""
        a, b = self._edges(closed=False)[:2]
        return _by_size(_labels(len(self.xy), np.column_stack([a, b])), self.pieces)

    @cached_property
    def closed_label(self) -> Ints:
        """The component of each node if all gaps were closed."""
        a, b = self._edges(closed=True)[:2]
        return _by_size(_labels(len(self.xy), np.column_stack([a, b])), self.pieces)

    @property
    def components(self) -> int:
        """How many parts of the network there are between which no way leads."""
        return int(self.label.max(initial=-1)) + 1

    def component_m(self) -> Floats:
        """Return the metres of road in each component, the longest first."""
        found = np.bincount(self.label[self.pieces.a], self.pieces.metres, self.components)
        return found.astype(np.float64)

    def feet(self, points: Geometries, reach_m: float) -> Feet:
        """Return the nearest points of the roads no farther off than ``reach_m`` (inclusive)."""
        here = np.flatnonzero(~shapely.is_missing(points))
        if not len(here) or not len(self.pieces.a):
            none = np.empty(0, np.intp)
            return Feet(none, none, np.empty(0), np.empty(0))
        reach = reach_m + JOIN_M if np.isfinite(reach_m) else None
        row, piece = self.tree.query_nearest(points[here], max_distance=reach)
        feet = _feet(shapely.get_coordinates(points[here])[row], self.xy, self.pieces, piece)
        near = np.flatnonzero(feet.off_m <= reach_m * (1 + 1e-9))
        return feet.where(near)._replace(row=here[row[near]])

    def cut_at(self, feet: Feet) -> tuple[Network, Ints]:
        """Return the same network with a node at each foot, and these nodes."""
        xy, pieces, node = _cut(self.xy, self.pieces, feet)
        return replace(self, xy=xy, pieces=pieces), node

    def graph(self, entries: tuple[Ints, Ints, Floats], n: int, *, closed: bool) -> csr_array:
        """Return the matrix of metres between nodes, then one-way entries from ``n`` places.

        Parameters
        ----------
        entries
            Place, node where it meets the roads, metres off them.
        closed
            With all gaps closed.
        """
        from scipy.sparse import coo_array

        a, b, metres = self._edges(closed=closed)
        place, node, off_m = entries
        size = len(self.xy) + n
        start = np.concatenate([a, b, len(self.xy) + place])
        stop = np.concatenate([b, a, node])
        weight = np.concatenate([metres, metres, off_m])
        order = np.lexsort((weight, stop, start))  # the matrix would add up what stands twice
        start, stop, weight = start[order], stop[order], weight[order]
        once = np.append(True, (np.diff(start) != 0) | (np.diff(stop) != 0))[: len(start)]
        return coo_array((weight[once], (start[once], stop[once])), (size, size)).tocsr()

    def _edges(self, *, closed: bool) -> tuple[Ints, Ints, Floats]:
        gaps = self.gaps if closed else _NO_GAPS
        j, k = self.joints.T
        return (
            np.concatenate([self.pieces.a, j, gaps.end]),
            np.concatenate([self.pieces.b, k, gaps.opposite]),
            np.concatenate(
                [self.pieces.metres, np.hypot(*(self.xy[j] - self.xy[k]).T), gaps.metres]
            ),
        )


class Ways(NamedTuple):
    """Shortest ways from subjects to the nearest place.

    Attributes
    ----------
    metres
        From the subject to the road, along roads, and to the place; +inf where no way leads.
    place
        Where to; −1 for nowhere.
    off_m
        From the subject to the road on that way; without a way, to the nearest road.
    closed_m
        The same as ``metres``, if all gaps of the network were closed.
    connected
        Whether the subject meets the largest component (gaps closed).
    """

    metres: Floats
    place: Ints
    off_m: Floats
    closed_m: Floats
    connected: npt.NDArray[np.bool_]


class Walks:
    """A network with places to walk to.

    Parameters
    ----------
    network
        The roads.
    places
        Points; None is left out.
    reach_m
        How far off a road a place or a subject may be (inclusive).

    Attributes
    ----------
    stray
        Places that do not meet the largest component of the network, gaps closed.
    off_m
        How far each place is from the nearest road; NaN if farther than the reach.

    Examples
    --------
    >>> roads = Network.of(np.array([shapely.LineString([(0, 0), (100, 0)])], dtype=object))
    >>> stop = Walks(roads, np.array([shapely.Point(90, 4)], dtype=object), reach_m=50)
    >>> plot = np.array([shapely.box(10, -8, 30, -3)], dtype=object)
    >>> stop.nearest(plot).metres.tolist()  # 3 m to the road, 60 m along, 4 m to the stop
    [67.0]
    """

    def __init__(self, network: Network, places: Geometries, reach_m: float) -> None:
        feet = network.feet(places, reach_m)
        self.network, self.node = network.cut_at(feet)
        self.places = shapely.STRtree(places)
        self.reach_m = reach_m
        self.count = len(places)
        self.entry = feet.row
        self.entry_m = feet.off_m
        self.off_m = np.full(len(places), np.nan)
        self.off_m[feet.row] = feet.off_m
        main = self.network.closed_label[self.node] == 0
        self.stray = ~shapely.is_missing(places)
        self.stray[self.entry[main]] = False

    @cached_property
    def _to_places(self) -> tuple[Floats, Ints, Floats]:
        """Metres from each node to the nearest place, that place, and metres with gaps closed."""
        metres, place = self._from(np.arange(self.count), np.zeros(self.count), closed=False)
        if not len(self.network.gaps.end):
            return metres, place, metres
        closed, _ = self._from(np.arange(self.count), np.zeros(self.count), closed=True)
        return metres, place, closed

    def _from(self, places: Ints, ahead_m: Floats, *, closed: bool) -> tuple[Floats, Ints]:
        from scipy.sparse.csgraph import dijkstra

        n = len(self.network.xy)
        which = np.full(self.count, -1)
        which[places] = np.arange(len(places))
        mine = which[self.entry] >= 0
        entry = which[self.entry[mine]]
        entries = (entry, self.node[mine], self.entry_m[mine] + ahead_m[entry])
        graph = self.network.graph(entries, len(places), closed=closed)
        if not len(entry):
            return np.full(n, np.inf), np.full(n, -1)
        metres, _, source = dijkstra(
            graph, indices=n + np.unique(entry), min_only=True, return_predecessors=True
        )
        reached = np.isfinite(metres[:n])
        return metres[:n], np.where(reached, places[np.where(reached, source[:n] - n, 0)], -1)

    def nearest(self, geometry: Geometries) -> Ways:
        """Return the shortest way from each subject to any of the places.

        A point sets out from itself. A polygon sets out from its corners, from where roads
        cross its outline, and from where it lies opposite to a junction, the end of a road or
        a place; each by the road nearest to it, and the shortest of these ways counts. A place
        that lies in the subject is 0 m away. None gives NaN.
        """
        n = len(geometry)
        points, subject = self._starts(geometry)
        feet = self.network.feet(points, self.reach_m)
        row = np.tile(subject[feet.row], 2)
        pieces = self.network.pieces
        end = np.concatenate([pieces.a[feet.piece], pieces.b[feet.piece]])
        to_place, place, closed = self._to_places
        metres = self._by_either_end(feet, to_place)

        order = np.lexsort((place[end], metres, row))
        first = order[np.unique(row[order], return_index=True)[1]]
        missing = shapely.is_missing(geometry)
        best = np.where(missing, np.nan, np.inf)
        best[row[first]] = metres[first]
        where = np.full(n, -1)
        where[row[first]] = np.where(np.isinf(metres[first]), -1, place[end[first]])
        off_m = np.full(n, np.nan)
        off_m[row[first]] = np.tile(feet.off_m, 2)[first]
        nowhere = np.flatnonzero(np.isinf(best))
        off_m[nowhere] = self._road_m(geometry[nowhere])
        shortest = np.where(missing, np.nan, np.inf)
        np.minimum.at(shortest, row, self._by_either_end(feet, closed))
        connected = np.zeros(n, bool)
        connected[row[self.network.closed_label[end] == 0]] = True

        held, inside = self.places.query(geometry, predicate="intersects")
        best[held] = shortest[held] = off_m[held] = 0.0
        of_several = np.argsort(-inside, kind="stable")  # the first in the file stays
        where[held[of_several]] = inside[of_several]
        return Ways(best, where, off_m, shortest, connected)

    def reached(
        self, points: Feet, n: int, places: Ints, within_m: Floats
    ) -> npt.NDArray[np.bool_]:
        """Return which of ``n`` points are within walking distance of any of the places.

        Parameters
        ----------
        points
            Where they meet the roads: :attr:`network`'s ``feet``.
        places, within_m
            Rows of the places and how far each reaches (inclusive), in metres.
        """
        reached = np.zeros(n, bool)
        if len(places):
            far = float(within_m.max())
            metres, _ = self._from(places, far - within_m, closed=False)
            near = self._by_either_end(points, metres) <= far * (1 + 1e-9)
            reached[np.tile(points.row, 2)[near]] = True
        return reached

    def _by_either_end(self, feet: Feet, node_m: Floats) -> Floats:
        """Return the metres from each point by node ``a`` of the piece it meets, then by ``b``."""
        pieces = self.network.pieces
        rest = pieces.metres[feet.piece] - feet.along_m
        by_a = feet.off_m + feet.along_m + node_m[pieces.a[feet.piece]]
        return np.concatenate([by_a, feet.off_m + rest + node_m[pieces.b[feet.piece]]])

    def _starts(self, geometry: Geometries) -> tuple[Geometries, Ints]:
        """Return the points from which subjects set out, and whose they are."""
        network = self.network
        corner, row = shapely.get_coordinates(geometry, return_index=True)
        broad = np.flatnonzero(shapely.area(geometry) > 0)
        edges = shapely.boundary(geometry[broad])
        i, piece = network.tree.query(edges, predicate="intersects")
        crossing, place = shapely.get_coordinates(
            shapely.intersection(edges[i], _straight(network.xy, network.pieces, piece)),
            return_index=True,
        )
        j, node = self._junctions.query(geometry[broad], "dwithin", self.reach_m)
        facing = shapely.shortest_line(geometry[broad[j]], self._junctions.geometries[node])
        opposite = shapely.get_coordinates(facing)[::2]
        points = _points(np.concatenate([corner, crossing, opposite]))
        return points, np.concatenate([row, broad[i[place]], broad[j]])

    @cached_property
    def _junctions(self) -> shapely.STRtree:
        """Nodes towards which a way along a road may lead from both sides."""
        network = self.network
        degree = np.bincount(np.concatenate([network.pieces.a, network.pieces.b]))
        junctions = np.flatnonzero((degree != 2) & (degree > 0))
        found = np.unique(np.concatenate([junctions, self.node, network.joints.ravel()]))
        return shapely.STRtree(_points(network.xy[found]))

    def _road_m(self, geometry: Geometries) -> Floats:
        """Return how far the nearest road is from subjects that are there, however far."""
        metres = np.full(len(geometry), np.nan)
        if len(geometry) and len(self.network.pieces.a):
            (row, _), off = self.network.tree.query_nearest(geometry, return_distance=True)
            metres[row] = off
        return metres


def _drawn(lines: Geometries) -> tuple[Floats, Pieces, Ints]:
    """Return the distinct vertices of lines, the pieces between them, and the lines' ends."""
    parts, owner = shapely.get_parts(lines, return_index=True)
    xy, part = shapely.get_coordinates(parts, return_index=True)
    spot, node = np.unique(xy[:, 0] + 1j * xy[:, 1], return_inverse=True)
    follows = part[1:] == part[:-1]
    starts = np.append(True, ~follows)[: len(part)]
    stops = np.append(~follows, True)[: len(part)]
    i = np.flatnonzero(follows)
    a, b = np.minimum(node[i], node[i + 1]), np.maximum(node[i], node[i + 1])
    _, first = np.unique(a * np.int64(len(spot)) + b, return_index=True)  # drawn twice: once
    first = np.sort(first[(a != b)[first]])
    a, b, line = a[first], b[first], owner[part[i[first]]]
    pieces = Pieces(a, b, np.abs(spot[a] - spot[b]), line)
    return np.column_stack([spot.real, spot.imag]), pieces, np.unique(node[starts | stops])


def _points(xy: Floats) -> Geometries:
    return np.atleast_1d(np.asarray(shapely.points(xy), dtype=object))


def _index(xy: Floats, pieces: Pieces) -> shapely.STRtree:
    return shapely.STRtree(_straight(xy, pieces))


def _straight(xy: Floats, pieces: Pieces, which: Ints | slice = slice(None)) -> Geometries:
    ends = np.stack([xy[pieces.a[which]], xy[pieces.b[which]]], axis=1)
    return np.atleast_1d(np.asarray(shapely.linestrings(ends), dtype=object))


def _joints(xy: Floats) -> Ints:
    from scipy.spatial import cKDTree

    if not len(xy):
        return np.empty((0, 2), np.intp)
    return np.asarray(cKDTree(xy).query_pairs(JOIN_M, output_type="ndarray"), np.intp)


def _labels(n: int, pairs: Ints) -> Ints:
    """Return the component of each of ``n`` things of which some are paired."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not n:
        return np.empty(0, np.intp)
    paired = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (n, n))
    return np.asarray(connected_components(paired, directed=False)[1], np.intp)


def _by_size(label: Ints, pieces: Pieces) -> Ints:
    """Return component numbers in the order of their metres of road, most first."""
    metres = np.bincount(label[pieces.a], pieces.metres, int(label.max(initial=-1)) + 1)
    rank = np.empty(len(metres), np.intp)
    rank[np.argsort(-metres, kind="stable")] = np.arange(len(metres))
    return rank[label]


def _feet(points: Floats, xy: Floats, pieces: Pieces, piece: Ints) -> Feet:
    """Return the foot of each point on its own piece (row i on piece i)."""
    start = xy[pieces.a[piece]]
    run = xy[pieces.b[piece]] - start
    length2 = (run * run).sum(axis=1)
    share = ((points - start) * run).sum(axis=1) / np.where(length2 == 0, 1.0, length2)
    share = np.clip(share, 0.0, 1.0)
    off = np.hypot(*(points - start - share[:, None] * run).T)
    return Feet(np.arange(len(points)), piece, share * pieces.metres[piece], off)


def _cut(
    xy: Floats, pieces: Pieces, feet: Feet, own: Ints | None = None
) -> tuple[Floats, Pieces, Ints]:
    """Return nodes and pieces with the pieces cut at feet, and the node of each foot.

    A foot at an end of its piece is that end, any other a new node, unless ``own`` gives one.
    """
    piece, along = feet.piece, feet.along_m
    at_a, at_b = along <= 0, along >= pieces.metres[piece]
    node = np.where(at_a, pieces.a[piece], np.where(at_b, pieces.b[piece], -1))
    node = node if own is None else own
    fresh = np.flatnonzero(node < 0)
    _, one, same = np.unique(
        piece[fresh] + 1j * along[fresh], return_index=True, return_inverse=True
    )
    node[fresh] = len(xy) + same
    share = along[fresh[one]] / pieces.metres[piece[fresh[one]]]
    start, stop = xy[pieces.a[piece[fresh[one]]]], xy[pieces.b[piece[fresh[one]]]]
    xy = np.concatenate([xy, start + share[:, None] * (stop - start)])

    every = np.arange(len(pieces.a))
    which = np.concatenate([every, piece, every])
    at = np.concatenate([np.zeros(len(every)), along, pieces.metres])
    stops = np.concatenate([pieces.a, node, pieces.b])
    order = np.lexsort((np.arange(len(at)), at, which))
    which, at, stops = which[order], at[order], stops[order]
    kept = np.flatnonzero((which[1:] == which[:-1]) & (stops[1:] != stops[:-1]))
    cut = Pieces(stops[kept], stops[kept + 1], at[kept + 1] - at[kept], pieces.line[which[kept]])
    return xy, cut, node


def _ends_on(xy: Floats, pieces: Pieces, place: Ints, ends: Ints) -> tuple[Feet, Ints]:
    """Return where ends of lines lie on a piece that does not lead there, and these ends."""
    points = _points(xy[ends])
    k, piece = _index(xy, pieces).query(points, predicate="dwithin", distance=JOIN_M)
    leads = (place[pieces.a[piece]] == place[ends[k]]) | (place[pieces.b[piece]] == place[ends[k]])
    k, piece = k[~leads], piece[~leads]
    return _feet(xy[ends[k]], xy, pieces, piece), ends[k]


def _ends_near(xy: Floats, pieces: Pieces, place: Ints) -> tuple[Ints, Feet]:
    """Return dead ends near a road that they do not meet, and the nearest point of that road.

    Meeting it means by roads within twice the gap: a stub is near its own road, and meets it.
    """
    real = place[pieces.a] != place[pieces.b]
    stops = np.concatenate([pieces.a[real], pieces.b[real]])
    degree = np.bincount(place[stops], minlength=len(xy))
    dead = np.unique(stops[degree[place[stops]] == 1])
    k, piece = _index(xy, pieces).query(_points(xy[dead]), "dwithin", 2 * GAP_M)
    width = np.int64(len(xy))
    about = np.concatenate([k * width + place[pieces.a[piece]], k * width + place[pieces.b[piece]]])
    spot, number = np.unique(about, return_inverse=True)
    group = _labels(len(spot), number.reshape(2, -1).T)
    mine = group[np.searchsorted(spot, np.arange(len(dead)) * width + place[dead])]
    feet = _feet(xy[dead[k]], xy, pieces, piece)
    near = np.flatnonzero((feet.off_m <= GAP_M) & (group[number[: len(k)]] != mine[k]))
    near = near[np.lexsort((piece[near], feet.off_m[near], k[near]))]
    near = near[np.unique(k[near], return_index=True)[1]]
    return dead[k[near]], feet.where(near)


def _crossings(xy: Floats, pieces: Pieces, place: Ints) -> Floats:
    """Return where pieces cross or overlap without meeting."""
    tree = _index(xy, pieces)
    i, j = tree.query(tree.geometries, predicate="intersects")
    once = i < j
    i, j = i[once], j[once]
    a, b = place[pieces.a], place[pieces.b]
    meet = (a[i] == a[j]) | (a[i] == b[j]) | (b[i] == a[j]) | (b[i] == b[j])
    i, j = i[~meet], j[~meet]
    where = shapely.centroid(shapely.intersection(tree.geometries[i], tree.geometries[j]))
    return np.unique(shapely.get_coordinates(where), axis=0)
