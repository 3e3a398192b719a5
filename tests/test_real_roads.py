"""Walking distances on real streets of Dongcheng, against networkx. Skipped without the data."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import geopandas as gpd
import networkx as nx
import numpy as np
import pyogrio
import pytest
import shapely

import geo_urc
from geo_urc.inputs.datum import shift

REAL = Path(
    os.environ.get("GEO_URC_REAL_DATA", Path(__file__).parents[2] / "shared" / "data" / "real")
)
pytestmark = pytest.mark.skipif(
    not (REAL / "transport").is_dir(), reason=f"no real data at {REAL}; set GEO_URC_REAL_DATA"
)
REACH_M = 100.0
JOIN_M = 0.01


def plane(lon, lat):
    """Return GCJ-02 degrees as metres."""
    return gpd.GeoSeries(gpd.points_from_xy(*shift(lon, lat, "gcj02", "wgs84")), crs=4326).to_crs(
        4548
    )


@pytest.fixture(scope="module")
def given():
    """Return streets, stations and land-use parcels of the area in metres (EPSG:4548)."""
    raw = json.loads((REAL / "transport" / "dongcheng_road_gcj02.json").read_text("utf-8"))
    xy = np.array([p for road in raw for p in road["lnglat"]])
    size = [len(road["lnglat"]) for road in raw]
    metres = shapely.get_coordinates(plane(*xy.T).values)
    streets = shapely.linestrings(metres, indices=np.repeat(np.arange(len(raw)), size))
    lines = json.loads((REAL / "rail" / "amap_beijing_gcj02.json").read_text("utf-8"))["l"]
    seen = np.array([[*map(float, s["sl"].split(","))] for line in lines for s in line["st"]])
    stations = plane(*seen.T).values
    parcels = pyogrio.read_dataframe(REAL / "parcels" / "osm_landuse.shp").to_crs(4548)
    about = shapely.box(*shapely.total_bounds(streets))
    parcels = parcels[parcels.is_valid & parcels.within(about)].iloc[::3]
    return streets, stations, parcels


@pytest.fixture(scope="module")
def screened(given):
    streets, stations, parcels = given
    layers = {
        "roads": gpd.GeoDataFrame(geometry=streets, crs=4548),
        "rail_stations": gpd.GeoDataFrame(geometry=stations, crs=4548),
    }
    parameters = {"T08a.distance": "walking", "T08a.cover": "centroid"}
    return geo_urc.screen(parcels, layers=layers, parameters=parameters, only=["T08a"])


class Independent:
    """The same streets as a networkx graph; ends that lie on another street are joined to it."""

    def __init__(self, streets, stations):
        xy, line = shapely.get_coordinates(streets, return_index=True)
        same = np.flatnonzero((line[1:] == line[:-1]) & (xy[1:] != xy[:-1]).any(axis=1))
        self.a, self.b = xy[same], xy[same + 1]
        self.segments = shapely.linestrings(np.stack([self.a, self.b], axis=1))
        self.tree = shapely.STRtree(self.segments)
        ends = np.unique(
            np.concatenate([xy[np.searchsorted(line, np.unique(line), s) + k]
                            for s, k in (("left", 0), ("right", -1))]), axis=0
        )  # fmt: skip
        stops = [{0.0: tuple(a), s.length: tuple(b)}
                 for a, b, s in zip(self.a, self.b, self.segments, strict=True)]  # fmt: skip
        for i, k in self.tree.query(shapely.points(ends), "dwithin", JOIN_M).T:
            if tuple(ends[i]) not in stops[k].values():
                stops[k][self.segments[k].project(shapely.Point(ends[i]))] = tuple(ends[i])
        graph = nx.Graph()
        for stop in stops:
            at = sorted(stop.items(), key=lambda s: s[0])
            for (m, p), (n, q) in itertools.pairwise(at):
                graph.add_edge(p, q, weight=n - m)
        self.stops = stops
        self.on = {}  # segment → metres along it and off it, of stations
        sources = {}
        for k, along, off in self.feet(stations):
            self.on.setdefault(k, []).append((along, off))
            for at, node in stops[k].items():
                sources[node] = min(sources.get(node, np.inf), abs(at - along) + off)
        graph.add_node("stations")
        directed = graph.to_directed()
        for node, metres in sources.items():
            directed.add_edge("stations", node, weight=metres)
        self.metres_to = nx.single_source_dijkstra_path_length(directed, "stations")

    def feet(self, points):
        (i, k), off = self.tree.query_nearest(points, return_distance=True)
        for point, segment, metres in zip(points[i], k, off, strict=True):
            if metres <= REACH_M:
                yield segment, self.segments[segment].project(point), metres

    def metres(self, point):
        best = np.inf
        for k, along, off in self.feet(np.array([point])):
            for at, node in self.stops[k].items():
                best = min(best, off + abs(at - along) + self.metres_to.get(node, np.inf))
            for at, away in self.on.get(k, ()):
                best = min(best, off + abs(at - along) + away)
        return best


@pytest.fixture(scope="module")
def independent(given):
    return Independent(*given[:2])


def test_from_the_centroid(given, screened, independent):
    parcels = screened.parcels
    expected = np.array([independent.metres(g.centroid) for g in given[2].geometry])
    got = parcels["rail_centroid_walking_distance_m"].fillna(np.inf).to_numpy()
    assert len(got) > 150
    assert np.isfinite(expected).mean() > 0.4  # the streets end in the middle of the parcels' area
    np.testing.assert_allclose(got, expected, atol=0.05)
    clear = np.isfinite(expected) & (np.abs(expected - 800) > 2)
    within = parcels["t08a_verdict"].to_numpy()[clear] == "eligible"
    assert (within == (expected < 800)[clear]).all()


def test_from_the_edge(given, screened, independent):
    """Never longer than from any corner, never shorter than straight."""
    parcels = screened.parcels
    walking = parcels["rail_walking_distance_m"].fillna(np.inf)
    straight = shapely.distance(
        parcels.geometry.values, shapely.MultiPoint(shapely.get_coordinates(given[1]))
    )
    assert (walking >= straight - 1e-6).all()
    for shape, metres in zip(parcels.geometry[::5], walking[::5], strict=True):
        corners = [independent.metres(shapely.Point(p)) for p in shapely.get_coordinates(shape)]
        assert metres <= min(corners) + 0.05


def test_the_record_tells_the_network(screened):
    network = screened.run["network"]
    assert network["roads"] > 15_000
    assert network["components"] > 1
    assert network["gaps"] == len(network["gaps_at"]) or len(network["gaps_at"]) == 20
    assert 0 < network["largest_snap_m"]["parcels"] <= REACH_M
    assert network["off_network"]["rail_stations"]["count"] > 100  # most stations are elsewhere
    said = [n["text_en"] for n in screened.run["notices"] if n["where"] == "roads"]
    assert len([text for text in said if "hang together" in text]) == 1
    json.dumps(network)
