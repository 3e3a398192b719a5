"""Broken outlines: what is mended, what is refused, and that good ones are left alone."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_urc.inputs.repair import check_simple, keep_kind, repair_polygons

NAN = float("nan")
SQUARE = "POLYGON ((0 0, 10 0, 10 10, 0 10, 0 0))"


def one(geometry):
    if isinstance(geometry, str):
        geometry = shapely.from_wkt(geometry)
    return repair_polygons(np.array([geometry], dtype=object))


def with_coordinate(value: float) -> shapely.Polygon:
    with np.errstate(invalid="ignore"):
        return shapely.Polygon([(0, 0), (10, 0), (10, value), (0, 10), (0, 0)])


@pytest.mark.parametrize(
    "wkt",
    [
        SQUARE,
        "POLYGON ((0 0, 10 0, 10 0, 10 10, 0 10, 0 10, 0 0))",  # vertices given twice
        "POLYGON ((0 0, 10 0, 10 10, 0 10, 0 0), (2 2, 3 2, 3 3, 2 2))",
        "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((5 5, 6 5, 6 6, 5 5)))",
    ],
)
def test_valid_polygon_is_passed_on_as_the_same_object(wkt):
    given_ = np.array([shapely.from_wkt(wkt)], dtype=object)
    result = repair_polygons(given_)
    assert result.geometry[0] is given_[0]
    assert not result.repaired[0] and not result.unusable
    assert np.isnan(result.area_before[0]) and np.isnan(result.area_after[0])


@pytest.mark.parametrize(
    ("wkt", "before", "after"),
    [
        # A spike without width.
        ("POLYGON ((0 0, 10 0, 10 10, 10 14, 10 10, 0 10, 0 0))", 100, 100),
        # The top edge overshoots and crosses itself in a triangle of 0.1 × 0.1 / 2, which the
        # signed area of the outline takes off and the repair keeps.
        ("POLYGON ((0 0, 10 0, 10 10.1, 9.9 10, 10 10, 0 10, 0 0))", None, None),
        # A hole beyond the shell is no hole: 0.5 of 100.
        ("POLYGON ((0 0, 10 0, 10 10, 0 10, 0 0), (20 20, 21 20, 21 21, 20 20))", 99.5, 100),
        # Twice the same part cannot be a repair, but a thin overlap can: 0.02 of 200.
        (
            "MULTIPOLYGON (((0 0, 10 0, 10 10, 0 10, 0 0)),"
            " ((9.998 0, 20 0, 20 10, 9.998 10, 9.998 0)))",
            200.02,
            200,
        ),
    ],
)
def test_small_fault_is_mended(wkt, before, after):
    result = one(wkt)
    assert result.repaired[0] and not result.unusable
    assert result.geometry[0].is_valid
    assert result.geometry[0].geom_type in ("Polygon", "MultiPolygon")
    if before is not None:
        assert result.area_before[0] == pytest.approx(before)
        assert result.area_after[0] == pytest.approx(after)
    assert abs(result.area_after[0] / result.area_before[0] - 1) <= 0.01


@pytest.mark.parametrize(
    ("wkt", "before", "after"),
    [
        ("POLYGON ((0 0, 10 10, 10 0, 0 10, 0 0))", "0", "50"),  # bow-tie: wings cancel out
        (
            "POLYGON ((0 0, 10 0, 10 10, 0 10, 0 0), (20 20, 22 20, 22 22, 20 22, 20 20))",
            "96",
            "100",
        ),
        (f"GEOMETRYCOLLECTION ({SQUARE}, {SQUARE})", "200", "100"),
    ],
)
def test_repair_that_would_change_the_area_is_refused_with_both_areas(wkt, before, after):
    result = one(wkt)
    assert result.geometry[0] is None and not result.repaired[0]
    assert f"from {before} to {after}" in result.unusable[0].en
    assert f"由 {before} 变为 {after}" in result.unusable[0].zh


@pytest.mark.parametrize(
    ("geometry", "word"),
    [
        (None, "no geometry"),
        ("POLYGON EMPTY", "empty"),
        ("MULTIPOLYGON (EMPTY, EMPTY)", "empty"),
        ("GEOMETRYCOLLECTION EMPTY", "empty"),
        (with_coordinate(NAN), "not a number"),
        (with_coordinate(float("inf")), "infinite"),
        ("POLYGON ((0 0, 10 10, 0 0, 0 0))", "collapsed"),
        ("POLYGON ((5 5, 5 5, 5 5, 5 5))", "collapsed"),
        ("POINT (1 2)", "no polygon"),
        ("GEOMETRYCOLLECTION (POINT (1 2), LINESTRING (0 0, 1 1))", "no polygon"),
    ],
)
def test_hopeless_geometry_is_none_with_its_reason(geometry, word):
    result = one(geometry)
    assert result.geometry[0] is None and not result.repaired[0]
    assert word in result.unusable[0].en and result.unusable[0].zh


def test_polygons_are_taken_out_of_collections():
    result = one(f"GEOMETRYCOLLECTION (POINT (99 99), GEOMETRYCOLLECTION ({SQUARE}))")
    assert result.repaired[0]
    assert result.geometry[0].equals(shapely.box(0, 0, 10, 10))


@pytest.mark.parametrize("dimensions", ["Z", "M", "ZM"])
def test_heights_and_measures_are_dropped_without_calling_it_a_repair(dimensions):
    tail = " 5" * len(dimensions)
    corners = ", ".join(f"{xy}{tail}" for xy in ("0 0", "10 0", "10 10", "0 0"))
    result = one(f"POLYGON {dimensions} (({corners}))")
    assert not result.repaired[0] and not result.unusable
    assert not result.geometry[0].has_z and not result.geometry[0].has_m
    assert result.geometry[0].area == 50


def test_rows_keep_their_place_and_the_input_is_not_changed():
    rows = np.array([None, shapely.box(0, 0, 1, 1), shapely.Polygon()], dtype=object)
    before = rows.copy()
    result = repair_polygons(rows)
    assert sorted(result.unusable) == [0, 2]
    assert result.geometry[1] is rows[1]
    assert all(a is b for a, b in zip(rows, before, strict=True))


def test_no_rows_give_no_rows():
    assert len(repair_polygons(np.array([], dtype=object)).geometry) == 0


grid = st.integers(0, 6).map(float)
rings = st.lists(st.tuples(grid, grid), min_size=3, max_size=9)
polygons = st.builds(
    lambda shell, holes: shapely.Polygon(shell, holes or None), rings, st.lists(rings, max_size=2)
)
anything = st.one_of(
    st.none(),
    polygons,
    st.lists(polygons, max_size=3).map(shapely.MultiPolygon),
    st.lists(polygons, max_size=3).map(shapely.GeometryCollection),
)


@settings(deadline=None)
@given(st.lists(anything, max_size=6))
def test_whatever_comes_out_is_valid_and_every_row_is_accounted_for(rows):
    result = repair_polygons(np.array([*rows, None], dtype=object))
    assert len(result.geometry) == len(result.repaired) == len(rows) + 1
    for row, geometry in enumerate(result.geometry):
        assert (geometry is None) == (row in result.unusable)
        if geometry is not None:
            assert geometry.is_valid and geometry.area > 0
            assert geometry.geom_type in ("Polygon", "MultiPolygon")
            assert result.repaired[row] or geometry is rows[row]


def test_points_and_lines_without_a_place_are_named():
    with np.errstate(invalid="ignore"):
        rows = np.array(
            [
                shapely.Point(1, 2),
                None,
                shapely.Point(),
                shapely.LineString([(0, 0), (NAN, 1)]),
                shapely.LineString([(0, 0), (1, 1)]),
                shapely.Point(float("inf"), 0),
            ],
            dtype=object,
        )
    assert {row: why.en.split()[-1] for row, why in check_simple(rows).items()} == {
        1: "geometry.",
        2: "empty.",
        3: "infinite.",
        5: "infinite.",
    }


@pytest.mark.parametrize(
    ("wkt", "kind"),
    [
        ("POINT (1 2)", "point"),
        ("MULTIPOINT ((1 2), (3 4))", "point"),
        ("LINESTRING (0 0, 1 1)", "line"),
        ("MULTILINESTRING ((0 0, 1 1))", "line"),
        ("POLYGON EMPTY", "polygon"),
        (SQUARE, "polygon"),
        ("MULTIPOLYGON Z (((0 0 1, 1 0 1, 1 1 1, 0 0 1)))", "polygon"),
        (f"GEOMETRYCOLLECTION (POINT (1 2), {SQUARE})", "polygon"),
        ("GEOMETRYCOLLECTION (POINT (1 2))", "point"),
    ],
)
def test_kind_is_that_of_the_largest_dimension(wkt, kind):
    rows = np.array([shapely.from_wkt(wkt), None], dtype=object)
    for asked in ("point", "line", "polygon"):
        assert keep_kind(rows, frozenset({asked})).tolist() == [asked == kind, True]
    assert keep_kind(rows, frozenset({"point", "line", "polygon"})).all()
