"""Result layers as one file each: GeoParquet for programs, CSV for spreadsheets."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from geo_urc.results import LayerInfo
from geo_urc.safe_text import harmless
from geo_urc.wkb import parse, rings_in

_GEOPARQUET = "1.1.0"
_KINDS = (
    "Point",
    "LineString",
    "LineString",
    "Polygon",
    "MultiPoint",
    "MultiLineString",
    "MultiPolygon",
    "GeometryCollection",
)
"""GeoParquet's name for shapely's type ids 0–7; a ring is a line there."""


def write_parquet(
    path: Path, info: LayerInfo, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> int:
    """Stream one result layer into a GeoParquet 1.1 file; values and geometry bytes untouched.

    Returns the number of rows that the file holds.
    """
    return write_geoparquet(path, schema, info.one("geometry"), info.crs, batches).rows


class Written(NamedTuple):
    """What a GeoParquet file holds."""

    rows: int
    bbox: tuple[float, float, float, float] | None
    """West, south, east and north edge; None without a geometry."""


def write_geoparquet(
    path: Path,
    schema: pa.Schema,
    geometry: str,
    crs: str | None,
    batches: Iterable[pa.RecordBatch],
) -> Written:
    """Stream rows into a GeoParquet 1.1 file, of which one column is WKB.

    Types and extent of the geometries are found on the way and written into the ``geo``
    entry at the end; coordinates are x, y whatever the axis order of the system.
    """
    import pyarrow.parquet as pq
    from pyproj import CRS

    kinds: set[str] = set()
    box = np.array([np.inf, np.inf, -np.inf, -np.inf])
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": [],
        "crs": None if crs is None else CRS.from_user_input(crs).to_json_dict(),
    }

    def geo() -> dict[str, str]:
        told = {"version": _GEOPARQUET, "primary_column": geometry, "columns": {geometry: column}}
        return {"geo": json.dumps(told, ensure_ascii=False)}

    schema = schema.with_metadata(geo())  # readers of a folder of files see this only
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch.cast(schema))
            found, extent = _kinds_and_extent(batch.column(geometry))
            kinds.update(found)
            box[:2] = np.fmin(box[:2], extent[:2])
            box[2:] = np.fmax(box[2:], extent[2:])
        column["geometry_types"] = sorted(kinds)
        extended = bool(np.isfinite(box).all())
        if extended:
            column["bbox"] = box.tolist()
        writer.add_key_value_metadata(geo())
    rows = int(pq.read_metadata(path).num_rows)
    return Written(rows, tuple(box.tolist()) if extended else None)


def _kinds_and_extent(wkb: pa.Array) -> tuple[set[str], npt.NDArray[np.float64]]:
    """Return the types of geometries and their common extent; NaN if there are none."""
    import shapely

    rings = rings_in(wkb)  # most are plain polygons, and need not be parsed
    kinds = {"MultiPolygon" if multi else "Polygon" for multi in set(rings.multi[rings.plain])}
    shapes = parse(wkb.filter(pa.array(~rings.plain)))
    shapes = shapes[~shapely.is_missing(shapes)]
    codes = np.unique(shapely.get_type_id(shapes) * 2 + shapely.has_z(shapes))
    kinds.update(_KINDS[code // 2] + " Z" * (code % 2) for code in codes)
    corners = np.concatenate([rings.xy, shapely.bounds(shapes).reshape(-1, 2)])
    corners = corners[~np.isnan(corners[:, 0])]
    if not len(corners):
        return kinds, np.full(4, np.nan)
    return kinds, np.concatenate([corners.min(axis=0), corners.max(axis=0)])


def write_csv(
    path: Path, info: LayerInfo, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> int:
    """Stream one result layer into a CSV file that Excel opens with the right characters.

    Returns the number of rows written.

    UTF-8 with a byte order mark, comma, one heading row. Geometry is WKT at full precision,
    raw WKB is hexadecimal, nested values are JSON. Text that a spreadsheet would run as a
    formula (it starts with ``= + - @``, their full-width forms, a tab or a line break) gets an
    apostrophe in front, headings too; text that is only a number, such as ``-5.2``, does not,
    and number columns are never touched. Excel still rounds long codes when it opens a CSV;
    the GeoPackage does not.
    """
    import pyarrow.csv as csv

    geometry = info.one("geometry")
    headings = harmless(pa.array(schema.names)).to_pylist()
    kinds = [_csv_type(field.type) for field in schema]
    target = pa.schema(list(zip(headings, kinds, strict=True)))
    rows = 0
    with path.open("wb") as file:
        file.write(b"\xef\xbb\xbf")
        with csv.CSVWriter(file, target) as writer:
            for batch in batches:
                columns = [
                    _wkt(column) if field.name == geometry else _csv_column(column)
                    for field, column in zip(schema, batch.columns, strict=True)
                ]
                writer.write_batch(pa.record_batch(columns, schema=target))
                rows += batch.num_rows
    return rows


def _csv_type(kind: pa.DataType) -> pa.DataType:
    plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return kind if plain or pa.types.is_temporal(kind) else pa.string()


def _csv_column(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _csv_column(column.dictionary_decode())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array([v and v.hex() for v in column.to_pylist()], pa.string())
    if pa.types.is_nested(kind):
        values = (v and json.dumps(v, ensure_ascii=False) for v in column.to_pylist())
        return harmless(pa.array(values, pa.string()))
    if _csv_type(kind) == kind and kind != pa.string():
        return column
    text = column.cast(pa.string())
    return text if pa.types.is_decimal(kind) else harmless(text)


def _wkt(wkb: pa.Array) -> pa.Array:
    import shapely

    return pa.array(shapely.to_wkt(_shapes(wkb), rounding_precision=-1), pa.string())


def _shapes(wkb: pa.Array) -> npt.NDArray[np.object_]:
    import shapely

    return shapely.from_wkb(wkb.to_numpy(zero_copy_only=False))
