"""Result geometries as a browser wants them: degrees, in spatial order, packed as whole steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from geo_urc import wkb as bytes_of

QUANTUM = 1e-6
"""Degrees a step: 0.11 m north-south, well under a pixel at the closest zoom."""

_CURVE_LEVEL = 16
_MERCATOR_LIMIT = 85.05
_ROWS_AT_ONCE = 65_536

Shapes = npt.NDArray[np.object_]
Degrees = npt.NDArray[np.float64]


def degree_shapes(wkb: pa.Array | pa.ChunkedArray, crs: str) -> Shapes:
    """Return the geometries in longitude and latitude of their own datum; None where null or empty.

    WGS 84 and CGCS2000 differ by less than a step of the map, so the datum is left alone.
    """
    import shapely

    shapes = _parsed(wkb)
    return shapely.transform(shapes, lambda points: _degrees(points, crs))


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


def middle_points(wkb: pa.ChunkedArray, crs: str) -> Degrees:
    """Return the middle of each geometry's box in degrees; NaN where there is none.

    A run of rows at a time, so that a million geometries are never objects at once.
    """
    import shapely

    middles = [np.empty((0, 2))]
    for start in range(0, len(wkb), _ROWS_AT_ONCE):
        box = shapely.bounds(_parsed(wkb.slice(start, _ROWS_AT_ONCE)))
        middles.append(_degrees((box[:, :2] + box[:, 2:]) / 2, crs))
    points = np.concatenate(middles)
    points[~np.isfinite(points).all(axis=1)] = np.nan
    return points


def along_a_curve(points: Degrees) -> npt.NDArray[np.int64]:
    """Return the places of points in the order of a Hilbert curve; NaN come last.

    What is near on the curve is near on the ground, so that any run of it is compact. Points in
    one cell of the curve stay in the order given.

    Examples
    --------
    >>> along_a_curve(np.array([[9.0, 0.0], [0.0, 0.0], [np.nan, 0.0], [0.0, 9.0]])).tolist()
    [1, 3, 0, 2]
    """
    there = np.isfinite(points).all(axis=1)
    keys = np.full(len(points), np.iinfo(np.int64).max)
    if there.any():
        low = points[there].min(axis=0)
        span = max((points[there].max(axis=0) - low).max(), 1e-12)
        cells = np.minimum((points[there] - low) / span * 2**_CURVE_LEVEL, 2**_CURVE_LEVEL - 1)
        keys[there] = _hilbert(cells.astype(np.int64))
    return np.argsort(keys, kind="stable")


def _hilbert(cells: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the place of each cell on the curve, a quadrant a step from the largest down."""
    x, y = cells[:, 0].copy(), cells[:, 1].copy()
    keys = np.zeros(len(cells), np.int64)
    for level in range(_CURVE_LEVEL - 1, -1, -1):
        right, upper = (x >> level) & 1, (y >> level) & 1
        keys = (keys << 2) | ((3 * right) ^ upper)
        turned = upper == 0
        flipped = turned & (right == 1)
        x[flipped], y[flipped] = ~x[flipped], ~y[flipped]
        x[turned], y[turned] = y[turned], x[turned]
    return keys


def cells_of(points: Degrees, level: int) -> npt.NDArray[np.int64]:
    """Return column and row of the cell of each point in a web map's pyramid; -1 for NaN.

    Level 0 is one cell for the world, every further level halves the sides.

    Examples
    --------
    >>> cells_of(np.array([[116.4, 39.9], [np.nan, np.nan]]), 10).tolist()
    [[843, 388], [-1, -1]]
    """
    there = np.isfinite(points).all(axis=1)
    cells = np.full(points.shape, -1, np.int64)
    lon = points[there, 0]
    lat = np.radians(np.clip(points[there, 1], -_MERCATOR_LIMIT, _MERCATOR_LIMIT))
    world = np.column_stack([(lon + 180) / 360, (1 - np.arcsinh(np.tan(lat)) / np.pi) / 2])
    cells[there] = np.clip(np.floor(world * 2**level), 0, 2**level - 1)
    return cells


def packed(shapes: Shapes) -> dict[str, np.ndarray]:
    """Return geometries as flat arrays of whole steps, to be told apart by counts.

    Returns
    -------
    dict
        ``parts``: how many parts each geometry has, 0 for none. ``rings``: how many rings each
        part has, 0 if it is a line or a point. ``points``: how many points each path has, ring,
        line or point. ``origin``: the first point of all. ``moves``: from point to point, x and
        y by turns, the first from the origin. Outer rings run against the clock and holes with it; no ring repeats its first point.

    Examples
    --------
    >>> import shapely
    >>> arrays = packed(np.array([shapely.box(0, 0, 2e-6, 1e-6), None], dtype=object))
    >>> {name: array.tolist() for name, array in arrays.items()}
    {'parts': [1, 0], 'rings': [1], 'points': [4], 'origin': [2, 0], 'moves': [0, 0, 0, 1, -2, 0, 0, -1]}
    """
    import shapely

    parts, owner = shapely.get_parts(shapes, return_index=True)
    areal = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    parts[areal] = shapely.orient_polygons(parts[areal])
    rings, ring_part = shapely.get_rings(parts[areal], return_index=True)
    paths = np.concatenate([rings, parts[~areal]])
    path_part = np.concatenate([np.flatnonzero(areal)[ring_part], np.flatnonzero(~areal)])
    order = np.argsort(path_part, kind="stable")
    points, path = shapely.get_coordinates(paths[order], return_index=True)
    closing = np.append(path[1:] != path[:-1], True)[: len(path)] & areal[path_part[order]][path]
    steps = np.rint(points[~closing] / QUANTUM).astype(np.int64)
    origin = steps[:1] if len(steps) else np.zeros((1, 2), np.int64)
    in_part = np.zeros(len(parts), np.int64)
    in_part[areal] = np.bincount(ring_part, minlength=int(areal.sum()))
    return {
        "parts": np.bincount(owner, minlength=len(shapes)),
        "rings": in_part,
        "points": np.bincount(path[~closing], minlength=len(paths)),
        "origin": origin.reshape(-1),
        "moves": np.diff(steps, axis=0, prepend=origin).reshape(-1),
    }


def _parsed(wkb: pa.Array | pa.ChunkedArray) -> Shapes:
    import shapely

    whole = wkb.combine_chunks() if isinstance(wkb, pa.ChunkedArray) else wkb
    shapes = shapely.force_2d(bytes_of.parse(whole))
    shapes[shapely.is_empty(shapes)] = None
    return np.asarray(shapes, dtype=object)


def _degrees(points: Degrees, crs: str) -> Degrees:
    from pyproj import CRS, Transformer

    system = CRS.from_user_input(crs)
    if system.is_geographic or system.geodetic_crs is None:
        return points
    to_degrees = Transformer.from_crs(system, system.geodetic_crs, always_xy=True)
    return np.column_stack(to_degrees.transform(points[:, 0], points[:, 1]))
