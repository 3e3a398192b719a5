"""Points counted in a grid, against distances that are all measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.facts.numbers import Counter


@pytest.mark.parametrize("radius_m", [4.0, 10.0, 250.0, 5000.0])
@pytest.mark.parametrize("spread_m", [30.0, 900.0, 80_000.0])
def test_as_many_as_are_that_near(radius_m, spread_m):
    rng = np.random.default_rng(5)
    points, places = (rng.normal([4e5, 4.4e6], spread_m, (n, 2)) for n in (700, 900))
    radii = (radius_m - 2, radius_m, radius_m + 2)
    apart = np.hypot(*(places[:, None] - points[None]).T).T
    expected = np.column_stack([(apart <= r).sum(axis=1) for r in radii])
    assert (Counter(points, radii[0], radii[-1]).within(places, radii) == expected).all()


@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), max_size=12),
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=4),
    st.integers(0, 13),
)
def test_the_radius_itself_counts(points, places, radius):
    counter = Counter(np.array(points, float).reshape(-1, 2), float(radius), float(radius))
    found = counter.within(np.array(places, float), (float(radius),))[:, 0].tolist()
    assert found == [
        sum((x - u) ** 2 + (y - v) ** 2 <= radius**2 for u, v in points) for x, y in places
    ]
