"""Shares of circles against known figures and against polygons of 4096 corners."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.facts.circles import share_within
from geo_urc.facts.distance import Centres, nearest
from geo_urc.facts.outlines import outlines

QUARTER = 1024
# A regular n-gon in a circle lacks 1 - sin(2pi/n) / (2pi/n) of its area: 4e-7 for n = 4096.
# What it lacks of a union of k circles is at most k times that of one.
LACKS = 1 - math.sin(2 * math.pi / (4 * QUARTER)) / (2 * math.pi / (4 * QUARTER))


def share(shapes, points, radius):
    subjects = np.empty(len(shapes), dtype=object)
    subjects[:] = shapes
    rings, centres = outlines(subjects), Centres(shapely.points(np.array(points, float)))
    return share_within(subjects, rings, centres, nearest(subjects, rings, centres), radius)


def by_polygons(shape, points, radius):
    circles = shapely.buffer(shapely.points(np.array(points, float)), radius, quad_segs=QUARTER)
    return shapely.area(shapely.intersection(shape, shapely.union_all(circles))) / shape.area


@pytest.mark.parametrize(
    ("box", "at", "expected"),
    [
        ((-9, -9, 9, 9), (0, 0), math.pi / 324),
        ((0, -9, 18, 9), (0, 0), math.pi / 2 / 324),
        ((0, 0, 18, 18), (0, 0), math.pi / 4 / 324),
        ((-0.5, -0.5, 0.5, 0.5), (0, 0), 1.0),
        ((5, 5, 6, 6), (0, 0), 0.0),
        # a strip of width 1 through the middle: 2 (sin 30° cos 30° + 30°) of its 20
        ((-10, -0.5, 10, 0.5), (0, 0), (math.sqrt(3) / 2 + math.pi / 3) / 20),
    ],
)
def test_figures_known_in_closed_form(box, at, expected):
    assert share([shapely.box(*box)], [at], 1.0).share[0] == pytest.approx(expected, abs=1e-12)


def test_touching_circle_covers_nothing():
    assert share([shapely.box(1, -5, 9, 5)], [(0, 0)], 1.0).share[0] == 0.0


def test_hole_and_parts():
    """A ring of 4 x 4 without its inner 2 x 2, circle of 10 about it: all of its 12 m2."""
    ring = shapely.box(-2, -2, 2, 2).difference(shapely.box(-1, -1, 1, 1))
    assert share([ring], [(0, 0)], 10.0).share[0] == 1.0
    # radius 1 just fills the hole but for its corners: nothing of the ring
    assert share([ring], [(0, 0)], 1.0).share[0] == pytest.approx(0.0, abs=1e-12)
    two = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(50, 0, 51, 1)])
    assert share([two], [(0.5, 0.5)], 2.0).share[0] == 0.5


def test_two_entries_of_one_place_count_once():
    square = shapely.box(0, -5, 10, 5)
    once = share([square], [(0, 0)], 3.0).share[0]
    assert share([square], [(0, 0), (0, 0)], 3.0).share[0] == pytest.approx(once, rel=1e-12)
    assert once == pytest.approx(math.pi * 9 / 2 / 100)


def test_apart_circles_add_up():
    square = shapely.box(0, 0, 100, 100)
    got = share([square], [(0, 0), (100, 100), (50, 50)], 10.0).share[0]
    assert got == pytest.approx((0.25 + 0.25 + 1) * math.pi * 100 / 10_000, rel=1e-12)


def test_lens_of_two_circles():
    """Union of two unit circles one apart: 2 pi less the lens 2 pi/3 - sqrt(3)/2."""
    expected = 2 * math.pi - (2 * math.pi / 3 - math.sqrt(3) / 2)
    got = share([shapely.box(-9, -9, 9, 9)], [(0, 0), (1, 0)], 1.0).share[0]
    assert got * 324 == pytest.approx(expected, rel=1e-12)


coordinate = st.integers(-60, 60)


@given(
    st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=12),
    st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=9),
    st.integers(5, 90),
)
def test_any_polygon_and_any_circles_against_polygons(corners, points, radius):
    hull = shapely.convex_hull(shapely.MultiPoint(corners))
    if hull.area < 10:
        return
    shape = hull.difference(shapely.box(-5, -5, 5, 5))
    if shape.area < 10:
        return
    expected = by_polygons(shape, points, radius)
    got = share([shape], points, float(radius)).share[0]
    slack = LACKS * len(points) * math.pi * radius**2 / shape.area + 1e-9
    assert expected - 1e-9 <= got <= expected + slack


def test_boundary_of_an_overlap():
    """Half a disc: its arc and its diameter."""
    got = share([shapely.box(0, -50, 50, 50)], [(0, 0)], 10.0)
    assert got.boundary_m[0] == pytest.approx(math.pi * 10 + 20)


def test_nothing_there():
    got = share([None, shapely.Polygon(), shapely.box(0, 0, 1, 1)], [(500, 500)], 10.0)
    assert np.isnan(got.share[:2]).all()
    assert got.share[2] == 0.0


def test_point_subjects_are_in_or_out():
    got = share([shapely.Point(3, 4), shapely.Point(30, 40)], [(0, 0)], 5.0)
    assert got.share.tolist() == [1.0, 0.0]
