"""The GeoPackage: layers streamed in by GDAL, then all that QGIS shows them by, by SQLite."""

from __future__ import annotations

import json
import sqlite3
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np
import pyarrow as pa

from geo_urc.errors import OutputError, Problem
from geo_urc.outputs.labels import TABLES, column_title, column_words, rule_label
from geo_urc.outputs.qgis_project import SHAPES, metadata, project_qgz, shapes_in
from geo_urc.outputs.qgis_style import Part, style_qml
from geo_urc.outputs.qgis_symbols import Shape
from geo_urc.results import About, LayerInfo
from geo_urc.safe_text import xml_text
from geo_urc.text import Lang, Text
from geo_urc.wkb import one_ring_polygons, promote

VERSION = "1.2"
"""The newest version that QGIS 3.22 opens without a warning."""

_STYLES = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256),
    f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))
"""
_HEADINGS = """
CREATE TABLE IF NOT EXISTS gpkg_data_columns (
    table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT,
    description TEXT, mime_type TEXT, constraint_name TEXT,
    CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name),
    CONSTRAINT gdc_tn UNIQUE (table_name, name))
"""
_WORDS = """
CREATE TABLE IF NOT EXISTS gpkg_data_column_constraints (
    constraint_name TEXT NOT NULL, constraint_type TEXT NOT NULL, value TEXT,
    min NUMERIC, min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN,
    description TEXT, CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value))
"""
_METADATA = """
CREATE TABLE IF NOT EXISTS gpkg_metadata (
    id INTEGER CONSTRAINT m_pk PRIMARY KEY ASC NOT NULL, md_scope TEXT NOT NULL DEFAULT 'dataset',
    md_standard_uri TEXT NOT NULL, mime_type TEXT NOT NULL DEFAULT 'text/xml',
    metadata TEXT NOT NULL DEFAULT '')
"""
_METADATA_OF = """
CREATE TABLE IF NOT EXISTS gpkg_metadata_reference (
    reference_scope TEXT NOT NULL, table_name TEXT, column_name TEXT, row_id_value INTEGER,
    timestamp DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
    md_file_id INTEGER NOT NULL, md_parent_id INTEGER,
    CONSTRAINT crmr_mfi_fk FOREIGN KEY (md_file_id) REFERENCES gpkg_metadata(id),
    CONSTRAINT crmr_mpi_fk FOREIGN KEY (md_parent_id) REFERENCES gpkg_metadata(id))
"""
_PROJECTS = """
CREATE TABLE qgis_projects (name TEXT PRIMARY KEY, metadata BLOB, content BLOB)
"""
_EXTENSIONS = """
CREATE TABLE IF NOT EXISTS gpkg_extensions (
    table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL,
    definition TEXT NOT NULL, scope TEXT NOT NULL,
    CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name))
"""


@dataclass
class _Tally:
    """What was handed to GDAL, to be compared with what the file holds."""

    rows: int = 0
    without_geometry: int = 0
    failure: BaseException | None = None


def write_geopackage_layer(
    path: Path, info: LayerInfo, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> int:
    """Stream one result layer into a GeoPackage, new or existing, in constant memory.

    Returns the number of rows that the file holds afterwards.

    Parameters
    ----------
    path
        The ``.gpkg`` file; other layers in it stay.
    info
        Gives the layer its name, title, geometry column, type and coordinate system.
    schema
        Of the batches. Types that a GeoPackage lacks are stored as text.
    batches
        Rows in output order. A null geometry stays null; single geometries in a layer of a
        ``Multi…`` type become multi-geometries of one part, coordinates untouched.

    Raises
    ------
    OutputError
        Two columns differ only in case, GDAL refuses, or the file read back has fewer rows
        or more null geometries than were handed over. What the batches themselves raise
        comes through as it is.
    """
    _refuse_twin_columns(path, info.role, schema.names)
    geometry = info.one("geometry")
    tally = _Tally()
    storable = _storable(schema)
    multi = geometry if info.geometry_type.startswith("Multi") else None
    _write(
        path,
        info.role,
        pa.RecordBatchReader.from_batches(
            storable,
            _counted(batches, storable, geometry, multi, tally, f"{path.name}, {info.role}"),
        ),
        tally,
        geometry_name=geometry,
        geometry_type=info.geometry_type,
        crs=info.crs,
        layer_options={
            "FID": free_name("fid", schema.names),
            "GEOMETRY_NAME": geometry,
            "IDENTIFIER": info.title.zh,
            "DESCRIPTION": _description(info),
            "SPATIAL_INDEX": "YES",
        },
    )
    _check(path, info.role, geometry, tally)
    return tally.rows


def write_attribute_table(path: Path, name: str, table: pa.Table) -> None:
    """Write a table without geometry (``rules``, ``set_aside``) into a GeoPackage.

    Raises
    ------
    OutputError
        Two columns differ only in case, GDAL refuses, or rows are missing afterwards.
    """
    _refuse_twin_columns(path, name, table.column_names)
    tally = _Tally()
    storable = _storable(table.schema)
    stream = _counted(table.to_batches(), storable, None, None, tally, f"{path.name}, {name}")
    _write(
        path,
        name,
        pa.RecordBatchReader.from_batches(storable, stream),
        tally,
        layer_options={"FID": free_name("fid", table.column_names)},
    )
    _check(path, name, None, tally)


def finish_geopackage(
    path: Path, layers: Sequence[LayerInfo], about: About, lang: Lang = "zh"
) -> None:
    """Give a written GeoPackage all that QGIS shows it by: styles, headings, metadata, a project.

    Every rule of a layer becomes a named style, the first one the default; headings are in
    the styles (for QGIS before 3.28) and in ``gpkg_data_columns`` (for later ones). The
    project is in the file, under the name of its title.

    Parameters
    ----------
    path
        File in which all layers are written.
    layers
        Those that are to be styled, as they were written.
    about
        What the file is. Its date stands wherever the format wants a time of change, so that
        the same run gives the same bytes.
    lang
        Language of legends, headings, form and project.

    Raises
    ------
    OutputError
        The file cannot be changed.
    """
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
            with connection:
                _add_styles(connection, layers, about, lang)
                _add_headings(connection, layers, lang)
                _add_metadata(connection, layers, about, lang)
                connection.execute("UPDATE gpkg_contents SET last_change = ?", (about.stamp,))
                _add_project(connection, path.name, layers, about, lang)
    except sqlite3.Error as error:
        raise _refused(path, "layer_styles", error) from error


def stored_project(path: Path) -> bytes:
    """Return the QGIS project of a finished GeoPackage, as a ``.qgz`` in the same folder holds it.

    Raises
    ------
    OutputError
        The file has none, or cannot be read.
    """
    try:
        with closing(sqlite3.connect(path)) as connection:
            (content,) = connection.execute("SELECT content FROM qgis_projects").fetchone()
    except (sqlite3.Error, TypeError) as error:
        raise _refused(path, "qgis_projects", error) from error
    return bytes.fromhex(content.decode("ascii"))


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """Return `wanted`, changed if need be so that it is none of `taken` in any case.

    Examples
    --------
    >>> free_name("fid", ["name"]), free_name("fid", ["FID", "urc_fid"])
    ('fid', 'urc_fid_2')
    """
    folded = {name.casefold() for name in taken}
    name, number = wanted, 1
    while name.casefold() in folded:
        name = f"urc_{wanted}" if number == 1 else f"urc_{wanted}_{number}"
        number += 1
    return name


def _counted(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    geometry: str | None,
    multi: str | None,
    tally: _Tally,
    where: str,
) -> Iterator[pa.RecordBatch]:
    """Yield the batches as they can be stored; keep what they raise, which GDAL would lose."""
    try:
        for batch in batches:
            tally.rows += batch.num_rows
            if geometry is not None:
                tally.without_geometry += batch.column(geometry).null_count
                _refuse_unreadable(batch.column(geometry), tally.rows - batch.num_rows, where)
            if multi is not None:
                place = batch.schema.get_field_index(multi)
                batch = batch.set_column(place, multi, promote(batch.column(place)))
            yield batch.cast(schema)
    except BaseException as failure:
        tally.failure = failure
        raise


def _refuse_unreadable(wkb: pa.Array, before: int, where: str) -> None:
    """Stop at geometry bytes that are no geometry.

    GDAL 3.12 writes the geometry of the row before, or an empty one, in their place.
    """
    import shapely

    rows = np.flatnonzero(~one_ring_polygons(wkb))
    wkb = wkb.take(pa.array(rows))
    shapes = shapely.from_wkb(wkb.to_numpy(zero_copy_only=False), on_invalid="ignore")
    unread = shapely.is_missing(shapes) & wkb.is_valid().to_numpy(zero_copy_only=False)
    if unread.any():
        record = before + int(rows[unread.argmax()]) + 1
        raise OutputError(
            Problem(
                where,
                Text(
                    f"第 {record} 条的图形字节无法读取。",
                    f"The geometry bytes of record {record} cannot be read.",
                ),
                Text(
                    "这是程序错误，请报告此问题。",
                    "This is a fault of the program; please report it.",
                ),
            )
        )


def _write(
    path: Path, layer: str, reader: pa.RecordBatchReader, tally: _Tally, **options: Any
) -> None:
    from pyogrio.errors import DataLayerError, DataSourceError, FieldError, GeometryError
    from pyogrio.raw import write_arrow

    try:
        with warnings.catch_warnings():
            # A layer with heights or measures gets its hint in gpkg_geometry_columns; no one need hear it.
            warnings.filterwarnings("ignore", message=".*non-[ZM] geometry type.*")
            write_arrow(
                reader,
                path,
                layer=layer,
                driver="GPKG",
                dataset_options=None if path.exists() else {"VERSION": VERSION},
                **options,
            )
    except (DataSourceError, DataLayerError, FieldError, GeometryError, RuntimeError) as error:
        if tally.failure is not None:
            raise tally.failure from None
        raise _refused(path, layer, error) from error


def _storable(schema: pa.Schema) -> pa.Schema:
    """Return the schema with text for the types that GDAL cannot put into a GeoPackage."""
    return pa.schema(
        [
            pa.field(field.name, pa.string() if _needs_text(field.type) else field.type)
            for field in schema
        ]
    )


def _needs_text(kind: pa.DataType) -> bool:
    tests = (pa.types.is_null, pa.types.is_duration, pa.types.is_string_view)
    return any(test(kind) for test in tests)


def _refuse_twin_columns(path: Path, layer: str, names: Sequence[str]) -> None:
    first: dict[str, str] = {}
    problems = [
        Problem(
            f"{path.name}, {layer}",
            Text(
                f"列名“{first[name.casefold()]}”与“{name}”只有大小写不同，"
                "GeoPackage 无法同时保存。",
                f"Columns {first[name.casefold()]!r} and {name!r} differ only in case; "
                "a GeoPackage cannot hold both.",
            ),
            Text(
                "请在输入文件中给其中一列改名，或改用 --format parquet。",
                "Rename one of them in the input, or use --format parquet.",
            ),
        )
        for name in names
        if first.setdefault(name.casefold(), name) is not name
    ]
    if problems:
        raise OutputError(problems)


def _check(path: Path, layer: str, geometry: str | None, tally: _Tally) -> None:
    missing = f'sum("{_quoted(geometry)}" IS NULL)' if geometry else "0"
    try:
        with closing(sqlite3.connect(path)) as connection:
            rows, nulls = connection.execute(
                f'SELECT count(*), coalesce({missing}, 0) FROM "{_quoted(layer)}"'
            ).fetchone()
    except sqlite3.Error as error:
        raise _refused(path, layer, error) from error
    if (rows, nulls) != (tally.rows, tally.without_geometry):
        raise OutputError(
            Problem(
                f"{path.name}, {layer}",
                Text(
                    f"写入 {tally.rows} 条（空图形 {tally.without_geometry}），"
                    f"读回 {rows} 条（空图形 {nulls}）。",
                    f"{tally.rows} records ({tally.without_geometry} without geometry) were "
                    f"written, {rows} ({nulls} without) were read back.",
                ),
                Text(
                    "结果不可用；请检查磁盘并重新运行，若仍如此请报告此问题。",
                    "Do not use the file; check the disk and run again, and report it if it stays.",
                ),
            )
        )


def _add_styles(
    connection: sqlite3.Connection, layers: Sequence[LayerInfo], about: About, lang: Lang
) -> None:
    connection.execute(_STYLES)
    connection.executemany(
        "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name,"
        " f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner,"
        " update_time) VALUES ('', '', ?, ?, ?, ?, '', ?, ?, '', ?)",
        [
            (info.role, info.one("geometry"), *style, about.stamp)
            for info in layers
            for style in _styles(info, shapes_in(connection, info), about, lang)
        ],
    )
    # Without this row QGIS looks past the styles once any other attribute table exists.
    connection.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change)"
        " VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?)",
        (about.stamp,),
    )


def _styles(
    info: LayerInfo, shapes: Sequence[Shape], about: About, lang: Lang
) -> Iterator[tuple[str, str, int, str]]:
    """Yield (name, style, default, description) of a layer; the default comes first.

    The default alone has the form, and another style leaves it as it is. Of a layer with several kinds of geometry, the first is what QGIS opens by itself.
    """
    names = about.names.get(info.role)
    for shape in shapes:
        suffix = SHAPES[shape].to(lang) if shape != shapes[0] else ""
        for place, rule in enumerate(info.rules or (None,)):
            default = shape == shapes[0] and place == 0
            part: Part = "all" if default else "columns"
            title = info.title.to(lang) if rule is None else rule_label(rule, lang)
            qml = style_qml(info, rule, lang, shape=shape, name=names, part=part)
            source = "" if rule is None else rule.citation.to(lang)
            yield title + suffix, qml, int(default), source


def _add_headings(connection: sqlite3.Connection, layers: Sequence[LayerInfo], lang: Lang) -> None:
    """Write headings and vocabularies as the standard has them, for what reads those."""
    connection.execute(_HEADINGS)
    connection.execute(_WORDS)
    lists: dict[tuple[tuple[str, str], ...], str] = {}
    for info in layers:
        columns = [column for column in info.columns if column.origin != "geometry"]
        rows = []
        for column in columns:
            # A list says which values there may be: of the user's own columns it cannot.
            own = column.origin == "user"
            words = {} if own else column_words(info, column, lang)
            called = None
            if words:
                called = lists.setdefault(tuple(words.items()), f"words_{len(lists) + 1}")
            rows.append((column.name, column_title(column, lang), called))
        _add_columns(connection, info.role, rows)
    there = {name for (name,) in connection.execute("SELECT table_name FROM gpkg_contents")}
    for table, titles in TABLES.items():
        if table in there:
            rows = [(name, title.to(lang), None) for name, title in titles.items()]
            _add_columns(connection, table, rows)
    connection.executemany(
        "INSERT INTO gpkg_data_column_constraints (constraint_name, constraint_type, value,"
        " description) VALUES (?, 'enum', ?, ?)",
        [(name, code, word) for words, name in lists.items() for code, word in words],
    )
    _add_extension(connection, "gpkg_schema", ["gpkg_data_columns", "gpkg_data_column_constraints"])


def _add_columns(
    connection: sqlite3.Connection, table: str, rows: Sequence[tuple[str, str, str | None]]
) -> None:
    """Write (column, title, list of words) of a table."""
    titles = Counter(title for _, title, _ in rows)
    connection.executemany(
        "INSERT INTO gpkg_data_columns (table_name, column_name, name, title, constraint_name)"
        " VALUES (?, ?, ?, ?, ?)",
        [
            # GDAL shows `name`, which must be unique in its table; the standard `title`.
            (table, name, title if titles[title] == 1 else f"{title} {name}", title, words)
            for name, title, words in rows
        ],
    )


def _add_metadata(
    connection: sqlite3.Connection, layers: Sequence[LayerInfo], about: About, lang: Lang
) -> None:
    """Write what the file and each layer is, as GDAL and as QGIS read it."""
    connection.execute(_METADATA)
    connection.execute(_METADATA_OF)
    whole = Element("GDALMultiDomainMetadata")
    items = SubElement(whole, "Metadata")
    for key, value in (
        ("TITLE", about.title.to(lang)),
        ("AS_OF", about.as_of.isoformat()),
        ("RULEBOOK_VERSION", about.rulebook_version),
        ("SOFTWARE", about.software),
        ("EVALUATION_CRS", about.crs),
        *((f"SOURCE_{i:02}", source.to(lang)) for i, source in enumerate(about.sources, start=1)),
    ):
        if value:
            SubElement(items, "MDI", key=key).text = xml_text(value)
    entries: list[tuple[str, Element, str, str | None]] = [
        ("http://gdal.org", whole, "geopackage", None)
    ]
    for info in layers:
        told = metadata(info, about, lang)
        told.tag = "qgis"
        entries.append(("http://mrcc.com/qgis.dtd", told, "table", info.role))
    for number, (standard, content, scope, table) in enumerate(entries, start=1):
        connection.execute(
            "INSERT INTO gpkg_metadata VALUES (?, 'dataset', ?, 'text/xml', ?)",
            (number, standard, tostring(content, encoding="unicode")),
        )
        connection.execute(
            "INSERT INTO gpkg_metadata_reference VALUES (?, ?, NULL, NULL, ?, ?, NULL)",
            (scope, table, about.stamp, number),
        )
    _add_extension(connection, "gpkg_metadata", ["gpkg_metadata", "gpkg_metadata_reference"])


def _add_extension(connection: sqlite3.Connection, name: str, tables: Sequence[str]) -> None:
    connection.execute(_EXTENSIONS)
    short = name.removeprefix("gpkg_")
    connection.executemany(
        "INSERT INTO gpkg_extensions VALUES (?, NULL, ?, ?, 'read-write')",
        [(t, name, f"http://www.geopackage.org/spec120/#extension_{short}") for t in tables],
    )


def _add_project(
    connection: sqlite3.Connection,
    file: str,
    layers: Sequence[LayerInfo],
    about: About,
    lang: Lang,
) -> None:
    """Keep the project in the file, where QGIS looks for it.

    The table is not among the contents: no reader of data is to take it for some.
    """
    connection.execute(_PROJECTS)
    saved = {"last_modified_time": about.stamp, "last_modified_user": "geo-urc"}
    content = project_qgz(connection, file, layers, about, lang).hex()
    connection.execute(
        "INSERT INTO qgis_projects VALUES (?, ?, ?)",
        (about.title.to(lang), json.dumps(saved).encode(), content.encode()),
    )


def _description(info: LayerInfo) -> str:
    rules = "；".join(rule_label(rule, "zh") for rule in info.rules)
    return f"{info.title.zh}（{info.title.en}）：{rules}" if rules else info.title.zh


def _quoted(name: str) -> str:
    return name.replace('"', '""')


def plain_reason(error: Exception) -> str:
    """Return why GDAL or SQLite failed, without the pages of SQL that it was about.

    Examples
    --------
    >>> plain_reason(RuntimeError("sqlite3_exec(CREATE TABLE t(a)) failed: disk is full"))
    'disk is full'
    """
    return str(error).rpartition(" failed: ")[2]


def _refused(path: Path, layer: str, error: Exception) -> OutputError:
    reason = plain_reason(error)
    return OutputError(
        Problem(
            f"{path.name}, {layer}",
            Text(f"无法写入：{reason}。", f"Cannot be written: {reason}."),
            Text(
                "请检查权限和剩余空间，并关闭正在使用该文件的程序。",
                "Check permissions and free space, and close programs that use the file.",
            ),
        )
    )
