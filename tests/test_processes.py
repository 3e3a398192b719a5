"""Work shared out among processes: the same results in the same order, and no one left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely

from geo_urc.errors import GeoUrcError, LayerError, Problem
from geo_urc.inputs import read_inputs
from geo_urc.policy import load_rulebook
from geo_urc.processes import in_turn
from geo_urc.screening import Screening
from geo_urc.text import Text

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
@pytest.mark.parametrize("length", [0, 1, 2, 7])
def test_results_come_in_order(workers, length):
    def squares(first, step):
        for n in range(first, length, step):
            time.sleep(0.01 * (n % 3))  # not in the order in which they are ready
            yield n * n

    assert list(in_turn(squares, workers, first=1)) == [n * n for n in range(1, length)]


def test_what_the_work_raises_comes_when_its_turn_comes():
    problem = Problem("file", Text("坏了。", "is broken."), Text("修。", "Mend it."))

    def work(first, step):
        for n in range(first, 9, step):
            if n == 4:
                raise LayerError(problem)
            yield n

    results = in_turn(work, 3)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(LayerError) as raised:
        next(results)
    assert raised.value.problems == (problem,)


def test_a_process_that_dies_is_told():
    def work(first, step):
        yield first
        if first == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        yield first + step

    results = in_turn(work, 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(GeoUrcError, match="worker process ended unexpectedly") as raised:
        next(results)
    assert "--workers 1" in raised.value.to("zh")


def children_of(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def test_processes_end_with_their_parent():
    program = """
import time
from geo_urc.processes import in_turn
def work(first, step):
    for n in range(first, 10**6, step):
        time.sleep(0.001)
        yield bytes(10**6)
results = in_turn(work, 2)
next(results)
print("working", flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"working\n"
    children = children_of(parent.pid)
    assert len(children) == 2
    parent.kill()
    parent.wait()
    until = time.monotonic() + 20
    while alive := [child for child in children if Path(f"/proc/{child}").exists()]:
        assert time.monotonic() < until, alive
        time.sleep(0.05)


def test_an_iterator_that_is_given_up_leaves_no_process():
    def work(first, step):
        yield from range(first, 10**6, step)

    before = set(children_of(os.getpid()))
    results = in_turn(work, 2)
    assert next(results) == 0
    assert len(set(children_of(os.getpid())) - before) == 2
    del results
    assert set(children_of(os.getpid())) <= before


@pytest.fixture(scope="module")
def parcels():
    """Enough parcels for four batches, two of them out of order: one unusable, one mended."""
    n = 100_000
    x, y = 440_000.0 + 30.0 * (np.arange(n) % 400), 4_410_000.0 + 30.0 * (np.arange(n) // 400)
    shapes = shapely.box(x, y, x + 20.0, y + 20.0)
    shapes[70_000] = shapely.Polygon()
    shapes[70_001] = shapely.from_wkt(
        "POLYGON ((440000 4410000, 440009 4410000, 440009 4410009, 440009 4410012, "
        "440009 4410009, 440000 4410009, 440000 4410000))"
    )
    names = np.array([f"p{i}" for i in range(n)], dtype=object)
    names[99_999] = "p5"
    return geopandas.GeoDataFrame({"code": names}, geometry=shapes, crs=4548)


def test_any_number_of_processes_gives_the_same(parcels, tmp_path):
    path = tmp_path / "parcels.gpkg"
    parcels.to_file(path)
    stations = geopandas.GeoDataFrame(
        {"name": ["东", "西"]},
        geometry=[shapely.Point(441_000, 4_412_000), shapely.Point(448_000, 4_413_000)],
        crs=4548,
    )
    layers = tmp_path / "LAYERS.toml"
    stations.to_file(tmp_path / "stations.gpkg")
    layers.write_text(
        '[parcels]\nid = "code"\n[layers.rail_stations]\npath = "stations.gpkg"\n', "utf-8"
    )
    book = load_rulebook([]).only(["T08a"])
    tables, counts, notices = [], [], []
    for workers in (1, 3):
        inputs = read_inputs(path, layers=layers, workers=workers)
        screening = Screening(inputs, book, workers=workers)
        tables.append(screening.results().tables["parcels"])
        counts.append(screening.counts)
        notices.append((inputs.parcels.notices, inputs.parcels.source))
    assert tables[0].equals(tables[1])
    assert counts[0] == counts[1]
    assert notices[0] == notices[1]
    table = tables[0]
    assert table.num_rows == 100_000
    assert table["subject_id"][99_999].as_py() == "p5#2"
    assert table["t08a_verdict"][70_000].as_py() == "unknown"
    by_hand = np.minimum(
        shapely.distance(parcels.geometry.to_numpy(), shapely.Point(441_000, 4_412_000)),
        shapely.distance(parcels.geometry.to_numpy(), shapely.Point(448_000, 4_413_000)),
    )
    whole = np.delete(np.arange(100_000), [70_000, 70_001])
    found = table["rail_distance_m"].to_numpy()[whole]
    np.testing.assert_allclose(found, by_hand[whole], atol=1e-6)
