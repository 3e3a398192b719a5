"""The map's data in pieces that a page opened from a folder can load one by one.

A page from ``file://`` may not fetch files, but it may add script elements. So every chunk is a
call of one function, whether it stands in the page itself or in a file beside it:
``geoUrcChunk("KEY", "BASE64")``, where the text is gzip over the bytes of :func:`chunk_bytes`.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

_ALIGNED = 4
_TYPES: dict[str, np.dtype[Any]] = {
    "u1": np.dtype("<u1"),
    "i2": np.dtype("<i2"),
    "u2": np.dtype("<u2"),
    "i4": np.dtype("<i4"),
    "u4": np.dtype("<u4"),
}
"""Name in a chunk → whole numbers that a browser has arrays of, smallest first."""


class Chunks(Protocol):
    """Where chunks go."""

    def add(self, key: str, meta: Any, arrays: Mapping[str, np.ndarray] | None = None) -> None:
        """Keep a chunk under its key: any values for JSON, and named arrays of whole numbers."""


class Inlined:
    """Chunks that stand in the page.

    Examples
    --------
    >>> chunks = Inlined()
    >>> chunks.add("parcels/0", {"ids": ["a"]})
    >>> chunks.script[:36]
    'geoUrcChunk("parcels/0","H4sIAAAAAAA'
    """

    def __init__(self) -> None:
        self._calls: list[str] = []

    def add(self, key: str, meta: Any, arrays: Mapping[str, np.ndarray] | None = None) -> None:
        """Keep a chunk in the page."""
        self._calls.append(_call(key, meta, arrays or {}))

    @property
    def script(self) -> str:
        """All calls, one a line."""
        return "".join(self._calls)


class Beside:
    """Chunks as files in a folder beside the page; the key is the path without its ending."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, key: str, meta: Any, arrays: Mapping[str, np.ndarray] | None = None) -> None:
        """Write a chunk into a file of its own."""
        path = self._folder / f"{key}.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_call(key, meta, arrays or {}), encoding="ascii", newline="\n")


def chunk_bytes(meta: Any, arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return a chunk before it is compressed.

    Four bytes say how long the JSON is that follows: ``meta`` as given, and ``arrays``, name →
    type, first byte, length. The arrays come after it, each in the smallest type that holds it
    and from a whole number of four bytes.

    Raises
    ------
    ValueError
        A number is too large for four bytes.
    """
    described: dict[str, tuple[str, int, int]] = {}
    blob = bytearray()
    for name, array in arrays.items():
        kind = _smallest(array)
        described[name] = (kind, len(blob), len(array))
        blob += array.astype(_TYPES[kind]).tobytes()
        blob += bytes(-len(blob) % _ALIGNED)
    text = json.dumps(
        {"meta": meta, "arrays": described},
        ensure_ascii=False,
        separators=(",", ":"),
        allow_nan=False,
    ).encode()
    text += b" " * (-len(text) % _ALIGNED)
    return len(text).to_bytes(_ALIGNED, "little") + text + bytes(blob)


def _smallest(array: np.ndarray) -> str:
    low, high = (int(array.min()), int(array.max())) if len(array) else (0, 0)
    for name, kind in _TYPES.items():
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return name
    raise ValueError(f"{low} … {high}")


def _call(key: str, meta: Any, arrays: Mapping[str, np.ndarray]) -> str:
    packed = gzip.compress(chunk_bytes(meta, arrays), compresslevel=6, mtime=0)
    return f'geoUrcChunk("{key}","{base64.b64encode(packed).decode("ascii")}");\n'
