"""Volumes as solids: a GeoPackage of closed shells for GIS, and CityJSON for 3D viewers.

A volume is a prism, so its shell is its footprint at the bottom, the footprint at the top, and
one wall on every edge. Coordinates are whole millimetres in both files.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from geo_urc.outputs.geopackage import finish_geopackage, write_geopackage_layer
from geo_urc.results import About, ContextLayer, LayerInfo
from geo_urc.text import Lang, Text

GEOPACKAGE = "volumes.gpkg"
CITYJSON = "volumes.city.json"
CITYJSON_VERSION = "2.0"
CITY_OBJECT = "OtherConstruction"
"""No type of the standard stands for a right; this one takes solids and needs no parent."""

TITLE = Text(
    "三维产权体（高程系统同所给数据，米）", "Property volumes (levels as given, in metres)"
)
GRID_M = 0.001

LEFT_OUT: dict[str, Text] = {
    "geometry_unusable": Text("图形无法使用", "the geometry cannot be used"),
    "no_area": Text("平面轮廓没有面积", "the footprint has no area"),
    "touches_itself": Text("轮廓自相接触，侧面不能围成体", "the outline touches itself"),
    "not_above_bottom": Text("顶面不高于底面", "the top is not above the bottom"),
    "no_level": Text("缺少底面或顶面的绝对高程", "the bottom or the top has no absolute level"),
    "under_a_millimetre": Text("高或宽不足一毫米", "it is less than a millimetre high or wide"),
}
"""Why a volume has no solid: code → what a reader sees."""

_RESERVED = frozenset(
    {
        *("class", "function", "usage", "creationDate", "terminationDate"),
        *("conditionOfConstruction", "dateOfConstruction", "dateOfDemolition"),
    }
)
"""Attributes to which CityJSON gives a meaning and a type."""

Face = list[list[int]]
"""Rings of a face as places in a list of corners, the outline first; seen from outside it turns
to the left, and holes to the right."""


class Solid(NamedTuple):
    """One closed shell.

    Attributes
    ----------
    corners
        In millimetres from the model's origin, each once: x, y, z.
    faces
        Bottom, top, then the walls.
    """

    corners: npt.NDArray[np.int64]
    faces: list[Face]


@dataclass(frozen=True)
class Model:
    """The solids of a result layer.

    Attributes
    ----------
    info, table
        The result layer that they belong to.
    crs
        Of the coordinates.
    origin
        Whole metres from which millimetres are counted: x, y, z.
    solids
        Row of the table → its solids: one for each part of the footprint.
    left_out
        Row of the table → why it has none.
    """

    info: LayerInfo
    table: pa.Table
    crs: str
    origin: tuple[float, float, float]
    solids: dict[int, list[Solid]]
    left_out: dict[int, str]

    def record(self) -> dict[str, Any]:
        """Return what the run record says of the solids."""
        ids = self.table[self.info.one("id")]
        return {
            "crs": self.crs,
            "solids": len(self.solids),
            "left_out": [
                {
                    "subject_id": ids[row].as_py(),
                    "reason": code,
                    "reason_zh": LEFT_OUT[code].zh,
                    "reason_en": LEFT_OUT[code].en,
                }
                for row, code in self.left_out.items()
            ],
        }


def build_model(info: LayerInfo, table: pa.Table, footprints: ContextLayer) -> Model | None:
    """Return the solids of a result layer of volumes; None if it has no levels.

    Parameters
    ----------
    info, table
        The result layer; the facts ``volume_bottom_m`` and ``volume_top_m`` are the levels.
    footprints
        The volumes' ground plans in a system of metres, in the order of the table.
    """
    columns = [_column(info, f"volume_{face}_m") for face in ("bottom", "top")]
    if None in columns:
        return None
    bottom, top = (table[name].to_numpy() for name in columns)
    plans = shapely.from_wkb(footprints.wkb.to_numpy(zero_copy_only=False))
    there = ~shapely.is_missing(plans) & np.isfinite(bottom) & np.isfinite(top)
    corner = shapely.total_bounds(plans[there])[:2] if there.any() else np.zeros(2)
    x, y, z = np.floor([*corner, bottom[there].min(initial=0.0)]).tolist()

    solids: dict[int, list[Solid]] = {}
    left_out: dict[int, str] = {}
    for row, plan in enumerate(plans):
        fault = _fault(plan, bottom[row], top[row])
        found = [] if fault else prisms(_moved(plan, x, y), bottom[row] - z, top[row] - z)
        if found:
            solids[row] = found
        else:
            left_out[row] = fault or "under_a_millimetre"
    return Model(info, table, footprints.crs, (x, y, z), solids, left_out)


def _fault(plan: shapely.Geometry | None, bottom_m: float, top_m: float) -> str | None:
    """Return why a footprint between two levels bounds no solid, as a key of LEFT_OUT."""
    if plan is None:
        return "geometry_unusable"
    if not np.isfinite([bottom_m, top_m]).all():
        return "no_level"
    if top_m <= bottom_m:
        return "not_above_bottom"
    if not shapely.area(plan) > 0:
        return "no_area"
    return None if _clean(plan) else "touches_itself"


def _clean(plan: shapely.Geometry) -> bool:
    """Return whether no two walls of one part meet but at their common edge."""
    return bool(shapely.is_simple(shapely.boundary(shapely.get_parts(plan))).all())


def prisms(footprint: shapely.Geometry, bottom_m: float, top_m: float) -> list[Solid]:
    """Return the solid over each part of a footprint, on the millimetre grid.

    What is less than a millimetre high or wide there, or touches itself, has none.

    Examples
    --------
    >>> box, = prisms(shapely.box(0, 0, 2, 1), -3.0, 0.0)
    >>> len(box.corners), len(box.faces), box.faces[0]
    (8, 6, [[0, 3, 2, 1]])
    """
    low, high = round(bottom_m / GRID_M), round(top_m / GRID_M)
    snapped = shapely.set_precision(footprint, GRID_M)
    if high <= low or shapely.is_empty(snapped) or not _clean(snapped):
        return []
    return [_prism(part, low, high) for part in shapely.get_parts(snapped)]


def _prism(part: shapely.Polygon, low: int, high: int) -> Solid:
    rings = shapely.get_rings(shapely.orient_polygons(part))
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    last = np.append(np.flatnonzero(np.diff(ring)), len(ring) - 1)
    flat = np.delete(np.rint(xy / GRID_M).astype(np.int64), last, axis=0)
    return Solid(_both(flat, low, high), _faces(np.bincount(ring) - 1))


def _both(flat: npt.NDArray[np.int64], low: int, high: int) -> npt.NDArray[np.int64]:
    """Return the corners at the bottom, then those at the top."""
    return np.concatenate([np.insert(flat, 2, z, axis=1) for z in (low, high)])


def _faces(sizes: npt.NDArray[np.intp]) -> list[Face]:
    """Return the faces of a prism over rings of such sizes, outline to the left, holes right."""
    n, start = int(sizes.sum()), np.cumsum(sizes) - sizes
    rings = [
        list(range(a, a + size)) for a, size in zip(start.tolist(), sizes.tolist(), strict=True)
    ]
    bottom = [[ring[0], *ring[:0:-1]] for ring in rings]
    top = [[k + n for k in ring] for ring in rings]
    walls = [
        [[a, b, b + n, a + n]]
        for ring in rings
        for a, b in zip(ring, [*ring[1:], ring[0]], strict=True)
    ]
    return [bottom, top, *walls]


def write_volumes(folder: Path, model: Model, about: About, lang: Lang) -> None:
    """Write both files of solids into a folder."""
    write_solids_geopackage(folder / GEOPACKAGE, model, about, lang)
    write_cityjson(folder / CITYJSON, model, as_of=about.as_of)


def write_solids_geopackage(path: Path, model: Model, about: About, lang: Lang) -> None:
    """Write the solids as closed MultiPolygonZ shells with the columns of their layer.

    Styled like the result layer, by the verdicts of its rules.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    raw = model.info.one("raw")
    info = replace(
        model.info,
        role=f"{model.info.role}_3d",
        title=TITLE,
        geometry_type="MultiPolygon Z",
        crs=model.crs,
        columns=tuple(c for c in model.info.columns if c.name != raw),
    )
    shells = [_shell(solids, model.origin) for solids in model.solids.values()]
    wkb = pa.array(shapely.to_wkb(np.array(shells, dtype=object)), pa.binary())
    table = model.table.take(pa.array(list(model.solids), pa.int64())).drop_columns([raw])
    place = table.schema.get_field_index(info.one("geometry"))
    table = table.set_column(place, pa.field(info.one("geometry"), pa.binary()), wkb)
    write_geopackage_layer(path, info, table.schema, table.to_batches())
    role = model.info.role
    names = {info.role: about.names[role]} if role in about.names else {}
    told = replace(about, crs=model.crs, names=names, counts={})
    finish_geopackage(path, [info], told, lang)


def write_cityjson(path: Path, model: Model, *, as_of: dt.date) -> None:
    """Write the solids as CityJSON, with the columns of their layer as attributes.

    A right is one city object; each part of its footprint is a solid of its own. The
    reference system is named if it has an EPSG code; it is that of the plan, and levels stay
    in the height system of the data.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    corners = [solid.corners for solids in model.solids.values() for solid in solids]
    grid, place = np.unique(
        np.concatenate([np.empty((0, 3), np.int64), *corners]), axis=0, return_inverse=True
    )
    place = place.reshape(-1)
    names = [c.name for c in model.info.columns if c.origin not in ("geometry", "raw")]
    attributes = model.table.select(names).take(pa.array(list(model.solids), pa.int64()))
    objects, first = {}, 0
    for row, solids in zip(attributes.to_pylist(), model.solids.values(), strict=True):
        geometry = []
        for solid in solids:
            at = place[first : first + len(solid.corners)].tolist()
            first += len(solid.corners)
            shell = [[[at[k] for k in ring] for ring in face] for face in solid.faces]
            geometry.append({"type": "Solid", "lod": "1", "boundaries": [shell]})
        objects[row[model.info.one("id")]] = {
            "type": CITY_OBJECT,
            "attributes": dict(_attributes(row)),
            "geometry": geometry,
        }
    city = {
        "type": "CityJSON",
        "version": CITYJSON_VERSION,
        "transform": {"scale": [GRID_M] * 3, "translate": list(model.origin)},
        "metadata": dict(_metadata(model, grid, as_of)),
        "CityObjects": objects,
        "vertices": grid.tolist(),
    }
    text = json.dumps(city, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _metadata(
    model: Model, grid: npt.NDArray[np.int64], as_of: dt.date
) -> Iterator[tuple[str, Any]]:
    yield "title", f"{TITLE.zh} {TITLE.en}"
    yield "referenceDate", as_of.isoformat()
    code = re.fullmatch(r"EPSG:(\d+)", model.crs, re.IGNORECASE)
    if code:
        yield "referenceSystem", f"https://www.opengis.net/def/crs/EPSG/0/{code[1]}"
    if len(grid):
        extent = np.concatenate([_metres(grid.min(0), model), _metres(grid.max(0), model)])
        yield "geographicalExtent", extent.tolist()


def _metres(grid: npt.NDArray[np.int64], model: Model) -> npt.NDArray[np.float64]:
    return np.round(grid * GRID_M + model.origin, 3)


def _attributes(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what is known of a volume, as JSON can hold it, under names that are free."""
    for name, value in row.items():
        if isinstance(value, float) and not np.isfinite(value):
            continue
        if value is not None and not isinstance(value, bytes):
            plain = value if isinstance(value, bool | int | float | str) else str(value)
            yield (f"own_{name}" if name in _RESERVED else name), plain


def _shell(solids: list[Solid], origin: tuple[float, float, float]) -> shapely.Geometry:
    """Return all faces of a volume as one geometry with heights."""
    faces = []
    for solid in solids:
        xyz = np.round(solid.corners * GRID_M + origin, 3)
        for outline, *holes in solid.faces:
            faces.append(shapely.Polygon(xyz[outline], [xyz[hole] for hole in holes]))
    return shapely.MultiPolygon(faces)


def _moved(plan: shapely.Geometry, x: float, y: float) -> shapely.Geometry:
    """Return a plan counted from the origin, where coordinates have millimetres to spare."""
    return shapely.transform(plan, lambda xy: xy - (x, y))


def _column(info: LayerInfo, fact: str) -> str | None:
    """Return the column of a fact, which may have given way to one of the user's."""
    return next(
        (
            c.name
            for c in info.columns
            if c.origin == "fact" and re.fullmatch(f"(urc_)*{fact}", c.name)
        ),
        None,
    )
