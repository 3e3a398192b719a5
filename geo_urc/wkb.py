"""Geometry as bytes: parsed, looked at without being parsed, and made multi-parts of one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

_SINGLE_KINDS = (1, 2, 3)
_EWKB_SRID = 0x20000000
_HEAD, _VERTEX = 13, 16
_POLYGON_OF_ONE_RING = np.frombuffer(b"\x01\x03\0\0\0\x01\0\0\0", np.uint8)


def parse(wkb: pa.Array) -> npt.NDArray[np.object_]:
    """Return the geometries of a column of WKB; None where null or not to be parsed."""
    # shapely would also take hexadecimal text, which no other reader of the bytes does.
    hexadecimal = pc.fill_null(pc.starts_with(wkb, "0"), fill_value=False)
    if pc.any(hexadecimal).as_py():
        wkb = pc.if_else(hexadecimal, pa.scalar(None, wkb.type), wkb)
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


def promote(wkb: pa.Array) -> pa.Array:
    """Return WKB in which each single geometry is wrapped as a multi-part of one.

    The bytes of the coordinates are not touched; multi-parts and nulls stay as they are.

    Examples
    --------
    >>> import shapely
    >>> point = pa.array([shapely.to_wkb(shapely.Point(1, 2)), None], pa.binary())
    >>> shapely.from_wkb(promote(point).to_pylist())
    array([<MULTIPOINT ((1 2))>, None], dtype=object)
    """
    heads = pc.binary_slice(wkb, 0, 5).dictionary_encode()
    wrappers = pa.array([_wrapper(h) for h in heads.dictionary.to_pylist()], wkb.type)
    if not len(wrappers):
        return wkb
    prefixes = wrappers.take(heads.indices)
    return pc.binary_join_element_wise(prefixes, wkb, pa.scalar(b"", wkb.type))


def _wrapper(head: bytes) -> bytes:
    """Return what goes before a single geometry whose WKB starts with ``head``.

    Dimensions are kept, both in ISO (1003) and in extended (0x80000003) numbers.
    """
    if len(head) < 5 or head[0] > 1:
        return b""
    order = "<u4" if head[0] == 1 else ">u4"
    code = int(np.frombuffer(head, order, 1, 1)[0])
    if (code & 0xFFFF) % 1000 not in _SINGLE_KINDS:
        return b""
    multi = (code & ~_EWKB_SRID) + 3
    return head[:1] + np.array([multi, 1], order).tobytes()


def one_ring_polygons(wkb: pa.Array) -> npt.NDArray[np.bool_]:
    """Return which values are, to the last byte, a polygon of one ring in plain coordinates.

    Most parcels are; for them a look at the head and the length tells that nothing is broken.

    Examples
    --------
    >>> import shapely
    >>> square = shapely.to_wkb(shapely.box(0, 0, 1, 1))
    >>> one_ring_polygons(pa.array([square, square[:-1], b"", None], pa.binary())).tolist()
    [True, False, False, False]
    """
    whole = np.zeros(len(wkb), bool)
    bits = np.int64 if pa.types.is_large_binary(wkb.type) else np.int32
    offsets = np.frombuffer(wkb.buffers()[1], bits)[wkb.offset : wkb.offset + len(wkb) + 1]
    size = np.diff(offsets)
    long = np.flatnonzero((size >= _HEAD) & wkb.is_valid().to_numpy(zero_copy_only=False))
    if not len(long):
        return whole
    data = np.frombuffer(wkb.buffers()[2], np.uint8)
    head = data[offsets[long].astype(np.int64)[:, None] + np.arange(_HEAD)]
    vertices = np.ascontiguousarray(head[:, 9:]).view("<u4")[:, 0]
    whole[long] = (head[:, :9] == _POLYGON_OF_ONE_RING).all(axis=1) & (
        size[long] == _HEAD + vertices.astype(np.int64) * _VERTEX
    )
    return whole
