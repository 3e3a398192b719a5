"""Answers by cases: the first case that holds, and nothing where that cannot be told."""

from __future__ import annotations

import numpy as np
import pytest

from geo_urc.facts.fact import Alternatives, Bound, Fact
from geo_urc.facts.questions import QUESTIONS

GONE = "attribute_missing:x"


class Given:
    """Facts and lists of four subjects, as a question sees them."""

    def __init__(self, lists=None, **facts):
        self.facts, self.lists = facts, lists or {}

    def __len__(self):
        return 4

    def fact(self, name):
        return self.facts[name]

    def listed(self, parameter, fact):
        return self.lists.get(parameter)


def text(*values):
    column = np.array([*values, None], dtype=object)[:-1]
    return Fact(column, missing={GONE: np.array([v is None for v in values])})


def number(*values, **more):
    column = np.array(values, float)
    return Fact(column, missing={GONE: np.isnan(column)}, **more)


def ask(given, *cases, **more):
    return QUESTIONS["by_case"](given, cases=list(cases), **more)


def told(fact, code):
    return fact.missing.get(code, np.zeros(4, bool)).tolist()


def test_the_first_case_that_holds():
    given = Given({"L.a": ["p", "q"], "L.b": ["q", "r"]}, x=text("p", "q", "r", "s"))
    first, second = (
        {"fact": "x", "one_of": f"L.{k}", "answer": k.upper()} for k in ("a", "b")
    )  # fmt: skip
    assert ask(given, first, second, otherwise="-").value.tolist() == ["A", "A", "B", "-"]
    assert ask(given, second, first, otherwise="-").value.tolist() == ["A", "B", "B", "-"]


def test_no_case_and_no_answer_otherwise_is_a_word_not_recognised():
    got = ask(
        Given({"L.a": ["p"]}, x=text("p", "s", None, "p")),
        {"fact": "x", "one_of": "L.a", "answer": "A"},
    )
    assert got.value.tolist() == ["A", None, None, "A"]
    assert told(got, "value_unrecognised:x") == [False, True, False, False]
    assert told(got, GONE) == [False, False, True, False]


def test_an_undecidable_case_leaves_open_what_no_earlier_case_settles():
    """Row 1: settled before. Row 2: the first case holds unseen or not, so nothing is told."""
    given = Given(x=number(1, np.nan, 0, 0), y=number(np.nan, 1, np.nan, 1))
    first = {"fact": "x", "is": True, "answer": "first"}
    second = {"fact": "y", "is": True, "answer": "second"}
    got = ask(given, first, second, otherwise="neither")
    assert got.value.tolist() == ["first", None, None, "second"]
    assert told(got, GONE) == [False, True, True, False]
    other_way = ask(given, second, first, otherwise="neither")
    assert other_way.value.tolist() == [None, "second", None, "second"]


def test_a_list_that_is_to_be_supplied():
    got = ask(
        Given({}, x=text("p", "q", "r", "s")),
        {"fact": "x", "one_of": "L.a", "answer": "A"},
        otherwise="-",
    )
    assert got.value.tolist() == [None] * 4
    assert told(got, "parameter_missing:L.a") == [True] * 4


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"at_most": 10}, [1.0, 1.0, 0.0, np.nan]),
        ({"at_least": 10}, [0.0, 1.0, 1.0, np.nan]),
        ({"at_most": "limit"}, [1.0, 1.0, 0.0, np.nan]),
    ],
)
def test_numbers_against_a_limit_that_is_included(condition, expected):
    given = Given(x=number(9.99, 10, 10.01, np.nan), limit=Fact(np.full(4, 10.0)))
    got = ask(given, {"fact": "x", "answer": True} | condition, otherwise=False)
    np.testing.assert_array_equal(got.value, expected)


def test_a_number_that_may_still_move_or_is_near_the_limit():
    bound = Bound("high", np.array([20.0, 9.0, 30.0, 8.0]), "outside_coverage")
    given = Given(x=number(5, 8, 15, 9.5, accuracy=1.0, bounds=(bound,)))
    got = ask(given, {"fact": "x", "at_most": 10, "answer": "low"}, otherwise="high")
    assert got.value.tolist() == [None, "low", "high", "low"]
    assert told(got, "outside_coverage") == [True, False, False, False]
    assert got.review["within_accuracy"].tolist() == [False, False, False, True]


def test_the_same_as_another_fact():
    given = Given(x=text("p", "q", None, "r"), y=text("p", "p", "p", None))
    got = ask(given, {"fact": "x", "same_as": "y", "answer": False}, otherwise=True)
    np.testing.assert_array_equal(got.value, [0.0, 1.0, np.nan, np.nan])


def test_a_subject_astride_two_answers_is_for_a_person():
    of = Fact(
        np.array(["p", "p", "s", "s"], dtype=object),
        alternatives=Alternatives(np.array([1, 3]), np.array(["s", "t"], dtype=object)),
    )
    case = {"fact": "x", "one_of": "L.a", "answer": "A"}
    got = ask(Given({"L.a": ["p"]}, x=of), case, otherwise="-")
    assert got.value.tolist() == ["A", "A", "-", "-"]
    assert got.review["straddles"].tolist() == [False, True, False, False]
