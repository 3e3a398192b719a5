"""The control check on invented layers whose shifts are set by hand."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

import geo_urc.inputs.control
from geo_urc.errors import CrsError
from geo_urc.inputs import read_inputs
from geo_urc.inputs.control import wording
from geo_urc.inputs.control.judging import differences, judge
from geo_urc.inputs.control.places import control_points, plain_name, plain_station
from geo_urc.inputs.datum import shift

POINTS = control_points("station")
METRES_A_DEGREE = 6371000 * math.pi / 180  # of a sphere


def noise(metres, n, seed=1):
    """Return scatter in degrees east and north, of a standard deviation along each axis."""
    drawn = np.random.default_rng(seed).normal(0, metres / METRES_A_DEGREE, (2, n))
    return drawn[0] / math.cos(math.radians(39.9)), drawn[1]


def stations(lon, lat, names=POINTS.names, crs=4326):
    return gpd.GeoDataFrame({"name": list(names)}, geometry=gpd.points_from_xy(lon, lat), crs=crs)


def control(layer, role="rail_stations", strict=False, parcels=None, **settings):
    """Return what the control check says of one layer, and the warnings about it."""
    if settings:
        layer = layer.copy()
    layers = {role: layer}
    inputs = read_inputs(_plot() if parcels is None else parcels, layers=layers, strict=strict)
    found = inputs.layers[role]
    return found.source.control, [n.text for n in found.notices if n.kind == "warning"]


def _plot():
    square = shapely.box(448_000, 4_418_000, 448_100, 4_418_100)
    return gpd.GeoDataFrame({"宗地": ["甲"]}, geometry=[square], crs=4548)


def declared(tmp_path, lon, lat, datum, names=POINTS.names, strict=False):
    """Return the finding on stations in a CSV with a declared datum (None: not declared)."""
    path = tmp_path / "stations.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "lon", "lat"])
        writer.writerows(zip(names, lon, lat, strict=True))
    layer = {"path": str(path)} | ({"datum": datum} if datum else {})
    inputs = read_inputs(_plot(), layers={"rail_stations": layer}, strict=strict)
    return inputs.layers["rail_stations"]


# --- the names ------------------------------------------------------------------------------


def test_every_control_point_is_in_beijing_with_an_accuracy_that_can_tell_datums_apart():
    path = Path(geo_urc.inputs.control.__file__).with_name("places.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 60
    for row in rows:
        assert 115.4 < float(row["lon"]) < 117.6 and 39.4 < float(row["lat"]) < 41.1, row
        assert 50 <= float(row["accuracy_m"]) <= 200, row
    names = [(row["kind"], row["name"]) for row in rows]
    assert len(set(names)) == len(names)


def test_names_are_compared_without_what_sources_add():
    assert (
        plain_station("国贸站")
        == plain_station("国贸（地铁站）")
        == plain_station("国贸")
        == "国贸"
    )
    assert plain_station("北京南站") == "北京南" and plain_station("站") == "站"
    assert plain_name("北京市天坛公园") == "天坛公园"


# --- the arithmetic -------------------------------------------------------------------------


def test_differences_are_a_distance_and_a_direction():
    lon = np.array([116.4, 116.5, 116.3])
    lat = np.array([39.9, 39.9, 39.9])
    east = 300 / (METRES_A_DEGREE * math.cos(math.radians(39.9)))
    found = differences(lon + east, lat + 400 / METRES_A_DEGREE, lon, lat)
    assert found.shift_m == pytest.approx(500, abs=1)
    assert found.bearing_deg == pytest.approx(36.87, abs=0.1)  # atan(3/4)
    assert found.spread_m == pytest.approx(0, abs=1)


def test_one_stray_among_five_changes_nothing():
    lon, lat = np.full(5, 116.4), np.full(5, 39.9)
    off = lat.copy()
    off[2] += 0.05  # 5.6 km
    assert differences(lon, off, lon, lat).shift_m == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(("pairs", "verdict"), [(4, "not_sure"), (5, "fits")])
def test_four_places_are_too_few(pairs, verdict):
    lon, lat = np.linspace(116.3, 116.5, pairs), np.full(pairs, 39.9)
    moved = shift(lon, lat, "gcj02", "wgs84")
    said = judge({"wgs84": (lon, lat), "gcj02": moved}, (lon, lat), "wgs84", "control_points")
    assert said.verdict == verdict
    assert said.why == (None if verdict == "fits" else "too_few")


# --- datums told apart ----------------------------------------------------------------------


@pytest.mark.parametrize("true", ["wgs84", "gcj02", "bd09"])
@pytest.mark.parametrize("said", [None, "wgs84", "cgcs2000", "gcj02", "bd09"])
@pytest.mark.parametrize("metres", [0, 100])
def test_a_datum_is_told_whatever_is_declared(tmp_path, true, said, metres):
    scatter = noise(metres, len(POINTS.names))
    stored = shift(POINTS.x + scatter[0], POINTS.y + scatter[1], "wgs84", true)
    layer = declared(tmp_path, *stored, said)
    found = layer.source.control
    level = {None: "wgs84", "cgcs2000": "wgs84"}.get(said, said)
    assert found.looks_like == true
    assert found.verdict == ("fits" if true == level else "looks_like")
    assert found.contradicts is (true != level)
    warned = [n for n in layer.notices if n.kind == "warning"]
    assert len(warned) == found.contradicts
    if warned:
        assert f'datum = "{true}"' in warned[0].text.zh and f'datum = "{true}"' in warned[0].text.en


def test_shift_is_measured_as_declared(tmp_path):
    stored = shift(POINTS.x, POINTS.y, "wgs84", "gcj02")
    found = declared(tmp_path, *stored, None).source.control
    # By hand: +0.0062° × 85.4 km and +0.0014° × 111.2 km are 530 m east and 156 m north.
    assert found.shift_m == pytest.approx(552, abs=30)
    assert found.bearing_deg == pytest.approx(73.6, abs=5)
    assert found.pairs == len(POINTS.names)


def test_unknown_datum_is_told_but_nothing_contradicted(tmp_path):
    stored = shift(POINTS.x, POINTS.y, "wgs84", "bd09")
    layer = declared(tmp_path, *stored, "unknown", strict=True)
    assert layer.source.control.looks_like == "bd09"
    assert any("BD-09" in n.text.en for n in layer.notices)


def test_metres_of_another_system_are_told():
    # UTM metres labelled Gauss-Krüger: 0.04 % of 4420 km too far south.
    utm = stations(POINTS.x, POINTS.y).to_crs(32650)
    found, warned = control(utm.set_crs(4548, allow_override=True))
    assert found.verdict == "looks_like" and found.looks_like == "EPSG:32650"
    assert found.shift_m == pytest.approx(1768, abs=30) and 175 < found.bearing_deg < 185
    assert 'crs = "EPSG:32650"' in warned[0].zh


# --- what fits nothing ----------------------------------------------------------------------


@pytest.mark.parametrize("bearing", [0, 75, 200, 351])
@pytest.mark.parametrize("metres", [0, 400])
def test_a_layer_2500_m_off_is_reported_with_its_offset(bearing, metres):
    scatter = noise(metres, len(POINTS.names))
    east = 2500 * math.sin(math.radians(bearing))
    north = 2500 * math.cos(math.radians(bearing))
    lon = POINTS.x + scatter[0] + east / (METRES_A_DEGREE * math.cos(math.radians(39.9)))
    lat = POINTS.y + scatter[1] + north / METRES_A_DEGREE
    found, warned = control(stations(lon, lat))
    assert found.verdict == "displaced" and found.looks_like is None
    assert found.shift_m == pytest.approx(2500, abs=150)
    assert abs((found.bearing_deg - bearing + 180) % 360 - 180) < 4
    assert "2.5 km" in warned[0].en and "公里" in warned[0].zh


# --- what cannot be told --------------------------------------------------------------------


@pytest.mark.parametrize("true", ["wgs84", "gcj02"])
@pytest.mark.parametrize("seed", range(5))
def test_scattered_places_are_not_sure(true, seed):
    stored = shift(POINTS.x, POINTS.y, "wgs84", true)
    scatter = noise(800, len(POINTS.names), seed)
    found, warned = control(stations(stored[0] + scatter[0], stored[1] + scatter[1]))
    assert found.verdict == "not_sure" and found.why == "scattered" and not warned


def test_half_way_between_two_datums_is_not_sure():
    there = shift(POINTS.x, POINTS.y, "wgs84", "gcj02")
    found, _ = control(stations((POINTS.x + there[0]) / 2, (POINTS.y + there[1]) / 2))
    assert found.verdict in ("not_sure", "displaced")
    assert found.looks_like is None


def test_few_or_no_names_are_not_sure_and_strict_runs():
    some = [POINTS.names.index(n) for n in ("天安门东", "西单", "国贸", "东单")]
    lon, lat = shift(POINTS.x[some], POINTS.y[some], "wgs84", "gcj02")
    names = [POINTS.names[i] for i in some]
    found, _ = control(stations(lon, lat, names), strict=True)
    assert found.verdict == "not_sure" and found.pairs == 4
    found, _ = control(stations([116.4], [39.9], ["柳堤"]), strict=True)
    assert found.verdict == "not_sure" and found.pairs == 0


# --- strict ---------------------------------------------------------------------------------


def test_strict_stops_with_layer_offset_and_way_out(tmp_path):
    stored = shift(POINTS.x, POINTS.y, "wgs84", "gcj02")
    with pytest.raises(CrsError) as caught:
        declared(tmp_path, *stored, None, strict=True)
    assert len(caught.value.problems) == 1
    en, zh = caught.value.to("en"), caught.value.to("zh")
    assert "rail_stations" in en and "GCJ-02" in en and "bearing" in en
    assert 'datum = "gcj02"' in en and "方位" in zh
    assert declared(tmp_path, *stored, "gcj02", strict=True).source.control.verdict == "fits"


# --- layer against layer --------------------------------------------------------------------


def town(n=12, size=800.0):
    """Return a ragged town of blocks, 10 km wide, and the outline of the whole (EPSG:4548)."""
    rng = np.random.default_rng(7)
    at = np.arange(n + 1) * size
    grid = np.stack(np.meshgrid(at, at), -1) + rng.uniform(-250, 250, (n + 1, n + 1, 2))
    grid += (440_000, 4_412_000)
    cells = [
        shapely.Polygon([grid[i, j], grid[i, j + 1], grid[i + 1, j + 1], grid[i + 1, j]])
        for i in range(n)
        for j in range(n)
    ]
    return gpd.GeoSeries(cells, crs=4548), shapely.union_all(cells)


def districts_and_blocks(true):
    """Return blocks as they are and four districts made of them on another datum."""
    cells, _ = town()
    half = 6
    groups = [
        shapely.union_all([c for k, c in enumerate(cells) if (k // 12 < half, k % 12 < half) == q])
        for q in [(True, True), (True, False), (False, True), (False, False)]
    ]
    degrees = gpd.GeoSeries(groups, crs=4548).to_crs(4490)
    moved = degrees.transform(lambda xy: np.column_stack(shift(*xy.T, "wgs84", true)))
    return (
        gpd.GeoDataFrame({"name": ["一", "二", "三", "四"]}, geometry=moved.values, crs=4490),
        gpd.GeoDataFrame({"no": range(len(cells))}, geometry=cells.values, crs=4548),
    )


@pytest.mark.parametrize("true", ["wgs84", "gcj02", "bd09"])
def test_edges_tell_that_two_layers_are_on_different_datums(true):
    districts, blocks = districts_and_blocks(true)
    inputs = read_inputs(_plot(), layers={"districts": districts, "blocks": blocks})
    found = inputs.layers["districts"].source.control
    if true == "wgs84":
        assert found.verdict == "not_sure"  # they agree, and nothing says that both are right
    else:
        assert found.verdict == "disagrees" and found.looks_like == true and found.by == "outlines"
        with pytest.raises(CrsError, match="blocks"):
            read_inputs(_plot(), layers={"districts": districts, "blocks": blocks}, strict=True)


@pytest.mark.parametrize("true", ["wgs84", "gcj02"])
def test_a_generalised_outline_is_not_sure(true):
    districts, blocks = districts_and_blocks(true)
    districts.geometry = districts.geometry.simplify(0.006)  # some 600 m
    layers = {"districts": districts, "blocks": blocks}
    inputs = read_inputs(_plot(), layers=layers, strict=True)
    assert inputs.layers["districts"].source.control.verdict == "not_sure"


def test_a_layer_that_fits_is_a_reference_for_the_others():
    """Greens fit by their names; nameless blocks that share their edges are then judged."""
    sights = control_points("place")
    to = gpd.GeoSeries(gpd.points_from_xy(sights.x, sights.y), crs=4326).to_crs(4548)
    cells, _ = town()
    greens = gpd.GeoDataFrame(
        {"name": [*sights.names, *("绿地" for _ in cells)]},
        geometry=[*to.buffer(40).values, *cells.values],
        crs=4548,
    )
    stored = cells.to_crs(4490).transform(
        lambda xy: np.column_stack(shift(*xy.T, "wgs84", "gcj02"))
    )
    blocks = gpd.GeoDataFrame(geometry=stored.values, crs=4490)
    inputs = read_inputs(_plot(), layers={"green_spaces": greens, "blocks": blocks})
    assert inputs.layers["green_spaces"].source.control.verdict == "fits"
    found = inputs.layers["blocks"].source.control
    assert (found.verdict, found.looks_like, found.against) == (
        "looks_like", "gcj02", "green_spaces",
    )  # fmt: skip


def test_parcels_with_names_are_compared_too(tmp_path):
    sights = control_points("place")
    lon, lat = shift(sights.x, sights.y, "wgs84", "gcj02")
    plots = gpd.GeoDataFrame(
        {"name": list(sights.names)},
        geometry=gpd.GeoSeries(gpd.points_from_xy(lon, lat)).buffer(0.0003),
        crs=4326,
    )
    inputs = read_inputs(plots)
    assert inputs.parcels.source.control.looks_like == "gcj02"
    assert any("GCJ-02" in n.text.en for n in inputs.parcels.notices)


def test_every_finding_has_words_in_both_languages(tmp_path):
    for true in ("wgs84", "gcj02"):
        layer = declared(tmp_path, *shift(POINTS.x, POINTS.y, "wgs84", true), None)
        said = wording.finding(layer.source)
        assert said.zh.endswith("。") and said.en.endswith(".")
    assert "没有可比对" in wording.finding(read_inputs(_plot()).parcels.source).zh
