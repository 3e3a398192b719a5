"""Questions whose answer is chosen by cases: the route, the office, the list that applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from geo_urc.facts.fact import EXACT, Fact, Mask, absent
from geo_urc.facts.questions.asking import Context, question


@question("by_case")
def by_case(
    ctx: Context,
    *,
    cases: Sequence[Mapping[str, Any]],
    otherwise: str | bool | None = None,
) -> Fact:
    """Answer with what the first case that holds says, else with ``otherwise``.

    Parameters
    ----------
    cases
        Each names a ``fact``, one condition on it (``is``, ``one_of``, ``same_as``, ``at_most``
        or ``at_least``, limits included) and the ``answer``: text in all cases, or yes/no.
    otherwise
        The answer where no case holds; without it the first case's word is unrecognised.

    Returns
    -------
    Fact
        A case that cannot be decided, and that no earlier case makes needless, leaves the
        answer not known, for the reasons of that case; one that a person must look at passes
        its reason on.
    """
    answers = [case["answer"] for case in cases]
    yes_no = all(isinstance(answer, bool) for answer in answers)
    value: np.ndarray = np.full(len(ctx), np.nan if yes_no else None, float if yes_no else object)
    missing: dict[str, Mask] = {}
    review: dict[str, Mask] = {}
    left = np.ones(len(ctx), bool)
    for case, answer in zip(cases, answers, strict=True):
        held = _held(ctx, case)
        for found, masks in ((missing, held.missing), (review, held.review)):
            for code, mask in masks.items():
                found[code] = found.get(code, False) | (mask & left)
        value[left & (held.value == 1.0) & ~held.unknown] = answer
        left &= (held.value == 0.0) & ~held.unknown
    if otherwise is None:
        missing[f"value_unrecognised:{cases[0]['fact']}"] = left
    else:
        value[left] = otherwise
    return Fact(value, missing=missing, review=review)


def _held(ctx: Context, case: Mapping[str, Any]) -> Fact:
    """Return whether a case holds: 1, 0, NaN where that is not known."""
    of = ctx.fact(case["fact"])
    if "is" in case:
        return _answered(of.value == float(case["is"]), of)
    if "same_as" in case:
        other = ctx.fact(case["same_as"])
        return _answered(np.asarray(of.value == other.value, bool), of, other)
    if "one_of" in case:
        words = ctx.listed(case["one_of"], case["fact"])
        if words is None:
            return absent(len(ctx), f"parameter_missing:{case['one_of']}")
        held = _answered(np.isin(of.value, words), of)
        if of.alternatives is None:
            return held
        rows, values = of.alternatives
        differs = np.zeros(len(ctx), bool)
        differs[rows[np.isin(values, words) != (held.value[rows] == 1.0)]] = True
        return Fact(held.value, missing=held.missing, review={**held.review, "straddles": differs})
    side = "at_most" if "at_most" in case else "at_least"
    named = case[side]
    limits = ctx.fact(named) if isinstance(named, str) else Fact(np.full(len(ctx), float(named)))
    sign = 1.0 if side == "at_most" else -1.0
    slack = np.maximum(np.abs(limits.value), 1.0) * EXACT

    def meets(amount: np.ndarray) -> Mask:
        return sign * (limits.value - amount) >= -slack

    held = _answered(meets(of.value), of, limits)
    gaps = dict(held.missing)
    for bound in of.bounds:
        swings = (meets(bound.limit) != meets(of.value)) & ~of.unknown
        gaps[bound.reason] = gaps.get(bound.reason, False) | swings
    near = np.abs(limits.value - of.value) < of.accuracy
    return Fact(held.value, missing=gaps, review={**held.review, "within_accuracy": near})


def _answered(met: Mask, *of: Fact) -> Fact:
    """Return yes or no with the gaps of the facts that it rests on."""
    missing: dict[str, Mask] = {}
    review: dict[str, Mask] = {}
    for fact in of:
        for found, masks in ((missing, fact.missing), (review, fact.review)):
            for code, mask in masks.items():
                found[code] = found.get(code, False) | mask
    return Fact(np.where(met, 1.0, 0.0), missing=missing, review=review)
