"""Well-known binary looked at by its first five bytes, a column at a time."""

from __future__ import annotations

import struct

import pyarrow as pa
import pyarrow.compute as pc

_EWKB_HEIGHTS = 0xC0000000
_EWKB_SRID = 0x20000000
_HEADER = 5


def as_multi(wkb: pa.Array) -> pa.Array:
    """Return the column with every single geometry wrapped as a multi-geometry of one part.

    The coordinates are not touched: nine bytes go in front. Nulls and multi-geometries
    stay as they are. A GeoPackage layer declared ``MultiPolygon`` may hold nothing else.

    Examples
    --------
    >>> import shapely
    >>> point = pa.array([shapely.to_wkb(shapely.Point(1, 2)), None])
    >>> shapely.from_wkb(as_multi(point).to_pylist())
    array([<MULTIPOINT ((1 2))>, None], dtype=object)
    """
    headers = pc.binary_slice(wkb, 0, _HEADER)
    for header in pc.unique(headers).to_pylist():
        prefix = _multi_prefix(header)
        if prefix is not None:
            wrapped = pc.binary_join_element_wise(
                pa.scalar(prefix, wkb.type), wkb, pa.scalar(b"", wkb.type)
            )
            wkb = pc.if_else(pc.fill_null(pc.equal(headers, header), False), wrapped, wkb)
    return wkb


def _multi_prefix(header: bytes | None) -> bytes | None:
    """Return byte order, multi type and a count of one, for the header of a single geometry."""
    if header is None or len(header) < _HEADER or header[0] not in (0, 1):
        return None
    order = "<" if header[0] else ">"
    (code,) = struct.unpack(order + "I", header[1:])
    if code & _EWKB_SRID or (code & ~_EWKB_HEIGHTS) % 1000 not in (1, 2, 3):
        return None
    return struct.pack(order + "BII", header[0], code + 3, 1)
