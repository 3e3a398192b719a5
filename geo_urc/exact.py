"""Figures in exact fractions, from the same catalogue of facts that rules read.

Floats are the figures that a user typed: 15 significant digits, which is what a float holds
for certain, are taken for what was meant. From there on nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import Any, Protocol

import numpy as np

from geo_urc.facts.fact import Fact, Mask, Rows
from geo_urc.policy import model
from geo_urc.policy.rulebook import Rulebook
from geo_urc.verdicts import Outcome, Verdict

Column = list[Fraction | None]
"""One figure a row; None where it is not known for certain."""

_DIGITS = 15


class Subjects(Protocol):
    """What figures are worked out from: facts and verdicts of some subjects."""

    scene: Any

    def __len__(self) -> int: ...

    def fact(self, name: str) -> Fact:
        """Return a fact by its name in the catalogue, a field, or a parameter."""

    def rule(self, rule: str) -> model.Rule:
        """Return a rule as it stands for these subjects."""

    def outcome(self, rule: str) -> Outcome:
        """Return the verdicts of a rule."""

    def applies(self, rule: str) -> Outcome:
        """Return whether a rule is for the subjects, whatever its test says."""


def exactly(value: float) -> Fraction | None:
    """Return the decimal that a float was typed as; None for NaN and infinity.

    Examples
    --------
    >>> exactly(0.1), exactly(1234.57 * 1e4)
    (Fraction(1, 10), Fraction(12345700, 1))
    """
    return Fraction(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None


@dataclass
class Figures:
    """Facts of some rows of the subjects as exact fractions.

    A value that is missing, for a person to look at, or one of several that may hold (a
    boundary runs through the subject, a layer is incomplete) is None.
    """

    subjects: Subjects
    rows: Rows
    _named: dict[str, Column] = field(default_factory=dict)

    def named(self, name: str) -> Column:
        """Return a fact, a field or a parameter."""
        if name not in self._named:
            self._named[name] = self._ask(name)
        return self._named[name]

    def formula(self, formula: Any) -> Column:
        """Return a number, a named figure, or one operation on formulas."""
        if isinstance(formula, str):
            return self.named(formula)
        if isinstance(formula, int | float):
            return [exactly(float(formula))] * len(self.rows)
        ((operation, terms),) = formula.items()
        columns = [self.formula(term) for term in terms]
        return [_combined(_OPERATIONS[operation], row) for row in zip(*columns, strict=True)]

    def _ask(self, name: str) -> Column:
        book: Rulebook = self.subjects.scene.book
        spec = None if name in book.values else book.facts.get(name)
        if spec is not None:
            match spec.question:
                case "formula":
                    return self.formula(spec.arguments)
                case "steps":
                    return self._stepped(**spec.arguments)
                case "by_verdict":
                    return self._by_verdict(**spec.arguments)
                case "by_answer":
                    return self._by_answer(**spec.arguments)
                case "amount":
                    return owed(self.subjects, spec.arguments["rule"], self.rows).amount
        fact = self.subjects.fact(name)
        sure = ~_open(fact)[self.rows]
        values = fact.value[self.rows].tolist()
        return [exactly(value) if s else None for value, s in zip(values, sure, strict=True)]

    def _stepped(self, of: str, steps: Any) -> Column:
        given = (
            self.subjects.scene.book.values.get(steps, steps) if isinstance(steps, str) else steps
        )
        brackets = [
            (None if step.up_to is None else exactly(step.up_to), exactly(step.value))
            for step in given
        ]

        def bracket(value: Fraction | None) -> Fraction | None:
            if value is None or value <= 0:
                return None
            return next(
                (figure for up_to, figure in brackets if up_to is None or value <= up_to), None
            )

        return [bracket(value) for value in self.named(of)]

    def _by_verdict(self, rule: str, **given: Any) -> Column:
        state = self.subjects.outcome(rule).state[self.rows]
        return self._picked([Verdict(s).word for s in state.tolist()], given)

    def _by_answer(self, of: str, yes: Any, no: Any) -> Column:
        words = {Fraction(1): "yes", Fraction(0): "no", None: ""}
        return self._picked([words[said] for said in self.named(of)], {"yes": yes, "no": no})

    def _picked(self, words: Sequence[str], given: Mapping[str, Any]) -> Column:
        columns = {word: self.formula(figure) for word, figure in given.items()}
        return [columns[word][i] if word in columns else None for i, word in enumerate(words)]


@dataclass(frozen=True)
class Owed:
    """What some subjects owe under a rule, in yuan, unrounded; amount = base × factor.

    Attributes
    ----------
    base_fact
        The fact that the base is; None where there is no base.
    reasons
        Why there is no amount, and what was presumed where there is one: codes, a list a row.
    """

    base: Column
    factor: Column
    amount: Column
    base_fact: list[str | None]
    reasons: list[list[str]]


def owed(subjects: Subjects, rule: str, rows: Rows) -> Owed:
    """Return what rows of the subjects owe under a rule, taking for granted that they meet it.

    Of a price ``upon`` another rule the base is that rule's amount where that rule is for the
    subject and not failed; an amount that is open there is open here. Where it is undecided
    whether that rule is for the subject at all, it is presumed not to be, and that is said.
    """
    n, price = len(rows), subjects.rule(rule).price
    base: Column = [None] * n
    named: list[str | None] = [None] * n
    reasons: list[list[str]] = [[] for _ in range(n)]
    if price is None or not price.stated:
        return Owed(base, base, base, named, reasons)
    if price.nothing:
        none: Column = [Fraction(0)] * n
        return Owed(base, none, none, named, reasons)
    figures = Figures(subjects, rows)
    if price.base is not None:
        base, named = list(figures.named(price.base)), [price.base] * n
        reasons = _gaps(subjects, rows, price.base, base)
    if price.upon is not None:
        under = owed(subjects, price.upon, rows)
        applies = subjects.applies(price.upon).state[rows]
        state = subjects.outcome(price.upon).state[rows]
        for i in range(n):
            if state[i] in (Verdict.INELIGIBLE, Verdict.NOT_APPLICABLE):
                continue
            if applies[i] == Verdict.ELIGIBLE:
                met = state[i] == Verdict.ELIGIBLE
                base[i] = under.amount[i] if met else None
                named[i] = model.amount_fact(price.upon)
                reasons[i] = list(under.reasons[i]) if met else [f"undecided:{price.upon}"]
            elif base[i] is not None:
                reasons[i].append(f"presumed_not:{price.upon}")
    factor = figures.formula(price.factor)
    if isinstance(price.factor, str):
        gaps = _gaps(subjects, rows, price.factor, factor)
        reasons = [list(dict.fromkeys([*a, *b])) for a, b in zip(reasons, gaps, strict=True)]
    amount = [_combined(_OPERATIONS["product"], pair) for pair in zip(base, factor, strict=True)]
    return Owed(base, factor, amount, named, reasons)


def _gaps(subjects: Subjects, rows: Rows, name: str, column: Column) -> list[list[str]]:
    """Return, for each row without a figure, the codes of what it lacks."""
    fact = subjects.fact(name)
    masks = {**fact.review, **fact.missing}
    if fact.alternatives is not None:
        masks["straddles"] = _differing(fact)
    masks |= {b.reason: b.limit != fact.value for b in fact.bounds}
    found = [
        [code for code, mask in masks.items() if value is None and mask[row]]
        for row, value in zip(rows.tolist(), column, strict=True)
    ]
    return [
        codes or ([f"attribute_missing:{name}"] if value is None else [])
        for codes, value in zip(found, column, strict=True)
    ]


def _open(fact: Fact) -> Mask:
    """Return the rows whose value is not one certain figure."""
    open_ = fact.unknown
    for mask in fact.review.values():
        open_ = open_ | mask
    for bound in fact.bounds:
        open_ = open_ | (bound.limit != fact.value)
    return open_ | _differing(fact)


def _differing(fact: Fact) -> Mask:
    """Return the rows of which a part has another value."""
    differs = np.zeros(len(fact.value), bool)
    if fact.alternatives is not None:
        rows, values = fact.alternatives
        differs[rows[values != fact.value[rows]]] = True
    return differs


def _combined(
    operation: Callable[[Sequence[Fraction]], Fraction | None], terms: Sequence[Fraction | None]
) -> Fraction | None:
    known = [term for term in terms if term is not None]
    return operation(known) if len(known) == len(terms) else None


_OPERATIONS: dict[str, Callable[[Sequence[Fraction]], Fraction | None]] = {
    "product": lambda terms: prod(terms, start=Fraction(1)),
    "sum": lambda terms: sum(terms, Fraction(0)),
    "difference": lambda terms: terms[0] - terms[1],
    "ratio": lambda terms: terms[0] / terms[1] if terms[1] else None,
    "minimum": min,
}
