"""An invented city of any size: the layers that the benchmark needs, drawn from a seed."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import shapely
from numpy.random import Generator

CRS = "EPSG:4548"
CENTRE = np.array([448_000.0, 4_418_000.0])
RADIUS_M = 30_000.0
LARGEST_PARCEL_M = 120.0
DISTRICTS = [
    "东城区",
    "西城区",
    "朝阳区",
    "丰台区",
    "石景山区",
    "海淀区",
    "门头沟区",
    "房山区",
    "通州区",
    "顺义区",
    "昌平区",
    "大兴区",
    "怀柔区",
    "平谷区",
    "密云区",
    "延庆区",
]

LAYERS_TOML = """\
[parcels]
id = "parcel"

[layers.rail_stations]
path = "stations.gpkg"

[layers.districts]
path = "districts.gpkg"

[layers.blue_lines]
path = "rivers.gpkg"

[layers.green_spaces]
path = "greens.gpkg"
id = "green"

[layers.underground_projects]
path = "underground.gpkg"

[layers.ancient_trees]
path = "trees.gpkg"

[layers.memorial_cores]
path = "cores.gpkg"
"""


def make_city(folder: Path, parcels: int, seed: int = 1) -> None:
    """Write a city of ``parcels`` parcels, one GeoPackage a layer, and its LAYERS.toml."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    plots = plot_shapes(rng, parcels)
    greens = star(rng, around(rng, 2_000), rng.uniform(50, 400, 2_000), rng.integers(8, 80, 2_000))
    dug = dig(rng, greens, 5_000)
    layers = {
        "parcels": (plots, {"parcel": [f"P{i:07d}" for i in range(parcels)]}),
        "stations": (shapely.points(around(rng, 500)), {"name": [f"站{i}" for i in range(500)]}),
        "districts": (districts(rng), {"name": DISTRICTS}),
        "rivers": (rivers(rng, 100), {}),
        "greens": (greens, {"green": [f"G{i:04d}" for i in range(len(greens))]}),
        "underground": (
            dug,
            {"soil_cover_m": rng.uniform(1.5, 4, len(dug)), "use": "public_parking"},
        ),
        "trees": (shapely.points(around(rng, 1_500)), {"protection_m": rng.uniform(3, 12, 1_500)}),
        "cores": (star(rng, around(rng, 5), np.full(5, 100.0), np.full(5, 12)), {}),
    }
    for name, (geometry, fields) in layers.items():
        frame = geopandas.GeoDataFrame(fields, geometry=geometry, crs=CRS)
        frame.to_file(folder / f"{name}.gpkg", layer=name, use_arrow=True)
    (folder / "LAYERS.toml").write_text(LAYERS_TOML, encoding="utf-8")


def plot_shapes(rng: Generator, n: int) -> np.ndarray:
    """Return plots on a lattice that is dense in the middle; none overlaps another."""
    side = int(np.ceil(np.sqrt(n)))
    edges = np.linspace(-1, 1, side + 1)
    edges = np.sign(edges) * np.abs(edges) ** 1.6 * RADIUS_M
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    x, y = (a.ravel()[:n] for a in np.meshgrid(middle, middle))
    size = np.minimum(*(a.ravel()[:n] for a in np.meshgrid(width, width)))
    radius = np.minimum(size, LARGEST_PARCEL_M) / 2
    vertices = np.minimum(4 + rng.geometric(0.25, n), 30)
    return star(rng, CENTRE + np.column_stack([x, y]), radius, vertices)


def around(rng: Generator, n: int) -> np.ndarray:
    """Return places about the city's centre, thinner towards the edge."""
    distance, angle = RADIUS_M * rng.uniform(0, 1, n) ** 1.2, rng.uniform(0, 2 * np.pi, n)
    return CENTRE + np.column_stack([distance * np.cos(angle), distance * np.sin(angle)])


def star(rng: Generator, at: np.ndarray, radius: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Return irregular polygons, each star-shaped about its place."""
    shapes = np.empty(len(at), dtype=object)
    for count in np.unique(vertices):
        rows = np.flatnonzero(vertices == count)
        steps = np.arange(count) + rng.uniform(0, 0.8, (len(rows), count))
        angle = steps * 2 * np.pi / count
        reach = radius[rows, None] * rng.uniform(0.6, 1, (len(rows), count))
        ring = np.stack([reach * np.cos(angle), reach * np.sin(angle)], axis=-1)
        shapes[rows] = shapely.polygons(at[rows, None] + ring)
    return shapes


def dig(rng: Generator, greens: np.ndarray, n: int) -> np.ndarray:
    """Return underground projects, more than half of them under a green."""
    middle = shapely.get_coordinates(shapely.centroid(greens))[rng.integers(0, len(greens), n)]
    middle += rng.normal(0, 40, (n, 2))
    at = np.where(rng.uniform(size=(n, 1)) < 0.6, middle, around(rng, n))
    return star(rng, at, rng.uniform(20, 160, n), rng.integers(4, 20, n))


def districts(rng: Generator) -> np.ndarray:
    """Return sixteen districts with shared borders of some thousands of vertices."""
    reach = RADIUS_M * 1.2
    along = np.linspace(-reach, reach, 4_000)
    lines = []
    for turned in (False, True):
        for place in np.linspace(-reach, reach, 5):
            inner = abs(place) < reach
            waves = sum(
                (600 / k) * np.sin(k * along / 3_000 + rng.uniform(0, 6)) for k in range(1, 6)
            )
            across = place + inner * waves
            xy = np.column_stack([across, along] if turned else [along, across])
            lines.append(shapely.linestrings(CENTRE + xy))
    cells = shapely.get_parts(shapely.polygonize([shapely.union_all(lines)]))
    return cells[np.argsort(-shapely.area(cells))[: len(DISTRICTS)]]


def rivers(rng: Generator, n: int) -> np.ndarray:
    """Return long winding bands of water."""
    shapes = []
    for start in around(rng, n):
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.08, 800))
        path = start + np.cumsum(25 * np.column_stack([np.cos(heading), np.sin(heading)]), axis=0)
        shapes.append(shapely.buffer(shapely.linestrings(path), rng.uniform(10, 90)))
    return np.array(shapes, dtype=object)
