"""Geometry as bytes: parsed, and single geometries as multi-parts of one, byte by byte."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

_SINGLE_KINDS = (1, 2, 3)
_EWKB_SRID = 0x20000000


def parse(wkb: pa.Array) -> npt.NDArray[np.object_]:
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
