"""Partitions: what is in them, in which order, and that nothing is lost or taken for another."""

from __future__ import annotations

import json
import subprocess
import sys

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely

from geo_urc.errors import GeoUrcError
from geo_urc.inputs import read_inputs
from geo_urc.inputs.partitions import MANIFEST, read_manifest
from geo_urc.partitioning import partition

CRS = "EPSG:4548"
CORNER = (448_000, 4_418_000)


def squares(places, **columns) -> geopandas.GeoDataFrame:
    """Return parcels of 10 m at the given columns and rows of a grid."""
    x, y = np.array(places, float).T * 10 + np.array(CORNER)[:, None]
    return geopandas.GeoDataFrame(columns, geometry=shapely.box(x, y, x + 10, y + 10), crs=CRS)


@pytest.fixture
def grid(tmp_path):
    """Draw a grid of 4 by 4, row by row."""
    frame = squares([(i % 4, i // 4) for i in range(16)], name=[f"n{i}" for i in range(16)])
    path = tmp_path / "grid.gpkg"
    frame.to_file(path)
    return path


def test_partitions_of_a_square_are_its_quarters(grid, tmp_path):
    """A Hilbert curve goes through one quarter of a square after the other."""
    made = partition(str(grid), tmp_path / "out", rows=4)
    found = [set(pq.read_table(tmp_path / "out" / p.file)["input_record"].to_pylist())
             for p in made.partitions]  # fmt: skip
    quarters = [{1, 2, 5, 6}, {3, 4, 7, 8}, {9, 10, 13, 14}, {11, 12, 15, 16}]
    assert sorted(found, key=min) == quarters
    sides = {(p.bbox[2] - p.bbox[0], p.bbox[3] - p.bbox[1]) for p in made.partitions}
    assert sides == {(20.0, 20.0)}
    assert [p.rows for p in made.partitions] == [4, 4, 4, 4]


def test_everything_comes_back_in_the_order_of_the_input(grid, tmp_path):
    partition(str(grid), tmp_path / "out", rows=5)
    back = geopandas.read_parquet(tmp_path / "out").sort_values("input_record", ignore_index=True)
    given = geopandas.read_file(grid)
    assert back["input_record"].tolist() == list(range(1, 17))
    assert back["name"].tolist() == given["name"].tolist()
    assert (shapely.to_wkb(back.geometry) == shapely.to_wkb(given.geometry)).all()
    assert back.crs == given.crs


def test_partitions_are_as_even_as_can_be(grid, tmp_path):
    made = partition(str(grid), tmp_path / "out", rows=7)  # three are needed for 16
    assert [p.rows for p in made.partitions] == [5, 5, 6]


@pytest.mark.parametrize("run_rows", [1, 7, 100, 5_000])
def test_memory_changes_nothing(city, tmp_path, run_rows, monkeypatch):
    """Runs of one record are merged in two rounds (four at once would be more), one run is not."""
    monkeypatch.setattr("geo_urc.partitioning.MERGED_AT_ONCE", 40)
    monkeypatch.setattr("geo_urc.partitioning._BLOCK_ROWS", 3)
    whole = partition(str(city / "parcels.gpkg"), tmp_path / "whole", rows=300)
    merged = partition(str(city / "parcels.gpkg"), tmp_path / "out", rows=300, run_rows=run_rows)
    assert merged == whole
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        MANIFEST, *(p.file for p in merged.partitions)
    }  # fmt: skip


def test_what_has_no_place_comes_last(tmp_path):
    frame = squares([(0, 0), (1, 0), (2, 0), (3, 0)])
    frame.loc[[0, 2], "geometry"] = [None, shapely.Polygon()]
    frame.to_file(tmp_path / "some.gpkg")
    partition(str(tmp_path / "some.gpkg"), tmp_path / "out")
    assert geopandas.read_parquet(tmp_path / "out")["input_record"].tolist() == [2, 4, 1, 3]


def test_a_column_of_that_name_stays(tmp_path):
    squares([(0, 0), (1, 0)], input_record=["a", "b"], GEOMETRY=[7, 8]).rename_geometry(
        "geom"
    ).to_parquet(tmp_path / "in.parquet")
    made = partition(str(tmp_path / "in.parquet"), tmp_path / "out")
    found = pq.read_table(tmp_path / "out" / made.partitions[0].file)
    assert made.order == "urc_input_record"
    assert found["input_record"].to_pylist() == ["a", "b"]
    assert found["urc_input_record"].to_pylist() == [1, 2]
    assert "urc_geometry" in found.column_names


def test_no_records_at_all(tmp_path):
    squares([(0, 0)]).iloc[:0].to_file(tmp_path / "none.gpkg")
    made = partition(str(tmp_path / "none.gpkg"), tmp_path / "out")
    assert (made.rows, len(made.partitions)) == (0, 1)
    assert read_inputs(str(tmp_path / "out")).parcels.count == 0


def test_records_that_cannot_be_read_stay_on_the_list(tmp_path):
    """The second of three has a text that GDAL refuses: what the file tells, the partitions tell."""
    frame = squares([(3, 3), (1, 0), (0, 0)], note=["a", "x" * (11 << 20), "c"]).to_crs(4326)
    frame.to_file(tmp_path / "in.geojson")
    given = read_inputs(str(tmp_path / "in.geojson")).parcels
    made = partition(str(tmp_path / "in.geojson"), tmp_path / "out")
    parted = read_inputs(str(tmp_path / "out")).parcels
    assert [record for record, _ in made.bad] == [2]
    assert order_of(parted) == [3, 1]
    assert [s.record for s in parted.set_aside] == [s.record for s in given.set_aside] == [2]
    assert [s.reason for s in parted.set_aside] == [s.reason for s in given.set_aside]
    assert (parted.source.records_in, parted.source.records_used) == (3, 2)
    assert sorted(parted.ids.to_pylist()) == sorted(given.ids.to_pylist())


def test_ids_are_those_of_the_input(tmp_path):
    """Of equal ids the first in the input stays, wherever the curve has it; so do made-up ones."""
    places = [(3, 3), (0, 0), (1, 0), (0, 1)]  # the curve starts at the second
    squares(places, key=["a", "a", None, "b"]).to_file(tmp_path / "in.gpkg")
    partition(str(tmp_path / "in.gpkg"), tmp_path / "out", rows=1)
    parcels = read_inputs(str(tmp_path / "out"), layers=layers(tmp_path, 'id = "key"')).parcels
    first = next(parcels.batches()).columns.column("input_record").to_pylist()
    assert first == [2]
    ids = dict(zip(order_of(parcels), parcels.ids.to_pylist(), strict=True))
    assert ids == {1: "a", 2: "a#2", 3: "parcels-3", 4: "b"}


def test_numbers_are_those_of_the_input(tmp_path):
    squares([(3, 3), (0, 0), (1, 0)]).to_file(tmp_path / "in.gpkg")
    partition(str(tmp_path / "in.gpkg"), tmp_path / "out", rows=2)
    parcels = read_inputs(str(tmp_path / "out")).parcels
    ids = dict(zip(order_of(parcels), parcels.ids.to_pylist(), strict=True))
    assert ids == {1: "parcels-1", 2: "parcels-2", 3: "parcels-3"}


def layers(folder, parcels: str):
    path = folder / "LAYERS.toml"
    path.write_text(f"[parcels]\n{parcels}\n", "utf-8")
    return path


def order_of(parcels) -> list[int]:
    return [n for b in parcels.batches() for n in b.columns.column("input_record").to_pylist()]


def test_a_part_knows_what_the_whole_knows_of_it(city, tmp_path):
    """Repaired, unusable, with its ids: batch by batch the same as in the whole."""
    partition(str(city / "parcels.gpkg"), tmp_path / "out", rows=70)
    parcels = read_inputs(str(tmp_path / "out"), layers=city / "LAYERS.toml").parcels
    whole = list(parcels.batches())
    parts = [batch for part in parcels.parts() for batch in part.batches()]
    assert len(parts) == 15
    assert sum(part.count for part in parcels.parts()) == parcels.count == 1_000
    for a, b in zip(whole, parts, strict=True):
        assert a.features.ids.tolist() == b.features.ids.tolist()
        assert a.wkb == b.wkb
        assert a.raw_wkb == b.raw_wkb
        assert (shapely.to_wkb(a.features.geometry) == shapely.to_wkb(b.features.geometry)).all()


def test_selected_parcels_are_in_the_order_of_the_input(city, tmp_path):
    partition(str(city / "parcels.gpkg"), tmp_path / "out", rows=70)
    given = read_inputs(str(city / "parcels.gpkg"), layers=city / "LAYERS.toml").parcels
    parted = read_inputs(str(tmp_path / "out"), layers=city / "LAYERS.toml").parcels

    def inefficient(features):
        return features.numbers("inefficient") == 1

    expected = given.select(inefficient)
    assert 200 < len(expected) < 400
    assert parted.select(inefficient).ids.tolist() == expected.ids.tolist()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda f: (f / "part-00001.parquet").unlink(), "part-00001.parquet"),
        (lambda f: (f / "part-00001.parquet").write_bytes(
            (f / "part-00000.parquet").read_bytes()), "is not what"),
        (lambda f: (f / MANIFEST).write_text("{", "utf-8"), "damaged"),
        (lambda f: (f / MANIFEST).write_text(
            (f / MANIFEST).read_text("utf-8").replace("part-00001", "../part-00001"), "utf-8"),
         "damaged"),
    ],
    ids=["missing", "another's bytes", "no manifest", "outside"],
)  # fmt: skip
def test_a_dataset_that_is_not_whole_is_refused(grid, tmp_path, harm, said):
    partition(str(grid), tmp_path / "out", rows=4)
    harm(tmp_path / "out")
    with pytest.raises(GeoUrcError, match=said):
        read_inputs(str(tmp_path / "out"))


def test_hashes_are_those_of_the_files(grid, tmp_path):
    from geo_urc.inputs.sources import hashes

    partition(str(grid), tmp_path / "out", rows=4)
    assert read_inputs(str(tmp_path / "out")).parcels.source.sha256 == hashes(tmp_path / "out")


def test_partitions_are_not_partitioned_again(grid, tmp_path):
    partition(str(grid), tmp_path / "out")
    with pytest.raises(GeoUrcError, match="partitioned already"):
        partition(str(tmp_path / "out"), tmp_path / "again")


def test_only_its_own_output_is_replaced(grid, tmp_path, geo_urc):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "run.json").write_text("{}")
    assert geo_urc("partition", grid, tmp_path / "mine", "--overwrite").returncode == 2
    assert (tmp_path / "mine" / "run.json").read_text() == "{}"
    assert geo_urc("partition", grid, tmp_path / "out", "--rows", 4).returncode == 0
    assert geo_urc("partition", grid, tmp_path / "out").returncode == 2
    said = geo_urc("partition", grid, tmp_path / "out", "--overwrite", "--lang", "en")
    assert said.returncode == 0
    assert "16 records in 1 partitions" in said.stdout
    assert len(read_manifest(tmp_path / "out").partitions) == 1


def test_metadata_tell_the_box_of_each_partition(grid, tmp_path):
    made = partition(str(grid), tmp_path / "out", rows=4)
    for one in made.partitions:
        geo = json.loads(pq.read_metadata(tmp_path / "out" / one.file).metadata[b"geo"])
        assert tuple(geo["columns"]["geometry"]["bbox"]) == one.bbox
        assert geo["columns"]["geometry"]["geometry_types"] == ["Polygon"]


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is told by Linux")
def test_memory_does_not_grow_with_the_input(tmp_path):
    """Four times the records with runs of one size: the peak may grow by a tenth."""
    code = """
import sys
from pathlib import Path
from geo_urc.partitioning import partition
partition(sys.argv[1], Path(sys.argv[2]), rows=20_000, run_rows=20_000)
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
    peaks = []
    for rows in (60_000, 240_000):
        i = np.arange(rows)
        frame = squares(np.column_stack([i % 500, i // 500]), note=[f"{k:0100}" for k in i])
        frame.to_parquet(tmp_path / f"{rows}.parquet", row_group_size=20_000)
        del frame
        run = subprocess.run(
            [sys.executable, "-c", code, tmp_path / f"{rows}.parquet", tmp_path / f"out-{rows}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(run.stdout))
    assert peaks[1] < peaks[0] * 1.1
