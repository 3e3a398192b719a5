"""The main job: which facts the rules need, batch by batch, to tables of verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import shapely

from geo_urc import describe, verdicts
from geo_urc.evaluation import Evaluation, Scene, active_leaves
from geo_urc.facts.fact import Fact
from geo_urc.facts.questions.walking import Roads, roads_of
from geo_urc.inputs.table import Batch, Inputs, Layer, SourceRecord, SubjectSource
from geo_urc.policy import model
from geo_urc.policy.rulebook import Rulebook
from geo_urc.processes import ahead, in_turn
from geo_urc.progress import SILENT, Progress, counted
from geo_urc.results import GEOMETRY, Column, ContextLayer, LayerInfo, Results
from geo_urc.roles import roles
from geo_urc.text import Text
from geo_urc.verdicts import Mask, Outcome, Verdict

CONTEXT = ("green_spaces", "blue_lines", "districts", "rail_stations")
PARTS: tuple[tuple[str, Text], ...] = (
    ("verdict", Text("结论", "verdict")),
    ("margin", Text("与限值之差", "margin")),
    ("accuracy", Text("精度带", "accuracy")),
    ("reason", Text("原因", "reason")),
)
CONCERNS: tuple[tuple[str, str, Text], ...] = (
    (
        "concerned_measures",
        "matched",
        Text("有关的程序性措施", "Procedural measures that concern it"),
    ),
    ("concerned_open", "open", Text("待定的程序性措施", "Procedural measures that may concern it")),
    ("concerned_reason", "reason", Text("待定的原因", "Why that is open")),
)
"""Column, part and title of what is matched, not judged."""


@dataclass(frozen=True)
class SubjectPlan:
    """What is worked out and written for one subject role.

    Attributes
    ----------
    rules
        In rulebook order.
    concerns
        Procedural rules that are matched with the subjects.
    not_given
        Reasons that hold for every subject alike, because a layer or a field was not given at all:
        the record has them, the rows would only repeat them.
    facts
        Facts that become columns, each once, in the order in which rules need them.
    columns
        Fact → column; a column of the user's own stands for an attribute taken as it is.
    info
        The result layer's description, columns in output order.
    schema
        Of the batches that :meth:`Screening.batches` yields.
    """

    rules: tuple[model.Rule, ...]
    facts: tuple[str, ...]
    columns: Mapping[str, str]
    info: LayerInfo
    schema: pa.Schema
    concerns: tuple[model.Rule, ...] = ()
    not_given: frozenset[str] = frozenset()

    @cached_property
    def fact_of(self) -> dict[str, str]:
        """Column → the fact in it."""
        return {self.columns[name]: name for name in self.facts}

    @property
    def renamed(self) -> list[str]:
        """Columns that got a prefix because the user's table has the name already."""
        return [c.name for c in self.info.columns if c.origin != "user" and c.name[:4] == "urc_"]


@dataclass
class Concerned:
    """How many subjects a procedural rule concerns, or may concern and for which reasons."""

    matched: int = 0
    open: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Concerned) -> Concerned:
        """Return the numbers of both together."""
        return Concerned(
            self.matched + other.matched, self.open + other.open, self.reasons + other.reasons
        )

    def add(self, more: Concerned) -> None:
        """Add the numbers of further subjects."""
        self.matched += more.matched
        self.open += more.open
        self.reasons.update(more.reasons)


_TAKEN_AT = 8
"""The batch of parcels by which the layers' rows, worked out beside them, are mostly there."""


class Finished(NamedTuple):
    """The rows of a batch as they are written, and what they add to the counts.

    ``verdicts`` holds rule → verdict → number, ``concerned`` procedural rule → numbers, ``snaps``
    role → the largest distance to a road so far.
    """

    rows: pa.RecordBatch
    verdicts: Mapping[str, Counter[str]]
    concerned: Mapping[str, Concerned]
    snaps: Mapping[str, float]


@dataclass
class Screening:
    """One run over given inputs: plans at once, verdicts as they are asked for.

    Attributes
    ----------
    workers
        Processes that work out the parcels.
    counts
        Role → rule → verdict → number of subjects so far.
    concerned
        Role → procedural rule → numbers of subjects so far; no verdicts, and counted apart.
    """

    inputs: Inputs
    book: Rulebook
    strict: bool = False
    workers: int = 1
    counts: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    concerned: dict[str, dict[str, Concerned]] = field(default_factory=dict)
    looked_up: dict[object, Layer | None] = field(default_factory=dict)
    """Parcels that facts have looked at beside the subject itself."""

    def __getstate__(self) -> dict[str, Any]:
        """Return what goes to another process: all but the parcels, which come to it in parts.

        What has been prepared from the layers stays behind: prepared geometries do not survive
        the way. What facts have looked up goes along, for there they could not.
        """
        inputs = replace(self.inputs, parcels=self.inputs.parcels.elsewhere())
        return {
            "inputs": inputs,
            "book": self.book,
            "strict": self.strict,
            "counts": {},
            "concerned": {},
            "looked_up": self.looked_up,
        }

    @cached_property
    def scene(self) -> Scene:
        """The layers and rules, shared by all batches."""
        return Scene(
            self.book,
            self.inputs.layers,
            self.strict,
            self.inputs.parcels,
            self.inputs.rasters,
            looked_up=self.looked_up,
        )

    @cached_property
    def plans(self) -> dict[str, SubjectPlan]:
        """Role → plan: the parcels, and every given layer whose features have rules."""
        parcels = self.inputs.parcels
        plans = {
            parcels.role: self._plan(
                parcels.role,
                parcels.column_schema,
                parcels.source,
                parcels.geometry_type,
                parcels.output_crs,
            )
        }
        for role, layer in self.inputs.layers.items():
            if self.book.of_subject(role) or self.book.concerning(role):
                plans[role] = self._plan(
                    role,
                    layer.batch.columns.schema,
                    layer.source,
                    geometry_type(layer),
                    layer.output_crs,
                )
        return plans

    def batches(self, role: str, part: SubjectSource | None = None) -> Iterator[pa.RecordBatch]:
        """Return the finished rows of a subject role in input order; verdicts are counted.

        The first batch is worked out here and at once. It builds the indexes of the layers, which
        the processes for the others then have without building them again.

        Parameters
        ----------
        part
            One partition of the parcels, in place of all of them; it is worked out here.
        """
        plan = self.plans[role]
        verdicts = {rule.id: Counter[str]() for rule in plan.rules}
        concerned = {rule.id: Concerned() for rule in plan.concerns}
        self.counts[role], self.concerned[role] = verdicts, concerned
        rest: Iterator[Finished]
        layers = self._layers if part is None else None
        if role != self.inputs.parcels.role:
            begun, rest = [layers()[role] if layers else self._layer(plan, role)], iter(())
        elif part is not None:
            begun, rest = [], self._parcels(part)
        else:
            parcels = self.inputs.parcels
            here = self._parcels(parcels)
            begun = list(islice(here, 1))
            more = self.workers > 1 and bool(begun) and parcels.count > len(begun[0].rows)
            rest = in_turn(partial(self._parcels, parcels), self.workers, first=1) if more else here

        def in_order() -> Iterator[pa.RecordBatch]:
            for number, done in enumerate(chain(begun, rest)):
                if number == _TAKEN_AT and layers:
                    layers()  # so that the process with them can end
                for rule, found in done.verdicts.items():
                    verdicts[rule].update(found)
                for rule, numbers in done.concerned.items():
                    concerned[rule].add(numbers)
                self.take_snaps(done.snaps)
                yield done.rows

        return in_order()

    def _parcels(self, source: SubjectSource, first: int = 0, step: int = 1) -> Iterator[Finished]:
        plan = self.plans[self.inputs.parcels.role]
        for batch in source.batches(first=first, step=step):
            done = Evaluation(batch.features, self.scene, self.inputs.parcels.datum_known)
            yield self._finished(plan, batch, done)

    @cached_property
    def _layers(self) -> Callable[[], Mapping[str, Finished]] | None:
        """What gives the rows of all layers' features, begun beside the parcels.

        None if only one process may work: then each layer is worked out when its turn comes.
        """
        plans = {role: plan for role, plan in self.plans.items() if role in self.inputs.layers}
        if self.workers < 2 or not plans:
            return None

        def each() -> dict[str, Finished]:
            return {role: self._layer(plan, role) for role, plan in plans.items()}

        return cache(ahead(each, self.workers))

    def _layer(self, plan: SubjectPlan, role: str) -> Finished:
        return self._finished(plan, self.inputs.layers[role].batch, self.scene.evaluation_of(role))

    def look_up(self) -> None:
        """Have facts look up the parcels that they need beside the subject itself.

        All is asked once for no parcel at all, so that nothing here knows which facts those are.
        """
        parcels = self.inputs.parcels
        nobody, plan = parcels.empty(), self.plans[parcels.role]
        evaluation = Evaluation(nobody.features, self.scene, parcels.datum_known)
        for column in plan.info.columns:
            self._array(plan, column, nobody, evaluation)

    def told_batches(self, progress: Progress, role: str) -> Iterator[pa.RecordBatch]:
        """Return the finished rows of a subject role as a phase of a run."""
        self.tell(progress, role)
        return counted(self.batches(role), progress)

    def tell(self, progress: Progress, role: str) -> None:
        """Tell that the subjects of a role are screened now."""
        title = self.plans[role].info.title
        phase = Text(f"筛查{title.zh}", f"Screening: {title.en}")
        progress.phase(phase, self.inputs.count(role))

    def results(self, progress: Progress = SILENT) -> Results:
        """Return the whole run in memory."""
        tables = {
            role: pa.Table.from_batches(self.told_batches(progress, role), plan.schema)
            for role, plan in self.plans.items()
        }
        infos = {role: plan.info for role, plan in self.plans.items()}
        return Results({}, infos, tables, self.context())

    def context(self) -> tuple[ContextLayer, ...]:
        """Return the layers by which a reader finds the way on a map, those below first."""
        return tuple(self.shapes(role) for role in CONTEXT if role in self.inputs.layers)

    def shapes(self, role: str) -> ContextLayer:
        """Return the features of a layer as they were measured."""
        return as_context(self.inputs.layers[role], self.inputs.evaluation_crs)

    def roads(self) -> Roads | None:
        """Return the network that was walked on, None without roads."""
        layer = self.inputs.layers.get("roads")
        return None if layer is None else roads_of(self.scene.shared, layer)

    def take_snaps(self, snaps: Mapping[str, float]) -> None:
        """Take note of how far another process had to go to a road: role → largest distance."""
        if (roads := self.roads()) is not None:
            for role, metres in snaps.items():
                roads.snaps[role] = max(roads.snaps.get(role, 0.0), metres)

    # --- one batch ----------------------------------------------------------------------------

    def _finished(self, plan: SubjectPlan, batch: Batch, done: Evaluation) -> Finished:
        arrays = [self._array(plan, column, batch, done) for column in plan.info.columns]
        roads = self.roads()
        return Finished(
            pa.RecordBatch.from_arrays(arrays, schema=plan.schema),
            {rule.id: _counted(done.outcome(rule.id)) for rule in plan.rules},
            {rule.id: _concern(done.concern(rule.id)) for rule in plan.concerns},
            {} if roads is None else dict(roads.snaps),
        )

    def _array(self, plan: SubjectPlan, column: Column, batch: Batch, done: Evaluation) -> pa.Array:
        """Return one column of the output for a batch."""
        match column.origin:
            case "user":
                return batch.columns.column(column.name)
            case "id":
                return _text(batch.features.ids)
            case "raw":
                return batch.raw_wkb
            case "geometry":
                return batch.wkb
            case "fact":
                kind = plan.schema.field(column.name).type
                return _fact_array(done.fact(plan.fact_of[column.name]), kind)
        if column.origin == "concern":
            return _text(_concerned(plan, column.part, done))
        if column.rule is None:
            eligible = [done.outcome(r.id).state == Verdict.ELIGIBLE for r in plan.rules]
            return _text(verdicts.join_codes([r.id for r in plan.rules], eligible, len(done)))
        outcome = done.outcome(column.rule)
        if column.part == "verdict":
            return _text(verdicts.words(outcome))
        if column.part == "reason":
            return _text(verdicts.reason_column(outcome))
        margin, accuracy = done.headline(column.rule)
        figure = margin if column.part == "margin" else accuracy
        return _number(np.where(outcome.state == Verdict.NOT_APPLICABLE, np.nan, figure))

    # --- planning -----------------------------------------------------------------------------

    def _plan(
        self, role: str, user: pa.Schema, source: SourceRecord, geometry: str, crs: str
    ) -> SubjectPlan:
        book = self.book
        given = (*self.inputs.layers, *self.inputs.rasters, self.inputs.parcels.role)
        rules = tuple(book.of_subject(role))
        concerns = tuple(book.concerning(role))
        names = dict.fromkeys(n for rule in rules for n in describe.facts_of(book, rule))
        names |= dict.fromkeys(
            name
            for name, spec in book.facts.items()
            if {role, "*"} & {*spec.report_for}
            and (spec.report_if is None or spec.report_if in given)
        )
        taken = {name.casefold() for name in user.names}

        def free(name: str) -> str:
            while name.casefold() in taken:
                name = f"urc_{name}"
            taken.add(name.casefold())
            return name

        columns = [Column(name, Text(name, name), "user") for name in user.names]
        types: dict[str, pa.DataType] = {f.name: f.type for f in user}

        def add(column: Column, kind: pa.DataType) -> None:
            columns.append(column)
            types[column.name] = kind

        add(Column(free("subject_id"), Text("对象编号", "Subject id"), "id"), pa.string())
        for rule in rules:
            for part, label in PARTS:
                name = free(f"{rule.id.lower()}_{part}")
                title = Text(f"{rule.id} {label.zh}", f"{rule.id} {label.en}")
                kind = pa.float64() if part in ("margin", "accuracy") else pa.string()
                unit = _headline_unit(book, rule) if part in ("margin", "accuracy") else None
                add(Column(name, title, "verdict", unit, rule.id, part), kind)  # type: ignore[arg-type]
        title = Text("符合的规则", "Eligible rules")
        add(Column(free("eligible_rules"), title, "verdict"), pa.string())
        for name, part, title in CONCERNS if concerns else ():
            add(Column(free(name), title, "concern", part=part), pa.string())  # type: ignore[arg-type]

        where: dict[str, str] = {}
        written = []
        for name in names:
            if _taken_as_it_is(name, role, book, source, user):
                where[name] = source.fields[name]
                continue
            where[name] = free(name)
            written.append(name)
            unit = describe.fact_unit(book, role, name)
            title = describe.fact_title(book, role, name)
            add(Column(where[name], title, "fact", unit), _kind(book, role, name))
        add(Column(free("raw_wkb"), Text("原始图形", "Raw geometry"), "raw"), pa.binary())
        add(Column(free(GEOMETRY), Text("图形", "Geometry"), "geometry"), pa.binary())

        info = LayerInfo(
            role=role,
            title=roles()[role].title,
            geometry_type=geometry,
            crs=crs,
            columns=tuple(columns),
            rules=tuple(describe.rule_info(book, rule, where, given) for rule in rules),
        )
        schema = pa.schema([pa.field(c.name, types[c.name]) for c in columns])
        read = {name for rule in concerns for name in describe.facts_of(book, rule)}
        absent = read - book.facts.keys() - source.fields.keys()
        not_given = frozenset({"layer_missing", *(f"attribute_missing:{name}" for name in absent)})
        return SubjectPlan(rules, tuple(written), where, info, schema, concerns, not_given)


def as_context(layer: Layer, crs: str) -> ContextLayer:
    """Return the features of a layer as a map shows them; geometries are in `crs` already."""
    features = layer.features
    return ContextLayer(
        features.role,
        roles()[features.role].title,
        crs,
        pa.array(shapely.to_wkb(features.geometry), pa.binary()),
        pa.array([None if name is None else str(name) for name in features.names], pa.string()),
    )


def geometry_type(layer: Layer) -> str:
    """Return the one geometry type that holds all of a layer's output geometries."""
    kinds = {g.geom_type for g in layer.features.geometry if g is not None}
    if len(kinds) == 1:
        return kinds.pop()
    flat = {kind.removeprefix("Multi") for kind in kinds}
    return f"Multi{flat.pop()}" if len(flat) == 1 else "Unknown"


def _taken_as_it_is(
    name: str, role: str, book: Rulebook, source: SourceRecord, user: pa.Schema
) -> bool:
    """Return whether the user's own column already holds a field just as rules read it."""
    own = source.fields.get(name)
    if name in book.facts or own != name or own in source.converted:
        return False
    kind = user.field(own).type
    if describe.is_text(book, role, name):
        return pa.types.is_string(kind) or pa.types.is_large_string(kind)
    number = pa.types.is_floating(kind) or pa.types.is_integer(kind)
    return number and describe.fact_unit(book, role, name) != "yes_no"


def _counted(outcome: Outcome) -> Counter[str]:
    """Return verdict → number of subjects."""
    numbers = np.bincount(outcome.state, minlength=len(Verdict))
    return Counter({v.word: int(numbers[v]) for v in Verdict if numbers[v]})


def _concern(outcome: Outcome) -> Concerned:
    """Return how many subjects a procedural rule concerns."""
    reasons = {code: int(mask.sum()) for code, mask in _why_open(outcome)}
    return Concerned(
        matched=int((outcome.state == Verdict.ELIGIBLE).sum()),
        open=int(_open(outcome).sum()),
        reasons=Counter({code: number for code, number in reasons.items() if number}),
    )


def _open(outcome: Outcome) -> Mask:
    """Return the subjects of whom it cannot be said whether the rule concerns them."""
    return (outcome.state == Verdict.REVIEW) | (outcome.state == Verdict.UNKNOWN)


def _why_open(outcome: Outcome) -> Iterator[tuple[str, Mask]]:
    """Yield the reasons of the open subjects; what is surely not met leaves nothing open."""
    open_ = _open(outcome)
    for code, mask in outcome.reasons.items():
        if not code.startswith("not_met"):
            yield code, mask & open_


def _concerned(plan: SubjectPlan, part: str | None, done: Evaluation) -> np.ndarray:
    """Return ids of the procedural rules that are matched or open, or the reasons of the open."""
    found = {rule.id: done.concern(rule.id) for rule in plan.concerns}
    if part == "matched":
        met = [outcome.state == Verdict.ELIGIBLE for outcome in found.values()]
        return verdicts.join_codes(list(found), met, len(done))
    if part == "open":
        open_ = [_open(outcome) for outcome in found.values()]
        return verdicts.join_codes(list(found), open_, len(done))
    reasons: dict[str, Mask] = {}
    for outcome in found.values():
        for code, mask in _why_open(outcome):
            if code not in plan.not_given:
                reasons[code] = reasons.get(code, False) | mask
    return verdicts.reason_column(Outcome(np.empty(len(done), np.uint8), reasons))


def _headline_unit(book: Rulebook, rule: model.Rule) -> str | None:
    for leaf in active_leaves(book, rule):
        if model.condition_name(leaf) in rule.headlines:
            return describe.fact_unit(book, rule.subject or "", model.fact_of(leaf))
    return None


def _kind(book: Rulebook, role: str, name: str) -> pa.DataType:
    if describe.is_text(book, role, name) or describe.fact_unit(book, role, name) == "yes_no":
        return pa.string()
    return pa.int32() if describe.fact_unit(book, role, name) == "percent" else pa.float64()


def _fact_array(fact: Fact, kind: pa.DataType) -> pa.Array:
    value = fact.value
    if value.dtype == object:
        return _text(value)
    if pa.types.is_string(kind):  # yes/no as words: a nullable boolean does not survive GDAL
        words = np.where(value == 1.0, "yes", "no").astype(object)
        words[np.isnan(value)] = None
        return _text(words)
    return _number(value).cast(kind, safe=False)


def _text(values: np.ndarray) -> pa.Array:
    return pa.array(values, pa.string(), from_pandas=True)


def _number(values: np.ndarray) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))
