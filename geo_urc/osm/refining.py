"""Duplicates, what lies inside what, and what should be near: of roles that fit into memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyproj
import shapely

from geo_urc.osm.extract import GEOMETRY, ID
from geo_urc.osm.mapping import Merge
from geo_urc.osm.selection import MERGED, plain_name
from geo_urc.wkb import parse

_GEOD = pyproj.Geod(ellps="WGS84")
_METRES_A_DEGREE = 111_000.0
Shapes = npt.NDArray[np.object_]
Pairs = npt.NDArray[np.intp]


def metres_between(a: Shapes, b: Shapes) -> npt.NDArray[np.float64]:
    """Return the distance of each pair of shapes in degrees, along the ellipsoid.

    Examples
    --------
    >>> a, b = shapely.points([[116.0, 40.0]]), shapely.points([[116.0, 40.001]])
    >>> metres_between(a, b).round(1).tolist()
    [111.0]
    """
    ends = shapely.get_coordinates(shapely.shortest_line(a, b)).reshape(-1, 4)
    return np.asarray(_GEOD.inv(*ends.T)[2], float)


def near(of: Shapes, to: Shapes, metres: float) -> Pairs:
    """Return the pairs of indices within so many metres, as two rows."""
    if not len(of) or not len(to):
        return np.empty((2, 0), np.intp)
    north = float(np.nanmax(np.abs(shapely.bounds(to)[:, [1, 3]])))
    degrees = metres / (_METRES_A_DEGREE * np.cos(np.radians(min(north + 1.0, 89.0))))
    pairs = shapely.STRtree(to).query(of, "dwithin", degrees)
    return pairs[:, metres_between(of[pairs[0]], to[pairs[1]]) <= metres]


def merged(table: pa.Table, merge: Merge) -> pa.Table:
    """Return a role without the features that are another one mapped twice.

    The one that stays lists the ids of the others in ``osm_merged``. See :class:`.Merge`.
    """
    shapes = parse(table[GEOMETRY].combine_chunks())
    names = np.array([plain_name(name) for name in table["name"].to_pylist()], object)
    named = np.array([name is not None for name in names], bool)
    kinds = np.array(table["kind"].to_pylist(), object)
    point = shapely.get_dimensions(shapes) == 0
    kept_first = point if merge.prefer == "point" else ~point
    keeper = np.arange(len(shapes))
    if merge.same_m:
        at = np.flatnonzero(point)
        a, b = (at[side] for side in near(shapes[at], shapes[at], merge.same_m))
        same = (b < a) & named[a] & (names[a] == names[b]) & (kinds[a] == kinds[b])
        for later, earlier in sorted(zip(a[same].tolist(), b[same].tolist(), strict=True)):
            if keeper[later] == later:
                keeper[later] = keeper[earlier]
    first = np.flatnonzero(kept_first & (keeper == np.arange(len(keeper))))
    other = np.flatnonzero(~kept_first)
    pairs = near(shapes[other], shapes[first], merge.within_m)
    a, b = other[pairs[0]], first[pairs[1]]
    metres = metres_between(shapes[a], shapes[b])
    alike = np.where(named[a] & named[b], names[a] == names[b], metres == 0)
    same = alike & (kinds[a] == kinds[b])
    for i in np.lexsort((b, metres)):
        if same[i] and keeper[a[i]] == a[i]:
            keeper[a[i]] = b[i]
    ids = np.array(table[ID].to_pylist(), object)
    gone: dict[int, list[str]] = {}
    for i in np.flatnonzero(keeper != np.arange(len(keeper))).tolist():
        gone.setdefault(int(keeper[i]), []).append(ids[i])
    told = [";".join(gone[i]) if i in gone else None for i in range(len(ids))]
    place = table.schema.get_field_index(MERGED)
    table = table.set_column(place, MERGED, pa.array(told, pa.string()))
    return table.filter(pa.array(keeper == np.arange(len(keeper))))


def inside(table: pa.Table, holders: pa.Table, field: str) -> pa.Table:
    """Return only the features inside an area of another role, with its id in a field.

    A feature is inside if a point on its surface is; of several areas the smallest holds it.
    """
    shapes, areas = (parse(t[GEOMETRY].combine_chunks()) for t in (table, holders))
    broad = np.flatnonzero(shapely.get_dimensions(areas) == 2)
    if not len(broad) or not len(shapes):
        return table.slice(0, 0)
    size = shapely.area(areas[broad])
    found, holder = shapely.STRtree(areas[broad]).query(shapely.point_on_surface(shapes), "within")
    order = np.lexsort((holder, size[holder], found))
    rows, firsts = np.unique(found[order], return_index=True)
    ids = holders[ID].combine_chunks().take(pa.array(broad[holder[order][firsts]]))
    kept = table.take(pa.array(rows))
    return kept.set_column(kept.schema.get_field_index(field), field, ids)


def alone(witnesses: pa.Table, table: pa.Table, metres: float) -> tuple[int, Sequence[str]]:
    """Return how many witnesses have no feature of the role nearby, and names of theirs."""
    some, shapes = (parse(t[GEOMETRY].combine_chunks()) for t in (witnesses, table))
    accompanied = np.unique(near(some, shapes, metres)[0])
    lonely = np.setdiff1d(np.flatnonzero(~shapely.is_missing(some)), accompanied)
    names = witnesses["name"].to_pylist() if "name" in witnesses.column_names else []
    told = dict.fromkeys(names[i] for i in lonely.tolist() if names and names[i])
    return len(lonely), list(told)
