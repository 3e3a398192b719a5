"""Layers compared by their edges: where two maps draw one line, they draw it in one place.

Districts and the streets in them, parcels and the parks beside them have edges in common. Under
the right datum many edge points of one lie on the other's edges; under a wrong one as few as
chance brings. A generalised outline lies on nothing under any datum, and so says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import shapely

from geo_urc.edges import RUN_EDGES, edge_runs
from geo_urc.inputs.control.judging import differences
from geo_urc.inputs.systems import Numbers
from geo_urc.inputs.table import Control, Features

NEAR_EDGE_M = 20.0
"""An edge point lies on another layer's edge if it is this near: far below any shift, above
what two drawings of one line differ by."""
FEWEST_ON_EDGE = 100
"""Edge points that must lie on the other layer's edges under the datum that is named."""
LEAST_SHARE_ON_EDGE = 1.0 / 3.0
"""And their share of those within reach of such an edge: an outline cut to corners 500 m apart
has a fifth."""
TIMES_THE_NEXT = 4.0
"""And how many times those under every other datum they must be. Those are chance, but not only:
lakes keep away from parcels, so that a wrong datum puts twice as many on their edges."""

LEAST_EXTENT_M = 5000.0
"""And how far apart the farthest two of them must be: within a few blocks, streets in a grid may
lie on each other by chance."""
LEAST_SPACING_M = 50.0
"""Along an edge: a single parcel is a few points and no more."""

_POINTS = 2000
_FEATURES = 1000
_EDGED_FEATURES = 50_000
_MOST_EDGES = 150_000
_REACH_M = 700.0
_METRES_A_DEGREE = 111_195.0
_SCALE = np.array([_METRES_A_DEGREE * np.cos(np.radians(40.0)), _METRES_A_DEGREE])

ToDegrees = Callable[[Numbers, Numbers], tuple[Numbers, Numbers]]


@dataclass(frozen=True)
class Outlines:
    """Edges of a layer, degrees as its declared datum puts them.

    Attributes
    ----------
    lon, lat
        Points spread along the edges of features spread over the layer.
    vertices, run
        Vertices of edges, a row each of lon and lat; and which run of edges each belongs to.
    """

    lon: Numbers
    lat: Numbers
    vertices: Numbers
    run: npt.NDArray[np.intp]

    @cached_property
    def tree(self) -> shapely.STRtree:
        """The edges, in metres around the middle of the city."""
        lines = shapely.linestrings(self.vertices * _SCALE, indices=self.run)
        return shapely.STRtree(np.atleast_1d(np.asarray(lines, dtype=object)))


def outlines_of(features: Features, to_degrees: ToDegrees) -> Outlines | None:
    """Return a layer's edges, from metres; None if there are too few to tell anything by."""
    shapes = features.geometry[~shapely.is_missing(features.geometry)]
    dimension = shapely.get_dimensions(shapes)
    shapes = shapes[dimension >= 1]
    if not len(shapes):
        return None
    sample = _spread(shapes, _FEATURES)
    areal = shapely.get_dimensions(sample) == 2
    lines = sample.copy()
    lines[areal] = shapely.boundary(sample[areal])
    length = shapely.length(lines)
    spacing = max(float(length.sum()) / _POINTS, LEAST_SPACING_M)
    count = np.floor(length / spacing).astype(int)
    owner = np.repeat(np.arange(len(lines)), count)
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    merged = shapely.line_merge(lines)
    points = shapely.line_interpolate_point(merged[owner], (nth + 0.5) * spacing)
    points = points[~shapely.is_missing(points) & ~shapely.is_empty(points)]
    if len(points) < FEWEST_ON_EDGE:  # of small features there may be none, and so no bounds
        return None
    west, south, east, north = shapely.total_bounds(points)
    if np.hypot(east - west, north - south) < LEAST_EXTENT_M:
        return None
    lon, lat = to_degrees(shapely.get_x(points), shapely.get_y(points))
    return Outlines(lon, lat, *_edges(_spread(shapes, _EDGED_FEATURES), to_degrees))


def _spread(shapes: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many of the features, evenly spread over their order."""
    return shapes[np.unique(np.linspace(0, len(shapes) - 1, most).astype(int))]


def _edges(shapes: np.ndarray, to_degrees: ToDegrees) -> tuple[Numbers, npt.NDArray[np.intp]]:
    """Return the vertices of runs of edges, in degrees, and the run of each; of many runs some."""
    parts = shapely.get_parts(shapes)
    rings = shapely.get_rings(parts[shapely.get_dimensions(parts) == 2])
    lines = np.concatenate([rings, parts[shapely.get_dimensions(parts) == 1]])
    xy, line = shapely.get_coordinates(lines, return_index=True)
    vertices, run = edge_runs(line)
    step = max(int(run[-1]) * RUN_EDGES // _MOST_EDGES, 1)
    chosen = run % step == 0
    x, y = xy[vertices[chosen]].T
    return np.column_stack(to_degrees(x, y)), run[chosen] // step


def spots(tried: Mapping[str, tuple[Numbers, Numbers]]) -> dict[str, np.ndarray]:
    """Return the edge points on each datum in metres around the middle of the city."""
    return {name: shapely.points(np.column_stack(place) * _SCALE) for name, place in tried.items()}


def judge_outlines(
    tried: Mapping[str, tuple[Numbers, Numbers]],
    points: Mapping[str, np.ndarray],
    theirs: Outlines,
    declared: str,
    against: str,
) -> Control | None:
    """Return the datum under which a layer's edges lie on those of another that fits.

    Parameters
    ----------
    tried
        What the coordinates might be on → longitudes and latitudes of the edge points, if so.
    points
        The same as :func:`spots`.
    theirs
        The other layer.
    declared
        The one of ``tried`` that is declared or assumed.
    against
        The other layer's role.

    Returns
    -------
    Control or None
        ``fits`` or ``looks_like``; None where it cannot be told. Shift and spread are taken
        between the edge points under the datum found and as declared.
    """
    on_edge = {name: _near(theirs.tree, there, NEAR_EDGE_M) for name, there in points.items()}
    best, *others = sorted(on_edge, key=lambda name: -len(on_edge[name]))
    rows = on_edge[best]
    if len(rows) < FEWEST_ON_EDGE:
        return None
    if any(len(rows) < TIMES_THE_NEXT * len(on_edge[name]) for name in others):
        return None
    if len(rows) < LEAST_SHARE_ON_EDGE * len(_near(theirs.tree, points[best], _REACH_M)):
        return None
    west, south, east, north = shapely.total_bounds(points[best][rows])
    if np.hypot(east - west, north - south) < LEAST_EXTENT_M:
        return None
    moved = differences(*(a[rows] for a in tried[declared]), *(a[rows] for a in tried[best]))
    return Control(
        "fits" if best == declared else "looks_like",
        looks_like=best,
        against=against,
        by="outlines",
        pairs=len(rows),
        shift_m=moved.shift_m,
        bearing_deg=moved.bearing_deg,
        spread_m=moved.spread_m,
    )


def _near(tree: shapely.STRtree, points: np.ndarray, distance_m: float) -> np.ndarray:
    """Return which of the points have something of a tree this near."""
    return np.unique(tree.query_nearest(points, max_distance=distance_m, all_matches=False)[0])
