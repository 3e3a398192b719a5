"""What would have to change for another verdict, read off one finished row.

A stored row holds the values, the limits and the reasons of a rule. Together they say of each
condition whether it is met, fails, is for a person, or lacks data; the tree of conditions says
which of them stand in the way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, Literal, NamedTuple

from geo_urc.results import Conditions, FactLine, LayerInfo, RuleInfo
from geo_urc.roles import roles

EXACT = 1e-9
"""Relative slack of a comparison, as in the evaluation."""
MOST_WAYS = 12
_REVIEW = frozenset({"within_accuracy", "soft_limit", "straddles", "reading_open"})
State = Literal["met", "review", "unknown", "failed"]
_WORST: tuple[State, ...] = ("met", "review", "unknown", "failed")
_BEST: tuple[State, ...] = ("met", "unknown", "review", "failed")


Form = str | float | tuple[str, Any, Any]
Kind = Literal[
    "move", "answer", "near", "straddle", "decide", "supply", "related", "rule", "check", "room"
]


class Figure(float):
    """A number read off a row, or worked out from such, that knows how it came about.

    A row of figures is judged like one of plain numbers; what comes of it then holds for every
    row that is judged alike, with each row's own numbers in it (see :mod:`geo_urc.outlook`).

    Attributes
    ----------
    form
        The column's name, a number, or an operator with two such.
    places
        Where the numbers that get into a text are collected: form, unit, whether rounded up.
    """

    form: Form
    places: list[tuple[Form, str | None, bool]]

    def __new__(cls, value: float, form: Form, places: list[Any]) -> Figure:
        """Return a figure; the list is shared by all that is worked out from it."""
        made = super().__new__(cls, value)
        made.form, made.places = form, places
        return made

    def _with(self, value: float, sign: str, first: float, second: float) -> Figure:
        one, other = (x.form if isinstance(x, Figure) else x for x in (first, second))
        return Figure(value, (sign, one, other), self.places)

    def __add__(self, other: float) -> Figure:
        return self._with(float(self) + float(other), "+", self, other)

    def __sub__(self, other: float) -> Figure:
        return self._with(float(self) - float(other), "-", self, other)

    def __rsub__(self, other: float) -> Figure:
        return self._with(float(other) - float(self), "-", other, self)

    def __mul__(self, other: float) -> Figure:
        return self._with(float(self) * float(other), "*", self, other)

    def __neg__(self) -> Figure:
        return self._with(-float(self), "-", 0.0, self)

    def place(self, unit: str | None, *, up: bool) -> str:
        """Return what stands for the number in a text: its place in the list between NULs."""
        self.places.append((self.form, unit, up))
        return f"\0{len(self.places) - 1}\0"


@dataclass(frozen=True)
class Change:
    """One thing to change, to supply or to decide.

    Attributes
    ----------
    kind
        ``move``: the value is on the wrong side of its limit by ``amount``; ``answer``: the
        word must be another; ``near``: the value is nearer to its limit than its accuracy,
        ``amount`` makes it sure; ``straddle``: it sticks out by ``amount``; ``decide``: a
        person decides, unless it moves by ``amount``; ``supply``: data is missing;
        ``related``: the features of another role fail; ``rule``: another rule is not met by
        the same subject; ``check``: a person must look, and no
        condition of the rule says at what; ``room``: what is left.
    line
        The condition.
    amount, unit
        How far, positive, and in what; None where no figure can be given.
    more
        Whether the value must grow.
    sure
        The amount that is beyond the accuracy band as well.
    against
        Whether the condition is an exception, which must cease to hold.
    codes
        The reasons that this would settle.
    role
        Of ``related``: whose features.
    rule
        Of ``rule``: which one.
    """

    kind: Kind
    line: FactLine | None = None
    amount: float | None = None
    unit: str | None = None
    more: bool = False
    sure: float | None = None
    against: bool = False
    codes: tuple[str, ...] = ()
    role: str | None = None
    rule: str | None = None


Way = tuple[Change, ...]
"""Changes that together are enough."""


class Needed(NamedTuple):
    """What it would take.

    Attributes
    ----------
    ways
        Each alone is enough, the shortest first: for the rule to be met, or, where it does
        not apply, for it to apply. Empty where it is met.
    left_out
        How many further ways there are.
    room
        For a rule that is met: how far each deciding value may still move.
    """

    ways: tuple[Way, ...]
    left_out: int
    room: Way


def change_needed(
    row: Mapping[str, Any], info: LayerInfo, rule: RuleInfo, record: Mapping[str, Any]
) -> Needed:
    """Return the smallest changes that would give a subject another verdict under a rule.

    Parameters
    ----------
    row
        The subject's row of the result table.
    record
        The run record; it knows how accurate each layer is.
    """
    if rule.test is None:
        return Needed((), 0, ())
    judged = _Judged(row, info, rule, record)
    verdict = row[info.column_of(rule.id, "verdict")]
    if verdict == "eligible":
        return Needed((), 0, tuple(judged.room()))
    if "geometry_unusable" in judged.codes:
        return Needed(((Change("supply", codes=("geometry_unusable",)),),), 0, ())
    roots = [root for root in (rule.applies, rule.test) if root is not None]
    wanted = roots[0] if verdict == "not_applicable" else Conditions("all", tuple(roots))
    ways = [(*way, *judged.beside) for way in judged.ways(wanted)]
    shortest = _without_detours(ways)
    return Needed(tuple(shortest[:MOST_WAYS]), len(shortest[MOST_WAYS:]), ())


class _Judged:
    """The conditions of one rule on one row."""

    def __init__(
        self,
        row: Mapping[str, Any],
        info: LayerInfo,
        rule: RuleInfo,
        record: Mapping[str, Any],
    ) -> None:
        self.row, self.info, self.rule, self.record = row, info, rule, record
        self.codes = [c for c in (row[info.column_of(rule.id, "reason")] or "").split(";") if c]
        self.tested = [line for line in rule.facts if line.condition is not None]

    # --- one condition ------------------------------------------------------------------------

    def margin(self, line: FactLine) -> float | None:
        """Return how far the value is on the passing side; None where it is not known."""
        value = self.row[line.column]
        limit = self.row[line.limit_column] if line.limit_column else line.limit_value
        if line.side is None or value is None or limit is None:
            return None
        return limit - value if line.side == "at_most" else value - limit

    def band(self, line: FactLine) -> float | None:
        """Return the accuracy of a condition; None where the row does not hold it."""
        if not line.layers:
            return 0.0
        margin = self.margin(line)
        if margin is not None and margin == self.row[self.info.column_of(self.rule.id, "margin")]:
            known: float | None = self.row[self.info.column_of(self.rule.id, "accuracy")]
            return known
        accuracy = {s["role"]: s["accuracy_m"] for s in self.record.get("inputs", ())}
        sides = [accuracy[role] for role in (self.info.role, *line.layers) if role in accuracy]
        if line.unit != "m" or len(line.layers) != 1 or len(sides) != 2:
            return None
        return math.hypot(*sides)

    def lacking(self, line: FactLine) -> bool:
        """Return whether the condition has nothing to go by: no value, or no limit."""
        limitless = line.side is not None and self.margin(line) is None
        return self.row[line.column] is None or limitless

    def passes(self, line: FactLine) -> bool:
        """Return whether the value as it stands is on the passing side."""
        value, margin = self.row[line.column], self.margin(line)
        if line.wanted is not None:
            return value in line.wanted
        if margin is None:
            return value is not None and line.side is None
        if line.side == "inside":
            return margin > 0
        limit = self.row[line.limit_column] if line.limit_column else line.limit_value
        slack = max(abs(limit or 0.0), 1.0) * EXACT
        return margin >= (slack if line.exclusive else -slack)

    def refused(self, line: FactLine) -> bool:
        """Return whether the reasons name the condition as not met."""
        return f"not_met:{line.condition}" in self.codes and not self.passes(line)

    def concerns(self, code: str, line: FactLine) -> bool:
        """Return whether a reason that something is missing may be of this condition."""
        head, _, name = code.partition(":")
        match head:
            case "layer_missing":
                return any(role in self.rule.layers_missing for role in line.layers)
            case "parameter_missing":
                return name in line.parameters
            case "attribute_missing":
                looked_at = [roles()[role].fields for role in line.layers]
                return (
                    name in (line.fact, *line.fields)
                    or any(name in fields for fields in looked_at)
                    or (name == "extent" and line.side == "inside")
                    or (name == "footprint" and line.side in ("at_most", "at_least"))
                )
            case "outside_coverage":
                return line in self.ending
            case "value_unrecognised" if name:
                return name in (line.fact, *line.fields)
            case "undecided":
                return any(p.startswith(f"{name}.") for p in line.parameters)
        return bool(line.layers)

    # --- which condition a reason is of --------------------------------------------------------

    @cached_property
    def gaps(self) -> list[str]:
        """Reasons that something is missing."""
        return [c for c in self.codes if c.split(":")[0] not in (*_REVIEW, "not_met")]

    @cached_property
    def ending(self) -> list[FactLine]:
        """Conditions on a layer that is said to end somewhere; if there is none, all on layers.

        A raster ends where it has no values, other layers where their declared coverage does,
        or, when nothing may be assumed, anywhere.
        """
        strict = self.record.get("strict", False)
        ends = {raster["role"] for raster in self.record.get("rasters", ())}
        ends |= {
            source["role"]
            for source in self.record.get("inputs", ())
            if strict or source["coverage"] != "assumed"
        }
        on_layers = [line for line in self.tested if line.layers]
        return [line for line in on_layers if ends & {*line.layers}] or on_layers

    @cached_property
    def loose(self) -> list[str]:
        """Gaps that no missing value explains: they leave a known value open."""
        lacking = [line for line in self.tested if self.lacking(line)]
        return [c for c in self.gaps if not any(self.concerns(c, line) for line in lacking)]

    @cached_property
    def near(self) -> list[FactLine]:
        """Conditions nearer to their limit than the accuracy.

        Where the row holds no band to say so, all measured ones that do not surely fail.
        """
        if "within_accuracy" not in self.codes:
            return []
        open_ = [
            (line, abs(margin), self.band(line))
            for line in self.tested
            if line.layers and (margin := self.margin(line)) is not None and not self.refused(line)
        ]
        sure = [line for line, margin, band in open_ if band is not None and margin < band]
        return sure or [line for line, _, band in open_ if band is None]

    @cached_property
    def straddling(self) -> list[FactLine]:
        """Conditions on areas that the subject lies in with a part."""
        if "straddles" not in self.codes:
            return []
        sticks_out = [
            line
            for line in self.tested
            if line.side == "inside"
            and not self.lacking(line)
            and not self.passes(line)
            and not self.refused(line)
        ]
        return sticks_out or [
            line
            for line in self.tested
            if line.side is None and line.layers and not self.refused(line)
        ]

    @cached_property
    def foreign(self) -> list[str]:
        """Reasons that none of the rule's own conditions explains."""
        conditions = {line.condition for line in self.tested}
        decided = {node.otherwise for node in _line_nodes(self.rule)}
        found = []
        for code in self.codes:
            head, _, name = code.partition(":")
            own = {
                "not_met": name in conditions,
                "within_accuracy": bool(self.near),
                "straddles": bool(self.straddling),
                "soft_limit": "soft_limit" in decided,
                "reading_open": "reading_open" in decided,
            }.get(head)
            if own is None:
                own = any(self.concerns(code, line) for line in self.tested)
            if not own:
                found.append(code)
        return found

    @cached_property
    def beside(self) -> Way:
        """What has to be settled whatever the conditions are, with no place among them."""
        if not self.foreign or any(node.how in ("each", "rule") for node in _nodes(self.rule)):
            return ()
        gaps = tuple(code for code in self.foreign if code in self.gaps)
        looks = tuple(code for code in self.foreign if code in _REVIEW)
        found = ((Change("supply", codes=gaps), gaps), (Change("check", codes=looks), looks))
        return tuple(change for change, codes in found if codes)

    # --- the tree -----------------------------------------------------------------------------

    def state(self, node: Conditions, failing: int | None = None) -> State:
        """Return how a part of the tree stands, if the line ``failing`` failed."""
        match node.how:
            case "all":
                return max((self.state(m, failing) for m in node.members), key=_WORST.index,
                           default="met")  # fmt: skip
            case "any":
                return min((self.state(m, failing) for m in node.members), key=_BEST.index)
            case "not":
                state = self.state(node.members[0], failing)
                return {"met": "failed", "failed": "met"}.get(state, state)  # type: ignore[return-value]
            case "each":
                return self._related()
            case "rule" if node.unasked_passes:
                return "failed" if f"not_met:{node.condition}" in self.codes else "met"
            case "rule":
                return self._related()
            case "line":
                return "failed" if node.line == failing else self._settled(node)[0]

    def _related(self) -> State:
        if any(code.startswith("not_met:") for code in self.foreign):
            return "failed"
        if any(code in self.gaps for code in self.foreign):
            return "unknown"
        return "review" if self.foreign else "met"

    def _settled(self, node: Conditions) -> tuple[State, tuple[str, ...]]:
        """Return how one condition stands, and the reasons that are its own."""
        line = self.rule.facts[node.line or 0]
        if self.lacking(line):
            if self.refused(line):
                return ("review", (node.otherwise,)) if node.otherwise else ("failed", ())
            if node.unasked_passes and self.row[line.column] is None:
                return "met", ()
            if gaps := tuple(c for c in self.gaps if self.concerns(c, line)):
                return "unknown", gaps
            if line.side is None:
                return "unknown", (f"attribute_missing:{line.fact}",)
            return ("met" if line.side == "at_least" else "failed"), ()
        if self.refused(line) and not node.otherwise:
            return "failed", ()
        if line in self.near:
            return "review", ("within_accuracy",)
        if line in self.straddling:
            return "review", ("straddles",)
        gaps = tuple(c for c in self.loose if self.concerns(c, line))
        if self.passes(line):
            return ("unknown", gaps) if gaps else ("met", ())
        if node.otherwise and node.otherwise in self.codes:
            return "review", (node.otherwise,)
        return ("unknown", gaps) if gaps else ("failed", ())

    def ways(self, node: Conditions) -> list[Way]:
        """Return the ways to have a part of the tree hold; one of nothing where it does."""
        match node.how:
            case "all":
                return _together([self.ways(member) for member in node.members])
            case "any":
                return [way for member in node.members for way in self.ways(member)]
            case "not":
                return self.ways_against(node.members[0])
            case "each":
                if self.state(node) == "met":
                    return [()]
                return [(Change("related", codes=tuple(self.foreign), role=node.role),)]
            case "rule":
                if self.state(node) == "met":
                    return [()]
                return [(Change("rule", codes=tuple(self.foreign), rule=node.rule),)]
            case "line":
                change = self._change(node)
                return [(change,) if change else ()]

    def ways_against(self, node: Conditions) -> list[Way]:
        """Return the ways to have a part of the tree fail: for exceptions."""
        match node.how:
            case "all":
                return [way for member in node.members for way in self.ways_against(member)]
            case "any":
                return _together([self.ways_against(member) for member in node.members])
            case "not":
                return self.ways(node.members[0])
            case "each" | "rule":
                return [()] if self.state(node) == "failed" else []
            case "line":
                return [self._change_against(node)]

    def _change(self, node: Conditions) -> Change | None:
        """Return what would have a condition met; None where it is."""
        line = self.rule.facts[node.line or 0]
        state, codes = self._settled(node)
        if state == "met":
            return None
        if state == "unknown":
            return Change("supply", line, codes=codes)
        margin, band = self.margin(line), self.band(line)
        change = Change("answer" if line.wanted else "move", line, codes=codes)
        if margin is not None:
            far = -margin
            change = replace(change, amount=far, unit=line.unit, more=line.side != "at_most")
            if band:
                change = replace(change, sure=far + band)
        if state == "failed":
            return self._in_m2(change)
        kind = {"within_accuracy": "near", "straddles": "straddle"}.get(codes[0], "decide")
        if kind == "near":
            change = replace(change, amount=change.sure, sure=None)
        return self._in_m2(replace(change, kind=kind))  # type: ignore[arg-type]

    def _change_against(self, node: Conditions) -> Way:
        """Return what would have a condition fail; nothing where it does."""
        line = self.rule.facts[node.line or 0]
        state, codes = self._settled(node)
        if state == "failed":
            return ()
        if state == "unknown":
            return (Change("supply", line, codes=codes),)
        margin = self.margin(line)
        change = Change("answer" if margin is None else "move", line, codes=codes, against=True)
        if margin is not None:
            more, band = line.side == "at_most", self.band(line)
            change = replace(change, amount=margin, unit=line.unit, more=more)
            if band:
                change = replace(change, sure=margin + band)
        return (self._in_m2(change),)

    def room(self) -> Iterable[Change]:
        """Yield how far each value that alone decides may move before it fails."""
        test = self.rule.test
        assert test is not None
        for node in dict.fromkeys(_nodes_below(test)):
            if node.how != "line" or self.state(test, node.line) == "met":
                continue
            line = self.rule.facts[node.line or 0]
            margin, band = self.margin(line), self.band(line)
            if margin is None:
                continue
            codes = (node.otherwise,) if node.otherwise else ()
            room = Change("room", line, max(margin, 0.0), line.unit, line.side == "at_most")
            sure = max(margin - band, 0.0) if band else None
            yield self._in_m2(replace(room, sure=sure, codes=codes))

    def _in_m2(self, change: Change) -> Change:
        """Return a change of a share as one of square metres, where they are known."""
        line = change.line
        whole = self.row.get(line.share_of) if line is not None and line.share_of else None
        if change.unit != "share" or whole is None:
            return change

        def amount(share: float | None) -> float | None:
            return None if share is None else share * whole

        return replace(change, amount=amount(change.amount), sure=amount(change.sure), unit="m2")


def _nodes(rule: RuleInfo) -> Iterable[Conditions]:
    for root in (rule.applies, rule.test):
        if root is not None:
            yield from _nodes_below(root)


def _nodes_below(node: Conditions) -> Iterable[Conditions]:
    yield node
    for member in node.members:
        yield from _nodes_below(member)


def _line_nodes(rule: RuleInfo) -> Iterable[Conditions]:
    return (node for node in _nodes(rule) if node.how == "line")


def _together(members: Sequence[list[Way]]) -> list[Way]:
    """Return the ways to have all members at once, each change once.

    Where a condition is met in one place nobody need decide on it in another.
    """
    joined = []
    for ways in product(*members):
        changes = dict.fromkeys(change for way in ways for change in way)
        done = [change.line for change in changes if change.kind in ("move", "answer")]
        joined.append(tuple(c for c in changes if c.kind != "decide" or c.line not in done))
    return joined


def _without_detours(ways: list[Way]) -> list[Way]:
    """Return the ways, shortest first, without those that hold a shorter one whole."""
    kept: list[Way] = []
    for way in sorted(dict.fromkeys(ways), key=len):
        if not any(set(shorter) <= set(way) for shorter in kept):
            kept.append(way)
    return [way for way in kept if way]
