"""``geo-urc verify``: a run repeated from its record, identical or with what differs."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import geopandas as gpd
import pytest

from geo_urc.identity import differences, table_hashes

AS_OF = ["--as-of", "2026-11-23"]


@pytest.fixture
def result(urc, city, monkeypatch):
    """Screen the city with relative paths; return the folder of the result."""
    monkeypatch.chdir(city)
    shutil.copy("layers.toml", "cover.toml")
    gpd.GeoDataFrame(
        geometry=gpd.read_file("parcels.gpkg").buffer(5000).iloc[:1], crs="EPSG:4548"
    ).to_file("whole.gpkg")
    text = (city / "layers.toml").read_text("utf-8")
    text = text.replace('path = "stations.csv"', 'path = "stations.csv"\ncoverage = "whole.gpkg"')
    (city / "layers.toml").write_text(text, "utf-8")
    status, _, err = urc(
        "screen", "parcels.gpkg", "--layers", "layers.toml", "--out", "out", *AS_OF,
        "--set", "T08a.radius_m=700", "--only", "T08a,T20", "--format", "gpkg,csv,parquet",
        "--lang", "en",
    )  # fmt: skip
    assert status == 0, err
    return city / "out"


def verify(urc, *more):
    return urc("verify", "out", "--lang", "en", *more)


def test_an_untouched_run_is_identical(urc, result):
    before = {path.name: path.read_bytes() for path in result.iterdir()}
    status, said, err = verify(urc)
    assert (status, err) == (0, "")
    assert said.splitlines()[-1] == "Identical."
    assert "Input files unchanged: 6." in said  # the list, parcels, three layers, a coverage
    assert {path.name: path.read_bytes() for path in result.iterdir()} == before


def test_it_may_be_repeated_from_elsewhere(urc, result, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    status, _, err = urc("verify", result, "--lang", "en")
    assert status == 2
    assert "parcels.gpkg" in err and "layers.toml" in err and "--from" in err
    assert urc("verify", result, "--from", result.parent)[0] == 0


def test_a_changed_row_is_named(urc, result):
    with closing(sqlite3.connect(result / "eligibility.gpkg")) as connection:
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        connection.execute("UPDATE parcels SET t08a_verdict = 'eligible' WHERE subject_id = 'A-3'")
        connection.commit()
    status, said, _ = verify(urc)
    assert status == 1
    assert (
        "eligibility.gpkg: table parcels differs in 1 rows: "
        "#3 t08a_verdict: 'eligible' → 'ineligible'." in said
    )
    assert said.splitlines()[-1] == "Not identical."


def test_every_kind_of_difference_is_told(urc, result):
    (result / "map.html").write_bytes((result / "map.html").read_bytes() + b" ")
    (result / "parcels.csv").unlink()
    (result / "notes.txt").write_text("ours")
    record = json.loads((result / "run.json").read_text("utf-8"))
    record["counts"]["parcels"]["T08a"] = {"eligible": 4}
    (result / "run.json").write_text(json.dumps(record), "utf-8")
    status, said, _ = verify(urc)
    assert status == 1
    assert "parcels.csv: is missing." in said
    assert "map.html: differs from byte" in said
    assert "run.json: counts.parcels.T08a.eligible: 4 → 1." in said
    assert "run.json: counts.parcels.T08a.ineligible: – → 3." in said
    assert "Not written by the run: notes.txt" in said
    assert "eligibility.gpkg" not in said


def test_another_input_is_told_with_what_it_changes(urc, result, city):
    parcels = gpd.read_file(city / "parcels.gpkg")
    parcels.loc[0, "现状建筑面积"] = 1001.0
    (city / "parcels.gpkg").unlink()
    parcels.to_file(city / "parcels.gpkg", driver="GPKG")
    status, said, _ = verify(urc)
    assert status == 1
    assert "Input file changed: parcels.gpkg" in said
    assert "#1 现状建筑面积: 1000.0 → 1001.0" in said


def test_other_versions_are_told_and_make_no_difference(urc, result):
    record = json.loads((result / "run.json").read_text("utf-8"))
    now = record["software"]["shapely"]
    record["software"]["shapely"] = "1.0"
    (result / "run.json").write_text(json.dumps(record), "utf-8")
    status, said, _ = verify(urc)
    assert status == 0
    assert f"Other version of shapely: 1.0 then, {now} now" in said


@pytest.mark.parametrize("name", ["whole.gpkg", "stations.csv", "layers.toml", "parcels.gpkg"])
def test_a_missing_input_is_named(urc, result, city, name):
    (city / name).unlink()
    status, _, err = verify(urc)
    assert status == 2
    assert name in err


def test_what_cannot_be_repeated(urc, result, city):
    record = json.loads((result / "run.json").read_text("utf-8"))
    del record["command"]
    (result / "run.json").write_text(json.dumps(record), "utf-8")
    status, _, err = verify(urc)
    assert status == 2 and "cannot be repeated" in err
    (result / "run.json").write_text("{", "utf-8")
    status, _, err = verify(urc)
    assert status == 2 and "run.json" in err
    assert urc("verify", city / "nowhere")[0] == 2


def test_the_demo_is_identical(urc, tmp_path):
    assert urc("demo", "--out", tmp_path / "demo", "--lang", "en")[0] == 0
    record = json.loads((tmp_path / "demo" / "run.json").read_text("utf-8"))
    assert record["inputs"][0]["path"] == "parcels.shp", "no path of this machine"
    assert urc("verify", tmp_path / "demo")[0] == 0


def test_two_processes_write_the_same_bytes(city, tmp_path):
    """Sets and dictionaries in another order must not show."""
    for seed in ("1", "2"):
        code = "from geo_urc.cli.main import main; main()"
        arguments = [
            "screen", "parcels.gpkg", "--layers", "layers.toml", "--out", f"run{seed}", *AS_OF,
            "--format", "gpkg,csv,parquet",
        ]  # fmt: skip
        for more in (arguments, ["evidence", f"run{seed}", "--out", f"run{seed}/evidence.xlsx"]):
            subprocess.run(
                [sys.executable, "-c", code, *more],
                cwd=city,
                env={**os.environ, "PYTHONHASHSEED": seed},
                check=True,
                capture_output=True,
            )
    first, second = city / "run1", city / "run2"
    assert {p.name for p in first.iterdir()} == {p.name for p in second.iterdir()}
    assert list(differences(first, second, "run.json")) == []
    assert (first / "run.json").read_bytes() == (second / "run.json").read_bytes()


def test_rows_are_hashed_by_content(tmp_path):
    """The header of a geometry is its writer's choice; its figures and the rows' order are not."""
    square = "POLYGON ((0 0, 1 0, 1 1, 0 1, 0 0))"
    frame = gpd.GeoDataFrame(
        {"n": [1, 2]}, geometry=gpd.GeoSeries.from_wkt([square, square]), crs="EPSG:4548"
    )
    frame.to_file(tmp_path / "a.gpkg", layer="t")
    frame.to_file(tmp_path / "b.gpkg", layer="t", SPATIAL_INDEX="NO")
    frame.iloc[::-1].to_file(tmp_path / "c.gpkg", layer="t")
    a, b, c = (table_hashes(tmp_path / f"{name}.gpkg") for name in "abc")
    assert a["t"] == b["t"] != c["t"]
    assert not any(name.startswith("rtree") for name in a)
