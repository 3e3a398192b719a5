"""A random city whose parcels depend on each other, and a real dask cluster on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely

from geo_urc.resources import data_dir

GEO_URC = [sys.executable, "-c", "from geo_urc.cli.main import main; main()"]
SAMPLE = data_dir() / "sample"
CRS = "EPSG:4548"
CORNER = np.array([448_000.0, 4_418_000.0])
SIDE_M = 100.0
COLUMNS, ROWS = 40, 25
PATIENCE_S = 120.0


@pytest.fixture(scope="session")
def geo_urc() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in a process of its own."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*GEO_URC, *map(str, arguments)], capture_output=True, text=True, encoding="utf-8"
        )

    return run


@pytest.fixture(scope="session")
def city(tmp_path_factory) -> Path:
    """Draw a city in which parcels name, touch and hold what lies far from them in the file."""
    folder = tmp_path_factory.mktemp("city")
    draw = np.random.default_rng(20261124)
    n = COLUMNS * ROWS
    k = draw.permutation(n)  # neighbours on the ground are far apart in the file
    west, south = (k % COLUMNS) * SIDE_M, (k // COLUMNS) * SIDE_M
    ids = np.array([f"P{i:04}" for i in range(n)], dtype=object)
    ids[draw.choice(n, 30, replace=False)] = "P0007"  # repeated, in partitions far apart
    ids[draw.choice(n, 10, replace=False)] = None

    def yes_no(share: float, size: int = n) -> np.ndarray:
        return np.where(draw.random(size) < share, "yes", "no")

    shapes = boxes(west, south, west + SIDE_M, south + SIDE_M)
    shapes[[5, 500]] = None
    parcels = geopandas.GeoDataFrame(
        {
            "parcel": ids,
            "inefficient": yes_no(0.3),
            "urban_village": yes_no(0.6),
            "ownership": draw.choice(["collective", "state"], n),
            "swap_parcel_id": np.where(draw.random(n) < 0.5, draw.choice(ids, n), None),
            "land_use": draw.choice(["residential", "commercial"], n),
            "planned_gfa_m2": draw.integers(2_000, 20_000, n).astype(float),
        },
        geometry=shapes,
        crs=CRS,
    )
    parcels.to_file(folder / "parcels.gpkg")

    def spots(size: int) -> np.ndarray:
        return draw.random((size, 2)) * [COLUMNS * SIDE_M, ROWS * SIDE_M]

    def write(role: str, geometry: np.ndarray, **fields: object) -> None:
        frame = geopandas.GeoDataFrame(fields, geometry=geometry, crs=CRS)
        frame.to_file(folder / "city.gpkg", layer=role)

    middle = COLUMNS * SIDE_M / 2 + 30  # through the parcels of one column
    write(
        "districts",
        boxes([-500, middle], [-500, -500], [middle, 5000], [3000, 3000]),
        name=["朝阳区", "通州区"],
    )
    write("rail_stations", points(spots(6)), name=[f"S{i}" for i in range(6)])
    size = 1_500
    write(
        "floor_uses",
        points(spots(size)),
        use=draw.choice(["commercial", "office"], size),
        gfa_m2=draw.integers(50, 900, size).astype(float),
        level="above",
        status=draw.choice(["existing", "approved", "proposed"], size),
        queue_no=draw.integers(1, 6, size),
        parcel_id=np.where(draw.random(size) < 0.4, draw.choice(ids, size), None),
    )
    xy = spots(60)
    write(
        "facilities",
        boxes(*xy.T, *(xy + draw.integers(5, 120, (60, 1))).T),
        exemption_item="cycle_parking",
        parcel_id=np.where(draw.random(60) < 0.5, draw.choice(ids, 60), None),
    )
    xy = spots(80)
    write(
        "property_volumes",
        boxes(*xy.T, *(xy + 60).T),
        bottom_m=40.0,
        top_m=50.0,
        layer="surface",
        parcel_id=np.where(draw.random(80) < 0.5, draw.choice(ids, 80), None),
    )
    xy = spots(12)
    write("green_spaces", boxes(*xy.T, *(xy + 250).T), name=[f"G{i}" for i in range(12)])
    xy = spots(60)
    write(
        "underground_projects",
        boxes(*xy.T, *(xy + 90).T),
        status=draw.choice(["existing", "approved", "proposed"], 60),
        queue_no=draw.integers(1, 9, 60),
    )
    lines = [[(0, y), (COLUMNS * SIDE_M, y)] for y in range(0, 2600, 500)]
    lines += [[(x, 0), (x, 2500)] for x in range(0, 4001, 500)]
    crossing = shapely.node(shapely.multilinestrings([shapely.linestrings(one) for one in lines]))
    write("roads", moved(np.array(shapely.get_parts(crossing), dtype=object)))
    roles = (
        "districts", "rail_stations", "floor_uses", "facilities", "property_volumes",
        "green_spaces", "underground_projects", "roads",
    )  # fmt: skip
    layers = "".join(f'[layers.{r}]\npath = "city.gpkg|layername={r}"\n' for r in roles)
    (folder / "caps.csv").write_text(
        "用地,用途,上限\n居住用地,商业,0.2\n居住用地,办公,0.1\n商业服务业用地,办公,0.3\n", "utf-8"
    )
    rules = '[rules]\n"T11.caps" = { file = "caps.csv", source = "invented" }\n'
    (folder / "LAYERS.toml").write_text(f'[parcels]\nid = "parcel"\n{layers}{rules}', "utf-8")
    return folder


def boxes(west, south, east, north) -> np.ndarray:
    return moved(np.asarray(shapely.box(west, south, east, north), dtype=object))


def points(xy: np.ndarray) -> np.ndarray:
    return moved(np.asarray(shapely.points(xy), dtype=object))


def moved(shapes: np.ndarray) -> np.ndarray:
    return shapely.transform(shapes, lambda xy: xy + CORNER)


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.processes = [
            self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                        "--scheduler-file", str(self.file))
        ]  # fmt: skip
        wait_for(self.file.exists)
        self.address = json.loads(self.file.read_text("utf-8"))["address"]

    def _start(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{what}-{time.monotonic_ns()}.log").open("wb")
        return subprocess.Popen(
            [sys.executable, "-m", "dask", what, *options],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=self.folder,  # not where the command runs: no relative path may reach a worker
        )

    def worker(self) -> subprocess.Popen[bytes]:
        """Start a worker."""
        process = self._start(
            "worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard",
            "--host", "127.0.0.1", "--local-directory", str(self.folder),
        )  # fmt: skip
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path) -> Iterator[Cluster]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    made = Cluster(folder)
    yield made
    made.stop()


def wait_for(true: Callable[[], object]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def patiently() -> Callable[[Callable[[], object]], None]:
    return wait_for


@pytest.fixture(scope="session")
def command_line() -> list[str]:
    return GEO_URC


@pytest.fixture(autouse=True)
def few_threads(monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
