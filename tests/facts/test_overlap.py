"""Shared ground in closed form, against geometry that is really cut."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import box

from geo_urc.facts.outlines import outlines
from geo_urc.facts.overlap import shared_ground


def shared(a: shapely.Geometry, b: shapely.Geometry) -> tuple[float, float]:
    """Return area and outline of what two polygons share."""
    first, second = (outlines(np.array([g], dtype=object)) for g in (a, b))
    got = shared_ground(first, second, np.array([0]), np.array([0]))
    return float(got.area_m2[0]), float(got.outline_m[0])


def test_a_corner_in_a_corner():
    assert shared(box(0, 0, 10, 10), box(6, 7, 20, 20)) == (12.0, 14.0)


def test_one_in_the_other_and_the_other_way_round():
    small, large = box(3, 3, 5, 6), box(0, 0, 100, 100)
    assert shared(small, large) == shared(large, small) == (6.0, 10.0)


def test_a_common_edge_counts_once():
    assert shared(box(0, 0, 4, 4), box(0, 0, 4, 4)) == (16.0, 16.0)
    assert shared(box(0, 0, 4, 4), box(2, 0, 9, 4)) == (8.0, 12.0)


def test_neighbours_share_no_ground():
    assert shared(box(0, 0, 4, 4), box(4, 0, 8, 4))[0] == 0.0
    assert shared(box(0, 0, 4, 4), box(4, 4, 8, 8))[0] == 0.0
    assert shared(box(0, 0, 4, 4), box(50, 50, 60, 60)) == (0.0, 0.0)


def test_a_hole_is_not_shared():
    ring = shapely.Polygon(box(0, 0, 10, 10).exterior, [box(2, 2, 8, 8).exterior])
    assert shared(box(0, 0, 5, 10), ring) == (50 - 18, 5 + 10 + 5 + 2 + 2 + (6 + 3 + 3))


def test_parts_of_a_multipolygon_are_added_up():
    parts = shapely.MultiPolygon([box(0, 0, 2, 2), box(6, 0, 8, 2)])
    assert shared(parts, box(1, 0, 7, 1)) == (2.0, 8.0)


def test_each_pair_has_its_own_answer():
    plots = outlines(np.array([box(0, 0, 2, 2), None, box(5, 5, 9, 9)], dtype=object))
    lakes = outlines(np.array([box(1, 0, 9, 9), box(-1, -1, 1, 1)], dtype=object))
    got = shared_ground(plots, lakes, np.array([0, 0, 1, 2]), np.array([0, 1, 0, 0]))
    assert got.area_m2.tolist() == [2.0, 1.0, 0.0, 16.0]


def test_no_pairs_at_all():
    some = outlines(np.array([box(0, 0, 2, 2)], dtype=object))
    none = np.empty(0, np.intp)
    assert not len(shared_ground(some, some, none, none).area_m2)


@st.composite
def polygons(draw, grid: bool):
    """Valid polygons about one place of a city, some with a hole; on a grid edges often coincide."""
    number = st.integers(0, 12) if grid else st.floats(0, 12)
    middle = np.array([448_000.25, 4_418_000.5])
    ring = np.array(draw(st.lists(st.tuples(number, number), min_size=3, max_size=9)))
    shape = shapely.Polygon(ring + middle).buffer(0)
    if draw(st.booleans()):
        shape = shape.difference(shapely.box(*(middle + 3), *(middle + 5)))
    parts = [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon" and p.area > 0]
    return shapely.MultiPolygon(parts) if parts else shapely.box(*middle, *(middle + 1))


@settings(max_examples=300, deadline=None)
@given(st.booleans().flatmap(lambda grid: st.tuples(polygons(grid), polygons(grid))))
def test_as_when_it_is_cut_out(pair):
    a, b = pair
    if not (a.is_valid and b.is_valid):
        return
    area, outline = shared(a, b)
    if any(0 < p.area < 1e-6 * p.length for p in shapely.get_parts(shapely.intersection(a, b))):
        return  # a sliver as thin as coordinates are exact: nobody can say how long it is
    cut = [p for p in shapely.get_parts(shapely.intersection(a, b)) if p.area > 0]
    assert abs(area - sum(p.area for p in cut)) < 1e-6
    # What only touches is an outline without ground: it is counted once or not at all.
    touching = shapely.length(a.boundary.intersection(b.boundary.buffer(1e-6)))
    exact = sum(p.length for p in cut)
    assert exact - 1e-5 - touching <= outline <= exact + touching + 1e-5
