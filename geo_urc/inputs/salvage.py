"""Damaged files: what can be read goes on, each record that cannot is named."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import shapely
import shapely.geometry

from geo_urc.inputs.sources import BadRecord, Records, Request, Source
from geo_urc.text import Text

_LOST = Text("记录已损坏，无法读取", "the record is damaged and cannot be read")
_LONGEST_BYTES = 10_000_000
"""GDAL takes a GeoJSON with longer text in it for broken."""
_NO_FEATURE = Text("不是要素（type 不是 Feature）", "the element is no Feature")
_ARRAY = re.compile(r"\s*:\s*\[\s*")
_COMMA = re.compile(r"\s*,\s*")
_SKIPPED = re.compile(rb'"features"\s*:\s*\[\s*null\b|\}\s*,\s*null\s*[,\]]|null\s*,\s*\{\s*"type"')
"""How an element that is null may look; within properties it means nothing."""
_MOST_BYTES_KEPT = 1 << 26
"""Size of a GeoJSON up to which geometries that GDAL cannot read are fetched from its text."""
_TOO_LONG = Text("有一个值超过 10 MB", "a value is longer than 10 MB")


def salvage_records(source: Source, target: str, layer: str | None, request: Request) -> Source:
    """Read a damaged file again record by record with fiona.

    Returns a source that holds the good records in memory, in the columns of ``source``,
    and names the bad ones.

    Raises
    ------
    LayerError
        If fiona cannot open the file either, or a filter is asked for: positions in a
        filtered damaged file mean nothing.
    """
    import fiona

    if request.where is not None:
        what = Text("文件已损坏，不能同时使用 where。", "is damaged, so where cannot be used.")
        raise request.fault(what, Text("请先修复文件。", "Mend the file first."))
    good: list[dict[str, Any]] = []
    shapes: list[bytes | None] = []
    bad: list[BadRecord] = []
    try:
        with fiona.open(target, layer=layer, encoding=source.encoding or None) as collection:
            for position, feature in _features(collection):
                if feature is None:
                    bad.append(BadRecord(position, _LOST))
                    continue
                good.append(dict(feature.properties))
                shapes.append(_wkb(feature.geometry))
    except (fiona.errors.FionaError, OSError, UnicodeError, SystemError) as error:
        what = Text(f"文件已损坏：{error}。", f"is damaged: {error}.")
        raise request.fault(what, Text("请换用完好的文件。", "Use a whole copy.")) from error
    columns = [_column(good, f) for f in source.schema]
    table = pa.Table.from_arrays(columns, schema=source.schema)
    return in_memory(replace(source, bad=tuple(bad)), table, pa.array(shapes, pa.binary()))


def in_memory(source: Source, table: pa.Table, wkb: pa.Array) -> Source:
    """Return a source over a table that is already in memory."""

    def records(rows: int, columns: Sequence[str] | None) -> Iterator[Records]:
        chosen = table if columns is None else table.select(list(columns))
        for first in range(0, len(wkb), rows):
            part = chosen.slice(first, rows)
            arrays = [pa.concat_arrays(c.chunks) for c in part.columns]
            batch = pa.RecordBatch.from_arrays(arrays, schema=part.schema)
            yield Records(batch, wkb.slice(first, rows))

    return replace(source, records=records)


def passed_over(path: Path) -> bool:
    """Return whether a GeoJSON may have elements that GDAL passes over without a word.

    A look at the bytes only: a word in a property may look like one.
    """
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        named = sum(1 for _ in re.finditer(rb'"Feature"', whole))
        placed = sum(1 for _ in re.finditer(rb'"geometry"\s*:', whole))
        return placed > named or _SKIPPED.search(whole) is not None


def salvage_sequence(
    path: Path,
) -> tuple[Path, TemporaryDirectory[str], tuple[BadRecord, ...]] | None:
    """Write the features of a sequence, one a line, into a GeoJSON; name those that do not parse.

    Returns None if all do.
    """
    text = path.read_text("utf-8-sig", errors="replace")
    good: list[Any] = []
    bad: list[BadRecord] = []
    for line in text.split("\x1e" if "\x1e" in text else "\n"):
        if not line.strip():
            continue
        try:
            feature = json.loads(line)
            why = _unfit(feature, len(line))
        except (ValueError, RecursionError):
            why = _LOST
        if why is None:
            good.append(feature)
        else:
            bad.append(BadRecord(len(good) + len(bad) + 1, why))
    return _written(good, bad, {}) if good and bad else None


def with_texts(source: Source, path: Path) -> Source:
    """Return a GeoJSON's source that gives geometries GDAL can make nothing of as their JSON.

    GDAL gives null there, as where there is none. Text is no WKB, so that it stays unusable.
    """
    if path.stat().st_size > _MOST_BYTES_KEPT:
        return source

    @cache
    def texts() -> dict[int, bytes]:
        _, _, rest = path.read_text("utf-8-sig", errors="replace").partition('"features"')
        shapes = (feature.get("geometry") for feature in _parsed_features(rest)[0])
        return {
            row: json.dumps(shape, ensure_ascii=False).encode("utf-8", "backslashreplace")
            for row, shape in enumerate(shapes)
            if shape is not None
        }

    def records(rows: int, columns: Sequence[str] | None) -> Iterator[Records]:
        first = 0
        for given, wkb in source.records(rows, columns):
            if wkb.null_count:
                values = wkb.to_pylist()
                shown = [texts().get(first + i) if v is None else v for i, v in enumerate(values)]
                yield Records(given, pa.array(shown, pa.binary()))
            else:
                yield Records(given, wkb)
            first += len(wkb)

    return replace(source, records=records)


def salvage_geojson(
    path: Path,
) -> tuple[Path, TemporaryDirectory[str], tuple[BadRecord, ...]] | None:
    """Write the features of a broken GeoJSON that can be parsed into a file of their own.

    Returns the file, the folder that holds it, and the records left out; None where this is
    no GeoJSON at all.
    """
    try:
        text = path.read_text("utf-8-sig", errors="replace")
    except OSError:
        return None
    head, found, rest = text.partition('"features"')
    if not found or "FeatureCollection" not in head + rest[-200:]:
        return None
    good, bad = _parsed_features(rest)
    if not good:
        return None
    return _written(good, bad, _member(head, "crs"))


def _written(
    good: list[Any], bad: list[BadRecord], members: dict[str, Any]
) -> tuple[Path, TemporaryDirectory[str], tuple[BadRecord, ...]]:
    """Write features into a file of their own; return it, its folder, and the others."""
    clean: dict[str, Any] = {"type": "FeatureCollection", **members, "features": good}
    folder = TemporaryDirectory(prefix="geo_urc-")
    written = Path(folder.name) / "salvaged.geojson"
    written.write_text(json.dumps(clean, ensure_ascii=False), "utf-8", "backslashreplace")
    return written, folder, tuple(bad)


def _parsed_features(text: str) -> tuple[list[Any], list[BadRecord]]:
    """Return the features of an array that parse, and where the others are.

    After a feature that does not, reading goes on at the next ``{"type": "Feature"``.
    """
    decoder = json.JSONDecoder()
    good: list[Any] = []
    bad: list[BadRecord] = []
    opening = _ARRAY.match(text)
    at = opening.end() if opening else text.find("{")
    while 0 <= at < len(text) and text[at] != "]":
        try:
            feature, end = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            bad.append(BadRecord(len(good) + len(bad) + 1, _LOST))
            at = _next_feature(text, at + 1)
            continue
        why = _unfit(feature, end - at)
        if why is None:
            good.append(feature)
        else:
            bad.append(BadRecord(len(good) + len(bad) + 1, why))
        following = _COMMA.match(text, end)
        if following is None:
            break
        at = following.end()
    return good, bad


def _unfit(feature: Any, length: int) -> Text | None:
    """Return why GDAL would pass over an element of the array, None if it reads it."""
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        return _NO_FEATURE
    return _TOO_LONG if length > _LONGEST_BYTES and _has_too_long(feature) else None


def _has_too_long(value: Any) -> bool:
    """Return whether any text in a JSON value is longer than GDAL reads."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass")) >= _LONGEST_BYTES
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_has_too_long(part) for part in inner)


def _next_feature(text: str, start: int) -> int:
    """Return where the next object begins that says it is a feature, -1 if there is none."""
    at = text.find('"Feature"', start)
    # The first mention may belong to the broken feature itself: its brace is before start.
    while at >= 0:
        brace = text.rfind("{", start, at)
        if brace >= 0 and text[brace + 1 : at].strip().replace(" ", "") in ('"type":',):
            return brace
        at = text.find('"Feature"', at + 1)
    return -1


def _member(head: str, name: str) -> dict[str, Any]:
    """Return a member of the opening of a JSON object, if it is there and whole."""
    at = head.find(f'"{name}"')
    start = head.find("{", at) if at >= 0 else -1
    if start < 0:
        return {}
    try:
        return {name: json.JSONDecoder().raw_decode(head, start)[0]}
    except json.JSONDecodeError:
        return {}


def _features(collection: Any) -> Iterator[tuple[int, Any]]:
    """Yield (1-based position, feature or None) for every record of a collection.

    Records are asked for one by one where the format allows it; else reading stops at the
    first broken one, and all that follow are lost.
    """
    from fiona._err import CPLE_BaseError
    from fiona.errors import FionaError

    # fiona raises whatever class GDAL's error number maps to, and stumbles over some of them.
    broken = (
        CPLE_BaseError, FionaError, OSError, ValueError, LookupError, RuntimeError, SystemError,
    )  # fmt: skip
    count = len(collection)
    if collection.driver == "ESRI Shapefile":
        for position in range(count):
            try:
                feature = collection[position]
            except broken:
                feature = None
            yield position + 1, feature
        return
    stream = iter(collection)
    position = 0
    while position < count:
        try:
            feature = next(stream)
        except StopIteration:
            break
        except broken:
            break
        position += 1
        yield position, feature
    for lost in range(position + 1, count + 1):
        yield lost, None


def _wkb(geometry: Any) -> bytes | None:
    if geometry is None:
        return None
    try:
        return shapely.to_wkb(shapely.geometry.shape(geometry))
    except (shapely.errors.ShapelyError, ValueError, TypeError):
        return None


def _column(rows: list[dict[str, Any]], field: pa.Field) -> pa.Array:
    values = [row.get(field.name) for row in rows]
    try:
        return pa.array(values, field.type)
    except (pa.ArrowException, TypeError, ValueError):
        # fiona gives dates and numbers as text; the stream's type decides.
        text = pa.array([None if v is None else str(v) for v in values], pa.string())
        return text.cast(field.type)
