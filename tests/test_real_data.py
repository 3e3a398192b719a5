"""The whole command on real Beijing data, against independent calculations.

The data is not part of the project: it is looked for where ``GEO_URC_REAL_DATA`` says, by default
beside the checkout, and the tests say so where it is missing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from pyproj import Geod, Transformer

from geo_urc.cli.main import main
from geo_urc.inputs.datum import shift

DEFAULT = Path(__file__).parents[2] / "shared" / "data" / "real"
REAL = Path(os.environ.get("GEO_URC_REAL_DATA", DEFAULT))
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason=f"no real data at {REAL}")

PARCELS = REAL / "parcels" / "osm_landuse.shp"
DISTRICTS = REAL / "boundaries" / "cnmaps_districts_wgs84.geojson"
NATURAL = REAL / "green_water" / "osm_natural.shp"
GEOD = Geod(ellps="GRS80")


def osm_stations() -> pd.DataFrame:
    stops = pd.read_csv(REAL / "rail" / "gtfs" / "stops.txt")
    stations = stops[stops.location_type == 1].dropna(subset=["stop_lon"])
    return pd.DataFrame(
        {"name": stations.stop_name, "lon": stations.stop_lon, "lat": stations.stop_lat}
    )


def amap_stations() -> pd.DataFrame:
    lines = json.loads((REAL / "rail" / "amap_beijing_gcj02.json").read_text("utf-8"))["l"]
    stops = [(s["n"], *map(float, s["sl"].split(","))) for line in lines for s in line["st"]]
    return pd.DataFrame(stops, columns=["name", "lon", "lat"])


STATIONS = {
    "osm": f"""
        path = "{(REAL / "rail" / "gtfs" / "stops.txt").as_posix()}"
        x = "stop_lon"
        y = "stop_lat"
        where = "location_type = '1'"
        datum = "wgs84"
        fields = {{ name = "stop_name" }}
        """,
    "amap": 'path = "amap.csv"\nx = "lon"\ny = "lat"\ndatum = "gcj02"\n',
}


@pytest.fixture(scope="module")
def screened(tmp_path_factory):
    """Return the result layers of both runs, which differ in their stations only."""
    folder = tmp_path_factory.mktemp("real")
    amap_stations().to_csv(folder / "amap.csv", index=False)
    runs = {}
    for source, stations in STATIONS.items():
        (folder / f"{source}.toml").write_text(
            f"""
            [parcels]
            id = "osm_id"
            [layers.rail_stations]
            {stations}
            [layers.districts]
            path = "{DISTRICTS.as_posix()}"
            fields = {{ name = "district" }}
            [layers.blue_lines]
            path = "{NATURAL.as_posix()}"
            where = "type = 'water'"
            [layers.green_spaces]
            path = "{NATURAL.as_posix()}"
            where = "type = 'park'"
            """,
            "utf-8",
        )
        out = folder / f"out_{source}"
        arguments = ["screen", str(PARCELS), "--layers", str(folder / f"{source}.toml")]
        with pytest.raises(SystemExit) as left:
            main([*arguments, "--out", str(out), "--as-of", "2026-11-23"])
        assert left.value.code == 1  # some outlines and stations cannot be used, and that is said
        runs[source] = out
    return runs


@pytest.fixture(scope="module")
def osm(screened):
    return gpd.read_file(screened["osm"] / "eligibility.gpkg", layer="parcels")


@pytest.fixture(scope="module")
def plane():
    """Return the parcels as an independent reader and reprojection give them."""
    source = gpd.read_file(PARCELS)
    flat = source.to_crs(4548)
    return flat, (flat.is_valid & (flat.area > 0)).to_numpy()


def test_every_record_comes_back_in_order(screened, osm):
    source = gpd.read_file(PARCELS)
    assert osm["osm_id"].tolist() == source["osm_id"].tolist()
    assert osm["name"].fillna("").tolist() == source["name"].fillna("").tolist()
    record = json.loads((screened["osm"] / "run.json").read_text("utf-8"))
    for one in record["inputs"]:
        assert one["records_in"] == one["records_used"] + one["records_set_aside"]
    unusable = osm.geometry.isna()
    assert set(osm.loc[unusable, "t08a_reason"]) == {"geometry_unusable"}
    assert osm.loc[unusable, "raw_wkb"].notna().all()


def test_distances_are_those_on_the_ellipsoid(osm, plane):
    frame, valid = plane
    points = osm_stations()
    to_plane = Transformer.from_crs(4326, 4548, always_xy=True)
    to_degrees = Transformer.from_crs(4548, 4326, always_xy=True)
    at = shapely.points(*to_plane.transform(points.lon.to_numpy(), points.lat.to_numpy()))
    rows = np.flatnonzero(valid)[::5]
    outlines = frame.geometry.to_numpy()[rows]
    station = shapely.STRtree(at).nearest(outlines)
    line = shapely.get_coordinates(shapely.shortest_line(outlines, at[station])).reshape(-1, 4)
    ends = np.column_stack([*to_degrees.transform(line[:, 0], line[:, 1])])
    others = np.column_stack([*to_degrees.transform(line[:, 2], line[:, 3])])
    metres = GEOD.inv(ends[:, 0], ends[:, 1], others[:, 0], others[:, 1])[2]
    error = np.abs(osm["rail_distance_m"].to_numpy()[rows] - metres)
    assert (error <= np.where(metres <= 800, 0.2, 0.00025 * metres)).all()
    flags = osm["rail_distance_m"].to_numpy()[rows] <= 800
    sure = np.abs(metres - 800) > 1.42
    assert (flags == (metres <= 800))[sure].all()


def test_areas_are_those_on_the_ellipsoid(osm, plane):
    frame, valid = plane
    rows = np.flatnonzero(valid)[::10]
    degrees = frame.to_crs(4490).geometry.to_numpy()[rows]
    exact = np.array([abs(GEOD.geometry_area_perimeter(g)[0]) for g in degrees])
    assert (np.abs(osm["area_m2"].to_numpy()[rows] / exact - 1) < 0.001).all()


def test_districts_are_those_of_the_larger_share(osm, plane):
    frame, valid = plane
    rows = np.flatnonzero(valid)
    districts = gpd.read_file(DISTRICTS).to_crs(4548)
    parts = gpd.overlay(
        gpd.GeoDataFrame({"row": rows}, geometry=frame.geometry.to_numpy()[rows], crs=4548),
        districts[["district", "geometry"]],
    )
    parts["size"] = parts.area
    largest = parts.sort_values("size").groupby("row").tail(1).set_index("row")["district"]
    assert (osm["district"].loc[largest.index] == largest).all()
    expected = largest.map({"东城区": 70, "西城区": 70}).fillna(90)
    central = largest.isin(["朝阳区", "海淀区", "丰台区", "石景山区"])
    expected[central] = 80
    known = largest != "通州区"  # no sub-centre layer: not known there
    assert (osm["tier"].loc[largest.index][known] == expected[known]).all()
    assert osm["tier"].loc[largest.index][~known].isna().all()


def test_both_station_sources_agree_but_within_their_own_disagreement(screened, osm):
    amap = gpd.read_file(screened["amap"] / "eligibility.gpkg", layer="parcels")
    differ = np.flatnonzero((osm["t08a_verdict"] != amap["t08a_verdict"]).to_numpy())
    assert len(differ) < 0.05 * len(osm)
    # What the sources themselves disagree on: how far a station of one is from its like in the other.
    ours, theirs = osm_stations(), amap_stations()
    theirs["lon"], theirs["lat"] = shift(
        theirs.lon.to_numpy(), theirs.lat.to_numpy(), "gcj02", "wgs84"
    )
    to_plane = Transformer.from_crs(4326, 4548, always_xy=True)
    a = np.column_stack(to_plane.transform(ours.lon.to_numpy(), ours.lat.to_numpy()))
    b = np.column_stack(to_plane.transform(theirs.lon.to_numpy(), theirs.lat.to_numpy()))
    here, there = (
        osm["rail_distance_m"].to_numpy()[differ],
        amap["rail_distance_m"].to_numpy()[differ],
    )
    # The radius runs between the two distances (or within the band of one of them) ...
    assert (np.minimum(here, there) <= 800 + 1.42).all()
    assert (np.maximum(here, there) >= 800 - 1.42).all()
    # ... and these lie no farther apart than a station of one source from the next of the other.
    between = np.hypot(*(a[:, None, :] - b[None, :, :]).transpose(2, 0, 1))
    disagreement = max(between.min(axis=0).max(), between.min(axis=1).max())
    assert np.abs(here - there).max() <= disagreement + 1.0
