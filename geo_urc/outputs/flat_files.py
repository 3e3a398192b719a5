"""Result layers as one file each: GeoParquet for programs, CSV for spreadsheets."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from geo_urc.results import LayerInfo
from geo_urc.safe_text import harmless

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

    Types and extent of the geometries are found on the way and written into the ``geo``
    entry at the end; coordinates are x, y whatever the axis order of the system.
    """
    import pyarrow.parquet as pq
    import shapely
    from pyproj import CRS

    geometry = info.one("geometry")
    kinds: set[str] = set()
    box = np.array([np.inf, np.inf, -np.inf, -np.inf])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
            shapes = _shapes(batch.column(geometry).drop_null())
            codes = np.unique(shapely.get_type_id(shapes) * 2 + shapely.has_z(shapes))
            kinds.update(_KINDS[code // 2] + " Z" * (code % 2) for code in codes)
            west, south, east, north = shapely.total_bounds(shapes)
            box[:2] = np.fmin(box[:2], (west, south))
            box[2:] = np.fmax(box[2:], (east, north))
        column = {
            "encoding": "WKB",
            "geometry_types": sorted(kinds),
            "crs": CRS.from_user_input(info.crs).to_json_dict(),
        }
        if np.isfinite(box).all():
            column["bbox"] = box.tolist()
        geo = {"version": _GEOPARQUET, "primary_column": geometry, "columns": {geometry: column}}
        writer.add_key_value_metadata({"geo": json.dumps(geo, ensure_ascii=False)})
    return int(pq.read_metadata(path).num_rows)


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
