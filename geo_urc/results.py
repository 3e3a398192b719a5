"""The results of a run as outputs see them: tables, and what each column means."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from geo_urc.text import Lang, Text

GEOMETRY = "geom"
"""Name of the WKB geometry column of every result table, unless the user has it."""


UNITS: dict[str, Text] = {
    "m": Text("米", "m"),
    "m2": Text("平方米", "m²"),
    "m3": Text("立方米", "m³"),
    "m2/m2": Text("平方米/平方米", "m²/m²"),
    "ha": Text("公顷", "ha"),
    "km2": Text("平方公里", "km²"),
    "yuan": Text("元", "yuan"),
    "percent": Text("%", "%"),
    "storeys": Text("层", "storeys"),
    "people": Text("人", "people"),
    "dwellings": Text("户", "dwellings"),
    "years": Text("年", "years"),
    "share": Text("", ""),
    "factor": Text("", ""),
    "yes_no": Text("", ""),
}
"""Unit code → how it is written behind a number; shares and factors stand alone."""


ASSESS: dict[str, Text] = {
    "spatial": Text("空间", "spatial"),
    "quantity": Text("数量", "quantity"),
    "attribute": Text("属性", "attribute"),
    "procedural": Text("程序", "procedural"),
}
"""How a measure would be assessed → what a reader sees."""

STATUSES: dict[str, Text] = {
    "computed": Text("计算", "computed"),
    "evaluated": Text("已判定", "evaluated"),
    "not_evaluated": Text("未判定：没有这类对象的图层", "not evaluated: no layer of its subjects"),
    "matched": Text("按属性匹配，不计算", "matched by attribute, not computed"),
    "authority": Text("只对部门提出", "addressed to authorities only"),
    "catalogued": Text("仅列入目录", "catalogued only"),
    "not_in_force": Text("当日未施行", "not in force on the day"),
    "not_asked": Text("本次未选", "not asked for in this run"),
}
"""What is done with a rule, in general or in a run → what a reader sees."""


@dataclass(frozen=True)
class Column:
    """What one column of a result layer is."""

    name: str
    title: Text
    origin: Literal["user", "id", "fact", "verdict", "concern", "geometry", "raw"]
    unit: str | None = None
    rule: str | None = None
    """For ``verdict`` columns: the rule they belong to."""
    part: Literal["verdict", "margin", "accuracy", "reason", "matched", "open"] | None = None


@dataclass(frozen=True)
class FactLine:
    """One tested or reported fact of a rule, with its limit, ready to be shown."""

    column: str
    title: Text
    unit: str | None
    limit: Text | None
    """The limit in words, e.g. ``≤ 800 m``; None for a reported fact."""
    condition: str | None = None
    """Id of the condition in the rule; None for a reported fact."""
    side: Literal["at_most", "at_least", "inside"] | None = None
    """For a measured condition: on which side of the limit values pass; inside is from 0."""
    limit_value: float | None = None
    limit_column: str | None = None
    """The column that holds the limit where it is itself computed."""
    feature_column: str | None = None
    """The column that names the feature behind the fact."""
    empty: Text | None = None
    """What an empty value says where nothing is missing, e.g. over 200 m away."""
    fact: str = ""
    """Name in the catalogue; the column may have another."""
    exclusive: bool = False
    """Whether the limit itself fails."""
    wanted: tuple[str, ...] | None = None
    """For a condition on a word (yes and no too): the words that pass."""
    layers: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    """What the fact is made from; of a condition, its limit included."""
    less: Text | None = None
    more: Text | None = None
    """What brings about a smaller or larger value, with ``{amount}``."""
    share_of: str | None = None
    """The column in m² of which the value is a share."""
    supply: Text | None = None
    """What to supply where the fact is not known, if several things would do."""
    exception: bool = False
    """Whether the condition is one that must not be met."""
    words: tuple[tuple[str, str], ...] = ()
    """Of text with a vocabulary: code and what a reader sees in Chinese."""

    @property
    def asked(self) -> Text | None:
        """What the rule asks of the value: the limit, or for an exception that it is not so."""
        return negated(self.limit) if self.exception and self.limit else self.limit

    def worded(self, value: object, lang: Lang) -> object:
        """Return a value as a reader sees it: a code of the vocabulary in words, else itself."""
        label = dict(self.words).get(value) if isinstance(value, str) else None
        return value if label is None else Text(label, str(value).replace("_", " ")).to(lang)


def negated(limit: Text) -> Text:
    """Return the words for what must not be so.

    Examples
    --------
    >>> negated(Text("居住", "residential")).zh
    '不属“居住”'
    """
    return Text(f"不属“{limit.zh}”", f"not “{limit.en}”")


@dataclass(frozen=True)
class Conditions:
    """How the conditions of a rule combine."""

    how: Literal["all", "any", "not", "line", "each", "rule"]
    members: tuple[Conditions, ...] = ()
    line: int | None = None
    """Of ``line``: place of the condition among the rule's facts."""
    otherwise: str | None = None
    """Of ``line``: the reason of a review where not met is for a person to decide."""
    unasked_passes: bool = False
    """Of ``line``: whether a value that is not given passes; of ``rule``: what is undecided."""
    role: str | None = None
    """Of ``each``: whose features must each meet the rule."""
    rule: str | None = None
    """Of ``rule``: which other rule the subject must meet."""
    condition: str | None = None
    """Of ``rule``: what reasons call the condition."""


@dataclass(frozen=True)
class RuleInfo:
    """A rule as evaluated in this run for one subject."""

    id: str
    measure: str
    title: Text
    explanation: Text
    citation: Text
    """Document, number, heading, department."""
    policy_class: Text | None
    """In force, pilot, exploratory."""
    assess: str
    parameters: Mapping[str, Any]
    changed_parameters: tuple[str, ...]
    """Parameters that differ from the built-in rulebook in this run."""
    headline: str | None
    """Column of the headline fact."""
    facts: tuple[FactLine, ...]
    layers: tuple[str, ...]
    layers_missing: tuple[str, ...]
    applies: Conditions | None = None
    test: Conditions | None = None
    rests_on: Mapping[str, Any] = field(default_factory=dict)
    """Every parameter that can change the verdict → value; of other rules too."""
    definition: str = ""
    """Short hash of the rule and the facts behind it, but for the values of parameters."""
    related: Mapping[str, Text] = field(default_factory=dict)
    """Conditions of the same rule for subjects on which this one hangs → titles; for reasons."""

    @property
    def prefix(self) -> str:
        """Prefix of the rule's columns, e.g. ``t08a``."""
        return self.id.lower()


@dataclass(frozen=True)
class LayerInfo:
    """One result layer: a subject role with its columns and rules, in column order."""

    role: str
    title: Text
    geometry_type: str
    crs: str
    columns: tuple[Column, ...]
    rules: tuple[RuleInfo, ...]

    def column_of(self, rule: str, part: str) -> str:
        """Return the name of a rule's verdict, margin, accuracy or reason column."""
        return next(c.name for c in self.columns if c.rule == rule and c.part == part)

    def one(self, origin: str) -> str:
        """Return the name of the single column of an origin (``id``, ``geometry``, ``raw``)."""
        return next(c.name for c in self.columns if c.origin == origin)

    def concern_column(self, part: str) -> str | None:
        """Return the column of the procedural measures ``matched`` or ``open``, or the reasons."""
        found = (c.name for c in self.columns if c.origin == "concern" and c.part == part)
        return next(found, None)


@dataclass(frozen=True)
class CatalogueEntry:
    """A rule of the whole rulebook and what this run did with it, computed or not."""

    id: str
    measure: str
    title: Text
    explanation: Text
    citation: Text
    department: str | None
    policy_class: Text | None
    assess: str
    subject: str | None
    status: str
    """A key of ``STATUSES``."""
    concerns: Text | None = None
    """Of a procedural measure: which sites, in words."""
    facts: Mapping[str, Text] = field(default_factory=dict)
    """What that asks of a site: field or fact → title."""
    layers_missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class ContextLayer:
    """A layer that was measured against, for a map to show where the subjects lie."""

    role: str
    title: Text
    crs: str
    wkb: pa.Array
    names: pa.Array | None = None
    """What the features are called; null where one has no name."""


@dataclass
class Results:
    """A finished run in memory.

    Attributes
    ----------
    run
        The run record, as in ``run.json``.
    layers
        Role → layer description; ``parcels`` first.
    tables
        Role → table with exactly the columns of the description.
    context
        Layers that help a reader find the way: districts, stations, water, green.
    catalogue
        Every rule of the rulebook, in its order, with what became of it in this run.
    """

    run: dict[str, Any]
    layers: dict[str, LayerInfo]
    tables: dict[str, pa.Table] = field(default_factory=dict)
    context: tuple[ContextLayer, ...] = ()
    catalogue: tuple[CatalogueEntry, ...] = ()


@dataclass(frozen=True)
class FactSaid:
    """A fact of one subject in words; empty where there is nothing to say."""

    title: str
    value: str
    asked: str = ""
    margin: str = ""
    accuracy: str = ""
    feature: str = ""


@dataclass(frozen=True)
class RuleSaid:
    """Why one subject got its verdict under a rule, and what would change it, in words."""

    id: str
    title: str
    verdict: str
    """One of the five words, as in the tables."""
    reasons: tuple[str, ...]
    layers_missing: tuple[str, ...]
    facts: tuple[FactSaid, ...]
    outlook: str
    """What the ways come to: what it would take, what would settle it, or the room left."""
    how: str
    """How the ways and their steps go together, empty where there is one step."""
    ways: tuple[tuple[str, ...], ...]
    """Ways to it, each of steps that are all needed; of the room left, one way."""
    further: str
    """That there are more ways, or nothing."""
    left_out: int
    """Ways that are not told."""
    changed: tuple[str, ...]
    policy_class: str
    source: str


@dataclass(frozen=True)
class SubjectSaid:
    """One subject with all that is to be said of it."""

    role: str
    id: str
    rules: tuple[RuleSaid, ...]
    concerns: str = ""
    """The procedural measures that concern it."""


@dataclass(frozen=True)
class Sweep:
    """Verdicts counted under each of several values of one parameter.

    Attributes
    ----------
    parameter, title, unit
        Full name, label and unit code of the parameter.
    values
        In the order in which they were asked for.
    rules
        ``(rule, subject)`` → title of the rules whose verdicts hang on the parameter.
    subjects
        Subject role → title.
    table
        A row for each subject, rule and value: number of subjects by verdict, and their
        area in m² (``eligible_m2`` …).
    """

    parameter: str
    title: Text
    unit: str | None
    values: tuple[Any, ...]
    rules: Mapping[tuple[str, str], Text]
    subjects: Mapping[str, Text]
    table: pa.Table


@dataclass(frozen=True)
class About:
    """What a file of results says of itself.

    Attributes
    ----------
    title
        What the file is.
    as_of
        Date that the verdicts speak for; stands wherever a format wants a time.
    rulebook_version, software
        Of the rulebook and of this program.
    crs
        Evaluation system, in metres, in which maps are drawn.
    sources
        What was read, a line each.
    names
        Role → the user's column that names its subjects.
    counts
        Role → rule → verdict → number of subjects.
    """

    title: Text
    as_of: dt.date
    rulebook_version: str = ""
    software: str = ""
    crs: str = ""
    sources: tuple[Text, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)

    @property
    def stamp(self) -> str:
        """The date as a time, for formats that want one: the same run gives the same bytes."""
        return f"{self.as_of.isoformat()}T00:00:00.000Z"
