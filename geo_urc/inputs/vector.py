"""Everything that GDAL reads, through pyogrio's Arrow stream."""

from __future__ import annotations

import shutil
import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyogrio
from pyogrio.errors import CRSError, DataLayerError, DataSourceError

from geo_urc.inputs import shapefile
from geo_urc.inputs.plain_text import as_utf8, visible_nul
from geo_urc.inputs.salvage import (
    passed_over,
    salvage_geojson,
    salvage_records,
    salvage_sequence,
    with_texts,
)
from geo_urc.inputs.sources import (
    BadRecord,
    Records,
    Request,
    Source,
    misread,
    pending_changes,
    plain_batch,
    plain_schema,
    refuse_namesakes,
)
from geo_urc.inputs.suggest import suggestion
from geo_urc.text import Text


def open_vector(path: Path, request: Request, kind: str) -> Source:
    """Open a spatial file with pyogrio.

    ``kind`` is the extension that stands for its format. Of a Shapefile and a GeoJSON the encoding is checked first; a GeoJSON that cannot be parsed
    is cut to the features that can be.

    Raises
    ------
    LayerError
        If GDAL cannot open it, the layer is not there or not named among several, or the
        filter is wrong.
    """
    if kind == ".shp":
        return _open_shapefile(path, request)
    if kind == ".geojson":
        return _open_geojson(path, request)
    try:
        if pending_changes(path) is not None:
            return _open_with_changes(path, request)
        return _open(str(path), request)
    except _UNREADABLE as error:
        raise _unreadable(request, error) from error


def _open_geojson(path: Path, request: Request) -> Source:
    """Open a GeoJSON, whose text GDAL takes for whole and UTF-8 without looking."""
    text = visible_nul(as_utf8(path, request))
    read: Path = text.path
    bad: tuple[BadRecord, ...] = ()
    folder = None
    try:
        source = _open(str(read), request)
        salvaged = _passed_over(source, read)
    except DataSourceError as error:
        salvaged = salvage_geojson(read)
        if salvaged is None:
            raise _unreadable(request, error) from error
    except _UNREADABLE as error:
        raise _unreadable(request, error) from error
    if salvaged is not None:
        read, folder, bad = salvaged
        try:
            source = _open(str(read), request)
        except DataSourceError as error:
            raise _unreadable(request, error) from error
    if source.driver == "GeoJSON" and request.where is None:
        source = with_texts(source, read)
    return replace(source, encoding=text.codec, notes=text.notes, bad=bad, keep=(text.keep, folder))


def _passed_over(source: Source, path: Path) -> Any:
    """Return what was salvaged of a file with elements that GDAL passes over; None if it has none."""
    if source.driver == "GeoJSON" and passed_over(path):
        salvaged = salvage_geojson(path)
        return salvaged if salvaged is not None and salvaged[2] else None
    return salvage_sequence(path) if source.driver == "GeoJSONSeq" else None


def open_table(path: Path, request: Request) -> Source:
    """Open delimited text as a table of text columns, without geometry."""
    options = {
        "AUTODETECT_TYPE": "NO",
        "HEADERS": "YES",
        "EMPTY_STRING_AS_NULL": "YES",
        "MAX_LINE_SIZE": "-1",  # else reading ends, without a word, at a line of 10 MB
    }
    try:
        return _stream(f"CSV:{path}", None, request, options, geometry=False)
    except _UNREADABLE as error:
        raise _unreadable(request, error) from error


def _open_shapefile(path: Path, request: Request) -> Source:
    files = shapefile.sidecars(path)
    notes: list[Text] = []
    attributes = None
    shapeless = range(0)
    odd = not shapefile.found_by_gdal(files)
    if ".dbf" in files and not shapefile.table_readable(files[".dbf"]):
        del files[".dbf"]
        odd = True
        notes.append(
            Text(
                "属性表 .dbf 已损坏，没有属性。", "the .dbf is damaged, so there are no attributes."
            )
        )
    elif ".dbf" in files:
        attributes = shapefile.check_attributes(files[".dbf"], files.get(".cpg"), request.encoding)
        shapes = shapefile.shapes_in(files)
        if shapes is not None:
            attributes = shapefile.as_many(attributes, shapes)
            shapeless = range(shapes + 1, attributes.count + 1)
        notes += attributes.notes
        if attributes.deleted:
            notes.append(
                Text(
                    f"有 {attributes.deleted} 条记录在 .dbf 中标记为已删除，未读取。",
                    f"{attributes.deleted} records are marked as deleted in the .dbf and were not read.",
                )
            )
    else:
        notes.append(Text("缺少 .dbf，没有属性。", "has no .dbf, so there are no attributes."))
    rebuilt = shapefile.index_unusable(files)
    if rebuilt:
        notes.append(
            Text(
                "索引 .shx 缺失或不完整，已重建。",
                "the index .shx was missing or cut off; rebuilt.",
            )
        )
    if shapefile.missing_shapes(path):
        notes.append(
            Text(
                ".shp 不完整：缺失部分的记录没有图形。",
                "the .shp is cut off: records beyond its end have no geometry.",
            )
        )
    placed = ".prj" not in files or _system_readable(path, files[".prj"])
    if not placed:
        del files[".prj"]
        notes.append(
            Text(
                ".prj 无法理解，视为没有坐标系。",
                "the .prj cannot be understood; taken as no coordinate system.",
            )
        )
    keep = None
    cuts = attributes.cuts if attributes else ()
    staged = path
    if cuts or rebuilt or odd or not placed or misread(path):
        keep = TemporaryDirectory(prefix="geo_urc-")
        staged = shapefile.stage(files, Path(keep.name), cuts)
    if rebuilt:
        _rebuild_index(staged)
    encoding = attributes.gdal_name if attributes else None
    try:
        source = _stream(str(staged), None, request, {}, encoding=encoding)
    except _UNREADABLE as error:
        raise _unreadable(request, error, str(staged)) from error
    if attributes is not None and attributes.missing:
        # GDAL ends quietly where the .dbf ends, though the outlines go on.
        source = salvage_records(source, str(staged), None, request)
        notes.append(
            Text(
                f".dbf 不完整：末尾 {attributes.missing} 条记录缺少属性。",
                f"the .dbf is cut off: the last {attributes.missing} records lack attributes.",
            )
        )
    return replace(
        source,
        notes=(*source.notes, *notes),
        bad=(*source.bad, *(BadRecord(record, _SHAPELESS) for record in shapeless)),
        encoding=attributes.codec if attributes else "",
        keep=(keep, source.keep),
    )


def _system_readable(path: Path, prj: Path) -> bool:
    """Return False where the ``.prj`` is no description of a coordinate system."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError as NoSystem

    try:
        with _quiet():
            pyogrio.read_info(path, encoding="ISO-8859-1")
    except _NO_SYSTEM:
        return False
    except DataSourceError:  # without a whole index nothing can be asked of GDAL yet
        try:
            CRS.from_wkt(prj.read_text("utf-8", errors="replace"))
        except NoSystem:
            return False
    return True


def _rebuild_index(staged: Path) -> None:
    """Have GDAL write the missing ``.shx`` into the staging folder."""
    pyogrio.set_gdal_config_options({"SHAPE_RESTORE_SHX": True})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pyogrio.read_info(staged, encoding="ISO-8859-1")
    except _UNREADABLE:
        return  # the opening that follows says what is wrong
    finally:
        pyogrio.set_gdal_config_options({"SHAPE_RESTORE_SHX": None})


def _open(target: str, request: Request) -> Source:
    layer = _layer(target, request)
    sheet = Path(target).suffix.lower() in (".xlsx", ".xlsm", ".ods")
    options = {"HEADERS": "FORCE"} if sheet else {}  # GDAL doubts a heading above text alone
    with _quiet():
        shaped = pyogrio.read_info(target, layer=layer)["geometry_type"] is not None
    return _stream(target, layer, request, options, geometry=shaped)


def _open_with_changes(path: Path, request: Request) -> Source:
    """Open a copy of a database with the changes that are not merged into it yet.

    In a folder that cannot be written GDAL would pass over them; in one that can, reading
    alone would merge them and so change the user's file.

    Raises
    ------
    LayerError
        If it is being written meanwhile.
    """
    folder = TemporaryDirectory(prefix="geo_urc-")
    file = path.resolve()
    copies = {
        file: Path(folder.name) / "copy.gpkg",
        file.with_name(f"{file.name}-wal"): Path(folder.name) / "copy.gpkg-wal",
    }
    try:
        before = [(f.stat().st_size, f.stat().st_mtime_ns) for f in copies]
        for given, copy in copies.items():
            shutil.copyfile(given, copy)
        same = before == [(f.stat().st_size, f.stat().st_mtime_ns) for f in copies]
    except FileNotFoundError:
        same = False
    if not same:
        what = Text("正被其他程序写入。", "is being written by another program.")
        fix = Text("请在该程序（如 QGIS）中保存并关闭。", "Save and close it there (such as QGIS).")
        raise request.fault(what, fix)
    note = Text(
        "有尚未并入的修改（-wal 文件），已一并读取。",
        "has changes that are not merged yet (the -wal file); they were read too.",
    )
    return replace(_open(str(copies[file]), request), notes=(note,), keep=folder)


def _layer(target: str, request: Request) -> str:
    """Return the layer to read: the one named, else the only one with a geometry.

    Where a table will do, a layer without geometry counts if it is named or there is no other.
    """
    with _quiet():
        found = {str(name): kind is not None for name, kind in pyogrio.list_layers(target)}
    layers = [name for name, shaped in found.items() if shaped]
    if request.table_will_do and (request.layer in found or not layers):
        layers = list(found)
    if request.layer in layers:
        return request.layer
    if request.layer is not None and layers and not (len(layers) == 1 and request.by_stem(target)):
        what = Text(f"没有图层“{request.layer}”。", f'has no layer "{request.layer}".')
        raise request.fault(what, suggestion(request.layer, layers))
    if len(layers) == 1:
        return layers[0]
    if not layers:
        what = Text("没有空间图层。", "has no layer with a geometry.")
        fix = Text(
            "请检查文件；坐标表请另存为 CSV。",
            "Check the file; save a table of coordinates as CSV.",
        )
        raise request.fault(what, fix)
    what = Text(f"有多个图层：{'、'.join(layers)}。", f"has several layers: {', '.join(layers)}.")
    fix = Text("请用 |layername=图层名 指定一个。", "Choose one with |layername=NAME.")
    raise request.fault(what, fix)


def _stream(
    target: str,
    layer: str | None,
    request: Request,
    options: dict[str, str],
    *,
    encoding: str | None = None,
    geometry: bool = True,
) -> Source:
    """Return a source over pyogrio's Arrow stream of one layer."""

    def opened(rows: int, columns: Sequence[str] | None, fids: bool) -> Any:
        return pyogrio.open_arrow(
            target,
            layer=layer,
            encoding=encoding,
            columns=columns,
            read_geometry=geometry,
            where=request.where,
            return_fids=fids,
            batch_size=rows,
            use_pyarrow=True,
            **options,
        )

    try:
        with _quiet():
            info = pyogrio.read_info(target, layer=layer, encoding=encoding, **options)
        if info["driver"] == "OpenFileGDB" and not info["fid_column"]:
            # GDAL lists a layer whose table it cannot open, and gives no record of it.
            raise DataSourceError(f"the table of layer {layer} is damaged")
        fid = info["fid_column"] if info["driver"] in _FIDS_ARE_COLUMNS else ""
        if request.where is not None and layer is not None and info["driver"] in _ARE_SQLITE:
            _try_condition(target, layer, request.where)
        with _quiet(), opened(1, None, bool(fid)) as (meta, reader):
            crs = meta["crs"]
            shape = (meta["geometry_name"] or "wkb_geometry") if geometry else None
            schema = plain_schema(reader.schema, (shape,) if shape else ())
    except (DataLayerError, ValueError, sqlite3.Error, sqlite3.Warning) as error:
        if request.where is None:
            raise
        why = str(error).rstrip(".")
        what = Text(f"where 无法执行：{why}。", f"where cannot be carried out: {why}.")
        fix = Text(
            f"请改正条件（可用列：{'、'.join(map(str, info['fields']))}）。",
            f"Correct the condition (columns: {', '.join(map(str, info['fields']))}).",
        )
        raise request.fault(what, fix) from error

    refuse_namesakes(schema.names, request)
    blobs = bool(fid) and layer is not None and info["driver"] == "GPKG"

    def records(rows: int, columns: Sequence[str] | None) -> Iterator[Records]:
        wanted = schema.names if columns is None else list(columns)
        subset = pa.schema([schema.field(c) for c in wanted])
        # GDAL cannot filter by a field that it was told not to read, nor choose one without a name.
        chosen = request.where is None and all(wanted)
        stored = [c for c in wanted if c != fid] if chosen else None
        with _quiet(), opened(rows, stored, bool(fid) and (blobs or fid in wanted)) as (_, reader):
            for batch in reader:
                given = plain_batch([batch.column(c) for c in wanted], subset)
                wkb = batch.column(shape).cast(pa.binary()) if shape else None
                if blobs and layer and shape and wkb is not None and wkb.null_count:
                    wkb = _with_blobs(wkb, batch.column(fid), target, layer, (fid, shape))
                yield Records(given, pa.nulls(len(batch), pa.binary()) if wkb is None else wkb)

    return Source(
        path=request.path,
        driver=str(info["driver"]),
        crs=crs,
        schema=schema,
        records=records,
        encoding=encoding or "UTF-8",
        placeless=not geometry,
        count=info["features"] if info["features"] >= 0 and request.where is None else None,
        salvage=lambda source: salvage_records(source, target, layer, request),
    )


_SHAPELESS = Text(".shp 中没有对应的图形", "the .shp has no shape for it")
_NO_SYSTEM = (CRSError, UnboundLocalError)
"""What pyogrio raises of a coordinate system that cannot be read; the second by a slip of its own."""
_UNREADABLE = (DataSourceError, UnicodeDecodeError, *_NO_SYSTEM)
"""What pyogrio raises of a file whose frame is damaged."""
_ARE_SQLITE = ("GPKG", "SQLite")
_FIDS_ARE_COLUMNS = ("GPKG", "SQLite", "OpenFileGDB")
"""Drivers whose feature id is a column that the user sees, not a running number."""


def _try_condition(target: str, layer: str, where: str) -> None:
    """Raise what SQLite says of a condition that it cannot carry out.

    GDAL pastes the condition into its own query, and where that fails gives no record and no
    error. It also offers functions that open files and ask the network; here there are none.
    """
    with _database(target) as connection:
        connection.create_function("regexp", 2, lambda *_: True)
        connection.execute(f"SELECT count(*) FROM {_quoted(layer)} WHERE ({where}\n)").fetchone()


def _with_blobs(
    wkb: pa.Array, fids: pa.Array, target: str, layer: str, names: tuple[str, str]
) -> pa.Array:
    """Return WKB with what a GeoPackage holds where GDAL could make no geometry of it.

    GDAL gives null there, as where there is nothing; what is no geometry is still the user's.
    ``names`` are those of the columns of feature ids and of geometries.
    """
    fid, shape = map(_quoted, names)
    query = f"SELECT CAST({shape} AS BLOB) FROM {_quoted(layer)} WHERE {fid} = ?"
    values = wkb.to_pylist()
    with _database(target) as connection:
        for row, value in enumerate(values):
            if value is None:
                found = connection.execute(query, (fids[row].as_py(),)).fetchone()
                values[row] = found[0] if found else None
    return pa.array(values, pa.binary())


def _database(target: str) -> closing[sqlite3.Connection]:
    """Return a connection to a SQLite file that reads only, and leaves nothing beside it."""
    file = Path(target).resolve()
    waiting = file.with_name(f"{file.name}-wal").exists()  # its changes are to be seen as well
    address = f"{file.as_uri()}?mode=ro{'' if waiting else '&immutable=1'}"
    return closing(sqlite3.connect(address, uri=True))


def _quoted(name: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def _quiet() -> Any:
    """Return a context without GDAL's warnings: what matters is said in notices."""
    return warnings.catch_warnings(action="ignore")


def _unreadable(request: Request, error: Exception, target: str = "") -> Exception:
    """Return GDAL's refusal as an error, with the user's name of the file for our copy's."""
    if "database is locked" in str(error):
        what = Text("被其他程序锁定。", "is locked by another program.")
        fix = Text("请在该程序（如 QGIS）中关闭后再试。", "Close it there (such as QGIS).")
        return request.fault(what, fix)
    if "not recognized as being in a supported file format" in str(error):
        return request.fault(*_unknown_format(request.file.suffix.lower()))
    if isinstance(error, UnicodeDecodeError):
        what = Text("文字编码无法识别。", "has text in an encoding that cannot be told.")
        fix = Text("请用 GIS 软件另存为 GeoPackage。", "Save it as a GeoPackage with a GIS.")
        return request.fault(what, fix)
    if any(sign in str(error) for sign in _BROKEN_DATABASE):
        what = Text(
            "无法读取：数据库已损坏或不完整。",
            "cannot be read: the database is damaged or cut off.",
        )
        return request.fault(what, Text("请换用完好的文件。", "Use a whole copy."))
    reason = str(error).partition("; It might help")[0].rstrip(".")
    if target:
        reason = reason.replace(target, request.path)
    what = Text(f"无法读取：{reason}。", f"cannot be read: {reason}.")
    fix = Text(
        "请确认格式与完整性，或用 GIS 软件另存后再试。",
        "Check its format and that it is whole, or save it again with a GIS.",
    )
    return request.fault(what, fix)


_BROKEN_DATABASE = ("disk image is malformed", "malformed database schema", "not a database")
"""What SQLite says of a file that is damaged."""


def _unknown_format(suffix: str) -> tuple[Text, Text]:
    """Return what to say of a file that is none of the formats GDAL knows, and what to do."""
    if suffix in _RASTERS:
        return (
            Text("是栅格或图片，不是矢量数据。", "is a raster or a picture, no vector data."),
            Text(
                "请提供矢量文件；栅格写在 dem 等栅格角色下。",
                "Supply a vector file; rasters go under a raster role such as dem.",
            ),
        )
    fix = Text(
        "请用 GIS 软件另存为 GeoPackage 或 GeoJSON；坐标表可存为带坐标列的 CSV。",
        "Save it as a GeoPackage or GeoJSON with a GIS; a table of coordinates can be a CSV.",
    )
    if suffix in _PACKED:
        what = Text("是压缩文件。", "is an archive.")
        return what, Text("请先解压，或改用 .zip。", "Unpack it first, or use a .zip.")
    if suffix in (".json", ".geojson"):
        what = Text(
            "无法读取：不是 GeoJSON（没有 FeatureCollection）。",
            "cannot be read: it is no GeoJSON, it has no FeatureCollection.",
        )
        return what, fix
    what = Text(
        "无法读取：格式不可识别，或文件头已损坏。",
        "cannot be read: its format is not recognised, or its heading is damaged.",
    )
    return what, fix


_RASTERS = (".tif", ".tiff", ".img", ".asc", ".png", ".jpg", ".jpeg", ".bmp", ".jp2", ".vrt")
_PACKED = (".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar")
