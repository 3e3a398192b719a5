"""Distances against shapely's own, on any polygons."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.facts.distance import Centres, edge_distance, nearest, within
from geo_urc.facts.outlines import outlines

coordinate = st.integers(-50, 50)
point = st.builds(shapely.Point, coordinate, coordinate)


@st.composite
def polygons(draw):
    """Return a polygon that may have a hole, or two parts."""
    x, y = draw(coordinate), draw(coordinate)
    w, h = draw(st.integers(4, 40)), draw(st.integers(4, 40))
    shape = shapely.box(x, y, x + w, y + h)
    match draw(st.sampled_from(["plain", "hole", "corner", "parts", "hull"])):
        case "hole":
            shape = shape.difference(shapely.box(x + 1, y + 1, x + w - 2, y + h - 1))
        case "corner":
            shape = shape.difference(shapely.box(x + w / 2, y + h / 3, x + w, y + h))
        case "parts":
            shape = shape.union(shapely.box(x + w + 3, y, x + w + 9, y + 5))
        case "hull":
            corners = draw(st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=8))
            hull = shapely.convex_hull(shapely.MultiPoint(corners))
            shape = hull if hull.area > 1 else shape
    return shape


def column(items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


@given(st.lists(polygons(), min_size=1, max_size=6), st.lists(point, min_size=1, max_size=30))
def test_nearest_is_the_least_distance_of_all(shapes, stations):
    subjects, centres = column(shapes), column(stations)
    found = nearest(subjects, outlines(subjects), Centres(centres))
    every = shapely.distance(subjects[:, None], centres[None, :])
    np.testing.assert_allclose(found.distance_m, every.min(axis=1), atol=1e-9)
    chosen = every[np.arange(len(shapes)), found.feature]
    np.testing.assert_allclose(chosen, every.min(axis=1), atol=1e-9)


@given(polygons(), point)
def test_edge_distance_is_that_of_the_boundary(shape, station):
    subjects = column([shape])
    found = edge_distance(outlines(subjects), shapely.get_coordinates(station))
    assert found[0] == pytest.approx(shapely.distance(shape.boundary, station), abs=1e-9)


@given(polygons(), st.lists(point, min_size=1, max_size=20), st.integers(0, 60))
def test_within_are_all_no_farther_than_the_radius(shape, stations, radius):
    subjects, centres = column([shape]), column(stations)
    rows, features = within(subjects, Centres(centres), float(radius))
    metres = shapely.distance(shape, centres)
    assert features.tolist() == np.flatnonzero(metres <= radius).tolist()
    assert (rows == 0).all()


def test_equal_distances_name_the_first_in_the_file():
    square = column([shapely.box(0, 0, 10, 10)])
    four = column([shapely.Point(*p) for p in [(15, 5), (5, 15), (-5, 5), (5, -5)]])
    found = nearest(square, outlines(square), Centres(four))
    assert (found.distance_m[0], found.feature[0]) == (5.0, 0)


def test_many_centres_about_one_big_polygon():
    """More centres than are looked at first could be the nearest to a long thin polygon."""
    long = column([shapely.box(0, 0, 10_000, 10)])
    xs = np.arange(0, 10_000, 250)
    centres = column([shapely.Point(x, 500 + (x - 7_000) ** 2 / 1e5) for x in xs])
    found = nearest(long, outlines(long), Centres(centres))
    assert found.distance_m[0] == 490.0  # 500 above the base line, at x = 7000
    assert xs[found.feature[0]] == 7_000


def test_missing_empty_and_unusual_subjects():
    station = Centres(column([shapely.Point(30, 0)]))
    subjects = column(
        [
            None,
            shapely.Polygon(),
            shapely.Point(10, 0),
            shapely.LineString([(0, 0), (27, 0)]),
            shapely.Polygon([(0, 0), (5, 0), (9, 0), (0, 0)]),
        ]
    )
    found = nearest(subjects, outlines(subjects), station)
    assert np.isnan(found.distance_m[:2]).all()
    assert found.feature[:2].tolist() == [-1, -1]
    assert found.distance_m[2:].tolist() == [20.0, 3.0, 21.0]


def test_no_centres():
    square = column([shapely.box(0, 0, 1, 1)])
    for centres in (np.empty(0, dtype=object), column([None])):
        found = nearest(square, outlines(square), Centres(centres))
        assert np.isnan(found.distance_m[0])
        assert found.feature[0] == -1


def test_a_missing_centre_does_not_shift_the_others():
    square = column([shapely.box(0, 0, 1, 1)])
    found = nearest(square, outlines(square), Centres(column([None, shapely.Point(4, 1)])))
    assert (found.distance_m[0], found.feature[0]) == (3.0, 1)


def test_order_and_company_do_not_matter():
    rng = np.random.default_rng(8)
    corners = rng.uniform(0, 3000, (200, 2))
    subjects = shapely.box(*corners.T, *(corners + rng.uniform(10, 200, (200, 2))).T)
    centres = Centres(shapely.points(rng.uniform(-500, 3500, (40, 2))))
    together = nearest(subjects, outlines(subjects), centres)
    turn = rng.permutation(200)
    turned = nearest(subjects[turn], outlines(subjects[turn]), centres)
    assert (turned.distance_m == together.distance_m[turn]).all()
    for i in (0, 77, 199):
        alone = nearest(subjects[i : i + 1], outlines(subjects[i : i + 1]), centres)
        assert alone.distance_m[0] == together.distance_m[i]
