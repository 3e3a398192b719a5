"""Two runs beside each other: whose verdicts changed, by rule, and what brought it about.

A changed verdict is traced to the conditions that turned: whose value, or whose limit, is on
another side than before. A value that differs points to the inputs and the parameters that it
is made from, as far as they differ; a limit that differs points to its parameter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.results import Conditions, FactLine, LayerInfo, Results, RuleInfo
from geo_urc.text import Lang, Text
from geo_urc.verdicts import join_codes

CAUSES: dict[str, Text] = {
    "input": Text("输入数据", "input"),
    "parameter": Text("参数", "parameter"),
    "date": Text("判定日期", "date"),
    "rulebook": Text("规则定义", "rulebook"),
    "settings": Text("运行设置", "settings"),
    "software": Text("软件", "software"),
    "only_in_a": Text("仅在甲", "only in A"),
    "only_in_b": Text("仅在乙", "only in B"),
}
"""Cause → what a reader sees, in the order in which several are joined."""

SCHEMA = pa.schema(
    [
        ("subject", pa.string()),
        ("subject_id", pa.string()),
        ("rule", pa.string()),
        ("from", pa.string()),
        ("to", pa.string()),
        ("cause", pa.string()),
        ("facts", pa.string()),
        ("parameters", pa.string()),
        ("inputs", pa.string()),
    ]
)
_QUALITY = ("accuracy_m", "coverage", "datum", "datum_assumed", "crs")
"""What of an input can change a verdict though every value stays."""
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Unpaired:
    """A rule that only one of the runs evaluated.

    Attributes
    ----------
    why
        ``date``: not in force on the other run's date; ``input``: the other run has no such
        subjects; ``not_evaluated``: not asked for there, or not in its rulebook.
    """

    subject: str
    rule: str
    only_in: Literal["a", "b"]
    why: Literal["date", "input", "not_evaluated"]


@dataclass(frozen=True)
class Comparison:
    """What changed from run A to run B.

    Attributes
    ----------
    changes
        One row for each subject and rule whose verdict changed, and for each subject that is
        in one run only (then without a rule); columns of ``SCHEMA``. Several causes are
        joined by ``;``.
    unpaired
        Rules that only one of the runs evaluated.
    unchanged
        Number of verdicts that are the same in both.
    inputs, parameters, others
        What differs between the runs: role → files, parameter → from and to, rest in words.
    """

    changes: pa.Table
    unpaired: tuple[Unpaired, ...]
    unchanged: int
    inputs: Mapping[str, str]
    parameters: Mapping[str, str]
    others: tuple[Text, ...]

    def summary(self) -> pa.Table:
        """Return how many changes there are by subject, rule, from, to and cause."""
        keys = ["subject", "rule", "from", "to", "cause"]
        return self.changes.group_by(keys, use_threads=False).aggregate([([], "count_all")])


def compare(a: Results, b: Results, lang: Lang = "zh") -> Comparison:
    """Return what changed from run A to run B, subjects matched by their ids."""
    runs = _Runs(a.run, b.run)
    blocks, unpaired, unchanged = [SCHEMA.empty_table()], [], 0
    redefined: dict[str, None] = {}
    for role in dict.fromkeys([*a.layers, *b.layers]):
        unpaired += _unpaired(role, a, b)
        if role not in a.layers or role not in b.layers:
            continue
        pair = _paired(a, b, role)
        blocks += pair.only
        for rule in a.layers[role].rules:
            other = next((r for r in b.layers[role].rules if r.id == rule.id), None)
            if other is not None:
                if rule.definition != other.definition:
                    redefined[rule.id] = None
                changed = _Changed(runs, pair, rule, other, lang)
                unchanged += len(pair.rows_a) - len(changed.rows)
                blocks.append(changed.table())
    names = "、".join(redefined), ", ".join(redefined)
    said = Text(f"规则定义不同：{names[0]}", f"Defined differently: {names[1]}")
    return Comparison(
        pa.concat_tables(blocks),
        tuple(unpaired),
        unchanged,
        runs.inputs,
        runs.parameters,
        tuple([*runs.others, said] if redefined else runs.others),
    )


class _Runs:
    """What differs between two run records."""

    def __init__(self, a: Mapping[str, Any], b: Mapping[str, Any]) -> None:
        self.a, self.b = a, b

    @cached_property
    def sources(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Role → source record, of each run."""
        first, second = (
            {source["role"]: source for source in (*run.get("inputs", ()), *run.get("rasters", ()))}
            for run in (self.a, self.b)
        )
        return first, second

    @cached_property
    def inputs(self) -> dict[str, str]:
        """Role → what is another in the other run: files, or how they are read."""
        first, second = self.sources
        found = {}
        for role in dict.fromkeys([*first, *second]):
            x, y = first.get(role), second.get(role)
            if x is None or y is None:
                found[role] = f"{x['path'] if x else '–'} → {y['path'] if y else '–'}"
                continue
            keys = [key for key in x if key != "path" and x[key] != y.get(key)]
            if "sha256" in keys:
                paths = dict.fromkeys([x["path"], y["path"]])
                found[role] = f"{' → '.join(paths)} (SHA-256)"
            elif not x["sha256"] or not y["sha256"]:
                found[role] = f"{y['path']} (SHA-256 ?)"  # a GeoDataFrame: it may be another
            elif keys:
                found[role] = f"{y['path']} ({', '.join(keys)})"
        return found

    @cached_property
    def quality(self) -> set[str]:
        """Roles whose accuracy, coverage or datum differ, or that only one run has."""
        first, second = self.sources
        return {
            role
            for role in self.inputs
            if role not in first
            or role not in second
            or any(first[role].get(k) != second[role].get(k) for k in _QUALITY)
        }

    @cached_property
    def parameters(self) -> dict[str, str]:
        """Parameter → from and to, where they differ."""
        x, y = self.a.get("parameters", {}), self.b.get("parameters", {})
        return {
            name: f"{_written(x[name]['value'])} → {_written(y[name]['value'])}"
            for name in x
            if name in y and x[name]["value"] != y[name]["value"]
        }

    def by_date(self, name: str) -> bool:
        """Return whether a parameter differs because the day does."""
        specs = [run.get("parameters", {}).get(name, {}) for run in (self.a, self.b)]
        return self.a.get("as_of") != self.b.get("as_of") and all(s.get("dated") for s in specs)

    @cached_property
    def settings(self) -> list[str]:
        """Settings of the run that differ."""
        keys = ("strict", "evaluation_crs")
        return [f"{k}: {self.a.get(k)} → {self.b.get(k)}" for k in keys
                if self.a.get(k) != self.b.get(k)]  # fmt: skip

    @cached_property
    def others(self) -> list[Text]:
        """What differs besides, in words."""
        named = {
            "as_of": Text("判定日期", "as of"),
            "geo_urc_version": Text("软件版本", "software version"),
        }
        found = [
            Text(f"{title.zh}：{self.a.get(k)} → {self.b.get(k)}",
                 f"{title.en}: {self.a.get(k)} → {self.b.get(k)}")
            for k, title in named.items()
            if self.a.get(k) != self.b.get(k)
        ]  # fmt: skip
        return found + [Text(text, text) for text in self.settings]


class _Pair(NamedTuple):
    """One subject role of both runs; ``rows_a[i]`` and ``rows_b[i]`` are the same subject."""

    infos: tuple[LayerInfo, LayerInfo]
    tables: tuple[pa.Table, pa.Table]
    rows_a: npt.NDArray[np.intp]
    rows_b: npt.NDArray[np.intp]
    only: list[pa.Table]


def _paired(a: Results, b: Results, role: str) -> _Pair:
    infos, tables = (a.layers[role], b.layers[role]), (a.tables[role], b.tables[role])
    ids = [
        table[info.one("id")].combine_chunks().cast(pa.string())
        for info, table in zip(infos, tables, strict=True)
    ]
    place = pc.index_in(ids[1], value_set=ids[0]).to_numpy(zero_copy_only=False)
    rows_b = np.flatnonzero(~np.isnan(place))
    gone = pc.filter(ids[0], pc.invert(pc.is_in(ids[0], value_set=ids[1])))
    new = pc.filter(ids[1], pc.invert(pc.is_in(ids[1], value_set=ids[0])))
    only = [_only(role, gone, "only_in_a"), _only(role, new, "only_in_b")]
    return _Pair(infos, tables, place[rows_b].astype(np.intp), rows_b, only)


def _only(role: str, ids: pa.Array, cause: str) -> pa.Table:
    n = len(ids)
    columns = {"subject": _same(role, n), "subject_id": ids, "cause": _same(cause, n)}
    return pa.table(
        [columns.get(field.name, pa.nulls(n, pa.string())) for field in SCHEMA], schema=SCHEMA
    )


def _unpaired(role: str, a: Results, b: Results) -> list[Unpaired]:
    found = []
    for side, one, other in (("a", a, b), ("b", b, a)):
        there = other.layers.get(role)
        known = {rule.id for rule in there.rules} if there is not None else set()
        given = {source["role"] for source in other.run.get("inputs", ())}
        resting = {(r["rule"], r["subject"]) for r in other.run.get("not_in_force", ())}
        for rule in one.layers[role].rules if role in one.layers else ():
            if rule.id in known:
                continue
            why = "not_evaluated" if role in given else "input"
            why = "date" if (rule.id, role) in resting else why
            found.append(Unpaired(role, rule.id, side, why))  # type: ignore[arg-type]
    return found


class _Changed:
    """The subjects of one role whose verdict under one rule changed."""

    def __init__(
        self, runs: _Runs, pair: _Pair, rule_a: RuleInfo, rule_b: RuleInfo, lang: Lang
    ) -> None:
        self.runs, self.pair, self.rules, self.lang = runs, pair, (rule_a, rule_b), lang
        before, after = (
            pair.tables[i][pair.infos[i].column_of(rule_a.id, "verdict")]
            .combine_chunks()
            .take(pa.array(rows))
            for i, rows in enumerate((pair.rows_a, pair.rows_b))
        )
        self.rows = np.flatnonzero(_differ(before, after))
        self.before, self.after = (v.take(pa.array(self.rows)) for v in (before, after))

    def column(self, side: int, name: str) -> pa.Array:
        """Return a column of run A (0) or B (1) for the changed subjects."""
        rows = (self.pair.rows_a, self.pair.rows_b)[side][self.rows]
        return self.pair.tables[side][name].combine_chunks().take(pa.array(rows))

    @cached_property
    def role(self) -> str:
        """Role of the subjects."""
        return self.pair.infos[0].role

    @cached_property
    def parameters(self) -> list[str]:
        """Parameters that can change the verdict and have another value."""
        x, y = (rule.rests_on for rule in self.rules)
        return [name for name in dict.fromkeys([*x, *y]) if name in self.runs.parameters]

    @cached_property
    def layers(self) -> list[str]:
        """Inputs that the rule looks at and that differ."""
        both = (self.role, *self.rules[0].layers, *self.rules[1].layers)
        return [role for role in dict.fromkeys(both) if role in self.runs.inputs]

    def table(self) -> pa.Table:
        """Return the changes with their causes."""
        n = len(self.rows)
        if not n:
            return SCHEMA.empty_table()
        marks = self._marks(n)
        causes = [cause for cause in CAUSES if cause in marks.causes]
        texts = {
            "subject": _same(self.role, n),
            "subject_id": self.column(1, self.pair.infos[1].one("id")).cast(pa.string()),
            "rule": _same(self.rules[0].id, n),
            "from": self.before,
            "to": self.after,
            "cause": _joined(causes, marks.causes, n),
            "facts": self._facts_text(marks),
            "parameters": _joined(self.parameters, marks.parameters, n, self.runs.parameters),
            "inputs": _joined(self.layers, marks.inputs, n, self.runs.inputs),
        }
        return pa.table([texts[field.name] for field in SCHEMA], schema=SCHEMA)

    # --- causes -------------------------------------------------------------------------------

    def _marks(self, n: int) -> _Marks:
        """Return which causes, inputs, parameters and facts are behind each change."""
        marks = _Marks(n)
        turned = [self._turn(line_a, line_b) for line_a, line_b in self.lines]
        any_turned = np.zeros(n, bool)
        for turn in turned:
            any_turned |= turn.turned
        any_turned &= ~self._other_doubts()  # there every value that differs may count
        traced = np.zeros(n, bool)
        for (line_a, line_b), turn in zip(self.lines, turned, strict=True):
            counts = np.where(any_turned, turn.turned, True)
            value, limit = np.zeros(n, bool), turn.limit & counts
            for columns, rows in turn.values.items():
                marks.of(marks.values, columns, rows & counts)
                value |= rows & counts
            layers = [r for r in self.layers if r in (self.role, *line_a.layers, *line_b.layers)]
            named = {*line_a.parameters, *line_b.parameters}
            parameters = [p for p in self.parameters if p in named]
            self._mark(marks, value, layers, parameters)
            self._mark(marks, limit & ~value, [], parameters)
            traced |= value | limit
        reading = np.full(n, not self.same_reading)
        self._mark(marks, reading, [], self.parameters)
        self._mark_untraced(marks, ~traced & ~reading)
        return marks

    def _other_doubts(self) -> Mask:
        """Return where the reasons differ by more than the conditions that are not met."""
        before, after = (
            pc.replace_substring_regex(
                pc.fill_null(self.column(i, info.column_of(self.rules[i].id, "reason")), ""),
                "(^|;)not_met:[^;]*",
                "",
            )
            for i, info in enumerate(self.pair.infos)
        )
        return _differ(before, after)

    def _mark(
        self, marks: _Marks, rows: Mask, layers: Sequence[str], parameters: Sequence[str]
    ) -> None:
        """Note inputs and parameters as causes; if there are none, what else differs."""
        if not rows.any():
            return
        for role in layers:
            marks.note("input", rows)
            marks.of(marks.inputs, role, rows)
        for name in parameters:
            marks.note("date" if self.runs.by_date(name) else "parameter", rows)
            marks.of(marks.parameters, name, rows)
        if not layers and not parameters:
            marks.note(self._otherwise(), rows)

    def _mark_untraced(self, marks: _Marks, rows: Mask) -> None:
        """Note the causes of changes that no value and no limit shows.

        Another accuracy or coverage moves no value; the verdicts of related subjects are
        no values of this one.
        """
        related = any(_hangs_on_others(r) for rule in self.rules for r in (rule.applies, rule.test))
        silent = [r for r in self.layers if related or r in self.runs.quality]
        if not silent and not self.parameters:
            silent = self.layers
        self._mark(marks, rows, silent, self.parameters)

    def _otherwise(self) -> str:
        if self.rules[0].definition != self.rules[1].definition:
            return "rulebook"
        return "settings" if self.runs.settings else "software"

    # --- conditions ---------------------------------------------------------------------------

    @cached_property
    def lines(self) -> list[tuple[FactLine, FactLine]]:
        """The conditions that both runs tested."""
        x, y = (
            {(line.fact, line.condition, line.side): line for line in rule.facts if line.condition}
            for rule in self.rules
        )
        return [(line, y[key]) for key, line in x.items() if key in y]

    @cached_property
    def same_reading(self) -> bool:
        """Whether both runs tested the same conditions."""
        x, y = (
            {(line.fact, line.condition, line.side) for line in rule.facts if line.condition}
            for rule in self.rules
        )
        return x == y

    def _turn(self, line_a: FactLine, line_b: FactLine) -> _Turn:
        """Return where value and limit of a condition differ, and where its answer does."""
        x, y = self.column(0, line_a.column), self.column(1, line_b.column)
        own = _differ(x, y)
        fixed = (line_a.limit_value, line_a.wanted, line_a.exclusive)
        limit = np.full(len(own), fixed != (line_b.limit_value, line_b.wanted, line_b.exclusive))
        values = {(line_a.column, line_b.column): own}
        if line_a.limit_column and line_b.limit_column:
            limits = self.column(0, line_a.limit_column), self.column(1, line_b.limit_column)
            values[line_a.limit_column, line_b.limit_column] = _differ(*limits)
        turned = _differ(self._answer(0, line_a), self._answer(1, line_b))
        return _Turn(values, limit, turned)

    def _answer(self, side: int, line: FactLine) -> pa.Array:
        """Return what a condition says of each subject, as far as the row shows; else null."""
        value = self.column(side, line.column)
        if line.wanted is not None:
            found = pc.is_in(value, value_set=pa.array(line.wanted, value.type))
            return pc.if_else(pc.is_valid(value), found, pa.scalar(None, pa.bool_()))
        if line.side is None:
            return pc.is_valid(value)
        limit = self.column(side, line.limit_column) if line.limit_column else line.limit_value
        if limit is None:
            return pa.nulls(len(value), pa.bool_())
        gap = pc.subtract(pc.cast(value, pa.float64()), limit)
        if line.side == "at_most":
            return pc.less(gap, 0.0) if line.exclusive else pc.less_equal(gap, 0.0)
        strictly = line.exclusive or line.side == "inside"
        return pc.greater(gap, 0.0) if strictly else pc.greater_equal(gap, 0.0)

    def _facts_text(self, marks: _Marks) -> pa.Array:
        """Return the values that differ and count, from and to."""
        nothing = pa.scalar(None, pa.string())
        told = pa.nulls(len(self.rows), pa.string())
        for (column_a, column_b), rows in marks.values.items():
            x, y = _shown(self.column(0, column_a)), _shown(self.column(1, column_b))
            title = self._titles[column_b].to(self.lang)
            text = pc.binary_join_element_wise(f"{title}: ", x, " → ", y, "")
            text = pc.if_else(pa.array(rows), text, nothing)
            both = pc.binary_join_element_wise(told, text, "; ")  # null where one of them is
            told = pc.coalesce(both, told, text)
        return told

    @cached_property
    def _titles(self) -> dict[str, Text]:
        """Column of run B → what it is called."""
        return {line.column: line.title for line in self.rules[1].facts}


class _Turn(NamedTuple):
    """Where a condition is another: values by their columns, its fixed limit, its answer."""

    values: dict[tuple[str, str], Mask]
    limit: Mask
    turned: Mask


class _Marks:
    """Causes and what is behind them → the changes concerned."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.causes: dict[str, Mask] = {}
        self.inputs: dict[str, Mask] = {}
        self.parameters: dict[str, Mask] = {}
        self.values: dict[tuple[str, str], Mask] = {}

    def note(self, cause: str, rows: Mask) -> None:
        """Add a cause of some changes."""
        self.of(self.causes, cause, rows)

    def of(self, marks: dict[Any, Mask], name: Any, rows: Mask) -> None:
        """Add a name to some changes."""
        marks[name] = marks.get(name, np.zeros(self.n, bool)) | rows


def _differ(x: pa.Array, y: pa.Array) -> Mask:
    """Return where two columns differ; a value and none differ, two without do not."""
    if x.type != y.type:
        x, y = x.cast(pa.string()), y.cast(pa.string())
    one_missing = pc.not_equal(pc.is_null(x), pc.is_null(y))
    found = pc.or_(one_missing, pc.fill_null(pc.not_equal(x, y), False))
    mask: Mask = found.to_numpy(zero_copy_only=False).astype(bool)
    return mask


def _shown(values: pa.Array) -> pa.Array:
    if pa.types.is_floating(values.type):
        values = pc.round(values, 6)
    return pc.fill_null(values.cast(pa.string()), "–")


def _joined(
    names: Sequence[str],
    masks: Mapping[str, Mask],
    n: int,
    details: Mapping[str, str] | None = None,
) -> pa.Array:
    """Return, for each change, the names whose mask holds, with what is to be said of each."""
    used = [name for name in names if name in masks]
    told = [f"{name}: {details[name]}" if details else name for name in used]
    joined = join_codes(told, [masks[name] for name in used], n)
    return pa.array([None if text == "" else text for text in joined], pa.string())


def _same(text: str, n: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), n)


def _hangs_on_others(node: Conditions | None) -> bool:
    if node is None:
        return False
    return node.how in ("each", "rule") or any(_hangs_on_others(member) for member in node.members)


def _written(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
