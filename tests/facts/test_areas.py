"""Overlaps and depths: by hand, and the same however big areas are cut."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.facts import areas
from geo_urc.facts.areas import Areas
from geo_urc.facts.zones import Zones


def column(*items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def box(*corners):
    return shapely.box(*corners)


def wiggly(corners=900, hole=True):
    """Return a lake with a wavy shore of many corners, and an island."""
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    radius = 1000 + 150 * np.sin(9 * turn) + 40 * np.sin(31 * turn)
    shore = np.column_stack([radius * np.cos(turn), radius * np.sin(turn)])
    island = [shapely.Point(200, 100).buffer(180, quad_segs=40).exterior] if hole else []
    return shapely.Polygon(shore, island)


# --- overlaps ---------------------------------------------------------------------------------


def test_overlap_by_hand():
    features = column(box(0, 0, 10, 10), None, box(5, 0, 15, 10))
    pairs = Areas(features).overlaps(column(box(4, 0, 8, 5), box(20, 0, 30, 5), box(10, 0, 12, 2)))
    # 4 x 5 in the first; from x = 5 on, 3 x 5 in the third; the last lies in the third
    # and only touches the first
    assert pairs.row.tolist() == [0, 0, 2]
    assert pairs.feature.tolist() == [0, 2, 2]
    assert pairs.size.tolist() == [20.0, 15.0, 4.0]


def test_union_overlap_counts_ground_once():
    features = column(box(0, 0, 10, 10), box(5, 0, 15, 10))
    inside, outline = Areas(features).union_overlap(
        column(box(0, 0, 20, 2), None, box(50, 0, 51, 1))
    )
    assert inside[0] == 30.0  # 15 x 2
    assert outline[0] == 34.0
    assert (inside[1:][~np.isnan(inside[1:])] == 0).all()


def test_union_overlap_where_nothing_is_cut():
    lake = Areas(column(box(0, 0, 100, 100)))
    inside, _ = lake.union_overlap(column(box(10, 10, 20, 20), box(200, 0, 210, 10)))
    assert inside.tolist() == [100.0, 0.0]


def test_point_in_area_has_size_one():
    pairs = Areas(column(box(0, 0, 10, 10))).overlaps(
        column(shapely.Point(5, 5), shapely.Point(10, 5), shapely.Point(11, 5))
    )
    assert pairs.row.tolist() == [0, 1]
    assert pairs.size.tolist() == [1.0, 1.0]


def test_no_areas_at_all():
    nothing = Areas(column(None, shapely.Point(1, 1), shapely.Polygon()))
    subject = column(box(0, 0, 1, 1))
    assert len(nothing) == 0
    assert not len(nothing.overlaps(subject).row)
    depth = nothing.depth(subject, 1.0, 100.0)
    assert depth.outside.tolist() == [True]
    assert np.isnan(depth.depth_m).all()


def test_no_subjects():
    lake = Areas(column(box(0, 0, 10, 10)))
    none = np.empty(0, dtype=object)
    assert not len(lake.overlaps(none).row)
    assert not len(lake.depth(none, 1.0, 100.0).depth_m)
    assert not len(lake.union_overlap(none)[0])


# --- however it is cut --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plots():
    corners = np.random.default_rng(5).uniform(-1300, 1200, (400, 2))
    return shapely.box(*corners.T, *(corners + 90).T)


@pytest.mark.parametrize("hole", [True, False])
def test_a_cut_area_overlaps_as_the_uncut_one(plots, hole):
    lake = wiggly(hole=hole)
    pieces = Areas(column(lake))
    assert len(pieces.pieces) > 20
    assert shapely.area(pieces.pieces).sum() == pytest.approx(lake.area, rel=1e-12)
    pairs = pieces.overlaps(plots)
    expected = shapely.area(shapely.intersection(plots, lake))
    got = np.zeros(len(plots))
    got[pairs.row] = pairs.size
    np.testing.assert_allclose(got, expected, atol=1e-6)
    inside, outline = pieces.union_overlap(plots)
    np.testing.assert_allclose(inside, expected, atol=1e-6)
    lengths = shapely.length(shapely.intersection(plots, lake))
    np.testing.assert_allclose(outline[expected > 0], lengths[expected > 0], rtol=1e-6)


def test_depth_of_a_cut_area_is_that_of_the_uncut_one(plots):
    lake = wiggly()
    got = Areas(column(lake)).depth(plots, band_m=1.5, search_m=10_000.0)
    covered = shapely.covers(lake, plots)
    apart = shapely.distance(lake, plots)
    np.testing.assert_allclose(
        got.depth_m[covered], shapely.distance(lake.boundary, plots[covered]), atol=1e-6
    )
    np.testing.assert_allclose(got.depth_m[apart > 0], -apart[apart > 0], atol=1e-6)
    part = ~covered & (apart == 0)
    out = shapely.difference(plots[part], lake)
    farthest = [
        shapely.distance(shapely.points(shapely.get_coordinates(g)), lake).max() for g in out
    ]
    astride = got.straddles[part]
    np.testing.assert_allclose(got.depth_m[part][astride], -np.array(farthest)[astride], atol=1e-6)
    states = got.inside.astype(int) + got.outside + got.straddles
    assert states.max() == 1
    assert got.inside[covered & (shapely.distance(lake.boundary, plots) >= 1.5)].all()


def test_smaller_pieces_give_the_same(plots, monkeypatch):
    lake = column(wiggly())
    coarse = Areas(lake).depth(plots, 1.5, 10_000.0)
    monkeypatch.setattr(areas, "PIECE_VERTICES", 16)
    fine = Areas(lake).depth(plots, 1.5, 10_000.0)
    np.testing.assert_allclose(fine.depth_m, coarse.depth_m, atol=1e-6)
    assert (fine.straddles == coarse.straddles).all()
    assert (fine.inside == coarse.inside).all()


# --- depth ----------------------------------------------------------------------------------------

PARK = column(box(0, 0, 100, 100))


@pytest.mark.parametrize(
    ("plot", "depth", "state"),
    [
        (box(10, 10, 20, 20), 10.0, "inside"),
        (box(1.5, 10, 20, 20), 1.5, "inside"),
        (box(1.4, 10, 20, 20), 1.4, "near"),
        (box(0, 10, 20, 20), 0.0, "near"),
        (box(-1.4, 10, 20, 20), -1.4, "near"),
        (box(-1.6, 10, 20, 20), -1.6, "straddles"),
        (box(-18.4, 10, 1.6, 20), -18.4, "straddles"),
        (box(-18.6, 10, 1.4, 20), None, "near"),
        (box(-20, 10, 0, 20), 0.0, "near"),
        (box(-21.4, 10, -1.4, 20), -1.4, "near"),
        (box(-21.5, 10, -1.5, 20), -1.5, "outside"),
        (box(-90, 10, -80, 20), -80.0, "outside"),
        (shapely.Point(30, 50), 30.0, "inside"),
        (shapely.Point(-30, 50), -30.0, "outside"),
        (shapely.Point(100, 50), 0.0, "near"),
    ],
)
def test_depth_signs_and_bands(plot, depth, state):
    got = Areas(PARK).depth(column(plot), band_m=1.5, search_m=1000.0)
    if depth is not None:
        assert got.depth_m[0] == pytest.approx(depth)
    said = {"inside": got.inside[0], "outside": got.outside[0], "straddles": got.straddles[0]}
    assert [name for name, holds in said.items() if holds] == ([] if state == "near" else [state])


@pytest.mark.parametrize(
    ("plot", "state"),
    [
        (box(10, 10, 20, 20), "inside"),
        (box(0, 10, 20, 20), "inside"),
        (box(-1, 10, 20, 20), "straddles"),
        (box(-20, 10, 0, 20), "outside"),
        (box(-20, 10, -1, 20), "outside"),
    ],
)
def test_exact_data_leave_nothing_open(plot, state):
    got = Areas(PARK).depth(column(plot), band_m=0.0, search_m=1000.0)
    said = {"inside": got.inside[0], "outside": got.outside[0], "straddles": got.straddles[0]}
    assert [name for name, holds in said.items() if holds] == [state]


def test_beyond_the_search_it_is_outside_and_no_figure_is_told():
    got = Areas(PARK).depth(column(box(400, 0, 410, 10)), band_m=1.5, search_m=200.0)
    assert got.outside[0]
    assert np.isnan(got.depth_m[0])


def test_neighbouring_areas_are_one():
    halves = column(box(0, 0, 50, 100), box(50, 0, 100, 100))
    got = Areas(halves).depth(column(box(40, 40, 60, 60)), band_m=1.5, search_m=1000.0)
    assert got.inside[0]
    assert got.depth_m[0] == 40.0


def test_missing_subject():
    got = Areas(PARK).depth(column(None), band_m=1.5, search_m=1000.0)
    assert np.isnan(got.depth_m[0])
    assert not (got.inside[0] or got.outside[0] or got.straddles[0])


@given(
    st.tuples(st.integers(-60, 140), st.integers(-60, 140)),
    st.tuples(st.integers(1, 150), st.integers(1, 150)),
    st.sampled_from([0.5, 1.5, 4.0]),
)
def test_states_from_the_definitions(corner, size, band):
    """Shrinking and growing the park by the band says what is inside and outside for certain."""
    plot = box(*corner, corner[0] + size[0], corner[1] + size[1])
    got = Areas(PARK).depth(column(plot), band_m=band, search_m=1000.0)
    assert got.inside[0] == shapely.covers(box(band, band, 100 - band, 100 - band), plot)
    assert got.outside[0] == (shapely.distance(PARK[0], plot) >= band)
    assert not (got.straddles[0] and (got.inside[0] or got.outside[0]))
    if got.straddles[0]:
        assert shapely.intersects(box(band, band, 100 - band, 100 - band), plot)
        assert not shapely.covers(PARK[0].buffer(band * 0.999), plot)


# --- zones ----------------------------------------------------------------------------------------

WEST, EAST = box(0, 0, 50, 100), box(50, 0, 100, 100)


def test_zone_of_the_larger_share():
    zones = Zones(["west", "east"], column(WEST, EAST))
    plots = column(box(40, 0, 80, 10), box(10, 0, 20, 10), None, box(200, 0, 210, 10))
    got = zones.of(plots, band_m=1.5)
    assert got.zone.tolist() == [1, 0, -1, -1]
    assert got.share[:2].tolist() == [0.75, 1.0]
    assert np.isnan(got.share[2:]).all()
    assert list(zip(got.other_row.tolist(), got.other_zone.tolist(), strict=True)) == [(0, 0)]


def test_equal_shares_go_to_the_first():
    got = Zones(["west", "east"], column(WEST, EAST)).of(column(box(40, 0, 60, 10)), 1.5)
    assert (got.zone[0], got.share[0]) == (0, 0.5)


def test_reach_within_the_band_is_no_reach():
    zones = Zones(["west", "east"], column(WEST, EAST))
    assert not len(zones.of(column(box(40, 0, 51, 10)), 1.5).other_row)
    assert len(zones.of(column(box(40, 0, 52, 10)), 1.5).other_row) == 1


def test_a_narrow_zone_through_the_subject_is_a_reach():
    """All corners of the subject lie in one zone; a strip of 10 m of another runs through it."""
    strip = box(45, -10, 55, 110)
    zones = Zones(["land", "strip"], column(box(0, 0, 100, 100).difference(strip), strip))
    got = zones.of(column(box(20, 20, 80, 80)), 1.5)
    assert got.zone[0] == 0
    assert got.share[0] == pytest.approx(50 / 60)
    assert got.other_zone.tolist() == [1]


def test_parts_of_one_name_are_one_zone():
    zones = Zones(
        ["a", "b", "a"], column(box(0, 0, 40, 100), box(40, 0, 60, 100), box(60, 0, 99, 100))
    )
    got = zones.of(column(box(30, 0, 70, 10)), 1.5)
    assert zones.names == ["a", "b"]
    assert (got.zone[0], got.share[0]) == (0, 0.5)


def test_leaving_all_zones_is_told():
    zones = Zones(["west", "east"], column(WEST, EAST))
    got = zones.of(column(box(80, 0, 110, 10), box(80, 0, 101, 10), box(80, 0, 90, 10)), 1.5)
    assert got.leaves.tolist() == [True, False, False]
    assert got.share.tolist() == [20 / 30, 20 / 21, 1.0]


def test_zone_of_many_vertices():
    """Shares of a district with a wavy edge are those of plain intersections."""
    lake = wiggly()
    land = box(-2000, -2000, 2000, 2000).difference(lake)
    corners = np.random.default_rng(2).uniform(-1300, 1200, (150, 2))
    plots = shapely.box(*corners.T, *(corners + 120).T)
    got = Zones(["lake", "land"], column(lake, land)).of(plots, 1.5)
    wet = shapely.area(shapely.intersection(plots, lake)) / shapely.area(plots)
    clear = np.abs(wet - 0.5) > 1e-9
    assert (got.zone[clear] == (wet < 0.5)[clear]).all()
    np.testing.assert_allclose(got.share, np.maximum(wet, 1 - wet), atol=1e-9)
    assert not got.leaves.any()
