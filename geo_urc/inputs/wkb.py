"""Geometry as bytes: parsed for facts, promoted to multi-part for the outputs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from geo_urc.inputs.table import Geometries

_SINGLE_KINDS = (1, 2, 3)
_EWKB_SRID = 0x20000000


def parse(wkb: pa.Array) -> Geometries:
    """Return the geometries of a column of WKB; None where null or not to be parsed."""
    given = wkb.to_numpy(zero_copy_only=False)
    try:
        shapes = shapely.from_wkb(given, on_invalid="ignore")
    except NotImplementedError:  # one arc among them, and shapely refuses the whole array
        shapes = [_parse_one(value) for value in given]
    return np.asarray(shapes, dtype=object)


def _parse_one(value: bytes | None) -> shapely.Geometry | None:
    try:
        return shapely.from_wkb(value, on_invalid="ignore")
    except NotImplementedError:
        return None


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


def promote(wkb: pa.Array) -> pa.Array:
    """Return WKB in which each single geometry is wrapped as a multi-part of one.

    The bytes of the coordinates are not touched; multi-parts and nulls stay as they are.
    """
    heads = pc.binary_slice(wkb, 0, 5).dictionary_encode()
    wrappers = pa.array([_wrapper(h) for h in heads.dictionary.to_pylist()], pa.binary())
    if not len(wrappers):
        return wkb
    prefixes = wrappers.take(heads.indices)
    return pc.binary_join_element_wise(prefixes, wkb, pa.scalar(b"", pa.binary()))


def _wrapper(head: bytes) -> bytes:
    """Return what goes before a single geometry whose WKB starts with ``head``.

    Dimensions are kept, both in ISO (1003) and in extended (0x80000003) numbers.
    """
    order = "<u4" if head[0] == 1 else ">u4"
    code = int(np.frombuffer(head, order, 1, 1)[0])
    if (code & 0xFFFF) % 1000 not in _SINGLE_KINDS:
        return b""
    multi = (code & ~_EWKB_SRID) + 3
    return head[:1] + np.array([multi, 1], order).tobytes()
