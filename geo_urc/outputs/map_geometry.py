"""Result geometries as a browser wants them: degrees, quantised, compact."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

QUANTUM = 1e-6
"""Degrees a step: 0.11 m north-south, well under a pixel at the closest zoom."""

CELL_SIZES_M = (250, 500, 1000, 2000, 5000, 10000, 20000)
MOST_CELLS = 4000
_METRES_A_DEGREE = 111_320.0
_ROWS_AT_ONCE = 65_536

Shapes = npt.NDArray[np.object_]


def degree_shapes(wkb: pa.Array | pa.ChunkedArray, crs: str) -> Shapes:
    """Return the geometries in longitude and latitude of their own datum; None where null or empty.

    WGS 84 and CGCS2000 differ by less than a step of the map, so the datum is left alone.
    """
    import shapely
    from pyproj import CRS, Transformer

    shapes = shapely.force_2d(shapely.from_wkb(wkb.to_numpy(zero_copy_only=False)))
    shapes[shapely.is_empty(shapes)] = None
    system = CRS.from_user_input(crs)
    if system.is_geographic or system.geodetic_crs is None:
        return shapes
    to_degrees = Transformer.from_crs(system, system.geodetic_crs, always_xy=True)
    coordinates = shapely.get_coordinates(shapes)
    coordinates = np.column_stack(to_degrees.transform(coordinates[:, 0], coordinates[:, 1]))
    return shapely.set_coordinates(shapes, coordinates)


def bounds_in(
    bounds: tuple[float, float, float, float], crs: str, wanted: str
) -> tuple[float, float, float, float]:
    """Return west, south, east and north of what an extent covers in another system.

    Examples
    --------
    >>> [round(edge) for edge in bounds_in((116.9, 39.9, 117.1, 40.0), "EPSG:4490", "EPSG:4548")]
    [491448, 4418426, 508552, 4429534]
    """
    from pyproj import CRS, Transformer

    if CRS.from_user_input(crs) == CRS.from_user_input(wanted):
        return bounds
    turn = Transformer.from_crs(crs, wanted, always_xy=True)
    west, south, east, north = turn.transform_bounds(*bounds)
    return west, south, east, north


def quantised(shapes: Shapes) -> list[Any]:
    """Return each geometry as nested lists of whole steps; None where there is none.

    A geometry is a list of parts; a polygon part is a list of rings, a line or point part a
    path. A path is flat: the first x and y, then the differences from point to point.

    Examples
    --------
    >>> import shapely
    >>> quantised(np.array([shapely.LineString([(1e-6, 0), (3e-6, 5e-6)]), None], dtype=object))
    [[[1, 0, 2, 5]], None]
    """
    import shapely

    parts, owner = shapely.get_parts(shapes, return_index=True)
    areal = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    rings, ring_part = shapely.get_rings(parts[areal], return_index=True)
    polygons = _grouped(_paths(rings), ring_part, int(areal.sum()))
    others = _paths(parts[~areal])
    drawn: list[Any] = np.empty(len(parts), dtype=object).tolist()
    for place, polygon in zip(np.flatnonzero(areal), polygons, strict=True):
        drawn[place] = polygon
    for place, path in zip(np.flatnonzero(~areal), others, strict=True):
        drawn[place] = path
    return [parts or None for parts in _grouped(drawn, owner, len(shapes))]


def middle_points(wkb: pa.ChunkedArray, crs: str) -> npt.NDArray[np.float64]:
    """Return the middle of each geometry's bounding box in degrees; NaN where there is none.

    A run of rows at a time, so that a million geometries are never objects at once.
    """
    import shapely

    middles = [np.empty((0, 2))]
    for start in range(0, len(wkb), _ROWS_AT_ONCE):
        bounds = shapely.bounds(degree_shapes(wkb.slice(start, _ROWS_AT_ONCE), crs))
        middles.append((bounds[:, :2] + bounds[:, 2:]) / 2)
    return np.concatenate(middles)


class Grid(NamedTuple):
    """A grid over points, and the cell of each point."""

    size_m: int
    """Side of a cell (approximately: cells are equal in degrees)."""
    frame: list[float]
    """West and south of the cell (0, 0), width and height of a cell, in degrees."""
    cells: npt.NDArray[np.int64]
    """Column and row of each cell that is not empty."""
    cell_of: npt.NDArray[np.int64]
    """For each point its place in `cells`; -1 for NaN."""


def grid_over(points: npt.NDArray[np.float64]) -> Grid:
    """Return the finest grid that needs no more than `MOST_CELLS` cells for the points."""
    usable = np.isfinite(points).all(axis=1)
    cell_of = np.full(len(points), -1, dtype=np.int64)
    if not usable.any():
        return Grid(
            CELL_SIZES_M[0], [0.0, 0.0, 1.0, 1.0], np.empty((0, 2), dtype=np.int64), cell_of
        )
    corner = points[usable].min(axis=0)
    stretch = 1 / np.cos(np.radians(points[usable, 1].mean()))
    for size_m in CELL_SIZES_M:
        step = size_m / _METRES_A_DEGREE * np.array([stretch, 1.0])
        places = np.floor((points[usable] - corner) / step).astype(np.int64)
        cells, place = np.unique(places, axis=0, return_inverse=True)
        if len(cells) <= MOST_CELLS:
            break
    cell_of[usable] = place.reshape(-1)
    return Grid(size_m, [*corner.tolist(), *step.tolist()], cells, cell_of)


def _paths(shapes: Shapes) -> list[list[int]]:
    """Return every ring, line or point as one flat path of whole steps."""
    import shapely

    points, owner = shapely.get_coordinates(shapes, return_index=True)
    steps = np.rint(points / QUANTUM).astype(np.int64)
    starts = np.searchsorted(owner, np.arange(len(shapes)))
    moves = np.diff(steps, axis=0, prepend=np.zeros((1, 2), dtype=np.int64))
    moves[starts] = steps[starts]
    return (
        [path.reshape(-1).tolist() for path in np.split(moves, starts[1:])] if len(shapes) else []
    )


def _grouped(items: list[Any], owner: npt.NDArray[np.int64], count: int) -> list[list[Any]]:
    """Return the items of each owner, who come in order."""
    ends = np.searchsorted(owner, np.arange(count), side="right").tolist()
    return [items[start:end] for start, end in zip([0, *ends], ends, strict=False)]
