"""Broken outlines: mended where that hardly changes them, named where it would.

A repair is only taken when it keeps the area: a bow-tie can be made valid, but nobody knows
which of its two wings was meant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely import GeometryType

from geo_urc.inputs.table import Geometries
from geo_urc.text import Text

MOST_AREA_CHANGE = 0.01
"""Share of the area as drawn that a repair may add or take away."""

LARGEST_COORDINATE = 1e9
"""No system of this Earth, in degrees, metres or feet, zone prefix included, comes near it."""

_NULL = Text("没有图形。", "There is no geometry.")
_EMPTY = Text("图形为空。", "The geometry is empty.")
_NOT_FINITE = Text("坐标含空值或无穷大。", "A coordinate is not a number or is infinite.")
_BEYOND_EARTH = Text(
    "坐标大得不可能，超出地球范围。", "A coordinate is impossibly large, beyond the Earth."
)
_NOT_POLYGONAL = Text("图形不含面。", "The geometry holds no polygon.")
_COLLAPSED = Text(
    "面退化为线或点，面积为零。",
    "The polygon has collapsed to a line or a point: its area is zero.",
)


@dataclass(frozen=True)
class Repair:
    """Polygons that can be trusted, and what became of the others. One entry a row.

    Attributes
    ----------
    geometry
        Valid two-dimensional Polygon or MultiPolygon; None where unusable.
    repaired
        True where the geometry differs from the one given by more than a dropped Z or M.
    area_before, area_after
        Area as drawn (exteriors less holes, whatever crosses what) and after the repair, in
        square units of the coordinates; NaN where nothing had to be repaired.
    unusable
        Row → why its geometry is None.
    """

    geometry: Geometries
    repaired: npt.NDArray[np.bool_]
    area_before: npt.NDArray[np.float64]
    area_after: npt.NDArray[np.float64]
    unusable: dict[int, Text]


def repair_polygons(geometry: Geometries) -> Repair:
    """Return the rows as valid polygons, and name those that cannot be had.

    Valid two-dimensional polygons are passed on as the same objects and cost one validity
    test. Of a collection the polygon parts are kept, and of a crossing outline what the
    crossing encloses. A repair that changes the area by more than 1 % is not taken.

    Parameters
    ----------
    geometry : ndarray of shapely geometries or None
        Not changed. Rows that hold no polygon (points, lines) are unusable.

    Returns
    -------
    Repair
        In the order of the rows.

    Examples
    --------
    >>> spike = shapely.from_wkt("POLYGON ((0 0, 9 0, 9 9, 9 12, 9 9, 0 9, 0 0))")
    >>> bow_tie = shapely.from_wkt("POLYGON ((0 0, 1 1, 1 0, 0 1, 0 0))")
    >>> outcome = repair_polygons(np.array([spike, bow_tie, None], dtype=object))
    >>> outcome.repaired.tolist(), shapely.area(outcome.geometry).tolist()
    ([True, False, False], [81.0, nan, nan])
    >>> outcome.unusable[2].en
    'There is no geometry.'
    """
    rows = np.array(geometry, dtype=object)
    before = np.full(len(rows), np.nan)
    after = np.full(len(rows), np.nan)
    repaired = np.zeros(len(rows), bool)
    unusable = check_simple(rows)

    solid = np.flatnonzero(shapely.has_z(rows) | shapely.has_m(rows))
    rows[solid] = shapely.force_2d(rows[solid])

    kind = shapely.get_type_id(rows)
    polygonal = (kind == GeometryType.POLYGON) | (kind == GeometryType.MULTIPOLYGON)
    doubtful = ~(polygonal & shapely.is_valid(rows))
    doubtful[list(unusable)] = False
    for row in np.flatnonzero(doubtful):
        parts = _polygons(rows[row])
        if not parts:
            unusable[int(row)] = _NOT_POLYGONAL
            continue
        drawn = float(shapely.area(parts).sum())
        mended = _mend(parts)
        area = float(shapely.area(mended))
        before[row], after[row] = drawn, area
        if area == 0.0:
            unusable[int(row)] = _COLLAPSED
        elif not abs(area - drawn) <= MOST_AREA_CHANGE * drawn:  # so that NaN is refused
            unusable[int(row)] = _changes_area(drawn, area)
        else:
            rows[row], repaired[row] = mended, True

    rows[list(unusable)] = None
    return Repair(rows, repaired, before, after, unusable)


def check_simple(geometry: Geometries) -> dict[int, Text]:
    """Return, by row, why a geometry of any kind cannot be used: null, empty, not on Earth.

    Examples
    --------
    >>> check_simple(np.array([shapely.Point(1, 2), shapely.Point()], dtype=object))[1].en
    'The geometry is empty.'
    """
    rows = np.asarray(geometry, dtype=object)
    xy, index = shapely.get_coordinates(rows, return_index=True)
    faults = dict.fromkeys(np.flatnonzero(shapely.is_missing(rows)).tolist(), _NULL)
    faults.update(dict.fromkeys(np.flatnonzero(shapely.is_empty(rows)).tolist(), _EMPTY))
    if not len(xy) or np.abs(xy).max() <= LARGEST_COORDINATE:  # not so if one is not a number
        return faults
    far = np.unique(index[(np.abs(xy) > LARGEST_COORDINATE).any(axis=1)])
    faults.update(dict.fromkeys(far.tolist(), _BEYOND_EARTH))
    broken = np.unique(index[~np.isfinite(xy).all(axis=1)])
    faults.update(dict.fromkeys(broken.tolist(), _NOT_FINITE))
    return faults


def keep_kind(geometry: Geometries, kinds: frozenset[str]) -> npt.NDArray[np.bool_]:
    """Return True where the geometry is of an allowed kind, single or multi.

    Parameters
    ----------
    geometry : ndarray of shapely geometries or None
        A collection counts as its part of the highest dimension: with a polygon in it, it is
        a polygon. None and empty collections have no kind and are allowed: they are for
        :func:`repair_polygons` and :func:`check_simple` to name.
    kinds : frozenset of {"point", "line", "polygon"}
        What the layer may hold.

    Examples
    --------
    >>> keep_kind(np.array([shapely.Point(1, 2), None], dtype=object), frozenset({"polygon"}))
    array([False,  True])
    """
    dimension = shapely.get_dimensions(geometry)
    allowed = [-1] + [d for d, kind in enumerate(("point", "line", "polygon")) if kind in kinds]
    return np.isin(dimension, allowed)


def _polygons(geometry: shapely.Geometry) -> list[shapely.Polygon]:
    """Return the polygons of a geometry, out of collections however deep."""
    if isinstance(geometry, shapely.Polygon):
        return [] if geometry.is_empty else [geometry]
    return [p for part in getattr(geometry, "geoms", ()) for p in _polygons(part)]


def _mend(polygons: list[shapely.Polygon]) -> shapely.Geometry:
    """Return what the exteriors enclose, each less its own holes, all together.

    Ring by ring, because make_valid on a whole polygon turns a hole beyond the exterior into
    land.
    """
    pieces = []
    for polygon in polygons:
        holes = [_enclosed(ring) for ring in polygon.interiors]
        pieces.append(shapely.difference(_enclosed(polygon.exterior), shapely.union_all(holes)))
    parts = _polygons(shapely.union_all(pieces))
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _enclosed(ring: shapely.LinearRing) -> shapely.Geometry:
    return shapely.make_valid(shapely.Polygon(ring), method="structure", keep_collapsed=False)


def _changes_area(drawn: float, mended: float) -> Text:
    share = f" ({mended / drawn - 1.0:+.1%})" if drawn else ""
    return Text(
        f"图形自相交或重叠：修复会使面积由 {drawn:.6g} 变为 {mended:.6g}{share}"
        f"（坐标单位的平方），变化超过 {MOST_AREA_CHANGE:.0%} 不予修复。",
        f"The outline crosses or overlaps itself: repairing it would change its area from "
        f"{drawn:.6g} to {mended:.6g}{share}, in square units of the coordinates; no more than "
        f"{MOST_AREA_CHANGE:.0%} is taken.",
    )
