"""Reprojection: true to the ground, the same from every storage, and refused where it is not."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_urc.errors import CrsError
from geo_urc.inputs.crs import (
    candidates,
    check_extent,
    evaluation_crs,
    output,
    plan,
    refuse_nameless,
)
from geo_urc.inputs.datum import shift

GEOD = pyproj.Geod(ellps="GRS80")
REAL = Path(
    os.environ.get("GEO_URC_REAL_DATA", Path(__file__).parents[3] / "shared" / "data" / "real")
)
ESRI_4527 = (
    'PROJCS["CGCS2000_3_Degree_GK_Zone_39",GEOGCS["GCS_China_Geodetic_Coordinate_System_2000",'
    'DATUM["D_China_2000",SPHEROID["CGCS2000",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],'
    'UNIT["Degree",0.0174532925199433]],PROJECTION["Gauss_Kruger"],'
    'PARAMETER["False_Easting",39500000.0],PARAMETER["False_Northing",0.0],'
    'PARAMETER["Central_Meridian",117.0],PARAMETER["Scale_Factor",1.0],'
    'PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
)
CUSTOM_CGCS2000 = (
    'GEOGCS["CGCS_2000",DATUM["CGCS_2000",SPHEROID["S_CGCS2000",6378137.0,298.257222101004]],'
    'PRIMEM["Greenwich",0.0],UNIT["DEGREE",0.0174532925199433]]'
)
NAMELESS = "+proj=tmerc +lon_0=117 +x_0=500000 +ellps=GRS80 +units=m +type=crs"
LOCAL = 'LOCAL_CS["Local",UNIT["metre",1]]'

lons, lats = st.floats(115.4, 117.6), st.floats(39.4, 41.1)


def rows(*geometries):
    return np.array(geometries, dtype=object)


def degrees_to(crs: str, geometry):
    """Project vertex by vertex with PROJ alone, as other software would have stored it."""
    to = from_degrees(crs)
    return shapely.transform(geometry, lambda xy: np.column_stack(to.transform(*xy.T)))


@lru_cache
def from_degrees(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs("EPSG:4490", crs, always_xy=True)


def shifted(datum: str, geometry):
    return shapely.transform(
        geometry, lambda xy: np.column_stack(shift(xy[:, 0], xy[:, 1], "wgs84", datum))
    )


def refused(call, *arguments) -> tuple[str, str]:
    with pytest.raises(CrsError) as caught:
        call(*arguments)
    assert len(caught.value.problems) == 1
    return caught.value.to("zh"), caught.value.to("en")


# --- true to the ground -----------------------------------------------------------------


@settings(deadline=None)
@given(lon=lons, lat=lats, bearing=st.floats(0, 360), far=st.floats(1, 800))
def test_distances_up_to_800_m_are_those_on_the_ellipsoid(lon, lat, bearing, far):
    there = GEOD.fwd(lon, lat, bearing, far)
    x, y = plan("x", "EPSG:4490", None).apply_xy([lon, there[0]], [lat, there[1]])
    assert np.hypot(np.diff(x), np.diff(y))[0] == pytest.approx(far, abs=0.2)


@settings(deadline=None)
@given(lon=lons, lat=lats)
def test_areas_are_within_half_a_thousandth(lon, lat):
    square = shapely.box(lon, lat, lon + 0.002, lat + 0.002)
    true, _ = GEOD.geometry_area_perimeter(square)
    (plane,) = plan("x", "EPSG:4490", None).apply(rows(square))
    assert 0.99999 < plane.area / true < 1.0005


def test_on_the_central_meridian_y_is_the_distance_from_the_equator():
    _, _, arc = GEOD.inv(117.0, 0.0, 117.0, 40.0)
    x, y = plan("x", "EPSG:4490", None).apply_xy([117.0], [40.0])
    assert x[0] == pytest.approx(500_000, abs=1e-3)
    assert y[0] == pytest.approx(arc, abs=1e-3)


# --- the same from every storage --------------------------------------------------------

BLOCK = shapely.Polygon([(116.40, 39.90), (116.402, 39.90), (116.402, 39.902), (116.40, 39.902)])


@pytest.mark.parametrize(
    ("crs", "datum", "stored"),
    [
        ("EPSG:4490", None, BLOCK),
        ("EPSG:4490", "wgs84", BLOCK),
        ("EPSG:4326", None, BLOCK),
        ("EPSG:4326", "cgcs2000", BLOCK),
        ("OGC:CRS84", None, BLOCK),
        ("EPSG:4326+5773", None, shapely.force_3d(BLOCK, 40.0)),
        ("EPSG:4979", None, shapely.force_3d(BLOCK, 40.0)),
        (CUSTOM_CGCS2000, None, BLOCK),
        ("EPSG:9000", None, BLOCK),
        ("EPSG:4326", "gcj02", shifted("gcj02", BLOCK)),
        ("EPSG:4326", "bd09", shifted("bd09", BLOCK)),
        ("EPSG:4548", None, degrees_to("EPSG:4548", BLOCK)),
        ("EPSG:4527", None, degrees_to("EPSG:4527", BLOCK)),
        (ESRI_4527, None, degrees_to("EPSG:4527", BLOCK)),
        ("EPSG:4549", None, degrees_to("EPSG:4549", BLOCK)),
        ("EPSG:32650", None, degrees_to("EPSG:32650", BLOCK)),
        ("EPSG:3857", None, degrees_to("EPSG:3857", BLOCK)),
        ("EPSG:3857", "gcj02", degrees_to("EPSG:3857", shifted("gcj02", BLOCK))),
        ("EPSG:4548", "bd09", degrees_to("EPSG:4548", shifted("bd09", BLOCK))),
        (NAMELESS, "cgcs2000", degrees_to("EPSG:4548", BLOCK)),
    ],
)
def test_one_block_in_every_storage_is_one_block(crs, datum, stored):
    (plane,) = plan("x", crs, datum).apply(rows(stored))
    expected = degrees_to("EPSG:4548", BLOCK)
    assert not plane.has_z
    # Between its corners, an edge that is straight in BD-09 truly wanders by some centimetres.
    assert plane.hausdorff_distance(expected) < {"gcj02": 0.01, "bd09": 0.1}.get(datum, 0.001)
    # Points take the same way.
    corner = stored.exterior.coords[0]
    x, y = plan("x", crs, datum).apply_xy([corner[0]], [corner[1]])
    assert shapely.Point(x[0], y[0]).distance(shapely.Point(expected.exterior.coords[0])) < 0.001


def test_evaluation_in_another_system_is_that_of_proj():
    (plane,) = plan("x", "EPSG:4490", None, "EPSG:4527").apply(rows(BLOCK))
    assert plane.hausdorff_distance(degrees_to("EPSG:4527", BLOCK)) < 1e-6


def test_identity_keeps_coordinates_to_the_last_bit():
    given_ = rows(shapely.Point(448123.1234567891, 4418000.9876543211), None)
    moved = plan("x", "EPSG:4548", None).apply(given_)
    assert shapely.get_coordinates(moved).tolist() == shapely.get_coordinates(given_).tolist()
    assert moved[1] is None
    assert plan("x", "EPSG:4548", None).operation == "no operation"


# --- long edges -------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(
    west=st.floats(115.5, 117.0),
    south=st.floats(39.5, 40.8),
    width=st.floats(0.001, 0.4),
    at=st.floats(0.05, 0.8),
    datum=st.sampled_from([None, "gcj02", "bd09"]),
)
def test_inside_edge_to_edge_in_degrees_stays_inside(west, south, width, at, datum):
    outer = shapely.box(west, south, west + width, south + width / 2)
    inner = shapely.box(west + at * width, south, west + (at + 0.1) * width, south + width / 4)
    moved = plan("x", "EPSG:4326", datum).apply(rows(outer, inner))
    assert moved[0].buffer(0.01).contains(moved[1])


@pytest.mark.parametrize(
    ("crs", "datum"),
    [
        ("EPSG:4326", None),
        ("EPSG:4326", "gcj02"),
        ("EPSG:4326", "bd09"),
        ("EPSG:3857", None),
        ("EPSG:4548", "gcj02"),
        ("EPSG:4548", "bd09"),
        ("EPSG:4527", "bd09"),
    ],
)
@settings(deadline=None, max_examples=30)
@given(lon=lons, lat=lats, east=st.floats(-0.1, 0.1), north=st.floats(-0.1, 0.1))
def test_long_edge_runs_where_the_source_draws_it(crs, datum, lon, lat, east, north):
    a = degrees_to(crs, shapely.Point(lon, lat))
    b = degrees_to(crs, shapely.Point(lon + east, lat + north))
    edge = shapely.LineString([(a.x, a.y), (b.x, b.y)])
    moving = plan("x", crs, datum)
    (plane,) = moving.apply(rows(edge))
    drawn = shapely.get_coordinates(edge.interpolate(np.linspace(0, 1, 997), normalized=True))
    true = shapely.points(*moving.apply_xy(drawn[:, 0], drawn[:, 1]))
    assert shapely.distance(true, plane).max() < 0.011


def test_only_geometries_with_long_edges_gain_vertices():
    city = shapely.box(116, 39.5, 117, 40.5)
    far_parts = shapely.MultiPolygon([BLOCK, shapely.box(117, 40, 117.001, 40.001)])
    points = shapely.MultiPoint([(116, 40), (117, 41)])
    stored = rows(BLOCK, city, far_parts, points)
    moved = plan("x", "EPSG:4326", None).apply(stored)
    before, after = shapely.get_num_coordinates(stored), shapely.get_num_coordinates(moved)
    assert (after == before).tolist() == [True, False, True, True]


def test_nearly_true_systems_exchange_edges_as_they_are():
    edge = degrees_to("EPSG:4549", shapely.LineString([(116.0, 40.0), (116.3, 40.0)]))
    (plane,) = plan("x", "EPSG:4549", None).apply(rows(edge))
    assert len(plane.coords) == 2


# --- odd rows ---------------------------------------------------------------------------


def test_missing_and_impossible_rows_keep_their_place():
    stored = rows(
        None,
        shapely.Point(116, 40),
        shapely.Point(),
        shapely.Point(116, 400),
        shapely.LineString([(116, 40), (1e12, 40)]),
        shapely.LineString([(116, 40), (float("inf"), 40)]),
    )
    moved = plan("x", "EPSG:4326", None).apply(stored)
    assert [g is None for g in moved] == [True, False, False, True, True, True]
    assert moved[2].is_empty and stored[0] is None and stored[1].x == 116
    assert len(plan("x", "EPSG:4326", None).apply(rows())) == 0
    x, _ = plan("x", "EPSG:4326", None).apply_xy([np.nan, 116.0], [40.0, 40.0])
    assert np.isnan(x[0]) and np.isfinite(x[1])


# --- outputs ----------------------------------------------------------------------------


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857"])
def test_web_map_inputs_come_out_in_true_degrees(datum, crs):
    stored = rows(degrees_to(crs, shifted(datum, BLOCK)), None)
    written = plan("x", crs, datum).to_output(stored)
    assert output(crs, datum) == "EPSG:4490"
    assert shapely.equals_exact(written[0], BLOCK, 1e-8)
    assert written[1] is None


def test_other_inputs_are_written_as_they_are():
    stored = rows(degrees_to("EPSG:4527", BLOCK))
    assert plan("x", "EPSG:4527", None).to_output(stored) is stored
    assert output("EPSG:4527", "cgcs2000") == "EPSG:4527"


# --- what is said of an operation -------------------------------------------------------


def test_record_names_steps_accuracy_and_assumptions():
    exact = plan("x", "EPSG:4527", None)
    assert exact.datum == "cgcs2000" and exact.accuracy_m == 0.0 and not exact.notes

    assumed = plan("x", "EPSG:4326", None)
    assert assumed.datum == "wgs84" and assumed.accuracy_m is None
    assert "1 m" in assumed.notes[0].en and "1 米" in assumed.notes[0].zh

    relabelled = plan("x", "EPSG:4326", "cgcs2000")
    assert relabelled.datum == "cgcs2000" and not relabelled.notes

    web = plan("x", "EPSG:3857", "gcj02")
    assert "GCJ-02 → WGS 84" in web.operation and web.accuracy_m is None
    assert "bd09mc" in " ".join(n.en for n in plan("x", "EPSG:3857", "bd09").notes)

    assert "0.040%" in plan("x", "EPSG:4490", None, "EPSG:32650").notes[-1].en


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4214", "EPSG:2436", "EPSG:4612"])
def test_unknown_datum_is_placed_as_it_stands_and_said(crs):
    placed = plan("x", crs, "unknown")
    assert placed.datum == "unknown" and placed.accuracy_m is None
    assert "unknown" in placed.notes[0].en and "不明" in placed.notes[0].zh


# --- refusals ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("crs", "datum", "words"),
    [
        (None, None, ["no coordinate system", 'crs = "EPSG:', 'datum = "gcj02"']),
        ("", "gcj02", ["no coordinate system"]),
        ("EPSG:999999", None, ["EPSG:999999", "not known"]),
        (LOCAL, None, ["Engineering CRS", "Georeference"]),
        ("EPSG:4978", None, ["Geocentric CRS"]),
        ("EPSG:4214", None, ["Beijing 1954", "EPSG:4490"]),
        ("EPSG:2436", None, ["Beijing 1954"]),
        ("EPSG:4610", None, ["Xian 1980"]),
        ("EPSG:2363", "cgcs2000", ["Xian 1980"]),
        ("EPSG:4555", None, ["New Beijing"]),
        ("EPSG:4612", None, ["Japanese Geodetic Datum 2000"]),
        ("+proj=longlat +ellps=krass +towgs84=15.8,-154.4,-82.3 +type=crs", None, ["Krassovsky"]),
        (NAMELESS, None, ["does not name its datum", 'datum = "cgcs2000"']),
        ("EPSG:4326", "gcj-02", ["gcj-02", "gcj02, bd09"]),
    ],
)
def test_what_cannot_be_placed_is_refused_with_a_way_out(crs, datum, words):
    zh, en = refused(plan, "layers.toml: [layers.rail_stations] a.shp", crs, datum)
    assert all(word in en for word in words)
    assert en.startswith("layers.toml: [layers.rail_stations] a.shp: ")
    assert any("\u4e00" <= letter <= "\u9fff" for letter in zh)


@pytest.mark.parametrize(
    ("crs", "word"),
    [
        ("EPSG:4490", "degrees"),
        ("EPSG:3857", "distorts"),
        ("EPSG:4549", "0.19%"),
        ("EPSG:32649", "distorts"),
        ("EPSG:2436", "Beijing 1954"),
        ("EPSG:2263", "not in metres"),
        ("nonsense", "not known"),
    ],
)
def test_unfit_evaluation_system_is_refused(crs, word):
    zh, en = refused(evaluation_crs, crs)
    assert word in en and en.startswith("--crs: ") and zh.startswith("--crs: ")
    assert refused(plan, "x", "EPSG:4490", None, crs) == (zh, en)


@pytest.mark.parametrize("crs", ["EPSG:4548", "EPSG:4527", "EPSG:4509", "EPSG:32650", ESRI_4527])
def test_fit_evaluation_systems_are_taken(crs):
    assert evaluation_crs(crs).is_projected


# --- extent -----------------------------------------------------------------------------

IN_DEGREES = (116.2, 39.8, 116.6, 40.0)
IN_4548 = (440_000, 4_410_000, 450_000, 4_420_000)
IN_4527 = (39_440_000, 4_410_000, 39_450_000, 4_420_000)


def swapped(bounds):
    return (bounds[1], bounds[0], bounds[3], bounds[2])


@pytest.mark.parametrize(
    ("crs", "bounds"),
    [
        ("EPSG:4326", IN_DEGREES),
        ("EPSG:4548", IN_4548),
        (ESRI_4527, IN_4527),
        ("EPSG:4326", (73, 18, 135, 54)),  # all China
        ("EPSG:4326", (-180, -90, 180, 90)),
        ("EPSG:4326", (115.0, 39.0, 115.1, 39.1)),  # within the margin
        ("EPSG:4326", (np.nan,) * 4),
        ("EPSG:4326", np.empty((0, 4))),
        # One stray record among good ones is no reason to refuse the layer.
        ("EPSG:4326", [IN_DEGREES, IN_DEGREES, (-9999, -9999, -9999, -9999)]),
    ],
)
def test_layer_with_something_in_beijing_passes(crs, bounds):
    check_extent("x", crs, None, bounds)


@pytest.mark.parametrize(
    ("crs", "bounds", "words"),
    [
        ("EPSG:4326", swapped(IN_DEGREES), ["axes swapped", "Swap x and y"]),
        ("EPSG:4548", swapped(IN_4548), ["axes swapped", "Swap x and y"]),
        ("EPSG:4548", swapped(IN_4527), ['crs = "EPSG:4527"', "swap x and y"]),
        ("EPSG:4548", IN_4527, ['Set crs = "EPSG:4527".']),
        ("EPSG:4527", IN_4548, ['Set crs = "EPSG:4548".', "EPSG:32650"]),
        ("EPSG:4549", IN_4548, ['Set crs = "EPSG:4548".']),
        ("EPSG:4548", IN_DEGREES, ["They are degrees", "EPSG:4490"]),
        ("EPSG:4326", IN_4548, ["metres, not degrees", "EPSG:4548"]),
        ("EPSG:4326", (12.95e6, 4.85e6, 12.96e6, 4.86e6), ['Set crs = "EPSG:3857".']),
        # A plan from a free origin covers 116 by 40 and still is not in Beijing.
        ("EPSG:4326", (0, 0, 900, 700), ["local coordinates", "Georeference"]),
        ("EPSG:4548", (0, 0, 900, 700), ["local coordinates"]),
        ("EPSG:4326", (121, 31, 122, 32), ["No usual system", "cover Beijing"]),
    ],
)
def test_layer_elsewhere_is_refused_with_the_likely_cause(crs, bounds, words):
    zh, en = refused(check_extent, "a.gpkg", crs, None, bounds)
    assert all(word in en for word in words)
    assert "not near Beijing" in en and "不在北京" in zh
    assert refused(check_extent, "a.gpkg", crs, None, [bounds] * 3) == (zh, en)


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (IN_4548, ["EPSG:4548", "EPSG:32650", 'crs = "EPSG:4548"']),
        (IN_4527, ['crs = "EPSG:4527"']),
        (IN_DEGREES, ['crs = "EPSG:4490"', "gcj02"]),
        (swapped(IN_4548), ["axes swapped", 'crs = "EPSG:4548", and swap x and y']),
        ((0, 0, 900, 700), ["local coordinates", "Georeference"]),
    ],
)
def test_coordinates_without_a_system_are_refused_with_what_they_fit(bounds, words):
    zh, en = refused(refuse_nameless, "a.shp", bounds)
    assert all(word in en for word in ["no coordinate system", *words])
    assert "没有坐标系" in zh


def test_coordinates_without_a_system_that_fit_nothing_are_left_to_the_general_refusal():
    refuse_nameless("a.shp", (5e7, 5e7, 5.1e7, 5.1e7))
    refuse_nameless("a.shp", np.empty((0, 4)))


def test_candidates_are_named_for_a_bare_point():
    assert candidates(116.4, 39.9) == ["EPSG:4490"]
    assert candidates(448_689, 4_418_598)[0] == "EPSG:4548"
    assert candidates(0, 0) == []


needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="needs the real data (GEO_URC_REAL_DATA)")


def record_bounds(path: Path) -> np.ndarray:
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    shapes = [shapely.from_geojson(json.dumps(f["geometry"])) for f in features if f["geometry"]]
    return shapely.bounds(rows(*shapes))


@needs_real
def test_real_local_plan_that_claims_degrees_is_refused():
    _, en = refused(
        check_extent, "x", "EPSG:4326", None, record_bounds(REAL / "parcels/dhm_plan_local.geojson")
    )
    assert "local coordinates" in en


@needs_real
def test_real_layer_with_one_building_in_another_province_passes():
    bounds = record_bounds(REAL / "bad_inputs/gugong_509invalid_mixed_city.geojson")
    check_extent("x", "EPSG:4326", None, bounds)
