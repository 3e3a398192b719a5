"""Features of one file: surveyed once, then given out in batches as often as asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from geo_urc.database import shown
from geo_urc.errors import LayerError, Problem
from geo_urc.inputs import crs, remarks
from geo_urc.inputs.fields import Binding, bind, read_fields, to_objects
from geo_urc.inputs.ids import Ids, subject_ids
from geo_urc.inputs.repair import repair_polygons
from geo_urc.inputs.settings import LayerEntry, ParcelsEntry
from geo_urc.inputs.sources import READ_ERRORS, Records, Source, plain_batch
from geo_urc.inputs.survey import Survey, survey, survey_parts
from geo_urc.inputs.table import (
    Batch,
    Features,
    Geometries,
    Notice,
    Over,
    SetAside,
    SourceRecord,
    joined_features,
)
from geo_urc.inputs.wkb import common_type, dump
from geo_urc.progress import SILENT, Progress
from geo_urc.roles import Role
from geo_urc.text import Text
from geo_urc.wkb import parse, promote

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_NO_PLACE = Text(
    "坐标在此坐标系中没有位置（超出经纬度范围，或跨 180° 经线）。",
    "The coordinates have no place in their system (out of the range of degrees, or across the "
    "180th meridian).",
)
_DAMAGED = Text("文件已损坏", "is damaged")


@dataclass
class FileSubjects:
    """The features of a file as a :class:`~geo_urc.inputs.table.SubjectSource`.

    Only ids, the few repaired geometries and a flag a record are held in memory.
    """

    role: str
    output_crs: str
    geometry_type: str
    column_schema: pa.Schema
    field_names: tuple[str, ...]
    count: int
    accuracy_m: float
    source: SourceRecord
    notices: tuple[Notice, ...]
    set_aside: tuple[SetAside, ...]
    datum_known: bool
    file: Source
    bindings: tuple[Binding, ...]
    reprojection: crs.Reprojection
    findings: Survey
    ids: pa.StringArray
    over: Over = map

    @property
    def name(self) -> str:
        """The name of the file, without its ending."""
        return Path(self.file.path).stem

    @property
    def order(self) -> str | None:
        """Of partitions: the column with each record's place in the file they were made of."""
        return self.file.order

    @cached_property
    def _promoted(self) -> bool:
        return len(self.findings.type_ids) > 1 and self.geometry_type.startswith("Multi")

    def batches(self, rows: int = 16_384, first: int = 0, step: int = 1) -> Iterator[Batch]:
        """Yield subjects in input order, about ``rows`` at a time.

        Parameters
        ----------
        rows
            Records of the file that make a batch; fewer where some are set aside.
        first, step
            Only the batches number ``first``, ``first + step`` … are made of what is read.

        Raises
        ------
        LayerError
            If the file no longer holds as many records as when it was surveyed.
        """
        kept = self.findings.kept
        record = given = 0
        for number, records in enumerate(self.file.records(rows, None)):
            if number >= first and (number - first) % step == 0:
                yield self._batch(records, record, given)
            given += int(kept[record : record + len(records.wkb)].sum())
            record += len(records.wkb)
        if record != self.findings.count:
            what = Text("读取期间文件有变化。", "changed while it was being read.")
            fix = Text("请重新运行。", "Run again.")
            raise LayerError(Problem(self.file.path, what, fix))

    def parts(self) -> Iterator[FileSubjects]:
        """Yield each partition, with all that is known of it, so that another process can read it."""
        unlike = self.elsewhere()
        first = 0
        for file, findings in zip(self.file.parts, self.findings.split(), strict=True):
            count = findings.count - len(findings.dropped)
            ids = self.ids.slice(first, count)
            first += count
            yield replace(
                unlike,
                file=file,
                findings=findings,
                ids=ids.take(np.arange(count)),  # a slice would take the whole with it
                count=count,
                over=map,
            )

    def elsewhere(self) -> FileSubjects:
        """Return what another process knows of the subjects, which come to it in parts."""
        return replace(
            self,
            source=replace(self.source, sha256={}),
            notices=(),
            set_aside=(),
            file=replace(self.file, records=_not_here, parts=(), sha256={}, bad=(), notes=()),
            findings=Survey(type_ids=self.findings.type_ids),
            ids=pa.array([], pa.string()),
            over=_not_here,
        )

    def select(self, keep: Callable[[Features], Mask]) -> Features:
        """Return the subjects for which ``keep`` holds, in the order in which they were made.

        That is the order of the file, or of the one that the partitions were made of.
        """
        parts = self.parts() if self.file.parts else [self]
        found = list(self.over(partial(_selected, keep), parts))
        features = joined_features([one.features for one in found])
        if self.file.order is None:
            return features
        return features.where(np.argsort(np.concatenate([one.places for one in found])))

    def empty(self) -> Batch:
        """Return a batch without rows, in the right types."""
        columns = plain_batch([pa.array([], f.type) for f in self.file.schema], self.file.schema)
        return self._batch(Records(columns, pa.array([], pa.binary())), 0, 0)

    def _batch(self, records: Records, first: int, first_id: int) -> Batch:
        """Return the subjects among a run of records that starts at row ``first``."""
        found, count = self.findings, len(records.wkb)
        mended = {row - first: g for row, g in found.mended.items() if first <= row < first + count}
        unusable = [row - first for row in found.unusable if first <= row < first + count]

        columns, geometry = records.columns, parse(records.wkb)
        geometry[list(mended)] = list(mended.values())
        geometry[unusable] = None
        wkb, raw = self._output(records.wkb, geometry, mended, unusable)

        kept = np.ones(count, bool)
        kept[[row - first for row in found.dropped if first <= row < first + count]] = False
        if not kept.all():
            mask = pa.array(kept)
            columns = columns.filter(mask) if columns.num_columns else columns
            wkb, raw, geometry = wkb.filter(mask), raw.filter(mask), geometry[kept]

        fields = read_fields(columns, self.bindings)
        features = Features(
            role=self.role,
            ids=to_objects(self.ids.slice(first_id, len(geometry))),
            names=fields.get("name", np.full(len(geometry), None, object)),
            geometry=self._projected(geometry),
            fields=fields,
            accuracy_m=self.accuracy_m,
        )
        return Batch(features, columns, wkb, raw)

    def _projected(self, geometry: Geometries) -> Geometries:
        """Return valid geometries in the evaluation system."""
        there = self.reprojection.apply(geometry)
        return there if self.reprojection.is_identity else _valid(there)

    def _output(
        self,
        given: pa.Array,
        geometry: Geometries,
        mended: dict[int, shapely.Geometry],
        unusable: list[int],
    ) -> tuple[pa.Array, pa.Array]:
        """Return the WKB for the outputs, and the input's where that is null."""
        raw = pa.nulls(len(given), pa.binary())
        wkb = given
        if self.reprojection.datum in crs.SHIFTED:
            wkb = dump(self.reprojection.to_output(geometry))
        elif mended or unusable:
            bytes_ = given.to_numpy(zero_copy_only=False).copy()
            bytes_[list(mended)] = shapely.to_wkb(list(mended.values()), flavor="iso")
            bytes_[unusable] = None
            wkb = pa.array(bytes_, pa.binary())
        if unusable:
            stays = np.zeros(len(given), bool)
            stays[unusable] = True
            raw = pc.if_else(pa.array(stays), given, pa.scalar(None, pa.binary()))
        return (promote(wkb) if self._promoted else wkb), raw


class _Selected(NamedTuple):
    """Some subjects of a file, and their places in the one that its partitions were made of."""

    features: Features
    places: Ints


def _selected(keep: Callable[[Features], Mask], subjects: FileSubjects) -> _Selected:
    """Return the subjects for which ``keep`` holds, in the order of their file."""
    features, places = [subjects.empty().features], [np.empty(0, np.int64)]
    for batch in subjects.batches():
        kept = keep(batch.features)
        features.append(batch.features.where(kept))
        if subjects.file.order is not None:
            places.append(batch.columns.column(subjects.file.order).to_numpy()[kept])
    return _Selected(joined_features(features), np.concatenate(places))


def _not_here(*_: Any) -> NoReturn:
    """Raise: what another process has is one partition at a time."""
    raise LayerError(
        Problem(
            "parcels",
            Text("分区计算中查找了未备好的宗地。", "were looked up while partitions are computed."),
            Text("这是程序错误，请报告。", "This is a fault of the program: report it."),
        )
    )


def open_subjects(
    file: Source,
    role: Role,
    entry: ParcelsEntry,
    *,
    evaluation_crs: str,
    strict: bool = False,
    main: bool = False,
    workers: int = 1,
    progress: Progress = SILENT,
    over: Over = map,
) -> FileSubjects:
    """Survey a file and return its features as subjects.

    Of the main subjects of a run those with an unusable geometry stay; in layers such records
    are set aside.

    Raises
    ------
    LayerError
        If a declared column is missing, or the file is damaged beyond reading.
    CrsError
        If the coordinates cannot be placed.
    """
    where = f"{role.id} ({file.path})"
    bindings = bind(role, entry, file.schema.names, where)
    file, found = _surveyed(file, role, bindings, entry, where, main, workers, progress, over)

    _refuse_if_nothing_is_left(found, where)
    system = evaluation_crs if file.placeless else _system(file, entry, found)
    if not system:
        _refuse_if_nothing_is_placed(found, where)
        crs.refuse_nameless(where, found.bounds)
    plan = crs.plan(where, system, entry.datum, evaluation_crs)
    crs.check_extent(where, plan.source, entry.datum, found.bounds)
    found.take_out(_without_place(found, plan), stays=main)

    positions = _positions(file, found)
    kept = found.kept
    given = found.given_ids.filter(pa.array(kept)) if found.given_ids is not None else None
    ids = subject_ids(role.id, positions[kept], given)
    set_aside = tuple(_set_aside(file, role, found, positions))
    assumed = entry.datum is None
    record = SourceRecord(
        role=role.id,
        path=file.path,
        sha256=file.sha256,
        driver=file.driver,
        crs=str(system),
        datum=plan.datum,
        datum_assumed=assumed,
        operation=plan.operation,
        operation_accuracy_m=plan.accuracy_m,
        encoding=file.encoding,
        records_in=found.count + len(file.bad),
        records_used=len(ids.values),
        records_set_aside=len(set_aside),
        repaired=len(found.mended),
        unusable=len(found.unusable),
        accuracy_m=entry.accuracy,
        coverage=shown(entry.coverage) if isinstance(entry, LayerEntry) else "",
        fields={b.spec.name: b.column for b in bindings},
        converted=tuple(b.column for b in bindings if b.spec.name in found.tally.changed),
    )
    notices = tuple(_notices(where, file, entry, found, plan, system, ids, positions))
    found.forget_extents()
    return FileSubjects(
        role=role.id,
        output_crs=crs.output(str(system), entry.datum),
        geometry_type=common_type(found.type_ids) if found.type_ids else _default_type(role),
        column_schema=file.schema,
        field_names=tuple(b.spec.name for b in bindings),
        count=len(ids.values),
        accuracy_m=entry.accuracy,
        source=record,
        notices=notices,
        set_aside=set_aside,
        datum_known=entry.datum != "unknown" and not (strict and assumed),
        file=file,
        bindings=tuple(bindings),
        reprojection=plan,
        findings=found,
        ids=ids.values,
        over=over,
    )


def _positions(file: Source, found: Survey) -> Ints:
    """Return the place of each record, from 1, in the file, or in that of its partitions."""
    if found.places is not None:
        return found.places
    readable = np.ones(found.count + len(file.bad) + 1, bool)
    readable[[0, *(bad.record for bad in file.bad if bad.record < len(readable))]] = False
    return np.flatnonzero(readable)


def _surveyed(
    file: Source,
    role: Role,
    bindings: Sequence[Binding],
    entry: ParcelsEntry,
    where: str,
    stays: bool,
    workers: int,
    progress: Progress,
    over: Over,
) -> tuple[Source, Survey]:
    """Survey a file; if it breaks off, do so again with what can be saved of it."""
    if file.parts:
        found = survey_parts(
            file.parts,
            role,
            bindings,
            entry.id,
            unusable_stays=stays,
            over=over,
            progress=progress,
        )
        return file, found
    try:
        found = survey(
            file,
            role,
            bindings,
            entry.id,
            unusable_stays=stays,
            workers=workers,
            progress=progress,
        )
        return file, found
    except READ_ERRORS as error:
        if file.salvage is None:
            what = Text(f"{_DAMAGED.zh}：{error}。", f"{_DAMAGED.en}: {error}.")
            fix = Text("请换用完好的文件。", "Use a whole copy.")
            raise LayerError(Problem(where, what, fix)) from error
        saved = file.salvage(file)
        return saved, survey(saved, role, bindings, entry.id, unusable_stays=stays)


def _refuse_if_nothing_is_left(found: Survey, where: str) -> None:
    """Raise LayerError if every record was set aside.

    Going on would be worse than stopping: to a rule, an empty layer says that nothing is
    there.
    """
    if not found.count or len(found.dropped) < found.count:
        return
    row, why = min(found.dropped.items())
    what = Text(
        f"{found.count} 条记录无一可用（第 {row + 1} 条：{why.zh.rstrip('。')}）。",
        f"none of the {found.count} records can be used (the first: {why.en.rstrip('.')}).",
    )
    fix = Text("请换用图形类型正确的文件。", "Use a file with the right kind of geometry.")
    raise LayerError(Problem(where, what, fix))


def _refuse_if_nothing_is_placed(found: Survey, where: str) -> None:
    """Raise LayerError if no record has coordinates from which a system could be told."""
    if len(found.bounds):
        return
    faults = found.dropped | found.unusable
    zh, en = "没有图形", "no geometry"
    if faults:
        row, why = min(faults.items())
        zh, en = (
            f"第 {row + 1} 条：{why.zh.rstrip('。')}",
            f"record {row + 1}: {why.en.rstrip('.')}",
        )
    what = Text(
        f"没有坐标系，{found.count} 条记录也没有可用的坐标（{zh}）。",
        f"has no coordinate system, and none of its {found.count} records has coordinates ({en}).",
    )
    fix = Text("请检查图形列或坐标列。", "Check the column of geometries or of coordinates.")
    raise LayerError(Problem(where, what, fix))


def _without_place(found: Survey, plan: crs.Reprojection) -> dict[int, Text]:
    """Return, by record, geometries that are nowhere on Earth or cannot be brought to Beijing's.

    Only what lies elsewhere is looked into: in and around Beijing every system has a place.
    """
    far = np.flatnonzero(crs.elsewhere(plan.source, found.bounds))
    far = np.union1d(far, np.flatnonzero(crs.off_earth(plan.source, found.bounds)))
    boxes = found.bounds[far]
    lost = crs.off_earth(plan.source, boxes)
    lost |= shapely.is_missing(plan.apply(np.asarray(shapely.box(*boxes.T), dtype=object)))
    return dict.fromkeys(found.bounded[far[lost]].tolist(), _NO_PLACE)


def _system(file: Source, entry: ParcelsEntry, found: Survey) -> str | None:
    """Return the system of the coordinates: the user's word, the file's, or plain degrees.

    Degrees are only assumed where nothing else can be meant: coordinates written as text,
    or a declared datum without a projection.
    """
    declared = entry.crs or file.crs
    if declared or not (file.from_text or entry.datum) or not len(found.bounds):
        return declared
    in_degrees = (np.abs(found.bounds) <= [180.0, 90.0, 180.0, 90.0]).all()
    if not in_degrees:
        return None
    return "EPSG:4490" if entry.datum == "cgcs2000" else "EPSG:4326"


def _default_type(role: Role) -> str:
    """Return the geometry type of a file without any usable geometry."""
    return "Polygon" if role.kinds == {"polygon"} else "Geometry"


def _valid(geometry: Geometries) -> Geometries:
    """Return geometries with those mended that became invalid by being projected."""
    broken = np.flatnonzero(~shapely.is_valid(geometry) & ~shapely.is_missing(geometry))
    if len(broken):
        geometry[broken] = repair_polygons(geometry[broken]).geometry
    return geometry


def _set_aside(
    file: Source, role: Role, found: Survey, positions: np.ndarray
) -> Iterator[SetAside]:
    """Yield what is set aside, in file order, with content as far as it can be read."""
    bad = (SetAside(role.id, file.path, b.record, b.reason, "") for b in file.bad)
    dropped = (
        SetAside(role.id, file.path, int(positions[row]), found.dropped[row], content)
        for row, content in _contents(file, sorted(found.dropped))
    )
    yield from sorted(chain(bad, dropped), key=lambda s: s.record)


def _contents(file: Source, rows: list[int]) -> Iterator[tuple[int, str]]:
    """Yield (row, attributes and WKB as JSON) of some rows; reads the file again for them."""
    if not rows:
        return
    first = 0
    for columns, wkb in file.records(32_768, None):
        inside = [row - first for row in rows if first <= row < first + len(wkb)]
        taken = columns.take(pa.array(inside, pa.int64())) if columns.num_columns else columns
        attributes = taken.to_pylist() or [{}] * len(inside)
        for row, record in zip(inside, attributes, strict=True):
            shape = wkb[row].as_py()
            content = {"attributes": record, "wkb": shape.hex() if shape else None}
            yield first + row, json.dumps(content, ensure_ascii=False, default=str)
        first += len(wkb)


def _notices(
    where: str,
    file: Source,
    entry: ParcelsEntry,
    found: Survey,
    plan: crs.Reprojection,
    system: str | None,
    ids: Ids,
    positions: np.ndarray,
) -> Iterator[Notice]:
    """Yield everything a user should know of how this file was taken."""
    yield from (Notice("warning", where, note) for note in file.notes)
    if file.placeless:
        yield remarks.on_no_places(where)
    else:
        yield from remarks.on_system(where, file.crs, entry, plan, str(system))
        yield from remarks.on_accuracy(where, entry)
    yield from remarks.on_nothing(where, found.count + len(file.bad))
    yield from remarks.on_ids(where, ids, entry.id, len(ids.values))
    kept = found.kept
    place = np.cumsum(kept) - 1

    def called(row: int) -> str:
        return str(ids.values[int(place[row])].as_py())

    far = found.bounded[crs.elsewhere(plan.source, found.bounds)].tolist()
    yield from remarks.on_elsewhere(where, [called(row) for row in far if kept[row]])
    rows = [row for row in found.mended if kept[row]]
    after = shapely.area(plan.apply(np.array([found.mended[r] for r in rows], dtype=object)))
    repairs = [
        (called(row), area * found.area_ratio[row], area)
        for row, area in zip(rows, after.tolist(), strict=True)
    ]
    yield from remarks.on_repairs(where, repairs)
    unusable = [(called(row), why) for row, why in found.unusable.items()]
    yield from remarks.on_unusable(where, unusable)
    yield from remarks.on_set_aside(where, len(found.dropped) + len(file.bad))
    yield from found.tally.notices(where)
