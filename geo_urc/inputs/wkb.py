"""Geometry as bytes: parsed for facts, dumped for the outputs."""

from __future__ import annotations

import pyarrow as pa
import shapely

from geo_urc.inputs.table import Geometries


def dump(geometry: Geometries) -> pa.Array:
    """Return geometries as a column of WKB, null where None."""
    return pa.array(shapely.to_wkb(geometry, flavor="iso"), pa.binary())


def common_type(type_ids: set[int]) -> str:
    """Return the geometry type of a layer that holds these shapely types.

    Examples
    --------
    >>> common_type({3}), common_type({3, 6}), common_type({0, 3})
    ('Polygon', 'MultiPolygon', 'Geometry')
    """
    for single, name in enumerate(("Point", "LineString", "", "Polygon")):
        if name and type_ids and type_ids <= {single, _MULTI_OF[single]}:
            return f"Multi{name}" if _MULTI_OF[single] in type_ids else name
    return "Geometry"


_MULTI_OF = {0: 4, 1: 5, 3: 6}
"""Shapely type id of a single geometry → of its multi-part."""
