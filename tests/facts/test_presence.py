"""What the grid rules out is apart indeed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.facts.presence import Presence

corners = st.tuples(
    st.floats(-500, 500), st.floats(-500, 500), st.floats(0, 300), st.floats(0, 300)
)


def boxes(given: list[tuple[float, ...]]) -> np.ndarray:
    """Return boxes from corner and size."""
    return np.array([(x, y, x + w, y + h) for x, y, w, h in given]).reshape(-1, 4) + 4e6


@given(st.lists(corners, max_size=6), st.lists(corners, min_size=1, max_size=6))
def test_no_box_that_touches_another_is_ruled_out(drawn, asked):
    drawn, asked = boxes(drawn), boxes(asked)
    met = (asked[:, None, :2] <= drawn[None, :, 2:]).all(2)
    met &= (asked[:, None, 2:] >= drawn[None, :, :2]).all(2)
    assert not (met.any(axis=1) & ~Presence(drawn).may_meet(asked)).any()


def test_what_is_far_from_all_is_ruled_out():
    lake = Presence(np.array([[0.0, 0.0, 100.0, 100.0], [5000.0, 0.0, 5100.0, 100.0]]))
    asked = np.array([[400.0, 0, 500, 50], [-900, 0, -800, 50], [9000, 0, 9001, 50], [np.nan] * 4])
    assert lake.may_meet(asked).tolist() == [False] * 4


def test_a_layer_of_nothing():
    assert not Presence(np.empty((0, 4))).may_meet(np.array([[0.0, 0.0, 1.0, 1.0]])).any()
