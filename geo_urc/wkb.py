"""Geometry as bytes: parsed, looked at without being parsed, and made multi-parts of one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

_SINGLE_KINDS = (1, 2, 3)
_EWKB_SRID = 0x20000000
_VERTEX = 16
_POLYGON_OF_ONE_RING = b"\x01\x03\0\0\0\x01\0\0\0"
_MULTI_OF_ONE = b"\x01\x06\0\0\0\x01\0\0\0"
_HEADS = {
    len(start) + 4: np.frombuffer(start, np.uint8)
    for start in (_POLYGON_OF_ONE_RING, _MULTI_OF_ONE + _POLYGON_OF_ONE_RING)
}
"""Bytes up to the first vertex → how they begin; the last four are the number of vertices."""


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


class Rings(NamedTuple):
    """Outlines taken from WKB as they lie there.

    Attributes
    ----------
    plain
        Which values are, to the last byte, one polygon of one ring in plain coordinates, or a
        multi-polygon of one such.
    multi
        Which of all are the latter.
    xy
        The vertices of those, end to end.
    start
        First vertex of each of those, and one past the last.
    """

    plain: npt.NDArray[np.bool_]
    multi: npt.NDArray[np.bool_]
    xy: npt.NDArray[np.float64]
    start: npt.NDArray[np.int64]


def one_ring_polygons(wkb: pa.Array) -> npt.NDArray[np.bool_]:
    """Return which values are, to the last byte, a polygon of one ring in plain coordinates.

    Or a multi-polygon of one such. Most parcels are; for them a look at the head and the length
    tells that nothing is broken.

    Examples
    --------
    >>> import shapely
    >>> square = shapely.to_wkb(shapely.box(0, 0, 1, 1))
    >>> one_ring_polygons(pa.array([square, square[:-1], b"", None], pa.binary())).tolist()
    [True, False, False, False]
    """
    return _heads(wkb) > 0


def rings_in(wkb: pa.Array) -> Rings:
    """Return the outlines of a column of WKB that can be had without parsing it.

    Examples
    --------
    >>> import shapely
    >>> shapes = [shapely.Point(1, 2), shapely.box(0, 0, 3, 4)]
    >>> found = rings_in(pa.array(shapely.to_wkb(shapes), pa.binary()))
    >>> found.plain.tolist(), found.xy.max(axis=0).tolist(), found.start.tolist()
    ([False, True], [3.0, 4.0], [0, 5])
    """
    head = _heads(wkb)
    plain = head > 0
    offsets = _offsets(wkb)
    size = np.where(plain, np.diff(offsets) - head, 0)
    begin = offsets[:-1] - offsets[0]
    data = np.frombuffer(wkb.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    wanted = np.repeat(plain, np.diff(offsets))
    for length in _HEADS:
        wanted[begin[head == length][:, None] + np.arange(length)] = False
    xy = data[wanted].view("<f8").reshape(-1, 2)
    multi = head == len(_MULTI_OF_ONE + _POLYGON_OF_ONE_RING) + 4
    return Rings(plain, multi, xy, np.concatenate([[0], np.cumsum(size[plain] // _VERTEX)]))


def _heads(wkb: pa.Array) -> npt.NDArray[np.int64]:
    """Return how many bytes go before the vertices of plain polygons; 0 for anything else."""
    found = np.zeros(len(wkb), np.int64)
    if not len(wkb) or wkb.null_count == len(wkb):
        return found
    offsets = _offsets(wkb)
    data = np.frombuffer(wkb.buffers()[2], np.uint8)
    valid = wkb.is_valid().to_numpy(zero_copy_only=False)
    size = np.diff(offsets)
    for length, start in _HEADS.items():
        rows = np.flatnonzero((size >= length) & valid & (found == 0))
        head = data[offsets[rows][:, None] + np.arange(length)]
        vertices = np.ascontiguousarray(head[:, -4:]).view("<u4")[:, 0]
        plain = (head[:, :-4] == start).all(axis=1)
        plain &= size[rows] == length + vertices.astype(np.int64) * _VERTEX
        found[rows[plain]] = length
    return found


def _offsets(wkb: pa.Array) -> npt.NDArray[np.int64]:
    bits = np.int64 if pa.types.is_large_binary(wkb.type) else np.int32
    if not len(wkb):
        return np.zeros(1, np.int64)
    offsets = np.frombuffer(wkb.buffers()[1], bits)[wkb.offset : wkb.offset + len(wkb) + 1]
    return offsets.astype(np.int64)
