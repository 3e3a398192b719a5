"""What a rule file may say. Every class is a table of the TOML files; unknown keys are faults."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from geo_urc.text import Text
from geo_urc.validation import UnfitError

RULE_ID = r"^[A-Z]+[0-9]+[a-z]?$"
PARAMETER = r"^[A-Z]+[0-9]+[a-z]?\.[a-z][a-z0-9_]*$"
NAME = r"^[a-z][a-z0-9_]*$"


class Table(BaseModel):
    """A TOML table: closed, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Document(Table):
    """A policy document that measures cite."""

    title_zh: str
    title_en: str
    issued: dt.date | None = None
    note_zh: str | None = None
    note_en: str | None = None


class Measure(Table):
    """The catalogue entry of one item of a policy document."""

    id: str = Field(pattern=r"^[A-Z]+[0-9]+$")
    document: str
    number: str
    heading: str
    clause: str | None = None
    department: str | None = None
    policy_class: Literal["全面实施", "试点推进", "探索研究"] | None = None
    title_zh: str
    title_en: str
    effective_from: dt.date | None = None
    effective_until: dt.date | None = None
    checked_on: dt.date


class Step(Table):
    """One bracket of a stepped figure: the value that holds up to a bound, inclusive."""

    up_to: float | None = None
    value: float


Value = (
    bool
    | float
    | str
    | list[str]
    | dict[str, float]
    | dict[str, dict[str, float]]
    | list[Step]
    | None
)
"""What a parameter may be."""

Form = Literal["number", "words", "table", "matrix"]
"""What the user supplies: a number, a list of words, word → number, or word → word → number."""


class Dated(Table):
    """A value that a parameter takes on a day and keeps until the next."""

    from_: dt.date = Field(alias="from")
    value: Value


class Parameter(Table):
    """A figure or a choice of a rule, with where it comes from."""

    value: Value = Field(
        None, description="Left out where the documents give none: unknown until supplied."
    )
    values: list[Dated] = Field(
        [], description="Later values, each from its day on; `value` holds before the first."
    )
    unit: str | None = None
    bound: Literal["inclusive", "exclusive"] = "inclusive"
    basis: Literal["text", "reading"] = Field(
        description="Does the text state it, or is it our reading or another source?"
    )
    choices: list[str] | None = None
    form: Form | None = Field(
        None, description="Of a value that the documents do not give and the user supplies."
    )
    example: Value = Field(None, description="An invented value of that form, to show it.")
    title_zh: str
    title_en: str
    source_zh: str
    source_en: str
    checked_on: dt.date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Parameter:
        days = [dated.from_ for dated in self.values]
        if any(later <= earlier for earlier, later in pairwise(days)):
            raise UnfitError(
                "values 须按日期先后排列，每日一次",
                "give values in the order of their days, each day once",
            )
        return self

    def at(self, date: dt.date | None) -> Value:
        """Return the value in force on a day; without a day, the one before any change.

        Examples
        --------
        >>> radius = Parameter.model_validate(
        ...     {"value": 800, "values": [{"from": "2027-01-01", "value": 1000}], "basis": "text",
        ...      "title_zh": "", "title_en": "", "source_zh": "", "source_en": ""})
        >>> radius.at(dt.date(2026, 12, 31)), radius.at(dt.date(2027, 1, 1))
        (800.0, 1000.0)
        """
        begun = [dated.value for dated in self.values if date and dated.from_ <= date]
        return begun[-1] if begun else self.value

    @model_validator(mode="after")
    def _form_if_unset(self) -> Parameter:
        if self.form and self.value is not None:
            raise UnfitError(
                "form 只用于没有 value 的参数", "a form is for a parameter without a value"
            )
        return self

    @property
    def title(self) -> Text:
        """Label in both languages."""
        return Text(self.title_zh, self.title_en)


class Condition(Table):
    """What conditions share: an id for reasons and the headline."""

    id: str | None = Field(None, pattern=NAME)


class Compare(Condition):
    """A number against a limit; the parameter says whether the limit itself passes."""

    fact: str
    at_most: str | None = None
    at_least: str | None = None
    at_most_fact: str | None = Field(None, description="A limit that is itself computed.")
    at_least_fact: str | None = None
    otherwise: Literal["soft_limit", "reading_open"] | None = Field(
        None, description="Failing is review with this reason, not ineligible."
    )
    missing: Literal["unknown", "review", "passes"] = Field(
        "unknown",
        description="`passes` only for amounts that may be left unasked.",
    )

    @model_validator(mode="after")
    def _one_limit(self) -> Compare:
        limits = (self.at_most, self.at_least, self.at_most_fact, self.at_least_fact)
        if sum(v is not None for v in limits) != 1:
            raise UnfitError(
                "at_most、at_least、at_most_fact、at_least_fact 须恰写一个",
                "give one of at_most, at_least, at_most_fact and at_least_fact",
            )
        return self

    @property
    def limit(self) -> str | None:
        """Name of the limiting parameter, unless the limit is a fact."""
        return self.at_most or self.at_least

    @property
    def limit_fact(self) -> str | None:
        """Name of the limiting fact, where the limit is computed."""
        return self.at_most_fact or self.at_least_fact

    @property
    def side(self) -> Literal["at_most", "at_least"]:
        """On which side of the limit values pass."""
        return "at_least" if self.at_least or self.at_least_fact else "at_most"


class Is(Condition):
    """A yes/no fact."""

    fact: str
    is_: bool = Field(alias="is")
    otherwise: Literal["reading_open"] | None = None
    missing: Literal["unknown", "review"] = "unknown"


class OneOf(Condition):
    """A text fact among the words of a parameter."""

    fact: str
    one_of: str
    otherwise: Literal["reading_open"] | None = None
    strange: Literal["fails", "unknown"] = Field(
        "fails", description="What a word gives that the vocabulary of the field lacks."
    )


class Inside(Condition):
    """Wholly inside an area, beyond accuracy; partly inside is review."""

    inside: str


class Known(Condition):
    """The fact has one certain value."""

    known: str


class Each(Condition):
    """All related subjects meet the same rule's own test for them."""

    each: str
    through: str


class Meets(Condition):
    """Another rule's verdict on the same subject is eligible."""

    rule: str = Field(pattern=RULE_ID)
    missing: Literal["unknown", "passes"] = Field(
        "unknown", description="`passes`: what is undecided there is presumed to be met."
    )


class AllOf(Table):
    """Every member holds, and none of the exceptions does."""

    all: list[Node] = Field(min_length=1)
    unless: list[Node] = []


class AnyOf(Table):
    """At least one member holds."""

    any: list[Node] = Field(min_length=1)


class Choose(Table):
    """The parameter picks which reading of the text is tested."""

    choose: str
    cases: dict[str, Node]


class Always(Table):
    """Holds for every subject."""

    always: Literal[True]


_KINDS: dict[str, str] = {
    "all": "all",
    "any": "any",
    "choose": "choose",
    "each": "each",
    "inside": "inside",
    "known": "known",
    "always": "always",
    "rule": "rule",
    "is": "is",
    "one_of": "one_of",
    "at_most": "compare",
    "at_least": "compare",
    "at_most_fact": "compare",
    "at_least_fact": "compare",
}


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return next((kind for key, kind in _KINDS.items() if key in value), "compare")
    return next(
        (kind for key, kind in _KINDS.items() if hasattr(value, key)),
        "is" if hasattr(value, "is_") else "compare",
    )


Node = Annotated[
    Annotated[AllOf, Tag("all")]
    | Annotated[AnyOf, Tag("any")]
    | Annotated[Choose, Tag("choose")]
    | Annotated[Each, Tag("each")]
    | Annotated[Inside, Tag("inside")]
    | Annotated[Known, Tag("known")]
    | Annotated[Always, Tag("always")]
    | Annotated[Meets, Tag("rule")]
    | Annotated[Is, Tag("is")]
    | Annotated[OneOf, Tag("one_of")]
    | Annotated[Compare, Tag("compare")],
    Discriminator(_kind),
]
NODE_KINDS = frozenset(_KINDS.values())
Leaf = Compare | Is | OneOf | Inside | Known | Each


class Price(Table):
    """What a subject owes under a rule that it meets: base × factor, in yuan.

    Without base and without ``upon`` the rule is about whether anything is owed at all and
    has no price of its own.
    """

    base: str | None = Field(None, description="A fact in yuan that the factor is taken of.")
    upon: str | None = Field(
        None,
        pattern=RULE_ID,
        description="A rule whose amount takes the place of the base where it applies.",
    )
    factor: str | float = Field(1.0, description="A number, or a fact or parameter by name.")
    nothing: bool = Field(False, description="Nothing is owed.")
    note_zh: str | None = Field(None, description="Said with the source of the amount.")
    note_en: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Price:
        if self.nothing and (self.base or self.upon or self.factor != 1.0):
            raise UnfitError(
                "没有 base、upon、factor 便无从计算", "nothing stands without base, upon and factor"
            )
        return self

    @property
    def stated(self) -> bool:
        """Whether the rule leads to an amount, be it nothing."""
        return self.nothing or self.base is not None or self.upon is not None


class Rule(Table):
    """One test of a measure on one kind of subject; without ``test`` it is catalogued only."""

    id: str = Field(pattern=RULE_ID)
    assess: Literal["spatial", "quantity", "attribute", "procedural"]
    subject: str | None = None
    title_zh: str
    title_en: str
    explanation_zh: str
    explanation_en: str
    presumes_zh: str | None = Field(
        None, description="What the text requires besides and no data here can show."
    )
    presumes_en: str | None = None
    parameters: dict[Annotated[str, Field(pattern=NAME)], Parameter] = {}
    applies: Node | None = None
    test: Node | None = None
    headline: str | list[str] | None = Field(
        None, description="The condition whose margin is the rule's; of several, the largest."
    )
    results: list[str] = []
    price: Price | None = None
    addressee: Literal["project", "authority"] = Field(
        "project", description="Whom a procedural measure speaks to; sites, or offices only."
    )
    concerns: Node | None = Field(
        None, description="Which sites a procedural measure concerns; matched, not judged."
    )
    concerns_subjects: list[str] = Field(
        ["parcels", "projects"], min_length=1, description="The roles that are matched."
    )

    @property
    def role(self) -> str:
        """The role whose fields the conditions name; of several that are matched, the first."""
        return self.subject or self.concerns_subjects[0]

    @property
    def computed(self) -> bool:
        """Whether the rule is evaluated, not only catalogued."""
        return self.test is not None

    @property
    def status(self) -> Literal["computed", "matched", "authority", "catalogued"]:
        """What is done with the rule: judged, matched with sites, or only listed."""
        if self.computed:
            return "computed"
        if self.concerns is not None:
            return "matched"
        return "authority" if self.addressee == "authority" else "catalogued"

    @property
    def headlines(self) -> list[str]:
        """Names of the headline conditions."""
        return [self.headline] if isinstance(self.headline, str) else self.headline or []

    @property
    def title(self) -> Text:
        """Label in both languages."""
        return Text(self.title_zh, self.title_en)


STATISTICS = ("min", "max", "mean", "sum")
"""What may be asked of the cells of a raster under a subject."""

LAYER_ARGUMENTS = ("layer", "special", "besides", "network", "cells")
"""The arguments of questions that name the role of a layer or raster."""

QUESTIONS = frozenset(
    [
        "amount",
        "area",
        "by_answer",
        "adjoining",
        "among",
        "beneath",
        "by_case",
        "by_verdict",
        "clearance",
        "compatible",
        "contributed",
        "count_within",
        "demand_served",
        "depth",
        "differs",
        "distance",
        "first_known",
        "floor_of",
        "floor_turn",
        "floor_turn_by_use",
        "formula",
        "held",
        "held_area",
        "held_by",
        "holder_concerned",
        "in_own",
        "least",
        "levels",
        "lookup",
        "mixed",
        "own_or_area",
        "parcel_depth",
        "part",
        "pooled",
        "reached",
        "same_zone",
        "separation",
        "served",
        "share_in",
        "share_within",
        "solid",
        "stated_area",
        "stage",
        "steps",
        "tied_to",
        "turn",
        "use_headroom",
        "use_held",
        "volume",
        "waived",
        "walking_distance",
        "zonal",
        "zone",
    ]
)
"""The questions that ``geo_urc/facts/questions/`` answers; a test holds the two together."""


class Case(Table):
    """One case of the question ``by_case``: a condition on a fact, and the answer where it holds."""

    fact: str
    is_: bool | None = Field(None, alias="is")
    one_of: str | None = Field(None, description="Full name of a parameter that lists words.")
    same_as: str | None = Field(None, description="A fact that has the same value.")
    at_most: float | str | None = Field(None, description="A number, or a parameter's full name.")
    at_least: float | str | None = None
    answer: str | bool

    @model_validator(mode="after")
    def _one_condition(self) -> Case:
        given = (self.is_, self.one_of, self.same_as, self.at_most, self.at_least)
        if sum(v is not None for v in given) != 1:
            raise UnfitError(
                "is、one_of、same_as、at_most、at_least 须恰写一个",
                "give one of is, one_of, same_as, at_most and at_least",
            )
        return self

    @property
    def names(self) -> list[str]:
        """The facts and parameters that the case names."""
        given = (self.fact, self.one_of, self.same_as, self.at_most, self.at_least)
        return [name for name in given if isinstance(name, str)]


class Change(Table):
    """How a person brings about another value, in words; ``{amount}`` stands for how much."""

    less_zh: str = Field(pattern=r"\{amount\}")
    less_en: str = Field(pattern=r"\{amount\}")
    more_zh: str = Field(pattern=r"\{amount\}")
    more_en: str = Field(pattern=r"\{amount\}")
    of: str | None = Field(
        None, description="The amount in m2 of which the fact is a share: amounts are then in m2."
    )


class Fact(Table):
    """A quantity that rules may name: a question asked of the map, and its arguments."""

    question: str
    title_zh: str
    title_en: str
    unit: str | None = None
    words: dict[str, str] = Field({}, description="Of text: code → what a reader sees in Chinese.")
    arguments: dict[str, Any] = {}
    feature: str | None = Field(
        None, description="The fact that names the feature behind this one."
    )
    change: Change | None = Field(
        None, description="What would make it less or more; by default its title is used."
    )
    supply_zh: str | None = Field(
        None, description="What to supply where the fact is not known, if several things would do."
    )
    supply_en: str | None = None
    report_for: list[str] = Field(
        [],
        description="Subjects that get the fact as a column even if no rule asks for it; * is all.",
    )
    report_if: str | None = Field(
        None, description="A role without whose layer `report_for` does not count."
    )

    @model_validator(mode="after")
    def _cases_in_order(self) -> Fact:
        if self.question == "by_case" and not self.cases:
            raise UnfitError("by_case 须有 cases", "by_case needs cases")
        return self

    @property
    def cases(self) -> list[Case]:
        """The cases of a fact that asks ``by_case``."""
        given = self.arguments.get("cases", []) if self.question == "by_case" else []
        return [Case.model_validate(case) for case in given]

    @property
    def title(self) -> Text:
        """Label in both languages."""
        return Text(self.title_zh, self.title_en)

    @property
    def supply(self) -> Text | None:
        """What to supply, in both languages."""
        return Text(self.supply_zh, self.supply_en) if self.supply_zh and self.supply_en else None


class MeasureFile(Table):
    """One file of the rulebook folder."""

    measure: Measure
    rules: list[Rule] = Field(min_length=1)


class OverlayFile(Table):
    """A user's file laid over the rulebook: changed parameters, new facts, a new measure."""

    parameters: dict[Annotated[str, Field(pattern=PARAMETER)], Any] = {}
    facts: dict[Annotated[str, Field(pattern=NAME)], Fact] = {}
    measure: Measure | None = None
    rules: list[Rule] = []


def nodes(node: Node | None) -> Iterator[Node]:
    """Yield a node and every node below it, all readings of a choice included."""
    match node:
        case None:
            return
        case AllOf():
            members = [*node.all, *node.unless]
        case AnyOf():
            members = node.any
        case Choose():
            members = list(node.cases.values())
        case _:
            members = []
    yield node
    for member in members:
        yield from nodes(member)


def leaves(node: Node | None) -> Iterator[Leaf]:
    """Yield every condition on a fact below a node, all readings of a choice included.

    Examples
    --------
    >>> tree = AllOf(all=[Inside(inside="blue_depth_m"), Known(known="tier")])
    >>> [type(leaf).__name__ for leaf in leaves(tree)]
    ['Inside', 'Known']
    """
    for each in nodes(node):
        if not isinstance(each, AllOf | AnyOf | Choose | Always | Meets):
            yield each


def presupposed(node: Node | None) -> Iterator[Meets]:
    """Yield what a node asks of other rules, all readings of a choice included."""
    return (each for each in nodes(node) if isinstance(each, Meets))


def fact_of(leaf: Leaf) -> str:
    """Return the fact that a condition reads."""
    match leaf:
        case Inside():
            return leaf.inside
        case Known():
            return leaf.known
        case Each():
            return leaf.through
        case _:
            return leaf.fact


def names_in(formula: Any) -> list[str]:
    """Return the facts and parameters that a formula names."""
    if isinstance(formula, str):
        return [formula]
    if isinstance(formula, dict):
        return [name for terms in formula.values() for name in names_in(terms)]
    if isinstance(formula, list):
        return [name for term in formula for name in names_in(term)]
    return []


def condition_name(leaf: Leaf | Meets) -> str:
    """Return what reasons call the condition: its id, else its fact or rule."""
    return leaf.id or (leaf.rule if isinstance(leaf, Meets) else fact_of(leaf))


def amount_fact(rule: str) -> str:
    """Return the name of the fact that holds what is owed under a rule.

    Examples
    --------
    >>> amount_fact("P4a")
    'p4a_amount_yuan'
    """
    return f"{rule.lower()}_amount_yuan"


for _table in (AllOf, AnyOf, Choose, Rule):
    _table.model_rebuild()
