"""An extract of OpenStreetMap as runs of features with their tags, whatever file it came in.

A file of OpenStreetMap itself (``.osm.pbf``, ``.osm``) is read by GDAL, layer by layer, with the
tags that are asked for as columns. Shapefiles of Geofabrik and BBBike are told by their names.
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

from geo_urc.errors import LayerError
from geo_urc.inputs.archive import unpack_all
from geo_urc.inputs.contents import format_of
from geo_urc.inputs.shapefile import linked
from geo_urc.inputs.sources import (
    READ_ERRORS,
    Request,
    Source,
    misread,
    open_source,
    refuse_unspeakable,
    sha256_of,
)
from geo_urc.osm.mapping import Selector, Sort
from geo_urc.progress import SILENT, Progress
from geo_urc.roles import Kind
from geo_urc.text import Text

ID, GEOMETRY = "osm_id", "geometry"
Box = tuple[float, float, float, float]
_ROWS = 32_768
_LAYERS: Mapping[Kind, str] = {"point": "points", "line": "lines", "polygon": "multipolygons"}
"""What GDAL calls them."""
_GEOFABRIK = re.compile(r"gis_osm_(?P<theme>[a-z_]+?)(?P<area>_a)?(_free)?(_\d+)?", re.IGNORECASE)
_BBBIKE = re.compile(
    r"(osm_)?(?P<theme>buildings|landuse|natural|places|points|railways|roads|waterways)",
    re.IGNORECASE,
)
_LINES = ("roads", "railways", "waterways")
_POINTS = ("points", "places")
_UNREADABLE = (DataSourceError, DataLayerError, FeatureError, RuntimeError)
_CLASS = {"geofabrik": "fclass", "bbbike": "type"}


@dataclass(frozen=True)
class Run:
    """Some features of one kind of geometry.

    Attributes
    ----------
    columns
        ``osm_id``, ``geometry`` as WKB, and a text column for each tag that is there.
    """

    kind: Kind
    columns: pa.RecordBatch


@dataclass
class Extract:
    """An opened extract.

    Attributes
    ----------
    box
        West, south, east, north in degrees: what the file says it covers, else where its data
        lie; None if neither is known.
    declared
        Whether `box` is what the file says.
    themes
        Of Shapefiles the themes that are there.
    sha256
        File name → SHA-256; filled as the files are read.
    bad
        Files and records that could not be used.
    """

    path: str
    sort: Sort
    box: Box | None
    declared: bool
    runs: Callable[[Sequence[Selector], frozenset[str]], Iterator[Run]]
    themes: tuple[str, ...] = ()
    sha256: dict[str, str] = field(default_factory=dict)
    notes: list[Text] = field(default_factory=list)
    bad: list[Text] = field(default_factory=list)
    keep: object = None


def open_extract(given: str, progress: Progress = SILENT) -> Extract:
    """Open an extract: a ``.osm.pbf`` or ``.osm``, or Shapefiles in a folder or a ``.zip``.

    Raises
    ------
    LayerError
        If there is nothing of the kind, or it cannot be read. A ``.osm.pbf`` or ``.osm`` is
        looked through as a whole first: of a damaged one GDAL's stream would end unseen.
    """
    progress.phase(_CHECKING)
    request = Request(given)
    path = request.file
    refuse_unspeakable(path, given)
    if not path.exists():
        what = Text("文件不存在。", "does not exist.")
        raise request.fault(what, Text("请检查路径。", "Check the path."))
    keep = None
    if path.is_file() and format_of(path) == ".zip":
        keep = unpack_all(path, request)
        extract = _in_folder(Path(keep.name), request)
        extract.sha256[path.name] = sha256_of(path)
    elif path.is_dir():
        extract = _in_folder(path, request)
    elif path.suffix.lower() == ".shp":
        extract = _shapefiles([path], request)
    elif path.suffix.lower() in (".pbf", ".osm"):
        extract = _osm_file(path, request)
    else:
        packed = path.suffix.lower() in (".gz", ".bz2", ".xz", ".zst", ".7z")
        what = Text("不是 OpenStreetMap 提取文件。", "is no extract of OpenStreetMap.")
        if packed:
            raise request.fault(what, Text("请先解压。", "Unpack it first."))
        raise request.fault(what, _WANTED)
    extract.keep = (keep, extract.keep)
    return extract


_CHECKING = Text("检查提取文件", "Checking the extract")
_WANTED = Text(
    "请给出 .osm.pbf、.osm 文件，或 Geofabrik、BBBike 的 Shapefile 文件夹或 .zip。",
    "Give a .osm.pbf or .osm, or a folder or .zip of Shapefiles by Geofabrik or BBBike.",
)


def _in_folder(folder: Path, request: Request) -> Extract:
    """Open what a folder holds: Shapefiles of one maker, else the one file of OpenStreetMap."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and "__MACOSX" not in p.parts)
    shapefiles = [p for p in files if p.suffix.lower() == ".shp"]
    if any(_theme(p) for p in shapefiles):
        return _shapefiles(shapefiles, request)
    raw = [p for p in files if p.suffix.lower() in (".pbf", ".osm")]
    if len(raw) == 1:
        return _osm_file(raw[0], request)
    if raw:
        names = [p.name for p in raw]
        what = Text(
            f"有多个提取文件：{'、'.join(names)}。", f"holds several extracts: {', '.join(names)}."
        )
        raise request.fault(what, Text("请指定其中一个。", "Give one of them."))
    what = Text("其中没有 OpenStreetMap 提取文件。", "holds no extract of OpenStreetMap.")
    raise request.fault(what, _WANTED)


# A file of OpenStreetMap itself


def _osm_file(path: Path, request: Request) -> Extract:
    folder = TemporaryDirectory(prefix="geo_urc-")
    if not path.stat().st_size:
        what = Text("是空文件（0 字节）。", "is empty (0 bytes).")
        raise request.fault(what, Text("请重新下载。", "Download it again."))
    target = linked(path, Path(folder.name) / f"given{path.suffix}") if misread(path) else path
    try:
        with _gdal(folder, _config([])):
            info = pyogrio.read_info(target, layer="points")
            nothing = "SELECT osm_id FROM points WHERE osm_id = ''"
            pyogrio.raw.read(target, sql=nothing, sql_dialect="OGRSQL", read_geometry=False)
    except _UNREADABLE as error:
        raise _unreadable(request, error, target) from error
    given = tuple(float(v) for v in info["total_bounds"] or ())
    box: Box | None = None
    if len(given) == 4 and np.isfinite(given).all() and given[0] < given[2]:
        box = (given[0], given[1], given[2], given[3])

    def runs(selectors: Sequence[Selector], keys: frozenset[str]) -> Iterator[Run]:
        for kind in _LAYERS:
            asked = [s for s in selectors if kind in s.geometry]
            if asked:
                try:
                    for batch in _layer(target, kind, asked, keys, folder, selectors):
                        yield Run(kind, batch)
                except (*_UNREADABLE, *READ_ERRORS) as error:
                    raise _unreadable(request, error, target) from error

    extract = Extract(request.path, "osm", box, box is not None, runs, keep=folder)
    extract.sha256[path.name] = sha256_of(path)
    return extract


def _layer(
    target: Path,
    kind: Kind,
    asked: Iterable[Selector],
    keys: frozenset[str],
    folder: TemporaryDirectory[str],
    every: Iterable[Selector],
) -> Iterator[pa.RecordBatch]:
    """Yield the features of one of GDAL's layers that have a tag asked for."""
    leading = sorted({next(iter(selector.tags)) for selector in asked})
    some = " OR ".join(f'"{key}" IS NOT NULL' for key in leading)
    # Of one layer asked for by SQL alone GDAL holds nothing of the others back.
    sql = f"SELECT * FROM {_LAYERS[kind]} WHERE {some}"
    with (
        _gdal(folder, _config(sorted(keys), every)),
        pyogrio.raw.open_arrow(
            target, sql=sql, sql_dialect="OGRSQL", batch_size=_ROWS, use_pyarrow=True
        ) as (_, reader),
    ):
        for batch in reader:
            yield _plain(batch, kind, keys)


def _plain(batch: pa.RecordBatch, kind: Kind, keys: frozenset[str]) -> pa.RecordBatch:
    """Return GDAL's batch with ids that say what they are of."""
    ids = pc.binary_join_element_wise("node/" if kind == "point" else "way/", batch["osm_id"], "")
    if kind == "polygon":
        of_way = pc.binary_join_element_wise("way/", batch["osm_way_id"], "")
        of_relation = pc.binary_join_element_wise("relation/", batch["osm_id"], "")
        ids = pc.coalesce(of_way, of_relation)
    names = [key for key in sorted(keys) if key in batch.schema.names]
    return pa.RecordBatch.from_arrays(
        [ids, batch.column(batch.num_columns - 1), *(batch[name] for name in names)],
        [ID, GEOMETRY, *names],
    )


def _config(keys: Sequence[str], selectors: Iterable[Selector] = ()) -> str:
    """Return an osmconf.ini: these tags as columns, and which closed ways are areas."""
    areas = sorted(
        {
            key if "*" in values else f"{key}={value}"
            for selector in selectors
            if "polygon" in selector.geometry
            for key, values in list(selector.tags.items())[:1]
            for value in values
        }
    )
    lines = [f"closed_ways_are_polygons={','.join(areas)}", "attribute_name_laundering=no"]
    for layer in (*_LAYERS.values(), "multilinestrings", "other_relations"):
        used = layer in _LAYERS.values()
        lines += [f"[{layer}]", "osm_id=yes", "other_tags=no"]
        lines += [f"attributes={','.join(keys)}"] if used and keys else []
    return "\n".join(lines) + "\n"


@contextmanager
def _gdal(folder: TemporaryDirectory[str], config: str) -> Iterator[None]:
    """Have GDAL read by this configuration, and put what it must remember where we clean up."""
    file = Path(folder.name) / "osmconf.ini"
    file.write_text(config, "utf-8")
    pyogrio.set_gdal_config_options({"OSM_CONFIG_FILE": str(file), "CPL_TMPDIR": folder.name})
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        pyogrio.set_gdal_config_options({"OSM_CONFIG_FILE": None, "CPL_TMPDIR": None})


def _unreadable(request: Request, error: Exception, target: Path) -> LayerError:
    reason = str(error).partition("; It might help")[0].replace(str(target), request.path)
    what = Text(
        f"不完整或已损坏：{reason.rstrip('.')}。",
        f"is damaged or not whole: {reason.rstrip('.')}.",
    )
    fix = Text(
        "请重新下载，并核对大小或校验和。", "Download it again, and compare size or checksum."
    )
    return request.fault(what, fix)


# Shapefiles made of OpenStreetMap


@dataclass(frozen=True)
class _Theme:
    sort: Sort
    name: str
    kind: Kind
    path: Path


def _theme(path: Path) -> _Theme | None:
    """Return what a Shapefile of Geofabrik or BBBike holds, by its name; None of another's."""
    if found := _GEOFABRIK.fullmatch(path.stem):
        name = found["theme"].lower()
        kind: Kind = "polygon" if found["area"] else "line" if name in _LINES else "point"
        return _Theme("geofabrik", name, kind, path)
    if found := _BBBIKE.fullmatch(path.stem):
        name = found["theme"].lower()
        kind = "point" if name in _POINTS else "line" if name in _LINES else "polygon"
        return _Theme("bbbike", name, kind, path)
    return None


def _shapefiles(paths: Sequence[Path], request: Request) -> Extract:
    themes = [theme for path in paths if (theme := _theme(path)) is not None]
    if not themes:
        what = Text("不是 Geofabrik 或 BBBike 的图层。", "is no layer of Geofabrik or BBBike.")
        fix = Text(
            "文件名应如 gis_osm_roads_free_1.shp 或 roads.shp。",
            "Such are called gis_osm_roads_free_1.shp or roads.shp.",
        )
        raise request.fault(what, fix)
    sort = themes[0].sort
    by_name = defaultdict(list)
    for theme in themes:
        by_name[theme.path.stem.lower().removeprefix("osm_")].append(theme.path)
    twice = next((found for found in by_name.values() if len(found) > 1), None)
    if twice is not None or any(theme.sort != sort for theme in themes):
        shown = twice or [theme.path for theme in themes]
        names = [str(p.relative_to(request.file) if request.file.is_dir() else p) for p in shown]
        what = Text(
            f"混有多份提取：{'、'.join(names)}。",
            f"holds several extracts: {', '.join(names)}.",
        )
        raise request.fault(what, Text("请给出其中一个文件夹。", "Give the folder of one."))
    extract = Extract(
        request.path,
        sort,
        None,
        declared=False,
        runs=lambda selectors, keys: _shapes(extract, themes, selectors, keys),
        themes=tuple(sorted({theme.name for theme in themes})),
    )
    extract.box = _box(themes)
    return extract


def _box(themes: Iterable[_Theme]) -> Box | None:
    """Return where the data of all files lie."""
    boxes = []
    for theme in themes:
        try:
            with warnings.catch_warnings(action="ignore"):
                info = pyogrio.read_info(theme.path, encoding="ISO-8859-1")
        except (DataSourceError, DataLayerError, RuntimeError):
            continue  # reading it in earnest says so
        bounds = np.array(info["total_bounds"], float)
        if info["features"] and np.isfinite(bounds).all():
            boxes.append(bounds)
    if not boxes:
        return None
    low, high = np.min(boxes, axis=0)[:2], np.max(boxes, axis=0)[2:]
    return (float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def _shapes(
    extract: Extract, themes: Iterable[_Theme], selectors: Sequence[Selector], keys: frozenset[str]
) -> Iterator[Run]:
    for theme in themes:
        classes = {
            value.partition("/")[2]
            for selector in selectors
            if theme.kind in selector.geometry
            for value in selector.tags.get(extract.sort, ())
            if value.partition("/")[0] == theme.name
        }
        if classes:
            yield from _shapefile(extract, theme, classes, keys)


def _shapefile(
    extract: Extract, theme: _Theme, classes: set[str], keys: frozenset[str]
) -> Iterator[Run]:
    name, column = theme.path.name, _CLASS[extract.sort]
    words = ", ".join(f"'{word}'" for word in sorted(classes))
    try:
        source = open_source(Request(str(theme.path)))
        lacking = [key for key in (ID, column) if key not in source.schema.names]
        if lacking:
            extract.bad.append(
                Text(
                    f"{name} 没有列 {'、'.join(lacking)}，无法辨认，未采用。",
                    f"{name} has no column {', '.join(lacking)}: nothing can be told from it.",
                )
            )
            return
        if "*" not in classes:
            source = open_source(Request(str(theme.path), where=f'"{column}" IN ({words})'))
        _refuse_other_system(source)
    except LayerError as error:
        problem = error.problems[0]
        extract.bad.append(
            Text(f"{name}：{problem.what.zh}未采用。", f"{name}: {problem.what.en} Not used.")
        )
        return
    extract.sha256 |= source.sha256
    extract.notes += [Text(f"{name}：{note.zh}", f"{name}: {note.en}") for note in source.notes]
    extract.bad += [
        Text(f"{name} #{b.record}：{b.reason.zh}", f"{name} #{b.record}: {b.reason.en}")
        for b in source.bad
    ]
    wanted = [key for key in sorted(keys) if key in source.schema.names and key != ID]
    of = {"point": "node/", "line": "way/", "polygon": "area/"}[theme.kind]
    for records in source.records(_ROWS, list(dict.fromkeys([ID, column, *wanted]))):
        columns = records.columns
        ids = _text(columns.column(ID))
        classed = pc.binary_join_element_wise(f"{theme.name}/", _text(columns.column(column)), "")
        arrays: dict[str, pa.Array] = {
            ID: pc.binary_join_element_wise(of, ids, ""),
            GEOMETRY: records.wkb,
            extract.sort: classed,
        }
        arrays |= {key: _text(columns.column(key)) for key in wanted}
        yield Run(theme.kind, pa.RecordBatch.from_pydict(arrays))


def _text(column: pa.Array) -> pa.Array:
    from geo_urc.inputs.fields import as_text

    return as_text(column)


def _refuse_other_system(source: Source) -> None:
    """Raise LayerError for coordinates that are no degrees of WGS 84, as all extracts are."""
    import pyproj

    if source.crs is None:
        return
    system = pyproj.CRS.from_user_input(source.crs)
    if not (system.is_geographic and "1984" in (system.datum.name if system.datum else "")):
        what = Text(
            f"坐标系不是 WGS 84 经纬度（{system.name}）。", f"is not in WGS 84 ({system.name})."
        )
        raise Request(source.path).fault(what, Text("请用原始文件。", "Use the original."))
