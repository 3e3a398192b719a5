"""Broken files by the hundred: nothing but a result or an error of ours may come of them.

``python tests/fuzz/fuzz_files.py --seconds 120`` writes small whole inputs, damages copies of them
at random, and reads and screens each copy. A case is its number: the same number and seed damage
the same bytes, so ``--case 4711`` repeats one and keeps its files. Cases run in a child process,
a block at a time: a crash of a library or a hang is a finding like any other.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import shapely

from geo_urc import screen
from geo_urc.errors import GeoUrcError
from geo_urc.inputs import draft_layers_toml, read_inputs

BLOCK = 100
LARGE = 5_000
SLOWEST_S = 60
X0, Y0 = 448_000.0, 4_418_000.0
FAILED = 3

LAYERS = """
[parcels]
id = "编号"
fields = { existing_above_gfa_m2 = "面积", land_use = "用地" }
units = { existing_above_gfa_m2 = "万m2" }
values = { land_use = { "R2" = "居住用地" } }
accuracy_m = 1.0

[layers.rail_stations]
path = "stations.csv"
x = "x"
y = "y"
crs = "EPSG:4548"
fields = { name = "站名" }

[layers.green_spaces]
path = "green.geojson"
where = "name <> '无'"
coverage = "assumed"

[layers.dem]
path = "dem.tif"

[rules]
"T08a.radius_m" = 800
"""
OVERLAY = Path(__file__).parents[1].joinpath("policy", "X01.toml").read_text("utf-8")
TOKENS = (
    b"\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0\0\0\xf8\x7f", b"\xef\xbb\xbf",
    b"NaN", b"Infinity", b"-1e999", b"null", b"[]", b"{}", b'""', b"\\ud800", b"\\u0000", b"\xed\xa0\x80",
    b"\x81\x30\x81\x30", b"\r\n", b";", b",", b'"', b"'", b"[[", b"]]", b"=", b"\xe2\x80\xae",
    b"Polygon", b"MultiPolygon", b"GeometryCollection", b"Point", b"EPSG:0", b"crs", b"\n[layers.x]\n",
    b"1e308", b"-0", b"true", b"99999999999999999999", b"2026-13-45", b"<x>", b"9" * 400,
)  # fmt: skip


def write_whole(folder: Path) -> None:
    """Write the inputs that are damaged afterwards."""
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 3000, (12, 2)) + np.array([X0, Y0])
    frame = gpd.GeoDataFrame(
        {
            "编号": [f"甲-{i}" for i in range(12)],
            "用地": ["R2", "商业服务业用地", None] * 4,
            "面积": rng.uniform(0, 3, 12).round(2),
            "日期": gpd.pd.to_datetime(["2026-01-01"] * 12),
        },
        geometry=[shapely.box(x, y, x + 100, y + 80) for x, y in corners],
        crs="EPSG:4548",
    )
    frame.to_file(folder / "utf8.shp", encoding="utf-8")
    frame.to_file(folder / "gbk.shp", encoding="gb18030")
    (folder / "gbk.cpg").unlink(missing_ok=True)
    frame.to_file(folder / "p.gpkg")
    frame.to_file(folder / "p.fgb")
    frame.to_parquet(folder / "p.parquet")
    frame.to_crs(4326).to_file(folder / "p.geojson")
    degrees = frame.to_crs(4326).geometry.to_wkt()
    table = frame.drop(columns="geometry").assign(wkt=degrees)
    table.to_csv(folder / "p.csv", index=False)
    green = gpd.GeoDataFrame({"name": ["柳园"]}, geometry=[shapely.box(X0, Y0, X0 + 200, Y0 + 200)])
    green.set_crs(4548).to_crs(4326).to_file(folder / "green.geojson")
    with zipfile.ZipFile(folder / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for ending in PARCELS["gbk.shp"]:
            archive.write(folder / f"gbk{ending}", f"宗地/gbk{ending}")
    heights = rng.uniform(30, 60, (40, 40)).astype(np.float32)
    grid = rasterio.transform.from_origin(X0 - 100, Y0 + 3300, 90, 90)
    with rasterio.open(
        folder / "dem.tif", "w", driver="GTiff", width=40, height=40, count=1,
        dtype="float32", crs="EPSG:4548", transform=grid, compress="deflate", nodata=-1,
    ) as file:  # fmt: skip
        file.write(heights, 1)
    (folder / "stations.csv").write_text("站名,x,y\n柳堤,448500,4418050\n", "utf-8")
    (folder / "layers.toml").write_text(LAYERS, "utf-8")
    (folder / "overlay.toml").write_text(OVERLAY, "utf-8")


PARCELS = {
    "utf8.shp": (".shp", ".shx", ".dbf", ".prj", ".cpg"),
    "gbk.shp": (".shp", ".shx", ".dbf", ".prj"),
    "p.gpkg": (".gpkg",),
    "p.fgb": (".fgb",),
    "p.parquet": (".parquet",),
    "p.geojson": (".geojson",),
    "p.csv": (".csv",),
    "p.zip": (".zip",),
}
OTHERS = ("green.geojson", "stations.csv", "dem.tif", "layers.toml", "overlay.toml")


def damaged(raw: bytes, rng: random.Random) -> bytes:
    """Return bytes with one to four changes."""
    data = bytearray(raw)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        if rng.random() < 0.3:  # the heading of a file is where its lengths and counts are
            at = min(at, rng.randrange(128))
        size = min(rng.choice((1, 1, 2, 4, 8, 40, 400)), len(data))
        match rng.randrange(8):
            case 0:
                del data[at:]
            case 1:
                del data[at : at + size]
            case 2:
                data[at : at + size] = rng.randbytes(size)
            case 3:
                data[at:at] = rng.choice(TOKENS)
            case 4:
                token = rng.choice(TOKENS)
                data[at : at + len(token)] = token
            case 5 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 6:
                data[at:at] = data[at : at + size]
            case 7:
                words = bytes(data).split(b",")
                if len(words) > 2:
                    words[rng.randrange(len(words))] = rng.choice(TOKENS)
                    data = bytearray(b",".join(words))
    return bytes(data)


def attempt(folder: Path, parcels: str) -> str:
    """Read and screen the files of a folder; return what came of it.

    Anything but a result or a GeoUrcError is raised, and so is a count that does not add up.
    """
    try:
        draft_layers_toml(folder / parcels)
        inputs = read_inputs(folder / parcels, layers=folder / "layers.toml")
        batches = list(inputs.parcels.batches())
        ids = [i for batch in batches for i in batch.features.ids]
        source = inputs.parcels.source
        assert source.records_in == source.records_used + source.records_set_aside
        assert len(ids) == len(set(ids)) == source.records_used
        for batch in batches:
            shapes = batch.features.geometry
            usable = shapes[~shapely.is_missing(shapes)]
            assert shapely.is_valid(usable).all()
            assert np.isfinite(shapely.get_coordinates(usable)).all()
            for column in batch.columns.columns:
                column.validate(full=True)
        for raster in inputs.rasters.values():
            with raster.opened() as window:
                if max(raster.shape) < LARGE:
                    window(0, 0, *reversed(raster.shape))
        result = screen(
            folder / parcels,
            layers=folder / "layers.toml",
            rules=[folder / "overlay.toml"],
            only=["T08a", "T08b", "T20"],
        )
        assert len(result.parcels) == source.records_used
        result.evidence()
    except GeoUrcError as error:
        assert error.to("zh").strip() and error.to("en").strip()
        return "error of ours"
    return "result"


def make_case(whole: Path, folder: Path, seed: int, case: int) -> str:
    """Write the files of a case into a folder; return the name of its parcels."""
    rng = random.Random(f"{seed}-{case}")
    parcels = rng.choice(list(PARCELS))
    stem = parcels.partition(".")[0]
    for extension in PARCELS[parcels]:
        shutil.copy(whole / f"{stem}{extension}", folder)
    for name in OTHERS:
        shutil.copy(whole / name, folder)
    names = [f"{stem}{extension}" for extension in PARCELS[parcels]]
    chosen = rng.choice([*names, *names, *OTHERS] if len(names) < 3 else [*names, *OTHERS[:2]])
    target = folder / chosen
    target.write_bytes(damaged(target.read_bytes(), rng))
    if len(names) > 1 and rng.random() < 0.1:
        (folder / rng.choice(names[1:])).unlink()
    return parcels


def run_block(whole: Path, seed: int, cases: range, progress: Path, keep: Path) -> Counter[str]:
    """Run cases in this process; write each number down before it is tried."""
    outcome: Counter[str] = Counter()
    for case in cases:
        progress.write_text(str(case))
        with tempfile.TemporaryDirectory(prefix="fuzz-") as name, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            folder = Path(name)
            parcels = make_case(whole, folder, seed, case)
            try:
                outcome[attempt(folder, parcels)] += 1
            except Exception as error:
                outcome["FINDING"] += 1
                frames = traceback.extract_tb(error.__traceback__)
                ours = [f for f in frames if "geo_urc" in f.filename] or list(frames)
                place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
                print(f"case {case} {parcels}: {type(error).__name__} at {place}: {error}"[:400])
                shutil.copytree(folder, keep / str(case), dirs_exist_ok=True)
    return outcome


def main() -> None:
    """Run blocks of cases until the time is over; leave with 3 if anything was found."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=120)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--start", type=int, default=0)
    options.add_argument("--case", type=int)
    options.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "fuzz-found")
    options.add_argument("--block", nargs=4, help=argparse.SUPPRESS)
    given = options.parse_args()
    given.keep.mkdir(exist_ok=True)
    if given.block:
        whole, first, last, progress = given.block
        cases = range(int(first), int(last))
        print(json.dumps(run_block(Path(whole), given.seed, cases, Path(progress), given.keep)))
        return
    with tempfile.TemporaryDirectory(prefix="fuzz-whole-") as name:
        whole = Path(name)
        with warnings.catch_warnings(action="ignore"):
            write_whole(whole)
            for parcels in PARCELS:
                assert attempt(whole, parcels) == "result", f"{parcels} is whole"
        if given.case is not None:
            folder = given.keep / str(given.case)
            folder.mkdir(exist_ok=True)
            parcels = make_case(whole, folder, given.seed, given.case)
            print(folder / parcels, attempt(folder, parcels))
            return
        sys.exit(_blocks(given, whole))


def _blocks(given: argparse.Namespace, whole: Path) -> int:
    ends, first, found = time.monotonic() + given.seconds, given.start, 0
    progress = whole / "progress"
    tally: Counter[str] = Counter()
    while time.monotonic() < ends:
        last = first + BLOCK
        command = [sys.executable, __file__, f"--seed={given.seed}", f"--keep={given.keep}"]
        block = [*command, "--block", str(whole), str(first), str(last), str(progress)]
        trouble: Callable[[str], str] = lambda what: f"case {progress.read_text()}: {what}"  # noqa: E731
        try:
            done = subprocess.run(
                block, capture_output=True, text=True, timeout=SLOWEST_S + 2 * BLOCK, check=False
            )
        except subprocess.TimeoutExpired:
            print(trouble("HANG"))
            found, first = found + 1, int(progress.read_text()) + 1
            continue
        *told, counts = done.stdout.strip().splitlines() or [""]
        print("\n".join(told), end="\n" if told else "")
        found += len(told)
        if done.returncode:
            print(trouble(f"CRASH {done.returncode}: {done.stderr[-600:]}"))
            found, first = found + 1, int(progress.read_text()) + 1
            continue
        tally.update(json.loads(counts))
        first = last
    print(f"{sum(tally.values())} cases, {given.start}-{first - 1} of seed {given.seed}: {tally}")
    return FAILED if found else 0


if __name__ == "__main__":
    main()
