"""Damaged files: what can be read goes on, each record that cannot is named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
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
    crs = _member(head, "crs")
    clean: dict[str, Any] = {"type": "FeatureCollection", **crs, "features": good}
    folder = TemporaryDirectory(prefix="geo_urc-")
    written = Path(folder.name) / "salvaged.geojson"
    written.write_text(json.dumps(clean, ensure_ascii=False), "utf-8")
    return written, folder, tuple(bad)


def _parsed_features(text: str) -> tuple[list[Any], list[BadRecord]]:
    """Return the features of an array that parse, and where the others are.

    After a feature that does not, reading goes on at the next ``{"type": "Feature"``.
    """
    decoder = json.JSONDecoder()
    good: list[Any] = []
    bad: list[BadRecord] = []
    at = text.find("{")
    while at >= 0:
        try:
            feature, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            bad.append(BadRecord(len(good) + len(bad) + 1, _LOST))
            end = _next_feature(text, at + 1)
            if end < 0:
                break
            at = end
            continue
        if end - at > _LONGEST_BYTES and _has_too_long(feature):
            bad.append(BadRecord(len(good) + len(bad) + 1, _TOO_LONG))
        else:
            good.append(feature)
        following = text[end : end + 200].lstrip()
        if not following.startswith(","):
            break
        at = text.find("{", end)
    return good, bad


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
