"""GeoParquet: one file or a folder of them, read with pyarrow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from geo_urc.inputs import partitions
from geo_urc.inputs.sources import (
    Records,
    Request,
    Source,
    plain_batch,
    plain_schema,
    refuse_namesakes,
    visible_nul,
)
from geo_urc.text import Text

_DEFAULT_CRS = "OGC:CRS84"
"""What the format means where a file does not name a system."""


def open_geoparquet(path: Path, request: Request) -> Source:
    """Open a GeoParquet file, or a folder of them in the order of their names.

    Where a table will do, Parquet without a geometry is one.

    Raises
    ------
    LayerError
        If a filter is asked for, the file is damaged or has no WKB geometry column.
    """
    if request.where is not None:
        what = Text("GeoParquet 不支持 where。", "is GeoParquet, for which where is not supported.")
        fix = Text("请先筛选，或转为 GeoPackage。", "Filter it first or use a GeoPackage.")
        raise request.fault(what, fix)
    if partitions.are_in(path):
        return partitions.open_partitions(path, request, open_geoparquet)
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    try:
        schemas = [pq.read_schema(file) for file in files]
    except (pa.ArrowException, OSError) as error:
        what = Text(f"无法读取：{error}。", f"cannot be read: {error}.")
        raise request.fault(what, Text("请重新导出。", "Export it again.")) from error
    placeless = request.table_will_do and b"geo" not in (schemas[0].metadata or {})
    geo = {} if placeless else _geo(schemas[0], request)
    name: str | None = None if placeless else geo["primary_column"]
    main = {} if name is None else geo["columns"][name]
    refuse_namesakes(schemas[0].names, request)
    hidden = set() if name is None else {name, *_coverings(main)}
    schema = plain_schema(schemas[0], tuple(hidden))
    if any(plain_schema(s, tuple(hidden)) != schema for s in schemas[1:]):
        what = Text("文件夹内各文件的列不一致。", "holds files with different columns.")
        raise request.fault(what, Text("请统一后再用。", "Make them alike first."))

    crs = None if placeless else main.get("crs", _DEFAULT_CRS)
    return Source(
        path=request.path,
        driver="Parquet",
        crs=json.dumps(crs) if isinstance(crs, dict) else crs,
        schema=schema,
        records=_Files(tuple(files), schema, name),
        placeless=placeless,
        count=sum(pq.read_metadata(file).num_rows for file in files),
    )


@dataclass(frozen=True)
class _Files:
    """What reads the records of files one after another; it can be sent to another process."""

    files: tuple[Path, ...]
    schema: pa.Schema
    geometry: str | None

    def __call__(self, rows: int, columns: Sequence[str] | None) -> Iterator[Records]:
        return chain.from_iterable(self._of(file, rows, columns) for file in self.files)

    def _of(self, file: Path, rows: int, columns: Sequence[str] | None) -> Iterator[Records]:
        wanted = self.schema.names if columns is None else list(columns)
        subset = pa.schema([self.schema.field(c) for c in wanted])
        read = wanted if self.geometry is None else [*wanted, self.geometry]
        with pq.ParquetFile(file, pre_buffer=False) as opened:  # else all is held at the end
            for batch in opened.iter_batches(rows, columns=read):
                given = plain_batch([visible_nul(batch.column(c)) for c in wanted], subset)
                nowhere = pa.nulls(len(batch), pa.binary())
                known = self.geometry is not None
                wkb = batch.column(self.geometry).cast(pa.binary()) if known else nowhere
                yield Records(given, wkb)


def _geo(schema: pa.Schema, request: Request) -> dict[str, Any]:
    raw = (schema.metadata or {}).get(b"geo")
    if raw is None:
        what = Text("没有 GeoParquet 图形信息。", "has no GeoParquet metadata.")
        fix = Text("请用 GIS 软件另存为 GeoParquet。", "Save it as GeoParquet with a GIS.")
        raise request.fault(what, fix)
    try:
        geo: dict[str, Any] = json.loads(raw)
        main = geo["columns"][geo["primary_column"]]
        encoding = main.get("encoding", "WKB")
        _coverings(main)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        what = Text("GeoParquet 图形信息已损坏。", "has damaged GeoParquet metadata.")
        fix = Text("请用 GIS 软件另存为 GeoParquet。", "Save it as GeoParquet with a GIS.")
        raise request.fault(what, fix) from error
    if encoding != "WKB":
        what = Text(f"图形编码 {encoding} 不支持。", f"has geometry encoded as {encoding}.")
        raise request.fault(what, Text("请以 WKB 编码保存。", "Save it with WKB encoding."))
    return geo


def _coverings(column: dict[str, Any]) -> set[str]:
    """Return the columns that only repeat the bounds of the geometry."""
    bbox = column.get("covering", {}).get("bbox", {})
    return {path[0] for path in bbox.values()}
