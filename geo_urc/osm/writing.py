"""The folder that ``from-osm`` makes: GeoPackage, LAYERS.toml, licence, record."""

from __future__ import annotations

import importlib.metadata
import json
import sqlite3
import warnings
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from geo_urc.errors import OutputError, Problem
from geo_urc.inputs.layers import NOWHERE
from geo_urc.osm.extract import GEOMETRY, ID
from geo_urc.outputs.geopackage import VERSION, plain_reason
from geo_urc.roles import Role, roles
from geo_urc.safe_text import escaped, one_line
from geo_urc.text import Lang, Text
from geo_urc.wkb import promote

if TYPE_CHECKING:
    from geo_urc.osm.making import Done, Made

RECORD = "osm.json"
GPKG, LAYERS, LANDUSE, LICENCE = "layers.gpkg", "LAYERS.toml", "LAYERS-landuse.toml", "LICENSE.txt"
EXTENT = "osm_extent"
"""Layer that says where others are complete."""
ATTRIBUTION = "© OpenStreetMap contributors, ODbL 1.0, https://www.openstreetmap.org/copyright"
_STAMP = "1970-01-01T00:00:00.000Z"
"""Stands wherever a GeoPackage wants the time: the same input gives the same bytes."""
_TYPES = {"point": "Point", "line": "LineString", "polygon": "MultiPolygon"}


def write_layer(
    folder: Path, role: Role, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> None:
    """Stream one role into the GeoPackage; nothing is written if there are no features.

    Raises
    ------
    OutputError
        The disk refuses or is full.
    """
    rows = iter(batches)
    first = next(rows, None)
    if first is None:
        return
    kind = _TYPES[next(iter(role.kinds))] if len(role.kinds) == 1 else "Unknown"
    multi = kind == "MultiPolygon"
    stream = (_promoted(batch) if multi else batch for batch in chain([first], rows))
    _append(folder, role.id, kind, pa.RecordBatchReader.from_batches(schema, stream), role.title)


def write_all(folder: Path, done: Done, lang: Lang) -> None:
    """Write what goes with the layers."""
    _write_extent(folder, done)
    _settle(folder / GPKG)
    files = {LAYERS: _layers_toml(done, lang, parcels=False), LICENCE: _licence(done, lang)}
    if any(made.role == "parcels" and made.count for made in done.made):
        files[LANDUSE] = _layers_toml(done, lang, parcels=True)
    files[RECORD] = json.dumps(_record(done), ensure_ascii=False, indent=1) + "\n"
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8", newline="\n")


def _promoted(batch: pa.RecordBatch) -> pa.RecordBatch:
    place = batch.schema.get_field_index(GEOMETRY)
    return batch.set_column(place, GEOMETRY, promote(batch.column(place)))


def _append(folder: Path, layer: str, kind: str, rows: pa.RecordBatchReader, title: Text) -> None:
    path = folder / GPKG
    try:
        with warnings.catch_warnings(action="ignore"):
            pyogrio.raw.write_arrow(
                rows,
                path,
                layer=layer,
                driver="GPKG",
                geometry_name=GEOMETRY,
                geometry_type=kind,
                crs="EPSG:4326",
                dataset_options=None if path.exists() else {"VERSION": VERSION},
                layer_metadata={"attribution": ATTRIBUTION},
                layer_options={
                    "IDENTIFIER": f"{title.zh} ({layer})",
                    "DESCRIPTION": f"{title.zh}（{title.en}）；{ATTRIBUTION}",
                    "GEOMETRY_NAME": "geom",
                },
            )
    except (DataSourceError, DataLayerError, RuntimeError) as error:
        reason = plain_reason(error)
        what = Text(f"无法写入：{reason}。", f"cannot be written: {reason}.")
        fix = Text("请检查权限和剩余空间。", "Check permissions and free space.")
        raise OutputError(Problem(f"{GPKG}, {layer}", what, fix)) from error


def _write_extent(folder: Path, done: Done) -> None:
    box = done.extract.box
    if box is None:
        return
    title = Text("提取范围", "Extent of the extract")
    shape = shapely.to_wkb(shapely.multipolygons([shapely.box(*box)]))
    row = pa.RecordBatch.from_pydict(
        {"name": pa.array([title.zh]), GEOMETRY: pa.array([shape], pa.binary())}
    )
    rows = pa.RecordBatchReader.from_batches(row.schema, [row])
    _append(folder, EXTENT, "MultiPolygon", rows, title)


def _settle(path: Path) -> None:
    """Put one stamp wherever the time of writing stands."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE gpkg_contents SET last_change = ?", (_STAMP,))
        tables = {n for (n,) in connection.execute("SELECT name FROM sqlite_master")}
        if "gpkg_metadata_reference" in tables:
            connection.execute("UPDATE gpkg_metadata_reference SET timestamp = ?", (_STAMP,))


def _layers_toml(done: Done, lang: Lang, *, parcels: bool) -> str:
    return "\n".join(_toml_lines(done, lang, parcels)) + "\n"


def _toml_lines(done: Done, lang: Lang, parcels: bool) -> Iterator[str]:
    """Yield a LAYERS.toml that can be used as it is."""
    source = Path(done.extract.path).name
    heading = Text(
        f"由 geo-urc layers from-osm 从 {source} 生成。",
        f"Made by geo-urc layers from-osm of {source}.",
    )
    yield one_line(f"# {heading.to(lang)}")
    yield f"# {ATTRIBUTION}"
    yield f"# {_TERMS.to(lang)}"
    yield ""
    made = {one.role: one for one in done.made if one.count}
    land = made.pop("parcels", None)
    if parcels and land is not None:
        yield from _comments(land, lang)
        yield "[parcels]"
        yield f'id = "{ID}"'
        yield 'datum = "wgs84"'
        yield f"accuracy_m = {land.mapping.accuracy_m}"
        yield _fields(land)
    else:
        told = Text(
            '你的宗地：按需填写，如 id = "宗地代码"。',
            'Your parcels: fill in as needed, such as id = "parcel_code".',
        )
        yield f"# {told.to(lang)}"
        yield "[parcels]"
    for one in made.values():
        yield ""
        yield from _comments(one, lang)
        yield f"[layers.{one.role}]"
        yield f'path = "{GPKG}|layername={one.role}"'
        yield f'id = "{ID}"'
        yield 'datum = "wgs84"'
        yield _fields(one)
        yield f"accuracy_m = {one.mapping.accuracy_m}  # {one.mapping.accuracy.to(lang)}"
        if one.mapping.where is not None:
            yield f"where = {escaped(one.mapping.where)}  # {one.mapping.where_why.to(lang)}"
        yield from _coverage(one, done, lang)


def _comments(one: Made, lang: Lang) -> Iterator[str]:
    title = roles()[one.role].title.to(lang)
    kinds = ", ".join(f"{kind} {count}" for kind, count in one.kinds.most_common(12))
    yield one_line(f"# {title}: {one.count}" + (f" ({kinds})" if kinds else ""))
    yield f"# {one.mapping.lacks.to(lang)}"
    for remark in one.remarks:
        yield one_line(f"# {remark.to(lang)}")


def _fields(one: Made) -> str:
    return f"fields = {{ {', '.join(f'{name} = {escaped(name)}' for name in one.fields)} }}"


def _coverage(one: Made, done: Done, lang: Lang) -> Iterator[str]:
    """Yield where the layer is complete."""
    if one.mapping.coverage == "extract" and done.extract.box is not None:
        why = Text("提取范围之内视为齐全", "taken as complete within the extract")
        yield f'coverage = "{GPKG}|layername={EXTENT}"  # {why.to(lang)}'
        return
    why = Text(
        "处处视为不全：有则算数，没有不等于不存在；确认齐全后改写覆盖范围",
        "complete nowhere: what is there counts, what is not may still exist; change it where the "
        "layer is known to be whole",
    )
    yield f'coverage = "{NOWHERE}"  # {why.to(lang)}'


_TERMS = Text(
    "开放数据库许可（ODbL）1.0：公开使用须注明出处，公开衍生数据库须以同样许可提供；全文见 "
    "https://opendatacommons.org/licenses/odbl/1-0/ 。",
    "Open Database License (ODbL) 1.0: public use needs the attribution, and a derived database "
    "that is made public is under the same licence; see "
    "https://opendatacommons.org/licenses/odbl/1-0/ .",
)


def _licence(done: Done, lang: Lang) -> str:
    source = Path(done.extract.path).name
    lines = (
        ATTRIBUTION,
        "",
        Text(
            f"{GPKG} 是从 {source} 提取的 OpenStreetMap 数据，属衍生数据库。",
            f"{GPKG} is data of OpenStreetMap taken from {source}: a derived database.",
        ).to(lang),
        _TERMS.to(lang),
        Text(
            "用它得到的地图、报告等成果须写明上述出处。",
            "Maps, reports and other works made with it must give the attribution above.",
        ).to(lang),
    )
    return "\n".join(one_line(line) for line in lines) + "\n"


def _record(done: Done) -> dict[str, object]:
    extract = done.extract
    return {
        "geo_urc_version": importlib.metadata.version("geo-urc"),
        "gdal": ".".join(str(part) for part in pyogrio.__gdal_version__),
        "source": Path(extract.path).name,
        "sort": extract.sort,
        "sha256": dict(sorted(extract.sha256.items())),
        "box": extract.box,
        "box_declared": extract.declared,
        "licence": ATTRIBUTION,
        "roles": {
            one.role: {
                "count": one.count,
                "kinds": dict(sorted(one.kinds.items())),
                "unnamed": one.unnamed,
                "merged": one.merged,
                "left": [[*title, count] for title, count in one.left.items()],
                "alone": [[*title, count, list(names)] for title, count, names in one.alone],
                "missing": one.missing,
                "unread": one.unread,
                "shapeless": one.shapeless,
                "outside": one.outside,
            }
            for one in done.made
        },
        "not_made": {role: [*why] for role, why in done.none.items()},
        "notes": [[*note] for note in extract.notes],
        "not_used": [[*bad] for bad in extract.bad],
    }
