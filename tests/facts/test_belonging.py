"""What belongs to what, by hand; pairwise depth against that of whole layers."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.facts.areas import Areas
from geo_urc.facts.belonging import belong, key_of, lie_in


def column(*items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


PLOTS = column(shapely.box(0, 0, 10, 10), None, shapely.box(10, 0, 20, 10))


def test_by_the_larger_part():
    houses = column(shapely.box(7, 2, 11, 4), shapely.box(9, 5, 13, 7), None)
    got = belong(PLOTS, houses, band_m=0.5)
    assert list(zip(got.row, got.feature, strict=True)) == [(0, 0), (2, 1)]
    assert sorted(zip(got.doubt_row, got.doubt_feature, strict=True)) == [
        (0, 0), (0, 1), (2, 0), (2, 1),
    ]  # fmt: skip


def test_a_sliver_beyond_the_edge_is_no_doubt():
    got = belong(PLOTS, column(shapely.box(2, 2, 10.4, 4)), band_m=0.5)
    assert got.row.tolist() == [0]
    assert not len(got.doubt_row)


def test_a_point_near_an_edge_is_open_to_both_sides():
    got = belong(PLOTS, column(shapely.Point(9.8, 5), shapely.Point(5, 5)), band_m=0.5)
    assert list(zip(got.row, got.feature, strict=True)) == [(0, 0), (0, 1)]
    assert sorted(zip(got.doubt_row, got.doubt_feature, strict=True)) == [(0, 0), (2, 0)]


def test_ids():
    assert key_of(column("b", "x", None), column("a", "b")).tolist() == [1, -1, -1]
    assert key_of(column("b"), column()).tolist() == [-1]


boxes = st.builds(
    lambda x, y, w, h: shapely.box(x, y, x + w, y + h),
    st.integers(-5, 25), st.integers(-5, 25), st.integers(1, 20), st.integers(1, 20),
)  # fmt: skip


@given(boxes, boxes, st.sampled_from([0.0, 1.0, 2.5]))
def test_pairwise_depth_is_that_of_a_layer_of_one(subject, area, band):
    one = lie_in(column(subject), column(area), band)
    layer = Areas(column(area)).depth(column(subject), band, 1e6)
    assert one.inside[0] == layer.inside[0]
    assert one.outside[0] == layer.outside[0]
    assert one.straddles[0] == layer.straddles[0]
