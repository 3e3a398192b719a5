"""Coordinates moved inside WKB: heights, measures, arcs and byte order stay as they are."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from geo_urc.inputs.systems import Numbers

Move = Callable[[Numbers, Numbers], tuple[Numbers, Numbers]]

_POINT, _POLYGON, _TRIANGLE = 1, 3, 17
_STRINGS = (2, 8)  # line, circular string
_COLLECTIONS = (4, 5, 6, 7, 9, 10, 11, 12, 15, 16)
_EWKB_Z, _EWKB_M, _EWKB_SRID = 0x80000000, 0x40000000, 0x20000000


def move_wkb(wkb: pa.Array, move: Move) -> pa.Array:
    """Return WKB with every vertex moved, null where null, and nothing else changed.

    Parameters
    ----------
    wkb : pyarrow binary array
        ISO or extended WKB, curves included; a control point of an arc is a vertex.
    move
        From x and y of all vertices to theirs; both arrays of one length.

    Raises
    ------
    ValueError
        If some value is not WKB.

    Examples
    --------
    >>> import shapely
    >>> given = pa.array([shapely.to_wkb(shapely.Point(1, 2, 3)), None], pa.binary())
    >>> moved = move_wkb(given, lambda x, y: (x + 10, y))
    >>> shapely.from_wkb(moved.to_pylist()).tolist()
    [<POINT Z (11 2 3)>, None]
    """
    values = wkb.to_pylist()
    runs: dict[tuple[str, int], list[tuple[int, int]]] = {}
    start = 0
    for value in values:
        if value is not None:
            try:
                _walk(value, 0, start, runs)
            except struct.error as error:
                raise ValueError(f"WKB ends too soon: {error}") from error
            start += len(value)
    data = np.frombuffer(b"".join(v for v in values if v is not None), np.uint8).copy()
    for (order, size), found in runs.items():
        first, count = np.array(found).T
        nth = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        at = (np.repeat(first, count) + nth * 8 * size)[:, None] + np.arange(16)
        xy = data[at].view(f"{order}f8")
        data[at] = (
            np.column_stack(move(xy[:, 0].astype(float), xy[:, 1].astype(float)))
            .astype(f"{order}f8")
            .view(np.uint8)
        )
    whole = data.tobytes()
    moved, start = [], 0
    for value in values:
        end = start + len(value or b"")
        moved.append(None if value is None else whole[start:end])
        start = end
    return pa.array(moved, pa.binary())


def _walk(
    value: bytes, at: int, base: int, runs: dict[tuple[str, int], list[tuple[int, int]]]
) -> int:
    """Note where the coordinates of the geometry at ``at`` are; return where it ends."""
    order = "<" if value[at : at + 1] == b"\1" else ">"
    (code,) = struct.unpack_from(f"{order}I", value, at + 1)
    at += 9 if code & _EWKB_SRID else 5
    plain = code & 0x0FFFFFFF
    kind, flat = plain % 1000, plain // 1000
    size = 2 + (flat in (1, 3) or bool(code & _EWKB_Z)) + (flat in (2, 3) or bool(code & _EWKB_M))

    def run(at: int, count: int) -> int:
        end = at + 8 * size * count
        if end > len(value):
            raise struct.error("coordinates are missing")
        if count:
            runs.setdefault((order, size), []).append((base + at, count))
        return end

    if kind == _POINT:
        return run(at, 1)
    (count,) = struct.unpack_from(f"{order}I", value, at)
    at += 4
    if kind in _STRINGS:
        return run(at, count)
    if kind in (_POLYGON, _TRIANGLE):
        for _ in range(count):
            (points,) = struct.unpack_from(f"{order}I", value, at)
            at = run(at + 4, points)
        return at
    if kind not in _COLLECTIONS:
        raise ValueError(f"geometry type {code} is not known")
    for _ in range(count):
        at = _walk(value, at, base, runs)
    return at
