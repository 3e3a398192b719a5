"""What a map page holds, read without the code that wrote it."""

from __future__ import annotations

import base64
import gzip
import json
import re
import struct
from pathlib import Path

import numpy as np
import shapely

QUANTUM = 1e-6
CALL = re.compile(r'geoUrcChunk\("([^"]+)","([^"]+)"\);')


def page_data(page: str) -> dict:
    found = re.search(r'id="urc-data">(.*?)</script>', page, flags=re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def chunks_of(path: Path) -> dict[str, dict]:
    """Return all chunks of a page and of the folder beside it by key."""
    calls = CALL.findall(path.read_text("utf-8"))
    folder = path.parent / "map_data"
    for file in sorted(folder.rglob("*.js")):
        ((key, text),) = CALL.findall(file.read_text("ascii"))
        assert file == folder / f"{key}.js"
        calls.append((key, text))
    assert len({key for key, _ in calls}) == len(calls)
    return {key: unpacked(text) for key, text in calls}


def unpacked(text: str) -> dict:
    raw = gzip.decompress(base64.b64decode(text))
    (length,) = struct.unpack_from("<I", raw)
    head = json.loads(raw[4 : 4 + length])
    arrays = {
        name: np.frombuffer(raw, f"<{kind}", count, 4 + length + start)
        for name, (kind, start, count) in head["arrays"].items()
    }
    return {"meta": head["meta"], **arrays}


def numbered(chunks: dict[str, dict], prefix: str) -> list[dict]:
    """Return the chunks PREFIX/0, PREFIX/1 … in order."""
    found = []
    while f"{prefix}/{len(found)}" in chunks:
        found.append(chunks[f"{prefix}/{len(found)}"])
    return found


def shapes_of(arrays: dict) -> list[shapely.Geometry | None]:
    """Return the geometries of a chunk of outlines."""
    moves = np.asarray(arrays["moves"], np.int64).reshape(-1, 2)
    points = (np.cumsum(moves, axis=0) + np.asarray(arrays["origin"], np.int64)) * QUANTUM
    paths = iter(np.split(points, np.cumsum(np.asarray(arrays["points"], np.int64))[:-1]))
    rings = iter(arrays["rings"])
    shapes: list[shapely.Geometry | None] = []
    for parts in arrays["parts"]:
        made = []
        for _ in range(parts):
            count = next(rings)
            if count:
                shell, *holes = [next(paths) for _ in range(count)]
                made.append(shapely.Polygon(shell, holes))
            else:
                path = next(paths)
                made.append(shapely.LineString(path) if len(path) > 1 else shapely.Point(path[0]))
        shapes.append(None if not made else made[0] if len(made) == 1 else shapely.union_all(made))
    assert next(paths, np.empty(0)).size == 0
    return shapes


def opened(column: dict, count: int) -> list:
    if "k" in column:
        return [column["k"]] * count
    return [column["d"][code] for code in column["c"]] if "d" in column else column["v"]


def everyone(chunks: dict[str, dict], role: str) -> dict[str, dict]:
    """Return subject id → its shape, verdict codes, district code and facts."""
    found: dict[str, dict] = {}
    outlines, facts = numbered(chunks, f"{role}/shapes"), numbered(chunks, f"{role}/facts")
    assert len(outlines) == len(facts)
    for arrays, told in zip(outlines, facts, strict=True):
        meta = told["meta"]
        count = len(meta["ids"])
        shapes = shapes_of(arrays)
        assert len(shapes) == count
        columns = {name: opened(column, count) for name, column in meta["facts"].items()}
        reasons = [opened(column, count) for column in meta["reasons"]]
        names = opened(meta["names"], count)
        for i, subject in enumerate(meta["ids"]):
            assert subject not in found
            found[subject] = {
                "place": len(found),
                "shape": shapes[i],
                "name": names[i],
                "codes": [int(arrays[f"v{k}"][i]) for k in range(len(reasons))],
                "district": int(arrays["district"][i]),
                "facts": {name: values[i] for name, values in columns.items()},
                "reasons": [of[i]["said"] for of in reasons],
            }
    return found
