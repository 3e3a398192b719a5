"""Files taken from one datum to another, vertex by vertex, with everything else kept."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
import pyproj
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from pyogrio.raw import write_arrow

from geo_urc.database import is_address, shown
from geo_urc.errors import CrsError, GeoUrcError, LayerError, OutputError, Problem
from geo_urc.inputs.crs import SHIFTED, plan
from geo_urc.inputs.datum import Datum, in_gcj_box, shift
from geo_urc.inputs.delimited import geometry_columns
from geo_urc.inputs.moving import move_wkb
from geo_urc.inputs.sources import Records, Request, Source, open_source
from geo_urc.inputs.systems import Numbers, conversion, geographic, label
from geo_urc.outputs.geopackage import free_name, plain_reason
from geo_urc.outputs.staged_file import staged_file
from geo_urc.text import Text
from geo_urc.wkb import promote

DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".fgb": "FlatGeobuf"}
ENDINGS = (*DRIVERS, ".parquet", ".csv")

_ROWS = 32_768
_ROUND_TRIP_M = 0.01
_METRES_A_DEGREE = 111_195.0
_DIGITS = 9
"""Decimals written as text: 0.1 mm in degrees."""
_TEXT_FILES = (".csv", ".txt", ".tsv")
_ONE_LAYER = (*_TEXT_FILES, ".shp", ".geojson", ".json", ".parquet", ".geoparquet", ".pq", ".zip")
_KINDS = (
    "Unknown", "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon",
    "GeometryCollection",
)  # fmt: skip
_DIMENSIONS = ("", " Z")
_ARC_FILES = (".gpkg", ".fgb")


@dataclass
class Converted:
    """What became of one layer.

    Attributes
    ----------
    moved, unmoved
        Vertices that were shifted; vertices outside China, where no shift is known.
    shift_m
        Sum of the distances, so that the mean is this over ``moved``.
    round_trip_m
        The most that a vertex would be off after being taken back.
    unread
        Records that could not be read and are not in the output.
    """

    layer: str
    crs: str = ""
    records: int = 0
    without_geometry: int = 0
    moved: int = 0
    unmoved: int = 0
    shift_m: float = 0.0
    round_trip_m: float = 0.0
    unread: int = 0
    notes: list[Text] = field(default_factory=list)

    @property
    def mean_shift_m(self) -> float:
        """The mean distance by which vertices were moved."""
        return self.shift_m / self.moved if self.moved else 0.0


def convert(
    given: str,
    out: Path,
    source: Datum,
    target: Datum,
    *,
    crs: str | None = None,
    x: str | None = None,
    y: str | None = None,
    encoding: str | None = None,
    overwrite: bool = False,
) -> list[Converted]:
    """Write a copy of a file on another datum; return what became of each layer.

    Vertices are moved one by one, and none is added: a straight edge stays straight. Metres are
    turned into degrees, shifted and projected again in the same system. Attributes, heights,
    measures, arcs and records without a geometry stay as they are.

    Parameters
    ----------
    given
        As on the command line: a path, with ``|layername=`` for one layer of several.
    out
        ``.gpkg``, ``.geojson``, ``.fgb``, ``.parquet`` or ``.csv``.
    crs
        System of the input, where the file has none or a wrong one.
    x, y
        Coordinate columns of a CSV.

    Raises
    ------
    GeoUrcError
        The input cannot be read or placed, the output exists or cannot be written.
    """
    _check_ending(out)
    if is_address(given):
        what = Text("是数据库；只转换文件。", "is a database, and only files are converted.")
        fix = Text("请先导出为 GeoPackage。", "Export the table to a GeoPackage first.")
        raise LayerError(Problem(shown(given), what, fix))
    if out.exists() and out.resolve() == Request(given).file.resolve():
        what = Text("输出与输入是同一个文件。", "The output is the input itself.")
        raise OutputError(Problem(str(out), what, Text("请另选文件名。", "Choose another name.")))
    layers = [_opened(name, path, crs, x, y, encoding) for name, path in _layers(given)]
    tables = _plain_tables(given) if out.suffix.lower() == ".gpkg" else []
    if len(layers) > 1 and out.suffix.lower() != ".gpkg":
        names = [one.name for one in layers]
        raise LayerError(
            Problem(
                given,
                Text(
                    f"有多个图层：{'、'.join(names)}。", f"has several layers: {', '.join(names)}."
                ),
                Text(
                    "请写成 .gpkg，或用 |layername=图层名 指定一个。",
                    "Write a .gpkg, or choose one with |layername=NAME.",
                ),
            )
        )
    with staged_file(out, overwrite=overwrite) as partial:
        done = []
        for i, one in enumerate(layers):
            work = _Work(one, source, target)
            _refuse_what_would_be_lost(out, work)
            _write(partial, out, work, append=i > 0)
            done.append(work.finished(out))
        for name in tables:
            _copy_table(given, name, partial)
    return done


@dataclass(frozen=True)
class _Opened:
    name: str
    source: Source
    crs: str | None
    columns: Sequence[str]
    """Coordinate or WKT columns of a CSV; none of other files."""


def _layers(given: str) -> Iterator[tuple[str, str]]:
    """Yield name and path of every layer with a geometry."""
    request = Request(given)
    path = request.file
    several = path.suffix.lower() not in _ONE_LAYER and path.exists() and request.layer is None
    if not several:
        yield request.layer or path.stem, given
        return
    try:
        found = pyogrio.list_layers(path)
    except DataSourceError:
        yield path.stem, given  # the opening that follows says what is wrong
        return
    for name, kind in found:
        if kind is not None:
            yield str(name), f"{given}|layername={name}"
    if not any(kind is not None for _, kind in found):
        yield path.stem, given


def _plain_tables(given: str) -> list[str]:
    request = Request(given)
    if request.file.suffix.lower() in _ONE_LAYER or request.layer is not None:
        return []
    return [str(name) for name, kind in pyogrio.list_layers(request.file) if kind is None]


def _opened(
    name: str, path: str, crs: str | None, x: str | None, y: str | None, encoding: str | None
) -> _Opened:
    from geo_urc.inputs.encoding import codec_of

    request = Request(path, encoding=codec_of(encoding) if encoding else None, x=x, y=y)
    source = open_source(request)
    text = source.from_text
    columns = geometry_columns(source.schema.names, request) if text else []
    return _Opened(name, source, crs or source.crs, columns)


class _Work:
    """One layer on its way: batches out, figures kept."""

    def __init__(self, opened: _Opened, source: Datum, target: Datum) -> None:
        self.opened, self.source_datum, self.target = opened, source, target
        self.source = opened.source
        self.done = Converted(opened.name, unread=len(self.source.bad))
        self.done.notes.extend(self.source.notes)
        kinds, bounds = self._surveyed()
        self.system = self._system(source, bounds)
        self.codes = kinds
        self.promoted = len(kinds) > 1 and len({_multi(code) for code in kinds}) == 1
        self.crs = self._label()

    def records(self) -> Iterator[Records]:
        """Yield the records as they are; of a file that breaks off, those that can be read."""
        return self.source.records(_ROWS, None)

    def batches(self) -> Iterator[tuple[pa.RecordBatch, pa.Array]]:
        """Yield attributes and moved WKB, and count."""
        for records in self.records():
            self.done.records += len(records.wkb)
            self.done.without_geometry += records.wkb.null_count
            wkb = move_wkb(records.wkb, self._move)
            columns = self._columns(records.columns, wkb)
            yield columns, promote(wkb) if self.promoted else wkb

    def finished(self, out: Path) -> Converted:
        """Return the figures, with what is to be said of them."""
        done = self.done
        done.crs = label(pyproj.CRS.from_user_input(self.crs))
        if done.unmoved:
            done.notes.append(
                Text(
                    f"{done.unmoved} 个顶点在中国范围之外，未作改动。",
                    f"{done.unmoved} vertices lie outside China and were left as they are.",
                )
            )
        if done.round_trip_m > _ROUND_TRIP_M:
            done.notes.append(
                Text(
                    f"中国范围边缘有顶点往返误差达 {done.round_trip_m:.0f} 米。",
                    f"at the edge of the box around China a vertex taken back would be "
                    f"{done.round_trip_m:.0f} m off.",
                )
            )
        if self.target in SHIFTED:
            done.notes.append(
                Text(
                    f"没有坐标系代码表示 {self.target}：输出标为 {done.crs}，"
                    f'使用时请设 datum = "{self.target}"。',
                    f"no code stands for {self.target}: the output is labelled {done.crs}; set "
                    f'datum = "{self.target}" where it is used.',
                )
            )
        elif out.suffix.lower() == ".geojson" and self.system.is_geographic:
            done.notes.append(
                Text(
                    "GeoJSON 读者一律当作 WGS 84（与 CGCS2000 在北京相差不足 1 米）。",
                    "whoever reads a GeoJSON takes it for WGS 84 (less than 1 m from CGCS2000 in "
                    "Beijing).",
                )
            )
        return done

    def _surveyed(self) -> tuple[set[int], Numbers]:
        """Return the WKB kinds of the layer and its extent; turn to salvage if it breaks off."""
        kinds: set[int] = set()
        low, high = np.full(2, np.inf), np.full(2, -np.inf)

        def look(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
            xy = np.column_stack([x, y])
            xy = xy[np.isfinite(xy).all(axis=1)]
            if len(xy):
                low[:], high[:] = np.minimum(low, xy.min(axis=0)), np.maximum(high, xy.max(axis=0))
            return x, y

        try:
            for records in self.records():
                heads = pc.unique(pc.binary_slice(records.wkb.drop_null(), 0, 5)).to_pylist()
                kinds |= {_kind_of(head) for head in heads}
                move_wkb(records.wkb, look)
        except GeoUrcError:
            raise
        except (pa.ArrowException, OSError, RuntimeError, ValueError) as error:
            what = Text(f"文件已损坏：{error}。", f"is damaged: {error}.")
            fix = Text("请换用完好的文件。", "Use a whole copy.")
            raise LayerError(Problem(self.source.path, what, fix)) from error
        return kinds, np.concatenate([low, high])

    def _system(self, datum: Datum, bounds: Numbers) -> pyproj.CRS:
        """Return the system of the input; raise if there is none or it cannot be."""
        where = self.source.path
        given = self.opened.crs
        degrees = bool((np.abs(bounds[np.isfinite(bounds)]) <= 180.0).all())
        if given is None and degrees:
            given = "EPSG:4490" if datum == "cgcs2000" else "EPSG:4326"
            self.done.notes.append(
                Text(
                    f"没有坐标系，坐标当作经纬度（{given}）。",
                    f"has no coordinate system; its coordinates are taken as degrees ({given}).",
                )
            )
        system = plan(where, given, datum).source
        worst = np.abs(bounds)[np.isfinite(bounds)]
        if system.is_geographic and len(worst) and (worst > [360.0, 90.0, 360.0, 90.0]).any():
            what = Text(
                f"坐标超出经纬度范围，与 {label(system)} 不符。",
                f"has coordinates beyond degrees, so it is not in {label(system)}.",
            )
            fix = Text(
                "请用 --crs 写明坐标系；若经纬度颠倒请先对调。",
                "Name its system with --crs; if longitude and latitude are swapped, swap them.",
            )
            raise CrsError(Problem(where, what, fix))
        return system

    def _label(self) -> str:
        if self.system.is_projected:
            return self.system.to_wkt()
        return "EPSG:4490" if self.target == "cgcs2000" else "EPSG:4326"

    @property
    def kind(self) -> str:
        """The geometry type of the layer, as GDAL is told."""
        codes = {_multi(code) for code in self.codes} if self.promoted else self.codes
        if len(codes) != 1:
            return "Unknown"
        flat, kind = divmod(next(iter(codes)), 1000)
        told = kind < len(_KINDS) and flat < len(_DIMENSIONS)
        return _KINDS[kind] + _DIMENSIONS[flat] if told else "Unknown"

    def _move(self, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        flat = geographic(self.system)
        degrees = self.system.is_geographic
        lon, lat = (x, y) if degrees else conversion(self.system, flat).transform(x, y)
        to_lon, to_lat = shift(lon, lat, self.source_datum, self.target)
        inside = in_gcj_box(lon, lat)
        back = shift(to_lon, to_lat, self.target, self.source_datum)
        self._count(lon, lat, to_lon, to_lat, back, inside)
        if not degrees:
            to_lon, to_lat = conversion(flat, self.system).transform(to_lon, to_lat)
        if self.source_datum == self.target or {self.source_datum, self.target} <= _TRUE:
            return x, y
        return np.where(inside, to_lon, x), np.where(inside, to_lat, y)

    def _count(
        self,
        lon: Numbers,
        lat: Numbers,
        to_lon: Numbers,
        to_lat: Numbers,
        back: tuple[Numbers, Numbers],
        inside: np.ndarray,
    ) -> None:
        done = self.done
        done.moved += int(inside.sum())
        done.unmoved += int((~inside & np.isfinite(lon) & np.isfinite(lat)).sum())
        done.shift_m += float(_apart_m(lon, lat, to_lon, to_lat)[inside].sum())
        off = _apart_m(lon, lat, *back)[inside]
        done.round_trip_m = max(done.round_trip_m, float(off.max(initial=0.0)))

    def _columns(self, columns: pa.RecordBatch, wkb: pa.Array) -> pa.RecordBatch:
        """Return the attributes, those that repeat the coordinates of a CSV brought up to date."""
        if not self.opened.columns:
            return columns
        for column, text in zip(self.opened.columns, self._texts(wkb), strict=True):
            place = columns.schema.get_field_index(column)
            fresh = pc.if_else(pc.is_valid(text), text, columns.column(place))
            columns = columns.set_column(place, columns.schema.field(place), fresh)
        return columns

    def _texts(self, wkb: pa.Array) -> list[pa.Array]:
        shapes = shapely.from_wkb(wkb.to_numpy(zero_copy_only=False))
        if len(self.opened.columns) == 1:
            return [_wkt(shapes)]
        return [
            pa.array([None if np.isnan(v) else f"{v:.{_DIGITS}f}" for v in at(shapes)], pa.string())
            for at in (shapely.get_x, shapely.get_y)
        ]


_TRUE = {"wgs84", "cgcs2000"}


def _apart_m(lon: Numbers, lat: Numbers, to_lon: Numbers, to_lat: Numbers) -> Numbers:
    east = (to_lon - lon) * np.cos(np.radians(lat))
    return np.hypot(east, to_lat - lat) * _METRES_A_DEGREE


def _kind_of(head: bytes) -> int:
    """Return the ISO code of a geometry type, 1000 and more with heights or measures."""
    order = "<u4" if head[0] == 1 else ">u4"
    code = int(np.frombuffer(head, order, 1, 1)[0])
    extended = 1000 * bool(code & 0x80000000) + 2000 * bool(code & 0x40000000)
    return (code & 0x0FFFFFFF) + extended


def _multi(code: int) -> int:
    """Return the multi-part's code of a single point, line or polygon, else the same."""
    return code + 3 if code % 1000 in (1, 2, 3) else code


def _wkt(shapes: np.ndarray) -> pa.Array:
    return pa.array(shapely.to_wkt(shapes, rounding_precision=_DIGITS), pa.string())


def _check_ending(out: Path) -> None:
    if out.suffix.lower() not in ENDINGS:
        raise OutputError(
            Problem(
                str(out),
                Text(
                    f"不支持的格式 {out.suffix!r}。", f"the ending {out.suffix!r} is not offered."
                ),
                Text(
                    f"可用 {'、'.join(ENDINGS)}；Shapefile 会截断字段名和文字，不提供。",
                    f"Use one of {', '.join(ENDINGS)}; a Shapefile would cut names and text off.",
                ),
            )
        )


def _refuse_what_would_be_lost(out: Path, work: _Work) -> None:
    """Raise OutputError if the format would drop arcs, heights or measures."""
    ending, codes = out.suffix.lower(), work.codes
    arcs = ending not in _ARC_FILES and any(code % 1000 >= 8 for code in codes)
    measures = ending == ".geojson" and any(code >= 2000 for code in codes)
    # GDAL's FlatGeobuf writes a layer of several types flat.
    heights = ending == ".fgb" and work.kind == "Unknown" and any(code >= 1000 for code in codes)
    if arcs or measures or heights:
        name = work.opened.name
        what = Text(
            f"图层 {name} 的圆弧、高程或度量值（Z、M）在此格式中会丢失。",
            f"the layer {name} has arcs, heights or measures that this format would lose.",
        )
        raise OutputError(Problem(str(out), what, Text("请写成 .gpkg。", "Write a .gpkg.")))


def _write(path: Path, out: Path, work: _Work, *, append: bool) -> None:
    ending = path.suffix.lower()
    if ending == ".csv":
        _write_csv(path, work)
        return
    names = work.source.schema.names
    geometry = free_name("geometry" if ending == ".parquet" else "geom", names)
    schema = work.source.schema.append(pa.field(geometry, pa.binary()))
    tables = (
        pa.RecordBatch.from_arrays([*columns.columns, wkb], schema=schema)
        for columns, wkb in work.batches()
    )
    if ending == ".parquet":
        _write_parquet(path, work, schema, geometry, tables)
    else:
        _write_vector(path, out, work, schema, geometry, tables, append=append)
        _read_again(path, out, work)


def _write_vector(
    path: Path,
    out: Path,
    work: _Work,
    schema: pa.Schema,
    geometry: str,
    tables: Iterator[pa.RecordBatch],
    *,
    append: bool,
) -> None:
    ending = path.suffix.lower()
    tagged = schema.set(
        schema.get_field_index(geometry),
        pa.field(geometry, pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"}),
    )
    options: dict[str, Any] = {}
    if ending == ".gpkg":
        fid = next((n for n in ("fid", "ogc_fid") if n in schema.names), None)
        kept = fid is not None and pa.types.is_integer(schema.field(fid).type)
        options = {
            "FID": fid if kept else free_name("fid", schema.names),
            "GEOMETRY_NAME": geometry,
        }
    elif ending == ".geojson":
        options = {"COORDINATE_PRECISION": _DIGITS}
    else:  # an index would put the records into another order, and has no room for nulls
        options = {"SPATIAL_INDEX": "NO"}
    failure: list[Exception] = []

    def watched() -> Iterator[pa.RecordBatch]:
        # GDAL takes an exception here for the end of the stream.
        try:
            for table in tables:
                yield pa.RecordBatch.from_arrays(table.columns, schema=tagged)
        except Exception as error:
            failure.append(error)
            raise

    try:
        write_arrow(
            pa.RecordBatchReader.from_batches(tagged, watched()),
            path,
            layer=work.opened.name,
            driver=DRIVERS[ending],
            geometry_name=geometry,
            geometry_type=work.kind,
            crs=work.crs,
            append=append,
            layer_options=options,
        )
    except (DataSourceError, RuntimeError, pa.ArrowException, ValueError) as error:
        raise _refused(out, failure[0] if failure else error) from error
    if failure:
        raise _refused(out, failure[0])


def _read_again(path: Path, out: Path, work: _Work) -> None:
    """Raise OutputError unless the file holds every record: on a full disk GDAL may say nothing."""
    try:
        with pyogrio.open_arrow(path, layer=work.opened.name, use_pyarrow=True) as (_, reader):
            held = sum(batch.num_rows for batch in reader)
    except (DataSourceError, DataLayerError, RuntimeError, pa.ArrowException) as error:
        raise _refused(out, error) from error
    if held != work.done.records:
        raise _refused(out, OSError(f"{held} / {work.done.records}"))


def _refused(out: Path, error: Exception) -> Exception:
    if isinstance(error, GeoUrcError):
        return error
    reason = plain_reason(error)
    return OutputError(
        Problem(
            str(out),
            Text(f"无法写入：{reason}。", f"cannot be written: {reason}."),
            Text(
                "请检查权限和剩余空间，或换一种输出格式。",
                "Check permissions and free space, or choose another output format.",
            ),
        )
    )


def _write_parquet(
    path: Path,
    work: _Work,
    schema: pa.Schema,
    geometry: str,
    tables: Iterator[pa.RecordBatch],
) -> None:
    import pyarrow.parquet as pq

    column = {
        "encoding": "WKB",
        "geometry_types": [],
        "crs": pyproj.CRS.from_user_input(work.crs).to_json_dict(),
    }
    geo = {"version": "1.1.0", "primary_column": geometry, "columns": {geometry: column}}
    described = schema.with_metadata({"geo": json.dumps(geo)})
    with pq.ParquetWriter(path, described, compression="zstd") as writer:
        for table in tables:
            writer.write_batch(pa.RecordBatch.from_arrays(table.columns, schema=described))


def _write_csv(path: Path, work: _Work) -> None:
    """Write attributes and coordinates as text: a CSV's in its own columns, else as WKT."""
    names = list(work.source.schema.names)
    own = bool(work.opened.columns)
    heading = names if own else [*names, free_name("wkt", names)]
    codec = work.source.encoding if own else "utf-8-sig"
    with path.open("w", encoding=codec, newline="") as file:
        writer = csv.writer(file)
        writer.writerow(heading)
        for columns, wkb in work.batches():
            lists = [column.to_pylist() for column in columns.columns]
            if not own:
                lists.append(_wkt(shapely.from_wkb(wkb.to_numpy(zero_copy_only=False))).to_pylist())
            writer.writerows(zip(*lists, strict=True))


def _copy_table(given: str, name: str, out: Path) -> None:
    """Copy a table without geometry."""
    with pyogrio.open_arrow(
        Request(given).file, layer=name, read_geometry=False, use_pyarrow=True
    ) as (_, reader):
        table = reader.read_all()
    write_arrow(table, out, layer=name, driver="GPKG", append=True)
