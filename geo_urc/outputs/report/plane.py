"""Result geometries in the metres of the evaluation system, for drawings with a scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from geo_urc.wkb import parse

Shapes = npt.NDArray[np.object_]
Points = npt.NDArray[np.float64]

_ROWS_AT_ONCE = 65_536
_SYSTEM = "EPSG:4548"
"""Of a record that names none: metres that fit Beijing."""


def metres(wkb: pa.Array | pa.ChunkedArray, crs: str, run: Mapping[str, Any]) -> Shapes:
    """Return geometries in the evaluation system of a run; None where null or empty."""
    import shapely

    shapes = shapely.force_2d(_parsed(wkb))
    shapes[shapely.is_empty(shapes)] = None
    if (move := _mover(crs, run)) is None:
        return shapes
    return shapely.set_coordinates(shapes, move(shapely.get_coordinates(shapes)))


def middles(wkb: pa.ChunkedArray, crs: str, run: Mapping[str, Any]) -> Points:
    """Return the middle of each geometry's bounding box, in metres; NaN where there is none.

    A run of rows at a time, so that a million geometries are never objects at once.
    """
    import shapely

    found = [np.empty((0, 2))]
    for start in range(0, len(wkb), _ROWS_AT_ONCE):
        bounds = shapely.bounds(_parsed(wkb.slice(start, _ROWS_AT_ONCE)))
        found.append((bounds[:, :2] + bounds[:, 2:]) / 2)
    points = np.concatenate(found)
    move = _mover(crs, run)
    if move is None:
        return points
    points = move(points)  # a box in degrees is one in metres, as near as a map can show
    points[~np.isfinite(points).all(axis=1)] = np.nan
    return points


def _parsed(wkb: pa.Array | pa.ChunkedArray) -> Shapes:
    return parse(wkb.combine_chunks() if isinstance(wkb, pa.ChunkedArray) else wkb)


def _mover(crs: str, run: Mapping[str, Any]) -> Callable[[Points], Points] | None:
    """Return what takes coordinates to the evaluation system; None where they are there."""
    from pyproj import CRS, Transformer

    here, there = CRS.from_user_input(crs), CRS.from_user_input(run.get("evaluation_crs", _SYSTEM))
    if here == there:
        return None
    to = Transformer.from_crs(here, there, always_xy=True)

    def move(points: Points) -> Points:
        return np.column_stack(to.transform(points[:, 0], points[:, 1]))

    return move


class Frame(NamedTuple):
    """Part of the plane and where it is drawn: metres to millimetres, north up."""

    west: float
    north: float
    metres_a_mm: float

    def placed(self, points: Points) -> Points:
        """Return points of the plane on the paper."""
        return (points - (self.west, self.north)) * (1.0, -1.0) / self.metres_a_mm


def frame_for(bounds: tuple[float, float, float, float], width: float, height: float) -> Frame:
    """Return the frame that shows bounds (west, south, east, north) in the middle of the paper."""
    west, south, east, north = bounds
    scale = max((east - west) / width, (north - south) / height, 1e-9)
    return Frame(
        (west + east) / 2 - width * scale / 2, (south + north) / 2 + height * scale / 2, scale
    )


def rings_of(shape: Any, frame: Frame) -> list[Points]:
    """Return the rings of a polygon, or of several, on the paper."""
    import shapely

    parts = shapely.get_parts(shape)
    areal = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
    return [frame.placed(shapely.get_coordinates(ring)) for ring in shapely.get_rings(areal)]


def lines_of(shape: Any, frame: Frame) -> list[Points]:
    """Return the lines of a geometry on the paper."""
    import shapely

    parts = shapely.get_parts(shape)
    linear = parts[shapely.get_type_id(parts) == shapely.GeometryType.LINESTRING]
    return [frame.placed(shapely.get_coordinates(line)) for line in linear]
