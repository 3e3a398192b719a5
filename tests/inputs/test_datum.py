"""Web-map shifts: there and back, where they hold, and against independent maps."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from statistics import median

import numpy as np
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_urc.inputs.datum import shift

GEOD = pyproj.Geod(ellps="WGS84")
REAL = Path(
    os.environ.get("GEO_URC_REAL_DATA", Path(__file__).parents[3] / "shared" / "data" / "real")
)
CENTIMETRE_DEG = 1e-7
DATUMS = ["wgs84", "cgcs2000", "gcj02", "bd09"]

# A kilometre inside the box, so that shifted points are in it too.
china = st.tuples(st.floats(72.02, 137.82), st.floats(0.85, 55.81))
elsewhere = st.one_of(
    st.tuples(st.floats(-180, 72.0), st.floats(-89, 89)),
    st.tuples(st.floats(137.84, 180), st.floats(-89, 89)),
    st.tuples(st.floats(-180, 180), st.floats(-89, 0.82)),
    st.tuples(st.floats(-180, 180), st.floats(55.83, 89)),
)


def metres(a: tuple, b: tuple) -> np.ndarray:
    return GEOD.inv(*a, *b)[2]


@pytest.mark.parametrize("source", DATUMS)
@pytest.mark.parametrize("target", DATUMS)
@settings(deadline=None)
@given(point=china)
def test_there_and_back_is_the_same_point(source, target, point):
    lon, lat = np.array([point[0]]), np.array([point[1]])
    back = shift(*shift(lon, lat, source, target), target, source)
    assert abs(back[0] - lon).max() < CENTIMETRE_DEG
    assert abs(back[1] - lat).max() < CENTIMETRE_DEG


@settings(deadline=None)
@given(point=elsewhere)
def test_gcj02_leaves_the_rest_of_the_world_alone(point):
    lon, lat = np.array([point[0]]), np.array([point[1]])
    for source, target in (("wgs84", "gcj02"), ("gcj02", "wgs84")):
        moved = shift(lon, lat, source, target)
        assert (moved[0], moved[1]) == (lon, lat)


def test_round_trips_at_the_edge_of_the_box_never_run_away():
    edge = np.linspace(-0.02, 0.02, 401)
    for lon, lat in [(72.004 + edge, 40 + 0 * edge), (110 + 0 * edge, 55.8271 + edge)]:
        back = shift(*shift(lon, lat, "wgs84", "gcj02"), "gcj02", "wgs84")
        assert metres((lon, lat), back).max() < 1000


def test_tiananmen_moves_as_far_as_everybody_finds():
    at = np.array([116.3913]), np.array([39.9075])
    bearing, _, distance = GEOD.inv(*at, *shift(*at, "wgs84", "gcj02"))
    assert distance[0] == pytest.approx(556, abs=2)
    assert bearing[0] == pytest.approx(74, abs=1)


@pytest.mark.parametrize(("datum", "least", "most"), [("gcj02", 500, 620), ("bd09", 1290, 1440)])
def test_shift_has_the_known_size_all_over_beijing(datum, least, most):
    lon, lat = (
        a.ravel() for a in np.meshgrid(np.linspace(115.4, 117.6, 60), np.linspace(39.4, 41.1, 60))
    )
    distance = metres((lon, lat), shift(lon, lat, "wgs84", datum))
    assert least < distance.min() and distance.max() < most


def test_bd09_inverse_beats_the_customary_closed_form():
    lon, lat = shift([116.41], [39.92], "gcj02", "bd09")
    x, y = lon - 0.0065, lat - 0.006
    radius = np.hypot(x, y) - 0.00002 * np.sin(y * np.pi * 3000 / 180)
    angle = np.arctan2(y, x) - 0.000003 * np.cos(x * np.pi * 3000 / 180)
    closed = radius * np.cos(angle), radius * np.sin(angle)
    assert metres(([116.41], [39.92]), closed)[0] > 0.1
    assert metres(([116.41], [39.92]), shift(lon, lat, "bd09", "gcj02"))[0] < 0.001


@pytest.mark.parametrize("source", DATUMS)
@pytest.mark.parametrize("target", DATUMS)
def test_missing_points_stay_missing_and_shape_and_input_are_kept(source, target):
    lon = np.array([[116.0, np.nan, 117.0]])
    lat = np.array([[40.0, 40.0, np.nan]])
    before = lon.copy(), lat.copy()
    moved = shift(lon, lat, source, target)
    assert moved[0].shape == moved[1].shape == (1, 3)
    assert moved[0].dtype == moved[1].dtype == np.float64
    assert np.isfinite([moved[0][0, 0], moved[1][0, 0]]).all()
    assert np.isnan(moved[0][0, 1]) and np.isnan(moved[1][0, 2])
    np.testing.assert_array_equal((lon, lat), before)


def test_neighbours_do_not_change_a_point():
    alone = shift([116.4], [39.9], "bd09", "wgs84")
    among = shift([116.4, 1e9, np.nan, np.inf], [39.9, -1e9, 1.0, 2.0], "bd09", "wgs84")
    assert among[0][0] == pytest.approx(alone[0][0], abs=1e-11)
    assert among[1][0] == pytest.approx(alone[1][0], abs=1e-11)


@pytest.mark.skipif(not (REAL / "rail").is_dir(), reason="needs the real data (GEO_URC_REAL_DATA)")
def test_amap_stations_fall_on_those_of_openstreetmap():
    with (REAL / "rail/gtfs/stops.txt").open(encoding="utf-8-sig", newline="") as file:
        osm = {
            row["stop_name"]: (float(row["stop_lon"]), float(row["stop_lat"]))
            for row in csv.DictReader(file)
            if row["location_type"] == "1" and row["stop_lon"] and row["stop_name"]
        }
    lines = json.loads((REAL / "rail/amap_beijing_gcj02.json").read_text(encoding="utf-8"))["l"]
    amap = {s["n"]: tuple(map(float, s["sl"].split(","))) for line in lines for s in line["st"]}
    names = sorted(osm.keys() & amap.keys())
    assert len(names) > 390

    there = tuple(np.array([osm[n] for n in names]).T)
    given_ = tuple(np.array([amap[n] for n in names]).T)
    assert median(metres(there, given_)) > 500
    assert median(metres(there, shift(*given_, "gcj02", "wgs84"))) < 30
