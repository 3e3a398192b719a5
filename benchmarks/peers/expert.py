"""What an expert writes: vectorised shapely, big polygons cut up, all in memory.

python expert.py CITY OUT FORMAT
"""

from phases import LAYERS, PHASES  # isort: skip

import sys
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import shapely
from scipy.spatial import cKDTree

RADIUS_M = 800.0
TREE_M = 5.0
CAP = 0.30
MOST_VERTICES = 96


def main() -> None:
    city, out, format_ = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    frames = {name: read(city / f"{name}.{format_}") for name in LAYERS}
    shape = {name: np.asarray(frame.geometry.values) for name, frame in frames.items()}
    PHASES.phase("read")

    result, plots = frames["parcels"], shape["parcels"]
    middle = shapely.get_coordinates(shapely.centroid(plots))
    area = shapely.area(plots)
    nearest_stations(result, plots, middle, shape["stations"])
    PHASES.step("nearest")
    near = np.flatnonzero(result["rail_near"])
    result["rail_share"] = 0.0
    result.loc[near, "rail_share"] = share_in_circles(plots[near], area[near], shape["stations"])
    PHASES.step("circles")
    result["district"] = districts(plots, frames["districts"])
    PHASES.step("district")
    result["green_share"] = share_in(plots, area, shape["greens"])
    PHASES.step("greens")
    result["blue_share"] = share_in(plots, area, shape["rivers"])
    PHASES.step("rivers")
    kd = cKDTree(shapely.get_coordinates(shape["facilities"]))
    result["facilities"] = kd.query_ball_point(middle, RADIUS_M, return_length=True, workers=-1)
    PHASES.step("facilities")
    dug = share_dug(shape["greens"], shape["underground"])
    frames["greens"]["underground_share"] = dug
    frames["greens"]["over_cap"] = dug > CAP
    PHASES.step("cap")
    met = shapely.STRtree(shape["underground"]).query(shape["trees"], "dwithin", TREE_M)[1]
    frames["underground"]["tree_near"] = np.isin(np.arange(len(shape["underground"])), met)
    PHASES.step("trees")
    PHASES.phase("evaluate")

    for name in ("parcels", "greens", "underground"):
        write(frames[name], out / f"{name}.{format_}", name)
    PHASES.phase("write")
    PHASES.tell()


def read(path: Path) -> geopandas.GeoDataFrame:
    if path.suffix == ".parquet":
        return geopandas.read_parquet(path)
    return pyogrio.read_dataframe(path, use_arrow=True)


def write(frame: geopandas.GeoDataFrame, path: Path, layer: str) -> None:
    path.unlink(missing_ok=True)
    if path.suffix == ".parquet":
        frame.to_parquet(path, compression="zstd")
    else:
        pyogrio.write_dataframe(frame, path, layer=layer, use_arrow=True)


def pieces(shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return polygons halved across their longer side until all are small, and whose they are."""
    owner, small, whose = np.arange(len(shapes)), [], []
    while len(shapes):
        big = shapely.get_num_coordinates(shapes) > MOST_VERTICES
        small.append(shapes[~big])
        whose.append(owner[~big])
        shapes, owner = shapes[big], np.tile(owner[big], 2)
        west, south, east, north = shapely.bounds(shapes).T
        wide = east - west > north - south
        x, y = (west + east) / 2, (south + north) / 2
        first = np.column_stack([west, south, np.where(wide, x, east), np.where(wide, north, y)])
        other = np.column_stack([np.where(wide, x, west), np.where(wide, south, y), east, north])
        halves = [
            shapely.clip_by_rect(shape, *box)
            for boxes in (first, other)
            for shape, box in zip(shapes, boxes, strict=True)
        ]
        shapes = np.array(halves, dtype=object)
        shapes, owner = shapes[shapely.area(shapes) > 0], owner[shapely.area(shapes) > 0]
    return np.concatenate(small), np.concatenate(whose)


def overlap(shapes: np.ndarray, parts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pairs of shape and part, and what they share."""
    row, part = shapely.STRtree(parts).query(shapes, "intersects")
    shapely.prepare(parts)
    shared = shapes[row]
    cut = ~shapely.contains_properly(parts[part], shared)
    shared[cut] = shapely.intersection(shared[cut], parts[part[cut]])
    return row, part, shared


def share_in(shapes: np.ndarray, area: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Return the share of each shape inside the union of areas.

    Parts of one area do not overlap, so shapes that meet one only need no union.
    """
    parts, owner = pieces(areas)
    row, part, shared = overlap(shapes, parts)
    total = np.bincount(row, shapely.area(shared), len(shapes))
    low, high = extremes(row, owner[part], len(shapes))
    for several in np.flatnonzero((low < high) & (high >= 0)):
        begin, end = np.searchsorted(row, (several, several + 1))
        total[several] = shapely.union_all(shared[begin:end]).area
    return np.minimum(total / area, 1.0)


def extremes(row: np.ndarray, value: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest value of each row; high is −1 where there is none."""
    low, high = np.full(n, np.iinfo(int).max), np.full(n, -1)
    np.minimum.at(low, row, value)
    np.maximum.at(high, row, value)
    return low, high


def nearest_stations(
    result: geopandas.GeoDataFrame, plots: np.ndarray, middle: np.ndarray, stations: np.ndarray
) -> None:
    _, metres = shapely.STRtree(stations).query_nearest(
        plots, return_distance=True, all_matches=False
    )
    result["rail_distance_m"], result["rail_near"] = metres, metres <= RADIUS_M
    metres, _ = cKDTree(shapely.get_coordinates(stations)).query(middle, workers=-1)
    result["rail_centroid_distance_m"], result["rail_centroid_near"] = metres, metres <= RADIUS_M


def share_in_circles(plots: np.ndarray, area: np.ndarray, stations: np.ndarray) -> np.ndarray:
    """Return shares; a plot of which all vertices are near one station needs no cutting."""
    row, station = shapely.STRtree(stations).query(plots, "dwithin", RADIUS_M)
    hull, xy = shapely.get_coordinates(plots, return_index=True)[::-1]
    first = np.searchsorted(hull, np.arange(len(plots)))
    count = np.diff(np.append(first, len(hull)))[row]
    begin = np.cumsum(count) - count
    vertex = np.repeat(first[row] - begin, count) + np.arange(count.sum())
    off = xy[vertex] - np.repeat(shapely.get_coordinates(stations)[station], count, axis=0)
    far = np.maximum.reduceat(np.hypot(*off.T), begin)
    share = np.zeros(len(plots))
    share[row[far <= RADIUS_M]] = 1.0
    cut = np.flatnonzero(share == 0)
    circles = shapely.buffer(stations, RADIUS_M, quad_segs=64)
    share[cut] = share_in(plots[cut], area[cut], circles)
    return share


def districts(plots: np.ndarray, frame: geopandas.GeoDataFrame) -> np.ndarray:
    """Return the district of the largest overlap; only plots on a border are measured."""
    parts, owner = pieces(np.asarray(frame.geometry.values))
    row, part = shapely.STRtree(parts).query(plots, "intersects")
    low, high = extremes(row, owner[part], len(plots))
    border = np.flatnonzero((low < high) & (high >= 0))
    row, part, shared = overlap(plots[border], parts)
    share = np.zeros((len(border), len(frame)))
    np.add.at(share, (row, owner[part]), shapely.area(shared))
    high[border] = share.argmax(axis=1)
    return np.append(frame["name"].to_numpy(), [None])[high]


def share_dug(greens: np.ndarray, dug: np.ndarray) -> np.ndarray:
    """Return the share of each green under the union of what is dug under it."""
    green, pit = shapely.STRtree(dug).query(greens, "intersects")
    cut = shapely.intersection(greens[green], dug[pit])
    first = np.flatnonzero(np.diff(green, prepend=-1))
    share = np.zeros(len(greens))
    for begin, end in zip(first, np.append(first[1:], len(green)), strict=True):
        share[green[begin]] = shapely.union_all(cut[begin:end]).area
    return share / shapely.area(greens)


if __name__ == "__main__":
    main()
