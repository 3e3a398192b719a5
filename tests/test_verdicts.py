"""The laws of the five words, against tables written out by hand and brute force."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.verdicts import (
    LABELS,
    REASONS,
    Outcome,
    Verdict,
    all_of,
    any_of,
    gate,
    join_codes,
    none_of,
    outcome,
    reason_column,
    reason_text,
    words,
    worst_by,
)

E, R, U, I, N = (  # noqa: E741
    Verdict.ELIGIBLE, Verdict.REVIEW, Verdict.UNKNOWN, Verdict.INELIGIBLE, Verdict.NOT_APPLICABLE,
)  # fmt: skip
FOUR = (E, R, U, I)
ALL = (I, U, R, E)  # the first that any member has
ANY = (E, U, R, I)


def one(state, reason=None):
    return outcome(1, state, reason if state != E else None)


def word(result):
    return Verdict(int(result.state[0]))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_precedence_of_all_and_any(n):
    for states in product(FOUR, repeat=n):
        members = [one(s, f"r{i}") for i, s in enumerate(states)]
        assert word(all_of(members)) == next(s for s in ALL if s in states)
        assert word(any_of(members)) == next(s for s in ANY if s in states)


def test_not_not_is_the_same():
    for state in FOUR:
        assert word(none_of(none_of(one(state, "r"), "x"), "x")) == state


def test_de_morgan():
    for a, b in product(FOUR, repeat=2):
        left = none_of(all_of([one(a, "a"), one(b, "b")]), "x")
        right = any_of([none_of(one(a, "a"), "x"), none_of(one(b, "b"), "x")])
        assert word(left) == word(right)
        left = none_of(any_of([one(a, "a"), one(b, "b")]), "x")
        right = all_of([none_of(one(a, "a"), "x"), none_of(one(b, "b"), "x")])
        assert word(left) == word(right)


def test_order_and_repetition_do_not_matter():
    for a, b, c in product(FOUR, repeat=3):
        for combine in (all_of, any_of):
            sets = [(a, b, c), (c, a, b), (a, b, c, c, a)]
            said = {word(combine([one(s, str(s)) for s in states])) for states in sets}
            assert len(said) == 1
            nested = combine([combine([one(a, "a"), one(b, "b")]), one(c, "c")])
            assert word(nested) == said.pop()


def test_knowing_more_never_turns_a_decision():
    """Whatever stands in for an unknown member, what was decided without it stays."""
    for combine in (all_of, any_of):
        for a, b in product(FOUR, repeat=2):
            before = word(combine([one(a, "a"), one(U, "u"), one(b, "b")]))
            if before in (E, I):
                for known in FOUR:
                    assert word(combine([one(a, "a"), one(known, "k"), one(b, "b")])) == before


def test_every_reason_of_all_is_kept():
    members = [one(s, code) for s, code in ((I, "a"), (U, "b"), (R, "c"), (R, "d"))]
    assert set(all_of(members).reasons) == {"a", "b", "c", "d"}
    assert all(mask.all() for mask in all_of(members).reasons.values())


def test_every_reason_of_any_is_kept_unless_met():
    open_ = any_of([one(I, "a"), one(U, "b"), one(R, "c")])
    assert {code for code, mask in open_.reasons.items() if mask.all()} == {"a", "b", "c"}
    met = any_of([one(I, "a"), one(U, "b"), one(E)])
    assert not any(mask.any() for mask in met.reasons.values())


def test_not_tells_what_was_met():
    denied = none_of(one(E), "park")
    assert word(denied) == I
    assert denied.reasons["not_met:park"].all()
    assert not none_of(one(I, "x"), "park").reasons["x"].any()


@pytest.mark.parametrize(
    ("applies", "test", "expected"),
    [
        # surely for it: the test decides
        *[(E, s, s) for s in FOUR],
        # surely not for it
        *[(I, s, N) for s in FOUR],
        # undecided: never better, and a test cannot forbid what may not apply
        (U, E, U), (U, R, U), (U, U, U), (U, I, U),
        (R, E, R), (R, R, R), (R, U, U), (R, I, R),
    ],
)  # fmt: skip
def test_gate(applies, test, expected):
    result = gate(one(applies, "who"), one(test, "what"))
    assert word(result) == expected
    said = {code for code, mask in result.reasons.items() if mask.any()}
    if applies == I:
        assert said == {"who"}
    elif applies != E:
        assert "who" in said
    if applies != I and test != E:
        assert "what" in said


def test_worst_of_related_subjects():
    members = Outcome(
        np.array([E, U, R, I], np.uint8), {"gap": np.array([False, True, False, False])}
    )
    result = worst_by(np.array([0, 0, 2, 3]), members, 5)
    assert [Verdict(int(s)) for s in result.state] == [U, E, R, I, E]
    assert result.reasons["gap"].tolist() == [True, False, False, False, False]


@given(st.lists(st.lists(st.sampled_from(FOUR), min_size=3, max_size=3), min_size=1, max_size=40))
def test_columns_are_worked_out_row_by_row(rows):
    states = np.array(rows, np.uint8)
    members = [Outcome(states[:, k], {f"m{k}": states[:, k] != E}) for k in range(3)]
    for combine in (all_of, any_of):
        together = combine(members)
        for i, row in enumerate(rows):
            alone = combine([one(s, f"m{k}") for k, s in enumerate(row)])
            assert together.state[i] == alone.state[0]
            assert reason_column(together)[i] == reason_column(alone)[0]


def test_words_and_labels():
    assert words(Outcome(np.arange(5, dtype=np.uint8), {})).tolist() == [
        "eligible", "review", "unknown", "ineligible", "not_applicable",
    ]  # fmt: skip
    assert set(LABELS) == {v.word for v in Verdict}
    assert all(text.zh and text.en for text in [*LABELS.values(), *REASONS.values()])


def test_reasons_are_told_in_one_order():
    codes = ["not_met:b", "attribute_missing:z", "layer_missing", "not_met:a", "straddles"]
    mask = np.ones(1, bool)
    for order in (codes, codes[::-1]):
        said = reason_column(Outcome(np.array([I], np.uint8), dict.fromkeys(order, mask)))[0]
        assert said == "layer_missing;attribute_missing:z;straddles;not_met:a;not_met:b"


@given(st.lists(st.lists(st.booleans(), min_size=11, max_size=11), min_size=1, max_size=30))
def test_joined_codes(rows):
    codes = [f"c{k}" for k in range(11)]
    masks = list(np.array(rows, bool).T)
    said = join_codes(codes, masks, len(rows)).tolist()
    assert said == [";".join(c for c, yes in zip(codes, row, strict=True) if yes) for row in rows]


def test_reason_in_words():
    assert reason_text("straddles").en == "straddles a boundary"
    assert reason_text("not_met:share").en.endswith(": share")
    assert reason_text("made_up").zh == "made_up"
