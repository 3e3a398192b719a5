"""CSV and TXT: values stay text, geometry comes from coordinate or WKT columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from geo_urc.inputs.fields import parse_numbers, to_objects
from geo_urc.inputs.plain_text import as_utf8
from geo_urc.inputs.sources import Records, Request, Source
from geo_urc.inputs.suggest import suggestion
from geo_urc.inputs.vector import open_table
from geo_urc.text import Text

_X = ("x", "lon", "lng", "long", "longitude", "stop_lon", "经度", "东经", "x坐标", "point_x")
_Y = ("y", "lat", "latitude", "stop_lat", "纬度", "北纬", "y坐标", "point_y")
_WKT = ("wkt", "geometry", "geom", "the_geom", "_wkt", "wkt_geom")


def open_delimited(path: Path, request: Request) -> Source:
    """Open delimited text as points (coordinate columns) or as any geometry (WKT column).

    Where a table will do, one without such columns has no geometry.

    Raises
    ------
    LayerError
        If the encoding cannot be told or no column holds a geometry.
    """
    text = as_utf8(path, request)
    table = open_table(text.path, request)
    names = table.schema.names
    geometry = geometry_columns(names, request)
    if not geometry:
        return replace(table, encoding=text.codec, notes=text.notes, salvage=None, keep=text.keep)

    def records(rows: int, columns: Sequence[str] | None) -> Iterator[Records]:
        wanted = names if columns is None else list(columns)
        for batch, _ in table.records(rows, list(dict.fromkeys([*wanted, *geometry]))):
            shapes = [batch.column(c) for c in geometry]
            wkb = _from_wkt(*shapes) if len(geometry) == 1 else _from_xy(*shapes)
            yield Records(batch.select(wanted), wkb)

    return replace(
        table,
        records=records,
        encoding=text.codec,
        notes=text.notes,
        from_text=True,
        placeless=False,
        salvage=None,
        keep=text.keep,
    )


def geometry_columns(names: Sequence[str], request: Request) -> list[str]:
    """Return the columns that hold the geometry: one of WKT, or x and y.

    None of them are returned where a table will do and there are none.

    Raises
    ------
    LayerError
        If a column that the user named is not there, or none looks like one.
    """
    given = (request.x, request.y)
    for column in given:
        if column is not None and column not in names:
            what = Text(f"没有坐标列“{column}”。", f'has no coordinate column "{column}".')
            raise request.fault(what, suggestion(column, names))
    wkt = None if given[0] else _first(names, _WKT)
    x, y = given if given[0] else (_first(names, _X), _first(names, _Y))
    if wkt is None and (x is None or y is None):
        if request.table_will_do:
            return []
        what = Text("没有坐标列或 WKT 列。", "has no coordinate columns and no WKT column.")
        fix = Text(
            f"请用 x、y 指定（现有列：{'、'.join(names)}）；面要素请提供 WKT 列。",
            f"Name them with x and y (columns: {', '.join(names)}); polygons need a WKT column.",
        )
        raise request.fault(what, fix)
    return [wkt] if wkt is not None else [str(x), str(y)]


def _first(names: Sequence[str], usual: Sequence[str]) -> str | None:
    """Return the column whose name is the earliest of the usual ones, in any case."""
    plain = {name.strip().lower(): name for name in reversed(names)}
    return next((plain[u] for u in usual if u in plain), None)


def _from_xy(x: pa.Array, y: pa.Array) -> pa.Array:
    xs, ys = parse_numbers(x)[0], parse_numbers(y)[0]
    points = np.array(shapely.points(xs, ys), dtype=object)
    points[np.isnan(xs) | np.isnan(ys)] = None
    return pa.array(shapely.to_wkb(points), pa.binary())


def _from_wkt(wkt: pa.Array) -> pa.Array:
    """Return texts as WKB, be they WKT or hexadecimal; one that is neither as its own bytes."""
    texts = to_objects(wkt)
    shapes = _parsed(shapely.from_wkt, texts)
    lost = np.flatnonzero(shapely.is_missing(shapes))
    shapes[lost] = _parsed(shapely.from_wkb, texts[lost])
    wkb = shapely.to_wkb(shapes)
    for row in lost.tolist():
        if wkb[row] is None and texts[row] is not None and texts[row].strip():
            wkb[row] = texts[row].strip().encode()
    return pa.array(wkb, pa.binary())


def _parsed(reader: Callable[..., Any], texts: Any) -> Any:
    """Return what a reader of shapely makes of texts; None where it makes nothing."""
    try:
        return np.array(reader(texts, on_invalid="ignore"), dtype=object)
    except NotImplementedError:  # one arc among them, and shapely refuses the whole column
        if len(texts) == 1:
            return np.array([None], dtype=object)
        return np.concatenate([_parsed(reader, texts[row : row + 1]) for row in range(len(texts))])
