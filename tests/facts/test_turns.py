"""Whose turn it is: against every order that the data leave open, tried one by one."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.facts.turns import queue, taken

NAN = np.nan


def column(*items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def orders(stage, number):
    """Yield every order of members that stage and number allow, the unknown ones anywhere."""
    for order in permutations(range(len(stage))):
        place = {member: k for k, member in enumerate(order)}
        if all(
            place[a] < place[b]
            for a in range(len(stage))
            for b in range(len(stage))
            if stage[a] < stage[b] or (stage[a] == stage[b] and number[a] < number[b])
        ):
            yield order


def united(parts):
    return shapely.union_all(list(parts)).area


members = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1.0, 2.0, 2.0, NAN]),
        st.sampled_from([1.0, 2.0, 3.0, NAN]),
        st.integers(0, 6),
        st.integers(1, 4),
    ),
    min_size=1,
    max_size=5,
)


@given(members, st.booleans())
def test_least_and_most_over_all_orders(drawn, once):
    stage, number = np.array([m[0] for m in drawn]), np.array([m[1] for m in drawn])
    parts = column(*(shapely.box(x, 0, x + w, 1) for _, _, x, w in drawn))
    size = shapely.area(parts)
    got = taken(np.zeros(len(drawn), int), size, queue(stage, number), parts if once else None)
    for i in range(len(drawn)):
        seen = []
        for order in orders(stage, number):
            ahead = [*order[: order.index(i)], i]
            seen.append(united(parts[ahead]) if once else size[ahead].sum())
        # members of known stages whose order is open can all come first or all come last
        assert got.least[i] == pytest.approx(min(seen))
        assert got.most[i] == pytest.approx(max(seen))


@given(members, st.integers(0, 4), st.sampled_from(["stage", "number"]))
def test_knowing_less_never_narrows(drawn, which, lost):
    stage, number = np.array([m[0] for m in drawn]), np.array([m[1] for m in drawn])
    size = np.array([float(m[3]) for m in drawn])
    holder = np.zeros(len(drawn), int)
    full = taken(holder, size, queue(stage, number))
    (stage if lost == "stage" else number)[which % len(drawn)] = NAN
    poorer = taken(holder, size, queue(stage, number))
    assert (poorer.least <= full.least + 1e-9).all()
    assert (poorer.most >= full.most - 1e-9).all()


def test_each_holder_has_its_own_queue():
    line = queue(np.array([2.0, 2.0, 2.0]), np.array([2.0, 1.0, 1.0]))
    got = taken(np.array([0, 0, 1]), np.array([5.0, 7.0, 11.0]), line)
    assert got.least.tolist() == [12.0, 7.0, 11.0]
    assert got.ahead.tolist() == [7.0, 0.0, 0.0]
    assert got.doubtful.tolist() == [0, 0, 0]


def test_together_proposals_do_not_wait_for_each_other():
    line = queue(np.array([2.0, 2.0, 0.0]), np.array([1.0, NAN, NAN]), together=True)
    got = taken(np.zeros(3, int), np.array([5.0, 7.0, 11.0]), line)
    assert got.least.tolist() == got.most.tolist() == [23.0, 23.0, 11.0]


def test_a_size_that_is_not_known_is_told_where_it_may_matter():
    line = queue(np.array([2.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0]))
    got = taken(np.zeros(3, int), np.array([5.0, NAN, 11.0]), line)
    assert got.unsized.tolist() == [False, True, True]


def test_thousands_in_one_green():
    """A row of touching footprints, by a formula."""
    n = 4000
    x = np.arange(n, dtype=float)
    parts = shapely.box(x, 0, x + 1.5, 1)  # each covers half of the next
    got = taken(np.zeros(n, int), shapely.area(parts), queue(np.full(n, 2.0), x), parts)
    np.testing.assert_allclose(got.least, x + 1.5)


def test_nobody():
    got = taken(np.empty(0, int), np.empty(0), queue(np.empty(0), np.empty(0)), column())
    assert len(got.least) == 0
