from __future__ import annotations

import csv
import json

import geopandas
import pyarrow.parquet as pq

from geo_urc.outputs.flat_files import write_csv, write_parquet
from tests.outputs.conftest import (
    COUNT,
    FORMULA,
    UNUSABLE,
    parcel_shape,
    parcels_info,
    parcels_table,
)


def test_parquet_opens_as_geodata_with_its_system_and_bytes(tmp_path, crs):
    table = parcels_table(crs)
    path = tmp_path / "parcels.parquet"
    write_parquet(path, parcels_info(crs), table.schema, table.to_batches(max_chunksize=8))
    frame = geopandas.read_parquet(path)
    assert frame.crs == crs
    assert frame.geometry.isna().tolist() == [i == UNUSABLE for i in range(COUNT)]
    assert pq.read_table(path)["geom"].to_pylist() == table["geom"].to_pylist()
    geo = json.loads(pq.read_metadata(path).metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["columns"]["geom"]["geometry_types"] == ["MultiPolygon", "Polygon"]


def test_parquet_states_the_extent(tmp_path):
    table = parcels_table()
    path = tmp_path / "parcels.parquet"
    write_parquet(path, parcels_info(), table.schema, table.to_batches(max_chunksize=8))
    box = json.loads(pq.read_metadata(path).metadata[b"geo"])["columns"]["geom"]["bbox"]
    first, last = parcel_shape(0).bounds, parcel_shape(COUNT - 1).bounds
    assert box == [first[0], first[1], last[2], last[3]]


def test_parquet_of_nothing_is_still_readable(tmp_path):
    table = parcels_table().slice(0, 0)
    write_parquet(tmp_path / "p.parquet", parcels_info(), table.schema, [])
    assert len(geopandas.read_parquet(tmp_path / "p.parquet")) == 0


def test_csv_is_for_excel_and_runs_nothing(tmp_path):
    table = parcels_table()
    path = tmp_path / "parcels.csv"
    write_csv(path, parcels_info(), table.schema, table.to_batches(max_chunksize=8))
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == COUNT
    assert lines[1]["名称"] == "'" + FORMULA
    assert lines[3]["名称"] == "宗地3号"
    # Numbers keep their sign and value: 1000 m less a distance of 2900 m.
    assert float(lines[29]["t08a_margin"]) == -1900
    assert lines[UNUSABLE]["raw_wkb"] == b"\x00broken".hex()
    assert lines[UNUSABLE]["geom"] == ""
    assert lines[0]["geom"].startswith("POLYGON ((116.40")
