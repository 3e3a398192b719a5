"""What subjects hold and what they keep clear of, by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.facts.holdings import keep_clear, meet, total


def column(*items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def hold(geometry, features, *, overlapping, band_m):
    """Return pairs and totals together, as one answer to "what lies in it?"."""
    met = meet(geometry, features, band_m)
    return SimpleNamespace(
        **met._asdict(), **total(met, len(geometry), overlapping=overlapping)._asdict()
    )


GREEN = column(shapely.box(0, 0, 100, 100))


def test_union_and_sum():
    dug = column(
        shapely.box(0, 0, 20, 50), shapely.box(10, 0, 30, 50), shapely.box(90, 90, 120, 120)
    )
    once = hold(GREEN, dug, overlapping="once", band_m=1.0)
    each = hold(GREEN, dug, overlapping="each", band_m=1.0)
    assert once.area_m2[0] == 30 * 50 + 10 * 10
    assert each.area_m2[0] == 2 * 20 * 50 + 10 * 10
    assert once.boundary_m[0] == 2 * (30 + 50) + 40
    assert each.part_m2.tolist() == [1000.0, 1000.0, 100.0]


def test_each_subject_holds_its_own_part():
    greens = column(shapely.box(0, 0, 100, 100), None, shapely.box(100, 0, 200, 100))
    got = hold(greens, column(shapely.box(70, 0, 150, 10)), overlapping="once", band_m=1.0)
    assert got.area_m2.tolist() == [300.0, 0.0, 500.0]
    assert got.row.tolist() == [0, 2]


def test_touching_is_not_held():
    got = hold(GREEN, column(shapely.box(100, 0, 120, 50)), overlapping="once", band_m=1.0)
    assert not len(got.row)
    assert got.area_m2[0] == 0.0


def test_a_sliver_within_the_band_is_held_but_not_sure():
    strips = column(shapely.box(99.5, 0, 120, 50), shapely.box(98, 60, 120, 90))
    got = hold(GREEN, strips, overlapping="once", band_m=1.0)
    assert got.sure.tolist() == [False, True]


def test_a_point_has_no_footprint():
    got = hold(GREEN, column(shapely.Point(5, 5), None), overlapping="each", band_m=1.0)
    assert got.feature.tolist() == [0]
    assert np.isnan(got.part_m2[0])
    assert got.area_m2[0] == 0.0


def test_nothing_to_hold():
    for features in (np.empty(0, dtype=object), column(None)):
        got = hold(GREEN, features, overlapping="once", band_m=1.0)
        assert got.area_m2.tolist() == [0.0]


boxes = st.builds(
    lambda x, y, w, h: shapely.box(x, y, x + w, y + h),
    st.integers(-20, 110),
    st.integers(-20, 110),
    st.integers(1, 60),
    st.integers(1, 60),
)


@given(st.lists(boxes, min_size=1, max_size=8))
def test_once_and_each_on_a_grid(shapes):
    """Boxes with whole corners: count the square metres one by one."""
    got = {o: hold(GREEN, column(*shapes), overlapping=o, band_m=1.0) for o in ("once", "each")}
    count = np.zeros((100, 100), int)
    for x0, y0, x1, y1 in (map(int, s.bounds) for s in shapes):
        count[max(x0, 0) : max(x1, 0), max(y0, 0) : max(y1, 0)] += 1
    assert got["once"].area_m2[0] == pytest.approx((count > 0).sum())
    assert got["each"].area_m2[0] == pytest.approx(count.sum())


# --- keeping clear ----------------------------------------------------------------------------

GARAGE = column(shapely.box(0, 0, 40, 40))


@pytest.mark.parametrize(
    ("tree", "protection", "room"),
    [
        (shapely.Point(50, 20), 4.0, 6.0),
        (shapely.Point(50, 20), 10.0, 0.0),
        (shapely.Point(50, 20), 12.0, -2.0),
        (shapely.Point(43, 44), 4.0, 1.0),
        (shapely.Point(30, 20), 0.0, -10.0),
        (shapely.Point(30, 20), 5.0, -15.0),
        (shapely.Point(30, 20), np.nan, -10.0),
        (shapely.box(50, 0, 60, 40), 3.0, 7.0),
        (shapely.box(35, 10, 60, 30), 0.0, -5.0),
        (shapely.box(35, 10, 60, 30), 2.0, -7.0),
    ],
)
def test_room_left(tree, protection, room):
    got = keep_clear(GARAGE, column(tree), np.array([protection]), 50.0)
    assert got.metres[0] == pytest.approx(room)
    assert not got.unprotected[0] or np.isnan(protection)


def test_the_least_room_decides_not_the_nearest():
    trees = column(shapely.Point(45, 20), shapely.Point(60, 20))
    got = keep_clear(GARAGE, trees, np.array([1.0, 19.0]), 50.0)
    assert (got.metres[0], got.feature[0]) == (1.0, 1)


def test_unknown_protection_is_open_only_near():
    near = keep_clear(GARAGE, column(shapely.Point(60, 20)), np.array([np.nan]), 50.0)
    far = keep_clear(GARAGE, column(shapely.Point(91, 20)), np.array([np.nan]), 50.0)
    assert (near.unprotected[0], near.metres[0]) == (True, np.inf)
    assert (far.unprotected[0], far.metres[0]) == (False, np.inf)


def test_known_and_unknown_together():
    trees = column(shapely.Point(60, 20), shapely.Point(70, 20))
    got = keep_clear(GARAGE, trees, np.array([np.nan, 5.0]), 50.0)
    assert (got.metres[0], got.feature[0], got.unprotected[0]) == (25.0, 1, True)


def test_no_subject_and_no_tree():
    got = keep_clear(column(None), column(shapely.Point(1, 1)), np.array([1.0]), 50.0)
    assert np.isnan(got.metres[0])
    nothing = keep_clear(GARAGE, np.empty(0, dtype=object), np.empty(0), 50.0)
    assert (nothing.metres[0], nothing.feature[0]) == (np.inf, -1)
