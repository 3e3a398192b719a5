"""Arithmetic on facts: a formula is data, and what is missing stays missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from geo_urc.facts.fact import Bound, Fact


def evaluate(formula: Any, n: int, look_up: Callable[[str], Fact]) -> Fact:
    """Return the value of a formula for ``n`` subjects.

    Parameters
    ----------
    formula
        A number, the name of a fact, or a table with one operation: ``product``, ``sum``,
        ``difference``, ``ratio`` or ``minimum`` of formulas.
    look_up
        Gives a fact by name.

    Returns
    -------
    Fact
        Not known where an input is not known; only a sum goes on without a term, as a
        lower bound, because all quantities that rules add up are at least 0. A ratio to
        0 is not known.

    Examples
    --------
    >>> evaluate({"product": [2, {"sum": [3, 4]}]}, 1, lambda name: None).value.tolist()
    [14.0]
    """
    if isinstance(formula, str):
        return look_up(formula)
    if isinstance(formula, int | float):
        return Fact(np.full(n, float(formula)))
    ((operation, inputs),) = formula.items()
    terms = [evaluate(term, n, look_up) for term in inputs]
    return _OPERATIONS[operation](terms)


def interval(fact: Fact, reason: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest value that each row may really have for a reason."""
    low, high = fact.value.copy(), fact.value.copy()
    for bound in fact.bounds:
        if bound.reason != reason:
            continue
        if bound.side == "low":
            low = np.minimum(low, bound.limit)
        else:
            high = np.maximum(high, bound.limit)
    return low, high


def _combine(terms: list[Fact], operation: Callable[..., np.ndarray], falling: bool) -> Fact:
    """Apply an operation that rises with its first input and rises or falls with the rest."""
    value = operation(*(t.value for t in terms))
    missing, review = _either([t.missing for t in terms]), _either([t.review for t in terms])
    bounds: list[Bound] = []
    for reason in dict.fromkeys(bound.reason for term in terms for bound in term.bounds):
        lows, highs = zip(*(interval(t, reason) for t in terms), strict=True)
        low = operation(lows[0], *(highs[1:] if falling else lows[1:]))
        high = operation(highs[0], *(lows[1:] if falling else highs[1:]))
        bounds += [Bound("low", low, reason), Bound("high", high, reason)]
    exact = all(np.all(np.asarray(t.accuracy) == 0) for t in terms)
    accuracy = 0.0 if exact else _spread(terms, operation, value)
    return Fact(value, accuracy, missing, review, tuple(bounds))


def _either(masks: list[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    joined: dict[str, np.ndarray] = {}
    for reason, mask in ((r, m) for each in masks for r, m in each.items()):
        joined[reason] = joined.get(reason, False) | mask
    return joined


def _spread(
    terms: list[Fact], operation: Callable[..., np.ndarray], value: np.ndarray
) -> np.ndarray:
    """Return the band of the result: the inputs' bands, each carried through by itself."""
    square = np.zeros(len(value))
    for k in range(len(terms)):
        moved = [t.value + (t.accuracy if j == k else 0.0) for j, t in enumerate(terms)]
        square += np.nan_to_num(operation(*moved) - value) ** 2
    return np.sqrt(square)


def _sum(terms: list[Fact]) -> Fact:
    gaps = [term for term in terms if term.missing]
    filled = [_at_least_nothing(term) if term.missing else term for term in terms]
    total = _combine(filled, lambda *v: np.sum(v, axis=0), falling=False)
    nothing = np.logical_and.reduce([t.unknown for t in terms])
    missing = {reason: mask & nothing for term in gaps for reason, mask in term.missing.items()}
    return Fact(
        np.where(nothing, np.nan, total.value), total.accuracy, missing, total.review, total.bounds
    )


def _at_least_nothing(term: Fact) -> Fact:
    open_ = tuple(
        Bound("high", np.where(mask, np.inf, -np.inf), reason)
        for reason, mask in term.missing.items()
    )
    accuracy = np.where(term.unknown, 0.0, term.accuracy)
    value = np.where(term.unknown, 0.0, term.value)
    return Fact(value, accuracy, {}, term.review, (*term.bounds, *open_))


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.full(len(a), np.nan), where=b != 0)


_OPERATIONS: dict[str, Callable[[list[Fact]], Fact]] = {
    "product": lambda terms: _combine(terms, lambda *v: np.prod(v, axis=0), falling=False),
    "sum": _sum,
    "difference": lambda terms: _combine(terms, lambda a, b: a - b, falling=True),
    "ratio": lambda terms: _combine(terms, _divide, falling=True),
    "minimum": lambda terms: _combine(terms, lambda *v: np.min(v, axis=0), falling=False),
}
