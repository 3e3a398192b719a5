"""``geo-urc datum``: files taken to another datum and back."""

from __future__ import annotations

import csv
import os
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from pyogrio.raw import write_arrow

from geo_urc.inputs.datum import shift

ROOT = Path(__file__).parent.parent.parent
BLOCK = shapely.from_wkt("POLYGON Z ((116.4 39.9 5, 116.41 39.9 6, 116.41 39.91 7, 116.4 39.9 5))")


@pytest.fixture
def blocks(tmp_path):
    """Write three records, one without geometry, one in Paris; return the path."""
    paris = shapely.force_3d(shapely.box(2.3, 48.8, 2.4, 48.9), 1.0)
    frame = gpd.GeoDataFrame(
        {"名称": ["甲", "乙", None], "层数": [1, 2, 3]}, geometry=[BLOCK, None, paris], crs=4326
    )
    frame.to_file(tmp_path / "blocks.gpkg", layer="blocks", engine="pyogrio")
    return tmp_path / "blocks.gpkg"


def read(path):
    if path.suffix == ".parquet":
        return gpd.read_parquet(path)
    return pyogrio.read_dataframe(path)


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "fgb", "parquet"])
def test_moved_kept_and_counted(urc, blocks, ending):
    out = blocks.with_name(f"out.{ending}")
    status, said, _ = urc("datum", blocks, out, "--from", "wgs84", "--to", "gcj02", "--lang", "en")
    assert status == 0
    assert "3 records, 4 vertices moved by" in said and "5 vertices lie outside China" in said
    assert "1 have no geometry" in said and 'datum = "gcj02"' in said
    frame = read(out)
    assert frame["名称"].tolist()[:2] == ["甲", "乙"] and frame["层数"].tolist() == [1, 2, 3]
    got = shapely.get_coordinates(frame.geometry.iloc[0], include_z=True)
    given = shapely.get_coordinates(BLOCK, include_z=True)
    expected = np.column_stack(shift(*given[:, :2].T, "wgs84", "gcj02"))
    assert np.abs(got[:, :2] - expected).max() < 1e-8 and got[:, 2].tolist() == [5, 6, 7, 5]
    assert frame.geometry.iloc[1] is None
    assert frame.geometry.iloc[2].equals_exact(shapely.box(2.3, 48.8, 2.4, 48.9), 1e-9)


@pytest.mark.parametrize("crs", ["EPSG:4490", "EPSG:4548", "EPSG:3857"])
@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
def test_there_and_back_is_within_a_centimetre(urc, tmp_path, crs, datum):
    frame = gpd.GeoDataFrame({"n": [1]}, geometry=[shapely.force_2d(BLOCK)], crs=4490).to_crs(crs)
    frame.to_file(tmp_path / "a.gpkg", engine="pyogrio")
    a, b, c = (tmp_path / f"{name}.gpkg" for name in "abc")
    assert urc("datum", a, b, "--from", "cgcs2000", "--to", datum)[0] == 0
    assert urc("datum", b, c, "--from", datum, "--to", "cgcs2000", "--crs", crs)[0] == 0
    start, there, back = (read(p).to_crs(4548).geometry.iloc[0] for p in (a, b, c))
    assert start.hausdorff_distance(back) < 0.01
    assert start.hausdorff_distance(there) > 400
    assert read(c).crs == read(a).crs


def test_wgs84_to_cgcs2000_is_another_label_and_the_same_figures(urc, blocks, tmp_path):
    out = tmp_path / "out.gpkg"
    assert urc("datum", blocks, out, "--from", "wgs84", "--to", "cgcs2000")[0] == 0
    frame = read(out)
    assert frame.crs.to_epsg() == 4490
    kept = shapely.get_coordinates(frame.geometry.iloc[0]), shapely.get_coordinates(BLOCK)
    assert np.array_equal(*kept)


def test_csv_keeps_columns_encoding_and_rows(urc, tmp_path):
    given, out = tmp_path / "a.csv", tmp_path / "b.csv"
    given.write_text("站名,东经,北纬\n国贸,116.461787,39.908421\n无坐标,,\n", encoding="gbk")
    arguments = ("datum", given, out, "--from", "gcj02", "--to", "wgs84")
    assert urc(*arguments, "--x", "东经", "--y", "北纬")[0] == 0
    with out.open(encoding="gb18030", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["站名", "东经", "北纬"] and rows[2] == ["无坐标", "", ""]
    lon, lat = shift([116.461787], [39.908421], "gcj02", "wgs84")
    assert float(rows[1][1]) == pytest.approx(lon[0], abs=1e-8)
    assert float(rows[1][2]) == pytest.approx(lat[0], abs=1e-8)
    # To a spatial file: the columns must not hold the old figures beside the new point.
    assert urc(*arguments[:2], tmp_path / "b.gpkg", *arguments[3:])[0] == 0
    frame = read(tmp_path / "b.gpkg")
    assert float(frame["东经"].iloc[0]) == pytest.approx(frame.geometry.iloc[0].x, abs=1e-8)


def test_all_layers_tables_and_ids_of_a_geopackage(urc, tmp_path):
    given, out = tmp_path / "a.gpkg", tmp_path / "b.gpkg"
    for name in ("甲层", "乙层"):
        frame = gpd.GeoDataFrame({"n": [1, 2]}, geometry=[shapely.Point(116, 40)] * 2, crs=4326)
        frame.to_file(given, layer=name, engine="pyogrio")
    with sqlite3.connect(given) as base:
        for name in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
            base.create_function(name, 1, lambda _: 0)
        base.execute('UPDATE "甲层" SET fid = 70 WHERE fid = 2')
    pyogrio.write_dataframe(frame.drop(columns="geometry"), given, layer="说明", append=True)
    status, _, error = urc(
        "datum", given, tmp_path / "b.geojson", "--from", "bd09", "--to", "wgs84"
    )
    assert status == 2 and "甲层" in error and ".gpkg" in error
    assert urc("datum", given, out, "--from", "bd09", "--to", "wgs84")[0] == 0
    assert [name for name, _ in pyogrio.list_layers(out)] == ["甲层", "乙层", "说明"]
    assert pyogrio.read_dataframe(out, layer="甲层", fid_as_index=True).index.tolist() == [1, 70]
    assert pyogrio.read_dataframe(out, layer="说明")["n"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("wkb", "kept", "lost"),
    [
        # A circular string, and a point with a height and a measure.
        (struct.pack("<BII6d", 1, 8, 3, 116, 40, 116.1, 40.1, 116.2, 40), ["gpkg", "fgb"],
         ["geojson", "csv", "parquet"]),
        (struct.pack("<BI4d", 1, 3001, 116, 40, 7, 8), ["gpkg", "parquet"], ["geojson", "fgb"]),
    ],
    ids=["arc", "measure"],
)  # fmt: skip
def test_arcs_and_measures_are_kept_or_refused(urc, tmp_path, wkb, kept, lost):
    given = tmp_path / "a.gpkg"
    mark = {"ARROW:extension:name": "geoarrow.wkb"}
    schema = pa.schema([("n", pa.int64()), pa.field("geom", pa.binary(), metadata=mark)])
    write_arrow(
        pa.table([[1], [wkb]], schema=schema), given, layer="a", driver="GPKG",
        geometry_name="geom", geometry_type="Unknown", crs="EPSG:4326",
    )  # fmt: skip
    for ending in [*kept, *lost]:
        out = tmp_path / f"b.{ending}"
        status, _, error = urc("datum", given, out, "--from", "gcj02", "--to", "wgs84")
        assert status == (0 if ending in kept else 2), (ending, error)
        if ending in lost:
            assert ".gpkg" in error and not out.exists()
            continue
        if ending == "parquet":
            stored = pq.read_table(out)["geometry"][0].as_py()
        else:
            with pyogrio.open_arrow(out, use_pyarrow=True) as (meta, reader):
                stored = reader.read_all()[meta["geometry_name"] or "wkb_geometry"][0].as_py()
        assert len(stored) == len(wkb) and stored[:5] == wkb[:5] and stored != wkb
    if wkb[1:5] == struct.pack("<I", 3001):
        assert struct.unpack("<2d", stored[-16:]) == (7, 8)


def test_nothing_is_overwritten_unasked_and_failures_leave_nothing(urc, blocks, tmp_path):
    out = tmp_path / "out.gpkg"
    arguments = ("datum", blocks, out, "--from", "wgs84", "--to", "gcj02")
    out.write_text("mine")
    status, _, error = urc(*arguments)
    assert status == 2 and "--overwrite" in error and out.read_text() == "mine"
    assert urc(*arguments, "--overwrite")[0] == 0 and len(read(out)) == 3
    assert urc("datum", blocks, blocks, *arguments[3:], "--overwrite")[0] == 2
    status, _, error = urc("datum", blocks, tmp_path / "out.shp", *arguments[3:])
    assert status == 2 and "Shapefile" in error
    before = sorted(tmp_path.iterdir())
    broken = tmp_path / "broken.gpkg"
    broken.write_bytes(blocks.read_bytes()[:5000])
    assert urc("datum", broken, tmp_path / "x.gpkg", *arguments[3:])[0] == 2
    broken.unlink()
    assert sorted(tmp_path.iterdir()) == before


def test_an_old_datum_and_metres_without_a_system_are_refused(urc, tmp_path):
    frame = gpd.GeoDataFrame({"n": [1]}, geometry=[shapely.Point(116, 40)], crs=4214)
    frame.to_file(tmp_path / "old.gpkg", engine="pyogrio")
    wanted = ("--from", "wgs84", "--to", "gcj02")
    status, _, error = urc("datum", tmp_path / "old.gpkg", tmp_path / "x.gpkg", *wanted)
    assert status == 2 and "Beijing 1954" in error
    (tmp_path / "m.csv").write_text("x,y\n448000,4418000\n", encoding="utf-8")
    status, _, error = urc("datum", tmp_path / "m.csv", tmp_path / "x.csv", *wanted)
    assert status == 2 and "坐标系" in error
    (tmp_path / "s.csv").write_text("x,y\n39.9,116.4\n", encoding="utf-8")
    status, _, error = urc("datum", tmp_path / "s.csv", tmp_path / "x.csv", *wanted)
    assert status == 2 and "对调" in error


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "fgb", "parquet", "csv"])
@pytest.mark.parametrize("n", [3, 3000])
def test_a_full_disk_leaves_no_half_written_file(tmp_path, ending, n):
    """A limit on the size of files stands for the full disk; GDAL says nothing of a few GeoJSON
    records, and nothing of FlatGeobuf.
    """
    pytest.importorskip("resource", reason="POSIX only")
    some = [shapely.box(116.4 + i / 1e4, 39.9, 116.40005 + i / 1e4, 39.9001) for i in range(n)]
    gpd.GeoDataFrame({"n": range(n)}, geometry=some, crs=4490).to_file(tmp_path / "in.gpkg")
    script = """
import resource, signal, sys
from geo_urc.cli.main import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
main()
"""
    command = [sys.executable, "-c", script, "datum", "in.gpkg", f"out.{ending}"]
    command += ["--from", "cgcs2000", "--to", "gcj02", "--lang", "en"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"out.{ending}: cannot be written" in done.stderr and "CREATE" not in done.stderr
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []
