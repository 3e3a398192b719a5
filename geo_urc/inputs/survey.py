"""The first pass over a file: what is in it, and which records need care."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from geo_urc.errors import LayerError, Problem
from geo_urc.inputs.fields import Binding, Tally, as_text, read_fields
from geo_urc.inputs.partitions import refuse_if_changed
from geo_urc.inputs.repair import check_simple, keep_kind, repair_polygons
from geo_urc.inputs.sound import sound_outlines
from geo_urc.inputs.sources import READ_ERRORS, Records, Source
from geo_urc.inputs.table import Over
from geo_urc.processes import in_turn
from geo_urc.progress import SILENT, Progress
from geo_urc.roles import Role
from geo_urc.text import Text
from geo_urc.wkb import parse

_ROWS = 16_384
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
        Extent of each usable geometry, a row each; in short numbers, which tell where in the
        world it is.
    bounded
        The records that these are the extents of.
    given_ids
        The user's ids as text, null where missing; None without an id column.
    tally
        Field values that could not be taken over.
    places
        Of partitions: the place of each record, from 1, in the file that they were made of.
    part_counts
        Of partitions: records read of each.
    """

    count: int = 0
    mended: dict[int, shapely.Geometry] = field(default_factory=dict)
    area_ratio: dict[int, float] = field(default_factory=dict)
    unusable: dict[int, Text] = field(default_factory=dict)
    dropped: dict[int, Text] = field(default_factory=dict)
    type_ids: set[int] = field(default_factory=set)
    bounds: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 4), np.float32))
    bounded: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    given_ids: pa.StringArray | None = None
    tally: Tally = field(default_factory=Tally)
    places: npt.NDArray[np.int64] | None = None
    part_counts: tuple[int, ...] = ()

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

    def forget_extents(self) -> None:
        """Let go of what only the checks of the coordinates needed, and of what it takes up."""
        self.bounds, self.bounded = self.bounds[:0], self.bounded[:0]

    def split(self) -> Iterator[Survey]:
        """Yield what is to be known of each partition to read it again; its rows count from 0."""
        ends = np.cumsum(self.part_counts)
        found = {name: _by_part(getattr(self, name), ends) for name in _BY_ROW}
        for k, count in enumerate(self.part_counts):
            part = Survey(count=count, type_ids=self.type_ids)
            for name, parts in found.items():
                setattr(part, name, parts[k])
            yield part


_BY_ROW = ("mended", "unusable", "dropped")


def _by_part(found: Mapping[int, Any], ends: npt.NDArray[np.int64]) -> list[dict[int, Any]]:
    """Return what was found by row for each run of rows, given where the runs end."""
    parts: list[dict[int, Any]] = [{} for _ in ends]
    rows = list(found)
    for row, k in zip(rows, np.searchsorted(ends, rows, side="right").tolist(), strict=True):
        parts[k][row - int(ends[k - 1] if k else 0)] = found[row]
    return parts


def survey(
    source: Source,
    role: Role,
    bindings: Iterable[Binding],
    id_column: str | None,
    *,
    unusable_stays: bool,
    workers: int = 1,
    progress: Progress = SILENT,
) -> Survey:
    """Read every record once, holding on to ids and to what is out of order.

    Parameters
    ----------
    unusable_stays
        True for parcels: a record with an unusable geometry stays among the subjects.
        False for layers: it is set aside.
    workers
        Processes that look at a long file.
    progress
        Is told of records that have been looked at.
    """
    bound = list(bindings)
    columns = [b.column for b in bound] + [c for c in (id_column, source.order) if c]
    needed = list(dict.fromkeys(columns))

    def runs(first: int, step: int) -> Iterator[Survey]:
        for number, records in enumerate(source.records(_ROWS, needed)):
            if number >= first and (number - first) % step == 0:
                yield _look_at(records, source, role, bound, id_column)

    here = runs(0, 1)
    begun = list(islice(here, 1))
    # A run that is not full says nothing of what follows: a file may be read in pieces.
    long = workers > 1 and bool(begun) and begun[0].count == _ROWS
    rest = in_turn(runs, workers, first=1) if long else here
    result = joined(_told(chain(begun, rest), progress))
    if id_column and result.given_ids is None:
        result.given_ids = pa.array([], pa.string())
    if not unusable_stays:
        result.dropped.update(result.unusable)
        result.unusable.clear()
    return result


def _told(runs: Iterable[Survey], progress: Progress) -> Iterator[Survey]:
    for run in runs:
        progress.done(run.count)
        yield run


def joined(runs: Iterable[Survey]) -> Survey:
    """Return the surveys of runs of records that follow one another as one."""
    result = Survey()
    bounds, rows, ids, places = [result.bounds], [result.bounded], [], []
    for run in runs:
        first = result.count
        result.mended |= {first + row: shape for row, shape in run.mended.items()}
        result.area_ratio |= {first + row: ratio for row, ratio in run.area_ratio.items()}
        result.unusable |= {first + row: why for row, why in run.unusable.items()}
        result.dropped |= {first + row: why for row, why in run.dropped.items()}
        result.type_ids |= run.type_ids
        bounds.append(run.bounds)
        rows.append(np.int32(first) + run.bounded)
        if run.given_ids is not None:
            ids.append(run.given_ids)
        if run.places is not None:
            places.append(run.places)
        result.tally.join(run.tally)
        result.count += run.count
    result.bounds, result.bounded = np.concatenate(bounds), np.concatenate(rows)
    result.given_ids = pa.concat_arrays(ids) if ids else None
    result.places = np.concatenate(places) if places else None
    return result


def _look_at(
    records: Records, source: Source, role: Role, bound: list[Binding], id_column: str | None
) -> Survey:
    """Return the survey of one run of records."""
    result = Survey()
    result.count = len(records.wkb)
    if not source.placeless:  # a table has no geometry that could be wrong
        bounds = _examine(records.wkb, role, result)
        result.bounded = np.flatnonzero(~np.isnan(bounds[:, 0])).astype(np.int32)
        result.bounds = bounds[result.bounded].astype(np.float32)
    read_fields(records.columns, bound, result.tally)
    if id_column:
        result.given_ids = as_text(records.columns.column(id_column))
    if source.order:
        result.places = records.columns.column(source.order).to_numpy()
    return result


def survey_parts(
    parts: Sequence[Source],
    role: Role,
    bindings: Iterable[Binding],
    id_column: str | None,
    *,
    unusable_stays: bool,
    over: Over = map,
    progress: Progress = SILENT,
) -> Survey:
    """Survey partitions as if they were one file.

    Parameters
    ----------
    over
        How it is done for each: like the built-in ``map``.
    progress
        Is told of records that have been looked at.

    Raises
    ------
    LayerError
        If a partition is damaged, or not what the manifest says it is.
    """
    one = partial(
        _survey_part,
        role=role,
        bindings=tuple(bindings),
        id_column=id_column,
        unusable_stays=unusable_stays,
    )
    found = list(_told(over(one, parts), progress))
    result = joined(found)
    result.part_counts = tuple(part.count for part in found)
    return result


def _survey_part(
    part: Source,
    role: Role,
    bindings: tuple[Binding, ...],
    id_column: str | None,
    unusable_stays: bool,
) -> Survey:
    try:
        refuse_if_changed(part)
        return survey(part, role, bindings, id_column, unusable_stays=unusable_stays)
    except READ_ERRORS as error:
        what = Text(f"文件已损坏：{error}。", f"is damaged: {error}.")
        raise LayerError(
            Problem(part.path, what, Text("请重新分区。", "Make it again."))
        ) from error


def _examine(wkb: pa.Array, role: Role, result: Survey) -> npt.NDArray[np.float64]:
    """Note what is wrong with a run of geometries; return the extents of the usable ones.

    Those that are plainly in order, as most are, are not even parsed.
    """
    bounds = np.full((len(wkb), 4), np.nan)
    sound = np.zeros(len(wkb), bool)
    if "polygon" in role.kinds:
        sound, extents, kinds = sound_outlines(wkb)
        bounds[sound] = extents
        result.type_ids |= kinds
    rows = np.flatnonzero(~sound)
    if len(rows):
        bounds[rows] = _examine_closely(wkb.take(pa.array(rows)), rows, role, result)
    return bounds


def _examine_closely(
    wkb: pa.Array, rows: npt.NDArray[np.intp], role: Role, result: Survey
) -> npt.NDArray[np.float64]:
    """Note what is wrong with geometries of the given rows; return the extents of the usable."""
    geometry = parse(wkb)
    allowed = keep_kind(geometry, role.kinds)
    for place in np.flatnonzero(~allowed).tolist():
        result.dropped[int(rows[place])] = _wrong_kind(geometry[place], role)

    areal = allowed & (shapely.get_dimensions(geometry) == 2)
    polygonal, others = np.flatnonzero(areal), np.flatnonzero(allowed & ~areal)
    repair = repair_polygons(geometry[polygonal])
    for place in np.flatnonzero(repair.repaired).tolist():
        row = int(rows[polygonal[place]])
        result.mended[row] = repair.geometry[place]
        result.area_ratio[row] = float(repair.area_before[place] / repair.area_after[place])
    faults = {int(polygonal[place]): why for place, why in repair.unusable.items()}

    faults |= {int(others[p]): why for p, why in check_simple(geometry[others]).items()}
    unparsed = shapely.is_missing(geometry) & wkb.is_valid().to_numpy(zero_copy_only=False)
    faults |= {p: _why_unparsed(wkb[p].as_py()) for p in np.flatnonzero(unparsed).tolist()}
    result.unusable.update((int(rows[place]), why) for place, why in sorted(faults.items()))

    usable = geometry.copy()
    usable[polygonal] = repair.geometry
    usable[~allowed] = None
    usable[list(faults)] = None
    result.type_ids.update(np.unique(shapely.get_type_id(usable)).tolist())
    result.type_ids.discard(-1)
    return shapely.bounds(usable)


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
