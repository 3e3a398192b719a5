"""What projects owe under the priced rules: a line for each project and clause."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from geo_urc import describe, exact, verdicts
from geo_urc.evaluation import Evaluation, Scene
from geo_urc.inputs import read_inputs
from geo_urc.inputs.table import Inputs
from geo_urc.policy import model
from geo_urc.policy.rulebook import Rulebook
from geo_urc.text import Lang, Text
from geo_urc.verdicts import Outcome, Verdict

SUBJECT = "projects"
_YUAN, _FACTOR = pa.decimal128(38, 2), pa.decimal128(38, 6)
SCHEMA = pa.schema(
    [
        ("subject_id", pa.string()),
        ("clause", pa.string()),
        ("base_yuan", _YUAN),
        ("factor", _FACTOR),
        ("amount_yuan", _YUAN),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("source", pa.string()),
    ]
)
_FOR_A_PERSON = frozenset(("within_accuracy", "soft_limit", "straddles", "reading_open"))
_OPEN = (Verdict.REVIEW, Verdict.UNKNOWN)


def priced_rules(book: Rulebook) -> list[model.Rule]:
    """Return the rules of projects that lead to an amount or say whether one can arise."""
    return [rule for rule in book.of_subject(SUBJECT) if rule.price is not None]


def layers_needed(book: Rulebook) -> frozenset[str]:
    """Return the roles of the layers that prices rest on."""
    return frozenset(role for r in priced_rules(book) for role in describe.layers_of(book, r))


def read_projects(projects: Any, layers: Any, book: Rulebook, *, strict: bool = False) -> Inputs:
    """Read projects as the main subjects, and the layers that prices rest on.

    A table without coordinates will do; parameters as of
    :func:`~geo_urc.inputs.read_inputs`.
    """
    return read_inputs(
        projects,
        layers=layers,
        roles_needed=layers_needed(book),
        strict=strict,
        main_role=SUBJECT,
        table_will_do=True,
    )


def breakdown(
    inputs: Inputs, book: Rulebook, *, strict: bool = False, lang: Lang = "zh"
) -> pa.Table:
    """Return what the projects owe: a row for each project and clause that is applied or open.

    Parameters
    ----------
    inputs
        With the projects as the main subjects; they need no geometry, except for clauses
        that ask where they lie.

    Returns
    -------
    Table
        In the columns of :data:`SCHEMA`, projects in input order, clauses in the order of the
        rulebook. Amounts are exact until they are rounded half up to 0.01 here; a clause that
        is open, or that lacks an input, has none. A rule without a price of its own (the
        scope) has a row for every project. Clauses stand side by side: nothing is added up.
    """
    rules = priced_rules(book)
    scene = Scene(book, inputs.layers, strict, inputs.parcels, placeless=True)
    rows: list[dict[str, Any]] = []
    for batch in inputs.parcels.batches():
        subjects = Evaluation(batch.features, scene, inputs.parcels.datum_known)
        lines = [_lines(subjects, rule, lang) for rule in rules]
        ids = batch.features.ids.tolist()
        rows += [
            {"subject_id": ids[i], **line}
            for i in range(len(ids))
            for by in lines
            if (line := by[i])
        ]
    return pa.Table.from_pylist(rows, SCHEMA)


def rounded(value: Fraction, places: int) -> Decimal:
    """Return a fraction as a decimal with so many places, halves away from zero.

    Examples
    --------
    >>> rounded(Fraction("700.035"), 2), rounded(Fraction("-0.005"), 2), rounded(Fraction(2, 3), 6)
    (Decimal('700.04'), Decimal('-0.01'), Decimal('0.666667'))
    """
    scaled = abs(value) * 10**places
    units = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    digits = tuple(int(digit) for digit in str(units))
    return Decimal((int(value < 0), digits, -places))


def _lines(subjects: Evaluation, rule: model.Rule, lang: Lang) -> list[dict[str, Any] | None]:
    """Return the line of each subject under one rule; None where the rule is not applied."""
    assert rule.price is not None
    outcome = subjects.outcome(rule.id)
    words, reasons = verdicts.words(outcome), verdicts.reason_column(outcome)
    presumed = _presumed(subjects, rule)
    met = np.flatnonzero(outcome.state == Verdict.ELIGIBLE)
    owed = exact.owed(subjects, rule.id, met)
    place = {row: k for k, row in enumerate(met.tolist())}
    found: list[dict[str, Any] | None] = []
    for row, state in enumerate(outcome.state.tolist()):
        if rule.price.stated and state not in (Verdict.ELIGIBLE, *_OPEN):
            found.append(None)
            continue
        line = {"clause": rule.id, "verdict": words[row]}
        codes = [*filter(None, reasons[row].split(";"))]
        base_fact = None
        if (k := place.get(row)) is not None and rule.price.stated:
            base, factor, amount = owed.base[k], owed.factor[k], owed.amount[k]
            line["base_yuan"] = None if base is None else rounded(base, 2)
            line["factor"] = None if factor is None else rounded(factor, 6)
            line["amount_yuan"] = None if amount is None else rounded(amount, 2)
            codes += owed.reasons[k]
            base_fact = owed.base_fact[k]
            if amount is None:
                line["verdict"] = _why_open(subjects, row, owed.reasons[k]).word
        codes += [code for code, mask in presumed.reasons.items() if mask[row]]
        line["reason"] = ";".join(dict.fromkeys(codes))
        line["source"] = _source(subjects, rule, state == Verdict.ELIGIBLE, base_fact).to(lang)
        found.append(line)
    return found


def _presumed(subjects: Evaluation, rule: model.Rule) -> Outcome:
    """Return where a rule was taken for met although it is undecided, with ``presumed:RULE``."""
    reasons = {}
    for node in [*model.presupposed(rule.applies), *model.presupposed(rule.test)]:
        if node.missing == "passes":
            open_ = np.isin(subjects.outcome(node.rule).state, _OPEN)
            mine = subjects.outcome(rule.id).state != Verdict.NOT_APPLICABLE
            reasons[f"presumed:{node.rule}"] = open_ & mine
    return Outcome(np.zeros(len(subjects), np.uint8), reasons)


def _why_open(subjects: Evaluation, row: int, codes: list[str]) -> Verdict:
    """Return what a missing amount makes of a rule that is met: review if a person can settle it."""
    for code in codes:
        head, _, detail = code.partition(":")
        if head == "undecided":
            by_person = subjects.outcome(detail).state[row] == Verdict.REVIEW
        else:
            by_person = head in _FOR_A_PERSON or head.startswith("presumed")
        if not by_person:
            return Verdict.UNKNOWN
    return Verdict.REVIEW


def _source(subjects: Evaluation, rule: model.Rule, met: bool, base_fact: str | None) -> Text:
    """Return the clause cited, what its note says where it is met, and what the base is."""
    book, price = subjects.scene.book, rule.price
    cited = describe.citation(book, rule)
    zh, en = [cited.zh], [cited.en]
    if base_fact is not None:
        base = describe.fact_title(book, SUBJECT, base_fact)
        zh, en = [*zh, f"基数：{base.zh}"], [*en, f"base: {base.en}"]
    if met and price is not None and price.note_zh and price.note_en:
        zh, en = [*zh, price.note_zh], [*en, price.note_en]
    return Text("；".join(zh), "; ".join(en))
