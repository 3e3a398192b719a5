"""Arithmetic on facts: what is missing stays missing, bounds move with the figures."""

from __future__ import annotations

import numpy as np
import pytest

from geo_urc.facts.fact import Bound, Fact
from geo_urc.facts.formula import evaluate, interval


def fact(*values, accuracy=0.0, missing=None, bounds=()):
    masks = {code: np.array(mask) for code, mask in (missing or {}).items()}
    return Fact(np.array(values, float), accuracy, masks, bounds=bounds)


def ask(formula, **facts):
    n = len(next(iter(facts.values())).value) if facts else 1
    return evaluate(formula, n, facts.__getitem__)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (7, 7.0),
        ("a", 6.0),
        ({"product": ["a", "b", 0.5]}, 12.0),
        ({"sum": ["a", "b", 1]}, 11.0),
        ({"difference": ["a", "b"]}, 2.0),
        ({"ratio": ["a", "b"]}, 1.5),
        ({"minimum": ["a", {"product": ["b", 1]}]}, 4.0),
    ],
)
def test_operations(formula, expected):
    assert ask(formula, a=fact(6), b=fact(4)).value.tolist() == [expected]


@pytest.mark.parametrize("operation", ["product", "difference", "ratio", "minimum"])
def test_a_missing_term_is_missing(operation):
    got = ask({operation: ["a", "b"]}, a=fact(6, 6), b=fact(np.nan, 2, missing={"gone": [1, 0]}))
    assert got.missing["gone"].tolist() == [True, False]
    assert np.isnan(got.value[0])
    assert not np.isnan(got.value[1])


def test_a_sum_goes_on_without_a_term_as_a_lower_bound():
    got = ask({"sum": ["a", "b"]}, a=fact(6), b=fact(np.nan, missing={"gone": [True]}))
    assert got.value.tolist() == [6.0]
    assert not got.unknown.any()
    assert interval(got, "gone")[0].tolist() == [6.0]
    assert interval(got, "gone")[1].tolist() == [np.inf]


def test_a_sum_of_nothing_known_is_missing():
    gone = fact(np.nan, missing={"gone": [True]})
    got = ask({"sum": ["a", "b"]}, a=gone, b=gone)
    assert got.unknown.tolist() == [True]


def test_ratio_to_nothing_has_no_value():
    assert np.isnan(ask({"ratio": ["a", 0]}, a=fact(6)).value[0])


def test_bounds_follow_the_figures():
    a = fact(6, bounds=(Bound("high", np.array([10.0]), "gone"),))
    b = fact(4, bounds=(Bound("low", np.array([2.0]), "gone"),))

    def lowest_highest(operation):
        return [
            side.tolist()[0] for side in interval(ask({operation: ["a", "b"]}, a=a, b=b), "gone")
        ]

    # a from 6 to 10, b from 2 to 4
    assert lowest_highest("sum") == [8.0, 14.0]
    assert lowest_highest("difference") == [2.0, 8.0]
    assert lowest_highest("product") == [12.0, 40.0]
    assert lowest_highest("ratio") == [1.5, 5.0]
    assert lowest_highest("minimum") == [2.0, 4.0]


def test_a_bound_of_another_reason_does_not_count():
    a = fact(6, bounds=(Bound("high", np.array([10.0]), "gone"),))
    assert interval(a, "other")[1].tolist() == [6.0]


def test_accuracy_is_the_root_sum_of_squares():
    a, b = fact(10, accuracy=3.0), fact(20, accuracy=4.0)
    assert np.asarray(ask({"sum": ["a", "b"]}, a=a, b=b).accuracy).tolist() == [5.0]
    assert np.asarray(ask({"difference": ["a", "b"]}, a=a, b=b).accuracy).tolist() == [5.0]
    # 3 x 20 and 4 x 10: sqrt(3600 + 1600)
    assert np.asarray(ask({"product": ["a", "b"]}, a=a, b=b).accuracy)[0] == pytest.approx(
        5200**0.5
    )


def test_exact_terms_give_an_exact_figure():
    assert ask({"product": ["a", "b"]}, a=fact(6), b=fact(4)).accuracy == 0.0
