"""The first pass over a file: what is in it, and which records need care."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from geo_urc.inputs.fields import Binding, Tally, as_text, read_fields
from geo_urc.inputs.repair import check_simple, keep_kind, repair_polygons
from geo_urc.inputs.sources import Source
from geo_urc.inputs.table import Geometries
from geo_urc.inputs.wkb import parse
from geo_urc.roles import Role
from geo_urc.text import Text

_ROWS = 32_768
_NOT_PARSED = Text(
    "图形字节已损坏，无法解析。", "The bytes of the geometry are damaged and cannot be parsed."
)
_CURVED = Text(
    "图形含圆弧或曲面，无法解析（须先转为折线）。",
    "The geometry has arcs or is a surface in space and cannot be parsed (turn it into straight "
    "pieces first).",
)
_CURVES = frozenset(range(8, 18))
"""Types of WKB from CIRCULARSTRING to TRIANGLE."""
_KIND_NAMES = {
    "point": Text("点", "points"),
    "line": Text("线", "lines"),
    "polygon": Text("面", "polygons"),
}


@dataclass
class Survey:
    """What the first pass found. Rows count from 0 over the records that could be read.

    Attributes
    ----------
    count
        Records read.
    mended
        Row → valid geometry in the file's own coordinates.
    area_ratio
        Row of ``mended`` → area as drawn ÷ area after the repair.
    unusable
        Row → why it has no geometry that can be used; the record stays.
    dropped
        Row → why the record is set aside.
    type_ids
        Shapely's type of every usable geometry.
    bounds
        Extent of each usable geometry, a row each.
    bounded
        The records that these are the extents of.
    given_ids
        The user's ids as text, null where missing; None without an id column.
    tally
        Field values that could not be taken over.
    """

    count: int = 0
    mended: dict[int, shapely.Geometry] = field(default_factory=dict)
    area_ratio: dict[int, float] = field(default_factory=dict)
    unusable: dict[int, Text] = field(default_factory=dict)
    dropped: dict[int, Text] = field(default_factory=dict)
    type_ids: set[int] = field(default_factory=set)
    bounds: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 4)))
    bounded: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    given_ids: pa.StringArray | None = None
    tally: Tally = field(default_factory=Tally)

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """True for every record that is not set aside."""
        kept = np.ones(self.count, bool)
        kept[list(self.dropped)] = False
        return kept

    def take_out(self, faults: dict[int, Text], *, stays: bool) -> None:
        """Note geometries that turned out to be unusable after the pass over the file."""
        for row in faults:
            self.mended.pop(row, None)
            self.area_ratio.pop(row, None)
        into = self.unusable if stays else self.dropped
        both = {**into, **faults}
        into.clear()
        into.update(sorted(both.items()))
        usable = ~np.isin(self.bounded, list(faults))
        self.bounds, self.bounded = self.bounds[usable], self.bounded[usable]


def survey(
    source: Source,
    role: Role,
    bindings: Iterable[Binding],
    id_column: str | None,
    *,
    unusable_stays: bool,
) -> Survey:
    """Read every record once, holding on to ids and to what is out of order.

    Parameters
    ----------
    unusable_stays
        True for parcels: a record with an unusable geometry stays among the subjects.
        False for layers: it is set aside.
    """
    bound = list(bindings)
    columns = [b.column for b in bound] + ([id_column] if id_column else [])
    needed = list(dict.fromkeys(columns))
    result = Survey()
    bounds, rows, ids = [result.bounds], [result.bounded], [pa.array([], pa.string())]
    for records in source.records(_ROWS, needed):
        geometry = parse(records.wkb)
        placeless = source.placeless  # a table has no geometry that could be wrong
        usable = geometry if placeless else _examine(geometry, records.wkb, role, result)
        there = np.flatnonzero(~shapely.is_missing(usable))
        bounds.append(shapely.bounds(usable[there]))
        rows.append(there + result.count)
        read_fields(records.columns, bound, result.tally)
        if id_column:
            ids.append(as_text(records.columns.column(id_column)))
        result.count += len(geometry)
    if not unusable_stays:
        result.dropped.update(result.unusable)
        result.unusable.clear()
    result.bounds, result.bounded = np.concatenate(bounds), np.concatenate(rows)
    result.given_ids = pa.concat_arrays(ids) if id_column else None
    return result


def _examine(geometry: Geometries, wkb: pa.Array, role: Role, result: Survey) -> Geometries:
    """Note what is wrong with a run of geometries; return the usable ones, None elsewhere."""
    first = result.count
    allowed = keep_kind(geometry, role.kinds)
    for row in np.flatnonzero(~allowed).tolist():
        result.dropped[first + row] = _wrong_kind(geometry[row], role)

    polygonal = np.flatnonzero(allowed & (shapely.get_dimensions(geometry) == 2))
    repair = repair_polygons(geometry[polygonal])
    for row in np.flatnonzero(repair.repaired).tolist():
        result.mended[first + int(polygonal[row])] = repair.geometry[row]
        ratio = repair.area_before[row] / repair.area_after[row]
        result.area_ratio[first + int(polygonal[row])] = float(ratio)
    faults = {int(polygonal[row]): why for row, why in repair.unusable.items()}

    others = np.setdiff1d(np.flatnonzero(allowed), polygonal)
    faults |= {int(others[row]): why for row, why in check_simple(geometry[others]).items()}
    unparsed = shapely.is_missing(geometry) & wkb.is_valid().to_numpy(zero_copy_only=False)
    faults |= {row: _why_unparsed(wkb[row].as_py()) for row in np.flatnonzero(unparsed).tolist()}
    result.unusable.update({first + row: why for row, why in sorted(faults.items())})

    usable = geometry.copy()
    usable[polygonal] = repair.geometry
    usable[~allowed] = None
    usable[list(faults)] = None
    result.type_ids.update(np.unique(shapely.get_type_id(usable)).tolist())
    result.type_ids.discard(-1)
    return usable


def _why_unparsed(wkb: bytes) -> Text:
    if wkb[:1] not in (b"\0", b"\1"):
        return _NOT_PARSED
    code = int.from_bytes(wkb[1:5], "little" if wkb[:1] == b"\1" else "big")
    return _CURVED if (code & 0xFFFF) % 1000 in _CURVES else _NOT_PARSED


def _wrong_kind(geometry: shapely.Geometry, role: Role) -> Text:
    kinds = [_KIND_NAMES[k] for k in ("point", "line", "polygon") if k in role.kinds]
    zh, en = "或".join(k.zh for k in kinds), " or ".join(k.en for k in kinds)
    found = shapely.GeometryType(int(shapely.get_type_id(geometry))).name
    return Text(
        f"图形类型为 {found}，此图层应为{zh}。", f"The geometry is a {found}; {en} are needed."
    )
