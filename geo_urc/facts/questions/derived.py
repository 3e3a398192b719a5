"""Questions that the subject alone and other facts answer: attributes, formulas, tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from geo_urc.facts import formula
from geo_urc.facts.fact import Alternatives, Bound, Fact, Mask, absent, is_empty
from geo_urc.facts.outlines import Floats
from geo_urc.facts.questions.asking import (
    Context,
    Words,
    own_field,
    question,
    unplaced,
)


@question("area")
def own_area(ctx: Context) -> Fact:
    """Answer with the subject's own area in m², exact."""
    value = np.where(ctx.placed, ctx.area_m2, np.nan)
    return Fact(value, missing=unplaced(ctx))


@question("stated_area")
def stated_area(ctx: Context, *, field: str) -> Fact:
    """Answer with an area in m² that the subject states, else with its own; points have none."""
    stated = own_field(ctx, field, text=False).value
    drawn = own_area(ctx).value
    value = np.where(stated > 0, stated, np.where(drawn > 0, drawn, np.nan))
    lacking = np.isnan(value)
    code = f"attribute_missing:{field}"
    return Fact(
        value, missing={code: lacking & ctx.placed, "geometry_unusable": lacking & ~ctx.placed}
    )


@question("part")
def part_of(ctx: Context, *, of: str, part: str) -> Fact:
    """Answer with a further column of another fact."""
    whole = ctx.fact(of)
    if part in whole.parts:
        return whole.parts[part]
    return absent(len(ctx), next(iter(whole.missing), "layer_missing"), text=True)


@question("formula")
def from_formula(ctx: Context, **operation: Any) -> Fact:
    """Answer with a formula of other facts and parameters."""
    return formula.evaluate(operation, len(ctx), ctx.fact)


@question("lookup")
def lookup(
    ctx: Context, *, key: str, table: Mapping[str, float], otherwise: float = np.nan
) -> Fact:
    """Answer with the figure that a table gives for a text fact, else the figure elsewhere.

    Without a figure elsewhere, a word that the table lacks has no figure.
    """
    of = ctx.fact(key)

    def figures(texts: Words) -> Floats:
        coded = pa.array(texts, pa.string(), from_pandas=True).dictionary_encode()
        known = [table.get(word, otherwise) for word in coded.dictionary.to_pylist()]
        place = coded.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)
        return np.array([*known, np.nan], float)[place]

    other = of.alternatives and Alternatives(of.alternatives.rows, figures(of.alternatives.values))
    value = figures(of.value)
    lacking = np.isnan(value) & ~is_empty(of.value)
    missing = {**of.missing, f"value_unrecognised:{key}": lacking}
    return Fact(value, missing=missing, alternatives=other)


@question("steps")
def stepped(ctx: Context, *, of: str, steps: Sequence[Any]) -> Fact:
    """Answer with the figure of the first step that a value does not exceed.

    A step's own bound belongs to it. Values of 0 or less have no figure. Attributes are
    exact, so bounds are compared free of the last bits that division leaves.
    """
    base = ctx.fact(of)
    value = np.full(len(ctx), np.nan)
    for step in reversed(steps):
        up_to = np.inf if step.up_to is None else step.up_to
        value[base.value <= up_to * (1 + 1e-12)] = step.value
    value[base.value <= 0] = np.nan
    return Fact(value, missing=base.missing)


@question("by_verdict")
def by_verdict(ctx: Context, *, rule: str, **given: Any) -> Fact:
    """Answer with a figure that hangs on another rule's verdict; else it is not known."""
    verdict = ctx.verdict(rule)
    value, settled = np.full(len(ctx), np.nan), np.zeros(len(ctx), bool)
    for word, figure in given.items():
        rows = verdict == word
        fact = formula.evaluate(figure, len(ctx), ctx.fact)
        value[rows] = fact.value[rows]
        settled |= rows & ~np.isnan(value)
    return Fact(value, missing={f"undecided:{rule}": ~settled})


@question("by_answer")
def by_answer(ctx: Context, *, of: str, yes: Any, no: Any) -> Fact:
    """Answer with one figure where a yes/no fact says yes, and with another where it says no."""
    said = ctx.fact(of)
    value = np.full(len(ctx), np.nan)
    missing, review = dict(said.missing), dict(said.review)
    for answer, figure in ((1.0, yes), (0.0, no)):
        rows = said.value == answer
        fact = formula.evaluate(figure, len(ctx), ctx.fact)
        value[rows] = fact.value[rows]
        for kept, found in ((missing, fact.missing), (review, fact.review)):
            for code, mask in found.items():
                kept[code] = kept.get(code, False) | (mask & rows)
    return Fact(value, missing=missing, review=review)


@question("amount")
def amount(ctx: Context, *, rule: str) -> Fact:
    """Answer with what is owed under a rule, in yuan; only where the rule is met."""
    return ctx.amount(rule)


@question("least")
def least(ctx: Context, **candidates: str) -> Fact:
    """Answer with the name of the candidate whose fact is the smallest (the first of equals)."""
    facts = [ctx.fact(name) for name in candidates.values()]
    values = np.column_stack([f.value for f in facts])
    known = ~np.isnan(values).any(axis=1)
    names = np.array(list(candidates), dtype=object)
    value = np.full(len(ctx), None, dtype=object)
    value[known] = names[np.argmin(values[known], axis=1)]
    return Fact(value)


@question("first_known")
def first_known(ctx: Context, **candidates: str) -> Fact:
    """Answer, row by row, with the first candidate that has a value, with all that comes with it.

    Candidates are numbers; the part ``source`` is the name of the one used. Where none has a
    value, the first says what is missing: it is the one to supply.
    """
    facts = [ctx.fact(name) for name in candidates.values()]
    known = [~fact.unknown & ~is_empty(fact.value) for fact in facts]
    used = np.select(known, range(len(facts)), -1)
    value, accuracy = np.full(len(ctx), np.nan), np.zeros(len(ctx))
    review: dict[str, Mask] = {}
    for k, fact in enumerate(facts):
        mine = used == k
        value[mine] = fact.value[mine]
        accuracy[mine] = np.broadcast_to(fact.accuracy, len(ctx))[mine]
        for reason, mask in fact.review.items():
            review[reason] = review.get(reason, False) | (mask & mine)
    bounds = tuple(
        Bound(bound.side, np.where(used == k, bound.limit, value), bound.reason)
        for k, fact in enumerate(facts)
        for bound in fact.bounds
    )
    missing = {reason: mask & (used < 0) for reason, mask in facts[0].missing.items()}
    names = np.array([*candidates, None], dtype=object)
    return Fact(value, accuracy, missing, review, bounds, parts={"source": Fact(names[used])})
