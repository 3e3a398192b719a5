"""The control check on real files whose datum was found out by other means: never wrong.

Needs the folder that GEO_URC_REAL_DATA names (by default beside the checkout); skipped
elsewhere. What each file is on is written in that folder's README.
"""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely

import geo_urc.inputs.control
from geo_urc.errors import CrsError
from geo_urc.inputs import read_inputs

REAL = Path(
    os.environ.get("GEO_URC_REAL_DATA", Path(__file__).parents[2] / "shared" / "data" / "real")
)
pytestmark = pytest.mark.skipif(
    not (REAL / "parcels").is_dir(), reason=f"no real data at {REAL}; set GEO_URC_REAL_DATA"
)
PLOT = gpd.GeoDataFrame(geometry=[shapely.box(448_000, 4_418_000, 448_100, 4_418_100)], crs=4548)
STREETS = {"path": str(REAL / "boundaries/mosstool_streets.shp"), "fields": {"name": "乡"}}
OSM_PARKS = {"path": str(REAL / "green_water/osm_natural.shp"), "where": "type = 'park'"}
GTFS = {
    "path": str(REAL / "rail/gtfs/stops.txt"), "where": "location_type = '1'",
    "x": "stop_lon", "y": "stop_lat", "fields": {"name": "stop_name"},
}  # fmt: skip


def found(layers, role):
    return read_inputs(PLOT, layers=layers).layers[role].source.control


def lists(name, key="name"):
    """Return a list of ``lnglat`` objects as a frame that claims WGS 84, as a user has it."""
    names, shapes = [], []
    for one in json.loads((REAL / name).read_text("utf-8")):
        at = np.array(one["lnglat"], float).reshape(-1, 2)
        names.append({**one, **one.get("properties", {})}.get(key))
        shapes.append(
            shapely.make_valid(shapely.Polygon(at)) if len(at) > 3 else shapely.Point(at[0])
        )
    return gpd.GeoDataFrame({"name": names}, geometry=shapes, crs=4326)


@pytest.fixture(scope="module")
def amap(tmp_path_factory):
    """Return Amap's stations as a CSV."""
    path = tmp_path_factory.mktemp("amap") / "amap.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "lon", "lat"])
        for line in json.loads((REAL / "rail/amap_beijing_gcj02.json").read_text("utf-8"))["l"]:
            writer.writerows([s["n"], *s["sl"].split(",")] for s in line["st"])
    return {"path": str(path)}


def test_control_points_are_as_good_as_they_say():
    """They were written down from general knowledge; these sources had no part in them."""
    stations: dict[str, list[tuple[float, float]]] = {}
    with (REAL / "rail/gtfs/stops.txt").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if row["location_type"] == "1" and row["stop_lon"]:
                name = row["stop_name"].removesuffix("站")
                stations.setdefault(name, []).append(
                    (float(row["stop_lon"]), float(row["stop_lat"]))
                )
    table = Path(geo_urc.inputs.control.__file__).with_name("places.csv")
    with table.open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["kind"] == "station"]
    compared = 0
    for row in rows:
        there = stations.get(row["name"].removesuffix("站"))
        if there:
            lon, lat = np.mean(there, axis=0)
            _, _, off = pyproj.Geod(ellps="WGS84").inv(lon, lat, row["lon"], row["lat"])
            assert off <= float(row["accuracy_m"]), row
            compared += 1
    assert compared > 60


def test_stations(amap):
    assert found({"rail_stations": GTFS}, "rail_stations").verdict == "fits"
    said = found({"rail_stations": amap}, "rail_stations")
    assert (said.verdict, said.looks_like) == ("looks_like", "gcj02")
    said = found({"rail_stations": {**GTFS, "datum": "gcj02"}}, "rail_stations")
    assert (said.verdict, said.looks_like) == ("looks_like", "wgs84")
    said = found({"rail_stations": {**amap, "datum": "bd09"}}, "rail_stations")
    assert (said.verdict, said.looks_like) == ("looks_like", "gcj02")
    assert found({"rail_stations": {**amap, "datum": "gcj02"}}, "rail_stations").verdict == "fits"
    with pytest.raises(CrsError, match="rail_stations"):
        read_inputs(PLOT, layers={"rail_stations": amap}, strict=True)


def test_displaced_stations_are_reported_with_their_offset():
    path = REAL / "bad_inputs/subway_points_old_displaced.geojson"
    said = found(
        {"rail_stations": {"path": str(path), "fields": {"name": "value"}}}, "rail_stations"
    )
    assert said.verdict == "displaced"
    assert said.shift_m == pytest.approx(2500, abs=300)  # +0.0228° of latitude
    assert said.bearing_deg > 330 or said.bearing_deg < 30


@pytest.mark.parametrize(
    ("name", "role", "settled"),
    [
        ("facilities/dongcheng_tangible_cultural_heritage_gcj02.json", "heritage", True),
        ("green_water/dongcheng_green_land_gcj02.json", "green_spaces", True),
        ("facilities/dongcheng_historical_conservation_area_gcj02.json", "heritage", False),
    ],
)
@pytest.mark.parametrize("declared", [None, "gcj02"])
def test_the_dongcheng_platform(tmp_path, name, role, settled, declared):
    lists(name).to_file(tmp_path / "given.gpkg", engine="pyogrio")
    layer = {"path": str(tmp_path / "given.gpkg")} | ({"datum": declared} if declared else {})
    if role == "heritage":
        layer["fields"] = {"name": "name"}
    said = found({role: layer}, role)
    assert said.looks_like in ("gcj02", None)
    assert not (said.verdict == "fits" and declared is None)
    assert not settled or said.verdict == ("fits" if declared else "looks_like")


@pytest.mark.parametrize(
    ("path", "true"),
    [
        ("boundaries/cnmaps_districts_wgs84.geojson", "wgs84"),
        ("boundaries/datav_110100_full_gcj02.json", "gcj02"),
        ("boundaries/m3_beijingBoundary.json", "wgs84"),
        ("bad_inputs/gary_no_prj_no_cpg/北京市.shp", "gcj02"),
        ("bad_inputs/districts_8invalid_claims_crs84.geojson", "wgs84"),
        ("bad_inputs/echarts_districts_gcj02_12invalid.geojson", "gcj02"),
    ],
)
def test_districts_beside_streets(path, true):
    layers = {"districts": {"path": str(REAL / path), "crs": "EPSG:4326"}, "blocks": STREETS}
    said = found(layers, "districts")
    if true == "wgs84":
        assert said.verdict == "not_sure"
    else:
        assert said.verdict in ("disagrees", "not_sure")
        assert said.looks_like in (true, None)
        sharp = "echarts" not in path  # snapped to 1/1024 of a degree, it shares no edge
        assert (said.verdict == "disagrees") is sharp


@pytest.mark.parametrize("tolerance_deg", [0.005, 0.01])
def test_a_generalised_outline_is_not_sure(tolerance_deg):
    for name in ("cnmaps_districts_wgs84.geojson", "datav_110100_full_gcj02.json"):
        districts = gpd.read_file(REAL / "boundaries" / name)[["geometry"]]
        districts.geometry = districts.geometry.simplify(tolerance_deg)
        said = found({"districts": districts, "blocks": STREETS}, "districts")
        assert said.verdict == "not_sure", name


def test_true_layers_beside_each_other_stay_uncontradicted():
    layers = {
        "rail_stations": GTFS,
        "districts": {
            "path": str(REAL / "boundaries/cnmaps_districts_wgs84.geojson"),
            "fields": {"name": "district"},
        },
        "blocks": STREETS,
        "green_spaces": OSM_PARKS,
        "blue_lines": {**OSM_PARKS, "where": "type = 'water'"},
    }
    inputs = read_inputs(REAL / "parcels/osm_landuse.shp", layers=layers)
    for layer in inputs.layers.values():
        assert not layer.source.control.contradicts, layer.source.role
    assert not inputs.parcels.source.control.contradicts
    assert inputs.layers["green_spaces"].source.control.verdict == "fits"


def test_baidu_towers():
    """Forty towers in BD-09, few of them among the control points."""
    towers = json.loads((REAL / "bad_inputs/cbd_landmarks_bd09.json").read_text("utf-8"))
    at = np.array([t.get("bdcoor") or t["bocoor"] for t in towers])
    frame = gpd.GeoDataFrame(
        {"name": [t["zh"] for t in towers]}, geometry=gpd.points_from_xy(*at.T), crs=4326
    )
    said = found({"heritage": frame}, "heritage")
    assert said.looks_like in ("bd09", None) and said.verdict != "fits"
