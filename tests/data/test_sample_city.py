"""The sample city: made again it is the same, and every case in it has its verdict by hand."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path

import geopandas
import numpy as np
import pyarrow.compute as pc
import pytest
import rasterio
from geopandas.testing import assert_geodataframe_equal

from geo_urc.inputs import read_inputs
from geo_urc.policy import load_rulebook
from geo_urc.resources import data_dir
from geo_urc.screening import Screening

SAMPLE = data_dir() / "sample"
CASES = tomllib.loads((Path(__file__).parent / "corner_cases.toml").read_text("utf-8"))
FLAT = [(role, key, case) for role, cases in CASES.items() for key, case in cases.items()]
NOT_POSSIBLE = {  # and why: see data/README.md
    # for every subject of its kind
    "T07b": {"not_applicable"},
    "T08a": {"not_applicable"},
    "T12": {"not_applicable"},
    "T13": {"not_applicable"},
    "T14": {"not_applicable"},
    "T18": {"not_applicable"},
    "T19": {"not_applicable"},
    "T20 green_spaces": {"not_applicable"},
    "T23": {"not_applicable"},
    "T24b": {"not_applicable"},
    "T31": {"not_applicable"},
    "T56": {"not_applicable"},
    # failing is for a person to decide
    "T01": {"ineligible"},
    "T08b": {"ineligible"},
    "T11b": {"ineligible"},
    "T16": {"ineligible"},
    "T16b": {"ineligible"},
    "T17": {"ineligible"},
    "T17b": {"ineligible"},
    "T69": {"ineligible"},
    # a way, a value or a price, and no test
    "T02": {"ineligible", "review"},
    "T26": {"ineligible", "review"},
    "T32": {"ineligible", "review"},
    "P5a": {"ineligible"},
    "P5b": {"ineligible"},
    # attributes that are said or not, with nothing soft or open about them
    "T05": {"review"},
    "T15": {"review"},
    "T22": {"review"},
    "T27": {"review"},
    "T29": {"review"},
    "T30": {"review"},
    "T35": {"review"},
    "P0": {"review", "not_applicable"},
    "P1": {"review"},
    "P2a": {"review"},
    "P2b": {"review"},
    "P3": {"review"},
    "P4a": {"review"},
    "P4b": {"review"},
    "P6": {"review"},
}


@pytest.fixture(scope="module")
def results():
    inputs = read_inputs(SAMPLE / "parcels.shp", layers=SAMPLE / "LAYERS.toml")
    book = load_rulebook().with_parameters(inputs.parameters, "LAYERS.toml", SAMPLE)
    return Screening(inputs, book).results()


@pytest.mark.parametrize(("role", "key", "case"), FLAT, ids=[key for _, key, _ in FLAT])
def test_corner_case(results, role, key, case):
    info, table = results.layers[role], results.tables[role]
    row = table.filter(pc.equal(table[info.one("id")], key)).to_pylist()
    assert len(row) == 1
    rules = [r.prefix for r in info.rules if r.prefix in case]
    assert rules
    assert {r: row[0][f"{r}_verdict"] for r in rules} == {r: case[r] for r in rules}
    for rule in rules:
        wanted = case.get(f"reason_{rule}", case.get("reason"))
        if wanted is not None:
            assert wanted in row[0][f"{rule}_reason"].split(";")
    for fact, value in case.get("facts", {}).items():
        assert row[0][fact] == (
            value if isinstance(value, str) else pytest.approx(value, rel=case.get("rel", 1e-9))
        )


def test_every_rule_gives_every_verdict_it_can(results):
    words = {"eligible", "ineligible", "review", "unknown", "not_applicable"}
    missing = {}
    for role, info in results.layers.items():
        for rule in info.rules:
            name = rule.id if rule.id != "T20" else f"T20 {role}"
            given = set(results.tables[role][info.column_of(rule.id, "verdict")].to_pylist())
            impossible = NOT_POSSIBLE.get(name, set())
            assert not given & impossible
            if lacking := words - given - impossible:
                missing[name] = lacking
    assert missing == {}


def test_the_script_makes_the_same_city_again(tmp_path):
    spec = importlib.util.spec_from_file_location("make", data_dir() / "make_sample_city.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.write(tmp_path)
    made = {p.name for p in tmp_path.iterdir()}
    assert made == {p.name for p in SAMPLE.iterdir()} - {"LAYERS.toml", "mixing_caps.csv"}
    for name in ("small_facilities.csv", "stations_gcj02.geojson"):
        assert (tmp_path / name).read_bytes() == (SAMPLE / name).read_bytes()
    for name in ("parcels.shp", "districts.gpkg", "city.gpkg"):
        for layer in geopandas.list_layers(SAMPLE / name)["name"]:
            old, new = (
                geopandas.read_file(
                    folder / name, layer=layer, encoding="GBK" if ".shp" in name else None
                )
                for folder in (SAMPLE, tmp_path)
            )
            assert_geodataframe_equal(old, new, check_less_precise=True)
    for name in ("dem.tif", "population.tif"):
        with rasterio.open(SAMPLE / name) as old, rasterio.open(tmp_path / name) as new:
            assert (old.crs, old.transform, old.nodata) == (new.crs, new.transform, new.nodata)
            np.testing.assert_array_equal(old.read(1), new.read(1))


def test_the_officers_file_says_nothing_of_its_encoding():
    assert not (SAMPLE / "parcels.cpg").exists()
    raw = (SAMPLE / "parcels.dbf").read_bytes()
    assert "宗地代码".encode("gbk") in raw
