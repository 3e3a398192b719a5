"""An invented city of any size, drawn from a seed: the layers that the benchmark needs.

python benchmarks/city.py --parcels 100000 --seed 2 --out city

The layers have the size of Beijing's whatever the number of parcels: 500 stations, 16 districts with
borders of some thousand vertices, 5,000 greens, 20,000 underground projects, 3,000 ancient trees, 300
rivers, 30,000 small facilities. Parcels fill street blocks, the dense ones of the centres first, so that
more parcels reach farther out, where less lies about them; beyond some three million the blocks are cut
finer. Parcels are made and written a hundred thousand at a time, so ten million need no more memory than one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.random import Generator
from pyogrio.raw import write_arrow
from pyproj import CRS

EPSG = 4548
WEST, SOUTH, EAST, NORTH = 363_000.0, 4_363_000.0, 543_000.0, 4_551_000.0
CENTRES = np.array(
    [
        # x, y, weight, reach in m: the old city, then towns around it
        (448_000, 4_418_000, 1.00, 9_000),
        (471_000, 4_411_000, 0.25, 4_000),
        (446_000, 4_455_000, 0.18, 4_000),
        (467_000, 4_443_000, 0.20, 4_000),
        (427_000, 4_399_000, 0.15, 4_000),
        (419_000, 4_423_000, 0.15, 4_000),
        (443_000, 4_395_000, 0.20, 4_000),
        (487_000, 4_469_000, 0.06, 3_000),
    ]
)
BLOCK_M, STREET_M = 500.0, 24.0
AT_ONCE = 100_000
NAMES = [
    "东城",
    "西城",
    "朝阳",
    "丰台",
    "石景山",
    "海淀",
    "门头沟",
    "房山",
    "通州",
    "顺义",
    "昌平",
    "大兴",
    "怀柔",
    "平谷",
    "密云",
    "延庆",
]
LAND_USES = ("residential", "commercial", "industrial", "public_service", "green", "transport")
SHARED_LAYERS = {
    "rail_stations": "stations",
    "districts": "districts",
    "green_spaces": "greens",
    "blue_lines": "rivers",
    "small_facilities": "facilities",
    "underground_projects": "underground",
    "ancient_trees": "trees",
}
"""Role → file of the layers that the shared work reads."""
FURTHER_LAYERS = {
    "hubs": "hubs",
    "integration_areas": "integration",
    "key_areas": "key_areas",
    "bridge_spaces": "bridges",
    "municipal_sites": "municipal",
    "memorial_cores": "cores",
    "floor_uses": "floor_uses",
}
"""Role → file of what all rules on parcels read besides."""
IDS = {"greens": "green_id", "underground": "project_id"}


class Blocks(NamedTuple):
    """Street blocks in the order in which they fill: south-west corner, and lots along a side."""

    corner: np.ndarray
    lots: np.ndarray


def make_city(
    folder: Path,
    parcels: int,
    seed: int = 1,
    *,
    multi: float = 0.01,
    thinned: int = 1,
    formats: tuple[str, ...],
) -> None:
    """Write a city, one file a layer and format, and a LAYERS.toml for each format.

    ``multi`` is the share of parcels in two parts. Of the crowded layers one feature in
    ``thinned`` is made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, layer in layers(seed, parcels, thinned).items():
        _write_layer(folder, name, layer, formats)
    for format_ in formats:
        write = {"gpkg": _write_gpkg, "parquet": _write_parquet}[format_]
        write(folder / f"parcels.{format_}", "parcels", parcel_batches(parcels, seed, multi))
        for which, roles in (
            ("shared", SHARED_LAYERS),
            ("all", SHARED_LAYERS | FURTHER_LAYERS),
        ):
            text = _layers_toml(roles, format_)
            (folder / f"{which}-{format_}.toml").write_text(text, encoding="utf-8")


# --- parcels ------------------------------------------------------------------------------------


def parcel_batches(n: int, seed: int, multi: float) -> Iterator[pa.RecordBatch]:
    """Yield ``n`` parcels; none overlaps another, 1 % have a courtyard, ``multi`` are in two parts."""
    blocks = street_blocks(n, seed)
    ends = np.cumsum(blocks.lots**2)
    for start in range(0, n, AT_ONCE):
        rng = np.random.default_rng([seed, 100, start])
        number = np.arange(start, min(start + AT_ONCE, n))
        block = np.searchsorted(ends, number, side="right")
        lots = blocks.lots[block]
        place = number - (ends[block] - lots**2)
        side = (BLOCK_M - STREET_M) / lots
        lot = np.column_stack([place % lots, place // lots]) + 0.5
        middle = blocks.corner[block] + STREET_M / 2 + lot * side[:, None]
        yield _parcel_batch(rng, number, plot_shapes(rng, middle, side, multi))


def street_blocks(n: int, seed: int) -> Blocks:
    """Return blocks enough for ``n`` parcels: dense places are likelier to come early."""
    rng = np.random.default_rng([seed, 99])
    x, y = np.arange(WEST, EAST, BLOCK_M), np.arange(SOUTH, NORTH, BLOCK_M)
    corner = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    dense = density(corner + BLOCK_M / 2)
    order = np.argsort(rng.exponential(size=len(dense)) / (dense + 2e-5))
    lots = rng.normal(4.5 + 4.5 * np.sqrt(np.minimum(dense, 1)), 2.2)[order].clip(2, 16).round()
    room = (lots**2).sum()
    if room < n:
        lots = np.ceil(lots * np.sqrt(n / room))
    return Blocks(corner[order], lots.astype(int))


def density(xy: np.ndarray) -> np.ndarray:
    """Return how dense the city is at places, 1 in its middle."""
    apart = np.hypot(*(xy[:, None] - CENTRES[None, :, :2]).transpose(2, 0, 1))
    return (CENTRES[:, 2] * np.exp(-apart / CENTRES[:, 3])).sum(axis=1)


def plot_shapes(rng: Generator, middle: np.ndarray, side: np.ndarray, multi: float) -> np.ndarray:
    """Return one irregular plot a lot."""
    n = len(middle)
    vertices = (5 + rng.gamma(1.6, 4.2, n)).clip(5, 40).astype(int)
    kind = rng.uniform(size=n)
    shapes = star(rng, middle, side / 2, vertices, squarish=True)
    for row in np.flatnonzero(kind < 0.01):
        outer = shapely.get_coordinates(shapes[row])
        shapes[row] = shapely.Polygon(outer, [middle[row] + 0.3 * (outer - middle[row])])
    two = np.flatnonzero(kind > 1 - multi)
    aside = np.column_stack([side[two] / 4, np.zeros(len(two))])
    halves = [star(rng, middle[two] + way * aside, side[two] / 4, vertices[two]) for way in (-1, 1)]
    pairs = np.concatenate(halves)
    owner = np.tile(np.arange(len(two)), 2)
    order = np.argsort(owner, kind="stable")
    shapes[two] = shapely.multipolygons(pairs[order], indices=owner[order])
    return shapes


def _parcel_batch(rng: Generator, number: np.ndarray, shapes: np.ndarray) -> pa.RecordBatch:
    n = len(number)
    area = shapely.area(shapes)
    digits = np.char.zfill(number.astype(str), 8)
    columns = {
        "parcel_id": np.char.add("BJ", digits),
        "land_use": rng.choice(LAND_USES, n, p=[0.45, 0.17, 0.13, 0.12, 0.07, 0.06]),
        "ownership": rng.choice(("state", "collective"), n, p=[0.75, 0.25]),
        "land_supply": rng.choice(("granted", "allocated"), n, p=[0.6, 0.4]),
        "existing_above_gfa_m2": np.round(area * rng.gamma(3, 0.5, n), 1),
        "planned_gfa_m2": np.round(area * rng.gamma(3, 0.7, n), 1),
        "built": rng.integers(1950, 2024, n, dtype=np.int32),
        "rail_integration": rng.choice(("yes", "no"), n, p=[0.05, 0.95]),
        "urban_village": rng.choice(("yes", "no"), n, p=[0.03, 0.97]),
        "inefficient": rng.choice(("yes", "no"), n, p=[0.1, 0.9]),
    }
    return _batch(columns, shapes)


# --- what lies about them -----------------------------------------------------------------------


def layers(
    seed: int, parcels: int, thinned: int = 1
) -> dict[str, tuple[dict[str, np.ndarray], np.ndarray]]:
    """Return name → (columns, shapes) of every layer but the parcels."""

    def rng(number: int) -> Generator:
        return np.random.default_rng([seed, number])

    greens = green_shapes(rng(3), 5_000 // thinned)
    dug = underground_shapes(rng(4), greens, 20_000 // thinned)
    trees = tree_places(rng(5), greens, dug, 3_000 // thinned)
    facilities = shapely.points(places(rng(8), 30_000 // thinned, spread=1.0))
    soil = rng(6).uniform(1.5, 4, len(dug)).round(2)
    areas = {name: patches(rng(20 + k), n) for k, (name, n) in enumerate(_PATCHES.items())}
    kinds = rng(30).choice(["key_area", "business", "functional", "renewal"], _PATCHES["key_areas"])
    hub_kinds = rng(31).choice(["rail_hub", "family_centre"], _PATCHES["integration"])
    return {
        "stations": ({"name": _numbered("站", 500)}, stations(rng(1), 500)),
        "districts": ({"name": np.char.add(NAMES, "区")}, districts(rng(2))),
        "greens": ({"green_id": _numbered("G", len(greens))}, greens),
        "underground": (
            {
                "project_id": _numbered("U", len(dug)),
                "soil_cover_m": soil,
                "use": np.full(len(dug), "public_parking"),
            },
            dug,
        ),
        "trees": ({"tree_id": _numbered("T", len(trees))}, trees),
        "rivers": ({"name": _numbered("河", 300)}, rivers(rng(7), 300)),
        "facilities": ({"name": _numbered("F", len(facilities))}, facilities),
        "hubs": ({"name": _numbered("枢纽", _PATCHES["hubs"])}, areas["hubs"]),
        "integration": ({"kind": hub_kinds}, areas["integration"]),
        "key_areas": ({"kind": kinds}, areas["key_areas"]),
        "bridges": ({"name": _numbered("桥", _PATCHES["bridges"])}, areas["bridges"]),
        "municipal": ({"name": _numbered("场站", _PATCHES["municipal"])}, areas["municipal"]),
        "cores": ({"name": _numbered("林", _PATCHES["cores"])}, areas["cores"]),
        "floor_uses": floor_uses(rng(9), parcels),
    }


_PATCHES = {
    "hubs": 10,
    "integration": 60,
    "key_areas": 120,
    "bridges": 400,
    "municipal": 800,
    "cores": 20,
}


def places(rng: Generator, n: int, *, spread: float, lost: float = 0.03) -> np.ndarray:
    """Return places like the city: around its centres, a few anywhere."""
    pull = CENTRES[:, 2] * CENTRES[:, 3] ** 2
    about = CENTRES[rng.choice(len(CENTRES), n, p=pull / pull.sum())]
    distance, angle = rng.gamma(2.0, about[:, 3] * spread), rng.uniform(0, 2 * np.pi, n)
    xy = about[:, :2] + distance[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    anywhere = rng.uniform((WEST, SOUTH), (EAST, NORTH), (n, 2))
    xy = np.where(rng.uniform(size=(n, 1)) < lost, anywhere, xy)
    return xy.clip((WEST + 500, SOUTH + 500), (EAST - 500, NORTH - 500))


def star(
    rng: Generator,
    at: np.ndarray,
    radius: np.ndarray,
    vertices: np.ndarray,
    *,
    squarish: bool = False,
) -> np.ndarray:
    """Return irregular polygons, each star-shaped about its place and within its radius of it.

    A squarish one reaches towards the sides of its square rather than to a circle.
    """
    shapes = np.empty(len(at), dtype=object)
    for count in np.unique(vertices):
        rows = np.flatnonzero(vertices == count)
        steps = np.arange(count) + rng.uniform(0.1, 0.9, (len(rows), count))
        angle = steps * 2 * np.pi / count + rng.uniform(0, 2 * np.pi, (len(rows), 1))
        ray = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        if squarish:
            ray /= np.abs(ray).max(axis=-1, keepdims=True)
        reach = radius[rows, None] * rng.uniform(0.75 if squarish else 0.65, 1, (len(rows), count))
        shapes[rows] = shapely.polygons(at[rows, None] + reach[..., None] * ray)
    return shapes


def stations(rng: Generator, n: int, apart_m: float = 600.0) -> np.ndarray:
    """Return stations, none nearer to another than ``apart_m``."""
    asked = places(rng, 20 * n, spread=0.9, lost=0.005)
    kept: list[int] = []
    for row in range(len(asked)):
        if len(kept) == n:
            break
        if not kept or np.hypot(*(asked[kept] - asked[row]).T).min() >= apart_m:
            kept.append(row)
    return shapely.points(asked[kept])


def green_shapes(rng: Generator, n: int) -> np.ndarray:
    """Return greens of 800 m² to 1.5 km², most about a hectare."""
    size = np.exp(rng.normal(np.log(12_000), 1.3, n)).clip(800, 1.5e6)
    return star(
        rng, places(rng, n, spread=1.1, lost=0.08), np.sqrt(size / 2), rng.integers(12, 80, n)
    )


def underground_shapes(rng: Generator, greens: np.ndarray, n: int) -> np.ndarray:
    """Return underground projects, two fifths of them dug beneath a green, big ones rather."""
    at = places(rng, n, spread=0.9, lost=0.02)
    beneath = np.flatnonzero(rng.uniform(size=n) < 0.4)
    radius = np.sqrt(shapely.area(greens) / 2)
    host = rng.choice(len(greens), len(beneath), p=radius / radius.sum())
    middle = shapely.get_coordinates(shapely.centroid(greens[host]))
    at[beneath] = middle + rng.uniform(-0.5, 0.5, (len(beneath), 2)) * radius[host, None]
    size = np.exp(rng.normal(np.log(1_800), 0.8, n)).clip(150, 30_000)
    return star(rng, at, np.sqrt(size / 2.2), rng.integers(4, 21, n), squarish=True)


def tree_places(rng: Generator, greens: np.ndarray, dug: np.ndarray, n: int) -> np.ndarray:
    """Return trees: half in greens, some at the edge of what is dug, some in the streets."""
    at = places(rng, n, spread=0.8, lost=0.05)
    chance = rng.uniform(size=n)
    in_green, by_pit = np.flatnonzero(chance < 0.5), np.flatnonzero(chance > 0.85)
    for rows, hosts, reach in ((in_green, greens, 0.4), (by_pit, dug, 0.8)):
        host = hosts[rng.integers(0, len(hosts), len(rows))]
        middle = shapely.get_coordinates(shapely.centroid(host))
        radius = np.sqrt(shapely.area(host) / 2)
        at[rows] = middle + reach * radius[:, None] * rng.normal(size=(len(rows), 2))
    return shapely.points(at)


def rivers(rng: Generator, n: int) -> np.ndarray:
    """Return long winding bands of water, some crossing others and themselves."""
    shapes = []
    for start in places(rng, n, spread=2.0, lost=0.4):
        steps = rng.integers(120, 1_000)
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.06, steps))
        path = start + np.cumsum(25 * np.column_stack([np.cos(heading), np.sin(heading)]), axis=0)
        shapes.append(shapely.buffer(shapely.linestrings(path), rng.uniform(8, 70), quad_segs=3))
    return np.array(shapes, dtype=object)


def patches(rng: Generator, n: int) -> np.ndarray:
    """Return areas of some hectares."""
    at = places(rng, n, spread=1.0)
    return star(rng, at, np.exp(rng.normal(np.log(250), 0.8, n)), rng.integers(8, 60, n))


def districts(rng: Generator) -> np.ndarray:
    """Return sixteen districts that tile the extent, with borders of some thousand vertices.

    The outermost lines run along the extent's edges; those between wind.
    """
    lines = []
    for turned, low, high, end in (
        (False, SOUTH, NORTH, EAST - WEST),
        (True, WEST, EAST, NORTH - SOUTH),
    ):
        along = np.linspace(0, end, 2_500)
        for line in range(5):
            waves = sum(
                (900 / k) * np.sin(k * along / 4_000 + rng.uniform(0, 6)) for k in range(1, 9)
            )
            inner = 0 < line < 4
            across = low + (high - low) * _DISTRICT_LINES[line] + inner * waves
            x, y = (across, SOUTH + along) if turned else (WEST + along, across)
            lines.append(shapely.linestrings(np.column_stack([x, y])))
    cells = shapely.get_parts(shapely.polygonize([shapely.union_all(lines)]))
    cells = cells[np.argsort(-shapely.area(cells))]
    main, crumbs = cells[: len(NAMES)], cells[len(NAMES) :]
    for crumb in crumbs:
        host = int(shapely.distance(main, crumb).argmin())
        main[host] = shapely.union(main[host], crumb)
    return main


_DISTRICT_LINES = (0.0, 0.2, 0.3, 0.42, 1.0)
"""Where the lines between districts lie: close together about the centre."""


def floor_uses(rng: Generator, parcels: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return floor area by use, tied to parcels by their number: one in fifty has some."""
    n = max(parcels // 50, 1)
    at = rng.integers(0, parcels, n)
    columns = {
        "parcel_id": np.char.add("BJ", np.char.zfill(at.astype(str), 8)),
        "use": rng.choice(("commercial", "office", "residential"), n),
        "gfa_m2": rng.uniform(50, 3_000, n).round(1),
        "level": np.full(n, "above"),
        "status": np.full(n, "existing"),
    }
    return columns, shapely.points(places(rng, n, spread=1.0))


def _numbered(word: str, n: int) -> np.ndarray:
    return np.char.add(word, np.char.zfill(np.arange(n).astype(str), 5))


# --- files --------------------------------------------------------------------------------------


def _batch(columns: dict[str, np.ndarray], shapes: np.ndarray) -> pa.RecordBatch:
    arrays = [pa.array(values) for values in columns.values()]
    return pa.RecordBatch.from_arrays(
        [*arrays, pa.array(shapely.to_wkb(shapes), pa.binary())], [*columns, "geometry"]
    )


def _write_layer(
    folder: Path,
    name: str,
    layer: tuple[dict[str, np.ndarray], np.ndarray],
    formats: tuple[str, ...],
) -> None:
    batch = _batch(*layer)
    for format_ in formats:
        write = {"gpkg": _write_gpkg, "parquet": _write_parquet}[format_]
        write(folder / f"{name}.{format_}", name, iter([batch]))


def _write_gpkg(path: Path, name: str, batches: Iterator[pa.RecordBatch]) -> None:
    path.unlink(missing_ok=True)
    first = next(batches)
    kinds = set(shapely.get_type_id(shapely.from_wkb(first.column("geometry"))).tolist())
    type_ = {frozenset({0}): "Point", frozenset({3}): "Polygon"}.get(
        frozenset(kinds), "MultiPolygon"
    )

    def all_batches() -> Iterator[pa.RecordBatch]:
        for batch in chain([first], batches):
            yield _promoted(batch) if type_ == "MultiPolygon" else batch

    write_arrow(
        pa.RecordBatchReader.from_batches(first.schema, all_batches()),
        path,
        layer=name,
        driver="GPKG",
        geometry_name="geometry",
        geometry_type=type_,
        crs=f"EPSG:{EPSG}",
    )


def _write_parquet(path: Path, name: str, batches: Iterator[pa.RecordBatch]) -> None:
    """Write GeoParquet 1.1; the kinds of geometry are left open, which the format allows."""
    del name
    first = next(batches)
    column = {
        "encoding": "WKB",
        "geometry_types": [],
        "crs": CRS.from_epsg(EPSG).to_json_dict(),
    }
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    schema = first.schema.with_metadata({"geo": json.dumps(geo)})
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in chain([first], batches):
            writer.write_batch(batch.cast(schema))


def _promoted(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with polygons as multi-polygons of one part, as cadastres have them."""
    shapes = shapely.from_wkb(batch.column("geometry"))
    single = shapely.get_type_id(shapes) == 3
    shapes[single] = shapely.multipolygons(shapes[single], indices=np.arange(single.sum()))
    place = batch.schema.get_field_index("geometry")
    return batch.set_column(place, "geometry", pa.array(shapely.to_wkb(shapes), pa.binary()))


def _layers_toml(roles: dict[str, str], format_: str) -> str:
    entries = ['[parcels]\nid = "parcel_id"\n']
    for role, name in roles.items():
        key = f'id = "{IDS[name]}"\n' if name in IDS else ""
        entries.append(f'[layers.{role}]\npath = "{name}.{format_}"\n{key}')
    return "\n".join(entries)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--parcels", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--multi", type=float, default=0.01, help="share of parcels in two parts")
    options.add_argument("--thinned", type=int, default=1, help="make one feature in so many")
    options.add_argument("--formats", default="gpkg,parquet")
    options.add_argument("--out", type=Path, required=True)
    asked = options.parse_args()
    formats = tuple(asked.formats.split(","))
    make_city(
        asked.out,
        asked.parcels,
        asked.seed,
        multi=asked.multi,
        thinned=asked.thinned,
        formats=formats,
    )


if __name__ == "__main__":
    main()
