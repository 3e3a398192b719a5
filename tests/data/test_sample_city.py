"""The sample city: made again it is the same, and every case in it has its verdict by hand."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path

import geopandas
import pyarrow.compute as pc
import pytest
from geopandas.testing import assert_geodataframe_equal

from geo_urc.inputs import read_inputs
from geo_urc.policy import load_rulebook
from geo_urc.resources import data_dir
from geo_urc.screening import Screening

SAMPLE = data_dir() / "sample"
CASES = tomllib.loads((Path(__file__).parent / "corner_cases.toml").read_text("utf-8"))
FLAT = [(role, key, case) for role, cases in CASES.items() for key, case in cases.items()]
NOT_POSSIBLE = {  # and why: see data/README.md
    "T08a": {"not_applicable"},
    "T08b": {"ineligible"},
    "T12": {"not_applicable"},
    "T23": {"not_applicable"},
    "T20 green_spaces": {"not_applicable"},
    "T24b": {"not_applicable"},
    "T07b": {"not_applicable"},
    "T69": {"ineligible"},
    "P5a": {"ineligible"},
    "P5b": {"ineligible"},
}


@pytest.fixture(scope="module")
def results():
    inputs = read_inputs(SAMPLE / "parcels.shp", layers=SAMPLE / "LAYERS.toml")
    return Screening(inputs, load_rulebook()).results()


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
        assert row[0][fact] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-9))


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
    assert made == {p.name for p in SAMPLE.iterdir()} - {"LAYERS.toml"}
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


def test_the_officers_file_says_nothing_of_its_encoding():
    assert not (SAMPLE / "parcels.cpg").exists()
    raw = (SAMPLE / "parcels.dbf").read_bytes()
    assert "宗地代码".encode("gbk") in raw
