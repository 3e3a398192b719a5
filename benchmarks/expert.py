"""What an expert writes for the same questions: one vectorised geopandas script, all in memory.

python expert.py CITY OUT.gpkg: distance and share of each parcel to stations, district by largest overlap,
share under water; of each green the share under underground projects.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyogrio
import shapely

RADIUS_M = 800.0
CAP = 0.30
MOST_VERTICES = 128


def pieces(shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return big polygons cut in quarters until they are small, and whose they are."""
    owner, small, whose = np.arange(len(shapes)), [], []
    while len(shapes):
        big = shapely.get_num_coordinates(shapes) > MOST_VERTICES
        small.append(shapes[~big])
        whose.append(owner[~big])
        quarters, of = [], []
        for shape, own in zip(shapes[big], owner[big], strict=True):
            west, south, east, north = shape.bounds
            x, y = (west + east) / 2, (south + north) / 2
            for box in (
                (west, south, x, y),
                (x, south, east, y),
                (west, y, x, north),
                (x, y, east, north),
            ):
                part = shapely.clip_by_rect(shape, *box)
                if part.area:
                    quarters.append(part)
                    of.append(own)
        shapes, owner = np.array(quarters, dtype=object), np.array(of, dtype=int)
    return np.concatenate(small), np.concatenate(whose)


def overlap(shapes: np.ndarray, parts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pairs of shape and part, and their shared area."""
    row, part = shapely.STRtree(parts).query(shapes, predicate="intersects")
    shapely.prepare(parts)
    size = shapely.area(shapes)[row]
    cut = ~shapely.contains_properly(parts[part], shapes[row])
    size[cut] = shapely.area(shapely.intersection(shapes[row[cut]], parts[part[cut]]))
    return row, part, size


def main() -> None:
    city, out = Path(sys.argv[1]), Path(sys.argv[2])
    names = ("parcels", "stations", "districts", "rivers", "greens", "underground")
    frames = {n: pyogrio.read_dataframe(city / f"{n}.gpkg", use_arrow=True) for n in names}
    shape = {n: np.asarray(frame.geometry.values) for n, frame in frames.items()}
    parcels, n = shape["parcels"], len(shape["parcels"])
    area = shapely.area(parcels)
    result = frames["parcels"]

    (_, _), result["rail_distance_m"] = shapely.STRtree(shape["stations"]).query_nearest(
        parcels, return_distance=True, all_matches=False
    )
    near = np.flatnonzero(result["rail_distance_m"] <= RADIUS_M)
    circles = shapely.union_all(shapely.buffer(shape["stations"], RADIUS_M, quad_segs=64))
    row, _, size = overlap(parcels[near], pieces(shapely.get_parts(circles))[0])
    result["rail_share"] = 0.0
    result.loc[near, "rail_share"] = np.bincount(row, size, len(near)) / area[near]

    parts, owner = pieces(shape["districts"])
    row, part, size = overlap(parcels, parts)
    share = np.zeros((n, len(shape["districts"])))
    np.add.at(share, (row, owner[part]), size)
    result["district"] = frames["districts"]["name"].to_numpy()[share.argmax(axis=1)]

    water = shapely.get_parts(shapely.union_all(shape["rivers"]))
    row, _, size = overlap(parcels, pieces(water)[0])
    result["blue_share"] = np.bincount(row, size, n) / area

    greens = shape["greens"]
    row, dug = shapely.STRtree(shape["underground"]).query(greens, predicate="intersects")
    order = np.argsort(row, kind="stable")
    row, dug = row[order], dug[order]
    under = shapely.intersection(greens[row], shape["underground"][dug])
    frames["greens"]["underground_share"] = 0.0
    for green, place in zip(*np.unique(row, return_index=True), strict=True):
        stop = np.searchsorted(row, green, side="right")
        union = shapely.union_all(under[place:stop])
        frames["greens"].loc[green, "underground_share"] = union.area / greens[green].area
    frames["greens"]["over_cap"] = frames["greens"]["underground_share"] > CAP

    out.unlink(missing_ok=True)
    pyogrio.write_dataframe(result, out, layer="parcels", use_arrow=True)
    pyogrio.write_dataframe(frames["greens"], out, layer="green_spaces", use_arrow=True)


if __name__ == "__main__":
    main()
