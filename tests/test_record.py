"""The counts of the run record: every record of every input is in exactly one place."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

import geopandas as gpd
import pytest
import shapely

from geo_urc.errors import OutputError
from geo_urc.inputs import read_inputs
from geo_urc.policy import load_rulebook
from geo_urc.record import run_record
from geo_urc.run import Request, run
from geo_urc.screening import Screening

DAY = dt.date(2026, 11, 23)


@pytest.fixture
def inputs():
    """Three parcels, one without an outline, and a station layer with one record of three lost."""
    x, y = 448_000.0, 4_418_000.0
    plots = [shapely.box(x, y, x + 100, y + 100), None, shapely.box(x, y + 200, x + 9, y + 209)]
    stations = [shapely.Point(x, y), shapely.box(x, y, x + 1, y + 1), shapely.LineString()]
    return read_inputs(
        gpd.GeoDataFrame({"n": [1, 2, 3]}, geometry=plots, crs="EPSG:4548"),
        layers={"rail_stations": gpd.GeoDataFrame(geometry=stations, crs="EPSG:4548")},
    )


@pytest.fixture
def book():
    return load_rulebook().only(["T08a"])


def test_every_file_of_results_holds_every_subject(inputs, book, tmp_path):
    request = Request(tmp_path / "out", DAY, ("gpkg",), ("gpkg", "csv", "parquet"))
    run(inputs, book, request)
    record = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))
    assert record["written"] == {
        "eligibility.gpkg": {"parcels": 3},
        "parcels.parquet": {"parcels": 3},
        "parcels.csv": {"parcels": 3},
    }
    assert sum(record["counts"]["parcels"]["T08a"].values()) == 3
    for source in record["inputs"]:
        assert source["records_in"] == source["records_used"] + source["records_set_aside"] == 3
    aside = [s["role"] for s in record["set_aside"]]
    assert aside == ["rail_stations"] * record["inputs"][1]["records_set_aside"]
    assert aside


def refused(screening: Screening, **more) -> str:
    with pytest.raises(OutputError) as caught:
        run_record(screening, as_of=DAY, **more)
    return str(caught.value)


def test_a_row_too_few_stops_the_run(inputs, book):
    screening = Screening(inputs, book)
    list(screening.batches("parcels"))
    run_record(screening, as_of=DAY, written={"a.csv": {"parcels": 3}})
    said = refused(screening, written={"a.csv": {"parcels": 2}})
    assert "a.csv, parcels: 3 records were used, and there are 2 results" in said
    screening.counts["parcels"]["T08a"]["eligible"] += 1
    assert "parcels, T08a: 3 records were used, and there are 4 results" in refused(screening)


def test_a_record_in_no_place_or_in_two_stops_the_run(inputs, book):
    layer = inputs.layers["rail_stations"]
    lost = replace(layer.source, records_in=layer.source.records_in + 1)
    for other in (
        replace(layer, source=lost),
        replace(layer, set_aside=layer.set_aside * 2),
        replace(layer, set_aside=()),
    ):
        screening = Screening(replace(inputs, layers={"rail_stations": other}), book)
        assert "do not add up" in refused(screening)


def test_a_run_that_loses_a_row_leaves_nothing(inputs, book, tmp_path, monkeypatch):
    monkeypatch.setattr("geo_urc.outputs.flat_files.write_csv", lambda *given: 2)
    request = Request(tmp_path / "out", DAY, ("gpkg",), ("csv",))
    with pytest.raises(OutputError, match="do not add up"):
        run(inputs, book, request)
    assert list(tmp_path.iterdir()) == []
