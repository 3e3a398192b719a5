"""One way to open any file: user columns and WKB, in runs of rows, in file order."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from geo_urc.database import is_address, shown
from geo_urc.errors import LayerError, Problem
from geo_urc.inputs.suggest import suggestion
from geo_urc.text import Text

READ_ERRORS = (pa.ArrowException, OSError, RuntimeError, UnicodeDecodeError)
"""What a damaged file makes pyogrio or Arrow raise while its records are read."""

_MARKS = "!;"
"""What is before them in a name pyogrio takes for an archive, and GDAL for the whole name."""
_DIGITS_OF_A_DOUBLE = 15
_FILES_ONLY = (".gpkg", ".zip", ".fgb", ".geojson", ".csv")
_PARTS = (".shx", ".dbf", ".prj", ".cpg")


class Records(NamedTuple):
    """A run of records as they are in the file."""

    columns: pa.RecordBatch
    wkb: pa.BinaryArray


class BadRecord(NamedTuple):
    """A record that could not be read at all."""

    record: int
    """1-based position in the file."""
    reason: Text


@dataclass(frozen=True)
class Source:
    """An opened file of features.

    Attributes
    ----------
    path
        As the user gave it.
    crs
        The file's own system (authority code or WKT), None if it has none.
    schema
        The user's own columns, without the geometry.
    records
        ``records(rows, columns)`` yields runs of about ``rows`` records with the named
        columns (None: all of them); it can be asked again and again.
    notes
        What a user should know of how the file was read.
    bad
        Records that could not be read; ``records`` does not yield them.
    keep
        Whatever must live as long as the source, e.g. a temporary folder.
    """

    path: str
    driver: str
    crs: str | None
    schema: pa.Schema
    records: Callable[[int, Sequence[str] | None], Iterator[Records]]
    encoding: str = "UTF-8"
    sha256: dict[str, str] = field(default_factory=dict)
    notes: tuple[Text, ...] = ()
    bad: tuple[BadRecord, ...] = ()
    from_text: bool = False
    """Whether coordinates were written as text, without any mention of a system."""
    placeless: bool = False
    """Whether it is a table without geometry: every record's is null."""
    count: int | None = None
    """How many records it should hold, where that is known beforehand; not to be relied on."""
    order: str | None = None
    """Of partitions: the column with each record's place, from 1, in the file they were made of."""
    parts: tuple[Source, ...] = ()
    """Of partitions: each by itself, ready to be read by another process; its path is absolute."""
    salvage: Callable[[Source], Source] | None = None
    """Reads the file again record by record, where that can be done."""
    keep: object = None


@dataclass(frozen=True)
class Request:
    """What is to be opened, as the user described it."""

    path: str
    base: Path = Path()
    """Folder that a relative path starts from."""
    encoding: str | None = None
    """Python's codec, where the user named one."""
    where: str | None = None
    x: str | None = None
    y: str | None = None
    table_will_do: bool = False
    """Whether a table without any geometry may be read."""

    @property
    def layer(self) -> str | None:
        """The layer after ``|layername=``."""
        return self.path.partition("|layername=")[2] or None

    @property
    def file(self) -> Path:
        """The file or folder on disk."""
        return self.base / self.path.partition("|layername=")[0]

    def by_stem(self, path: str | Path) -> bool:
        """Return whether the layer named is the file's name without its extension.

        Of a format with one layer a file that is the user's, the archive's member or a copy.
        """
        return self.layer in (self.file.stem, Path(path).stem)

    def fault(self, what: Text, fix: Text) -> LayerError:
        """Return an error about this file."""
        return LayerError(Problem(shown(self.path), what, fix))


def open_source(request: Request) -> Source:
    """Open a file of any supported format, or a table of a database.

    Raises
    ------
    LayerError
        If it is not there, not of a known format, or not usable as described.
    """
    if is_address(request.path):
        from geo_urc.inputs.postgis import open_postgis

        return open_postgis(request)
    if request.layer is not None and "|" in request.layer:
        option = request.layer.partition("|")[2]
        what = Text(f"不支持“|{option}”。", f'"|{option}" is not supported.')
        raise request.fault(what, Text("请用 where 筛选。", "Filter with where."))
    path = request.file
    refuse_unspeakable(path, request.path)
    if not path.exists():
        what = Text("文件不存在。", "does not exist.")
        fix = Text(f"请检查路径（查找位置：{path}）。", f"Check the path (looked for at {path}).")
        raise request.fault(what, fix)
    if not path.is_file() and not path.is_dir():
        what = Text("不是文件，也不是文件夹。", "is neither a file nor a folder.")
        raise request.fault(what, Text("请给出数据文件。", "Give a file of data."))
    try:
        return _opened(path, request)
    except PermissionError as error:
        what = Text(f"无法打开：{error.strerror}。", f"cannot be opened: {error.strerror}.")
        fix = Text("请检查权限。", "Check its permissions.")
        raise request.fault(what, fix) from error


def refuse_unspeakable(path: Path, where: str) -> None:
    """Raise LayerError for a name whose bytes are no text: no result could name its input."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = where.encode("utf-8", "backslashreplace").decode()
        what = Text("路径含有不是文字的字节。", "has bytes in its path that are no text.")
        fix = Text("请给文件（夹）改名。", "Rename the file or its folder.")
        raise LayerError(Problem(shown, what, fix)) from error


def _opened(given: Path, request: Request) -> Source:
    """Open what is there: by what it holds, where its name says something else."""
    from geo_urc.inputs.archive import unpack
    from geo_urc.inputs.contents import format_of, misnamed
    from geo_urc.inputs.delimited import open_delimited
    from geo_urc.inputs.geoparquet import open_geoparquet
    from geo_urc.inputs.shapefile import linked
    from geo_urc.inputs.vector import open_vector

    _refuse_nothing(given, request)
    given = _shapefile_in(given, request)
    path, notes = given, [misnamed(given)]
    keep: list[object] = []
    if format_of(given) == ".zip":
        path, folder = unpack(given, request)
        keep.append(folder)
        _refuse_nothing(path, request)
        notes.append(misnamed(path))
    kind = format_of(path)
    if notes[-1] is not None or (misread(path) and kind != ".shp"):
        # GDAL goes by some extensions, pyogrio by a mark in the name.
        folder = TemporaryDirectory(prefix="geo_urc-")
        keep.append(folder)
        path = linked(path, Path(folder.name) / f"given{kind}")
    if kind != ".csv" and (request.x is not None or request.y is not None):
        what = Text("x、y 只用于 CSV 文本。", "is not CSV text, so x and y do not apply.")
        raise request.fault(what, Text("请删去 x 和 y。", "Remove x and y."))
    if kind in (".csv", ".shp", ".parquet") and request.layer is not None:
        stems = dict.fromkeys((given.stem, path.stem if kind == ".shp" else given.stem))
        if not request.by_stem(given) and not request.by_stem(path):
            what = Text(f"没有图层“{request.layer}”。", f'has no layer "{request.layer}".')
            raise request.fault(what, suggestion(request.layer, list(stems)))
    if kind == ".csv":
        opened = open_delimited(path, request)
    elif kind == ".parquet" or _is_parquet_folder(path):
        opened = open_geoparquet(path, request)
    else:
        opened = open_vector(path, request, kind)
    said = (note for note in notes if note is not None)
    return replace(
        opened,
        sha256=opened.sha256 or hashes(given),
        notes=(*opened.notes, *said),
        keep=(*keep, opened.keep),
    )


def _refuse_nothing(path: Path, request: Request) -> None:
    """Raise LayerError for an empty file or folder, or one of the files beside a ``.shp``."""
    from geo_urc.inputs.contents import format_of

    if path.is_dir() and not any(p.is_file() for p in path.rglob("*")):
        what = Text("是空文件夹。", "is an empty folder.")
    elif path.is_file() and not path.stat().st_size:
        what = Text("是空文件（0 字节）。", "is empty (0 bytes).")
    elif path.suffix.lower() in _PARTS and path.with_suffix(".shp").is_file():
        what = Text("是 Shapefile 的一部分。", "is a part of a Shapefile.")
        raise request.fault(what, Text("请给出 .shp 文件。", "Give the .shp file."))
    elif path.is_dir() and format_of(path) in _FILES_ONLY and not _is_parquet_folder(path):
        what = Text("是文件夹，不是文件。", "is a folder and no file.")
        raise request.fault(what, Text("请给出其中的文件。", "Give the file inside."))
    else:
        return
    raise request.fault(what, Text("请重新导出。", "Export it again."))


def _shapefile_in(path: Path, request: Request) -> Path:
    """Return the Shapefile of a folder that holds some, so that its encoding is looked at.

    Raises
    ------
    LayerError
        If there are several and none is named.
    """
    if not path.is_dir() or path.suffix.lower() == ".gdb":
        return path
    found = {p.stem: p for p in sorted(path.iterdir()) if p.suffix.lower() == ".shp"}
    if not found:
        return path
    if request.layer is None and len(found) == 1:
        return next(iter(found.values()))
    if request.layer in found:
        return found[request.layer]
    if request.layer is not None:
        what = Text(f"没有图层“{request.layer}”。", f'has no layer "{request.layer}".')
        raise request.fault(what, suggestion(request.layer, list(found)))
    what = Text(f"有多个图层：{'、'.join(found)}。", f"has several layers: {', '.join(found)}.")
    fix = Text("请用 |layername=图层名 指定一个。", "Choose one with |layername=NAME.")
    raise request.fault(what, fix)


def _is_parquet_folder(path: Path) -> bool:
    return path.is_dir() and any(path.rglob("*.parquet"))


def misread(path: Path) -> bool:
    """Return whether a reader would take a part of the path for all of it."""
    return any(mark in str(path) for mark in _MARKS)


def hashes(path: Path) -> dict[str, str]:
    """Return file name → SHA-256 for every file that makes up the input."""
    from geo_urc.inputs.shapefile import sidecars

    if path.is_dir():
        files = {str(p.relative_to(path)): p for p in sorted(path.rglob("*")) if p.is_file()}
    elif path.suffix.lower() == ".shp":
        files = {p.name: p for p in sidecars(path).values()}
    else:
        files = {p.name: p for p in (path, pending_changes(path)) if p is not None}
    return {name: sha256_of(file) for name, file in files.items()}


def pending_changes(path: Path) -> Path | None:
    """Return the file of changes that are not merged into a database yet, if there are any."""
    file = path.resolve()
    log = file.with_name(f"{file.name}-wal")
    return log if log.is_file() and log.stat().st_size else None


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_namesakes(names: Sequence[str], request: Request) -> None:
    """Raise where two columns have one name: nobody could say which is meant."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        what = Text(
            f"有重名的列：{'、'.join(twice)}。",
            f"has several columns of one name: {', '.join(twice)}.",
        )
        raise request.fault(what, Text("请先改名。", "Rename them first."))


def plain_type(given: pa.DataType) -> pa.DataType:
    """Return the type in which a column is handed on: one that a GeoPackage can hold."""
    if pa.types.is_dictionary(given):
        return plain_type(given.value_type)
    if pa.types.is_float16(given):
        return pa.float32()
    if pa.types.is_decimal(given) and given.precision > _DIGITS_OF_A_DOUBLE:
        return pa.string()  # a GeoPackage would hold it as a double
    if pa.types.is_nested(given) or pa.types.is_null(given) or pa.types.is_duration(given):
        return pa.string()
    if given in (pa.large_string(), pa.string_view()):
        return pa.string()
    if given in (pa.large_binary(), pa.binary_view()):
        return pa.binary()
    if isinstance(given, pa.BaseExtensionType):
        return plain_type(given.storage_type)
    return given


def plain_schema(schema: pa.Schema, geometry: Sequence[str]) -> pa.Schema:
    """Return the schema of the user's columns, without the geometry."""
    return pa.schema([(f.name, plain_type(f.type)) for f in schema if f.name not in geometry])


def plain_batch(columns: Sequence[pa.Array], schema: pa.Schema) -> pa.RecordBatch:
    """Return columns in the types of :func:`plain_schema`; lists and structs as JSON text."""
    arrays = [_plain(c, f.type) for c, f in zip(columns, schema, strict=True)]
    if not arrays:
        return pa.RecordBatch.from_arrays([], schema=schema)
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def visible_nul(column: pa.Array) -> pa.Array:
    """Return a text column with the sign ␀ for NUL, where GDAL would end the text unseen."""
    import pyarrow.compute as pc

    texts = (pa.types.is_string, pa.types.is_large_string)
    if not any(test(column.type) for test in texts) or not len(column):
        return column
    data = column.buffers()[2]
    if data is None or not (np.frombuffer(data, np.uint8) == 0).any():
        return column
    return pc.replace_substring(column, "\0", "\u2400")


def _plain(column: pa.Array, to: pa.DataType) -> pa.Array:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        return _plain(column.dictionary_decode(), to)
    if pa.types.is_nested(column.type) or pa.types.is_duration(column.type):
        rows = (
            None if v is None else json.dumps(v, ensure_ascii=False, default=str)
            for v in column.to_pylist(maps_as_pydicts="lossy")
        )
        return pa.array(rows, pa.string())
    return column if column.type == to else column.cast(to)
