"""What changed between two runs and why: pairs of runs that differ in one known way."""

from __future__ import annotations

import datetime as dt

import geopandas as gpd
import pytest

import geo_urc
from geo_urc.comparison import CAUSES, SCHEMA, compare

DAY = dt.date(2026, 11, 23)
PARCELS = [
    {"box": [0, 0, 100, 100]},  # 400 m from the station at 500
    {"box": [-400, 0, -300, 100]},  # 800 m: on the limit, within accuracy
    {"box": [-500, 0, -400, 100]},  # 900 m
    {"box": [-1000, 0, -900, 100]},  # 1400 m
]
IDS = ["A-1", "A-2", "A-3", "A-4"]


@pytest.fixture
def city(tmp_path, make_shape):
    """Return a function that writes files and screens them into a Results."""

    def write(name, features, **columns):
        shapes = [make_shape(f) for f in features]
        frame = gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4548")
        frame.to_file(tmp_path / f"{name}.geojson", driver="GeoJSON")

    def run(*, station=(500, 50), accuracy_m=1.0, soil=3.0, parcels=PARCELS, ids=IDS,
            quota=150.0, more_stations=(), **options):  # fmt: skip
        write("parcels", parcels, ident=ids, base=[1000.0] * len(ids),
              quota=[quota] * len(ids), rail=["yes"] * len(ids))  # fmt: skip
        write("stations", [{"point": p} for p in (station, *more_stations)])
        write("greens", [{"box": [3000, 0, 3100, 100]}])
        write("projects", [{"box": [3000, 0, 3010, 100]}], soil=[soil])
        write("trees", [{"point": [9000, 0]}])
        write("cores", [{"box": [9000, 0, 9010, 10]}])
        layers = f"""
[parcels]
id = "ident"
fields = {{ existing_above_gfa_m2 = "base", special_quota_m2 = "quota", rail_integration = "rail" }}
values = {{ rail_integration = {{ yes = "是" }} }}
[layers.rail_stations]
path = "stations.geojson"
accuracy_m = {accuracy_m}
[layers.green_spaces]
path = "greens.geojson"
[layers.underground_projects]
path = "projects.geojson"
fields = {{ soil_cover_m = "soil" }}
[layers.ancient_trees]
path = "trees.geojson"
[layers.memorial_cores]
path = "cores.geojson"
"""
        (tmp_path / "layers.toml").write_text(layers, encoding="utf-8")
        options.setdefault("as_of", DAY)
        options.setdefault("only", ["T08", "T20"])
        found = geo_urc.screen(
            tmp_path / "parcels.geojson", layers=tmp_path / "layers.toml", lang="en", **options
        )
        return found._results

    return run


def changes(a, b):
    """Return the changes as (id, rule, from, to, cause)."""
    rows = compare(a, b, "en").changes.to_pylist()
    return [(r["subject_id"], r["rule"], r["from"], r["to"], r["cause"]) for r in rows]


def test_the_same_run_twice(city):
    a = city()
    found = compare(a, city())
    assert found.changes.num_rows == 0
    assert found.changes.schema == SCHEMA
    # four parcels under T08a and T08b, a green and a project under T20, the project under T20b
    assert found.unchanged == 11
    assert (found.inputs, found.parameters, found.others, found.unpaired) == ({}, {}, (), ())


def test_a_parameter(city):
    """A radius of 1000 m takes in the parcels at 800 and 900 m, not the one at 1400 m."""
    a, b = city(), city(parameters={"T08a.radius_m": 1000})
    assert changes(a, b) == [
        ("A-2", "T08a", "review", "eligible", "parameter"),
        ("A-3", "T08a", "ineligible", "eligible", "parameter"),
    ]
    found = compare(a, b, "en").changes.to_pylist()[1]
    assert found["parameters"] == "T08a.radius_m: 800 → 1000"
    assert found["facts"] is None
    assert found["inputs"] is None


def test_an_input(city):
    """The station moves 500 m away: 900 m, 1300 m, 1400 m, 1900 m."""
    a, b = city(), city(station=(1000, 50))
    assert changes(a, b) == [
        ("A-1", "T08a", "eligible", "ineligible", "input"),
        ("A-2", "T08a", "review", "ineligible", "input"),
    ]
    found = compare(a, b, "en").changes.to_pylist()[0]
    assert found["facts"] == ("Distance to the centre of the nearest rail station: 400 → 900")
    assert found["inputs"] == "rail_stations: stations.geojson (SHA-256)"


def test_an_input_that_matters_to_nobody_changes_nothing(city):
    found = compare(city(), city(more_stations=[(9000, 9000)]))
    assert found.changes.num_rows == 0
    assert list(found.inputs) == ["rail_stations"]


def test_an_input_that_does_not_enter_is_not_blamed(city):
    """The projects' file differs as well, and T08a does not look at it."""
    a, b = city(), city(soil=2.5, parameters={"T08a.radius_m": 1000})
    assert {row[4] for row in changes(a, b)} == {"parameter"}
    assert "underground_projects" in compare(a, b).inputs


def test_both(city):
    """The station comes nearer and the radius grows: either may have done it."""
    a = city(station=(550, 50))
    b = city(station=(500, 50), parameters={"T08a.radius_m": 1000})
    # 850 m, over 800 → 800 m, inside 1000; A-3: 950 m → 900 m
    assert changes(a, b) == [
        ("A-2", "T08a", "ineligible", "eligible", "input;parameter"),
        ("A-3", "T08a", "ineligible", "eligible", "input;parameter"),
    ]


def test_the_accuracy_of_an_input(city):
    """No value moves; 800 m on the limit is sure once nothing is uncertain but the parcel."""
    a, b = city(station=(499.5, 50)), city(station=(499.5, 50), accuracy_m=0.0)
    assert changes(a, b) == []  # 0.5 m to go and 1 m of the parcels' own
    a, b = city(station=(498.8, 50)), city(station=(498.8, 50), accuracy_m=0.0)
    assert changes(a, b) == [("A-2", "T08a", "review", "eligible", "input")]
    row = compare(a, b).changes.to_pylist()[0]
    assert row["inputs"] == "rail_stations: stations.geojson (accuracy_m)"
    assert row["facts"] is None


def test_related_subjects(city):
    """The project under the green loses soil: 1.5 m are too little, for both; no use is stated."""
    assert changes(city(), city(soil=1.5)) == [
        ("green_spaces-1", "T20", "unknown", "ineligible", "input"),
        ("underground_projects-1", "T20", "unknown", "ineligible", "input"),
    ]


def test_a_parameter_of_related_subjects(city):
    a, b = city(soil=3.0), city(soil=3.0, parameters={"T20.min_soil_cover_m": 3.5})
    assert changes(a, b) == [
        ("green_spaces-1", "T20", "unknown", "ineligible", "parameter"),
        ("underground_projects-1", "T20", "unknown", "ineligible", "parameter"),
    ]
    assert compare(a, b).changes["parameters"].to_pylist() == ["T20.min_soil_cover_m: 2 → 3.5"] * 2


def test_a_parameter_inside_a_computed_limit(city):
    """15 % of 1000 m² is 150: enough. 10 % is 100: not."""
    a, b = city(), city(parameters={"T08b.quota_share": 0.1})
    assert {row[1:] for row in changes(a, b)} == {("T08b", "eligible", "review", "parameter")}
    row = compare(a, b, "en").changes.to_pylist()[0]
    assert row["facts"] == "Largest special quota: 150 → 100"
    assert row["parameters"] == "T08b.quota_share: 0.15 → 0.1"


def test_an_attribute(city):
    """151 m² are asked for instead of 150."""
    found = compare(city(), city(quota=151.0), "en").changes
    assert set(found["cause"].to_pylist()) == {"input"}
    assert set(found["rule"].to_pylist()) == {"T08b"}
    assert found["facts"][0].as_py() == "Special quota asked for: 150 → 151"


def test_another_reading(city):
    """By their centroids, 50 m further, the parcels are at 450, 850, 950 and 1450 m."""
    a, b = city(), city(parameters={"T08a.cover": "centroid"})
    assert changes(a, b) == [("A-2", "T08a", "review", "ineligible", "parameter")]
    assert compare(a, b).changes["parameters"][0].as_py() == "T08a.cover: any → centroid"


def test_subjects_of_one_run_only(city):
    a = city()
    b = city(
        parcels=[PARCELS[3], PARCELS[0], {"box": [300, 0, 310, 10]}], ids=["A-4", "A-1", "B-9"]
    )
    assert changes(a, b) == [
        ("A-2", None, None, None, "only_in_a"),
        ("A-3", None, None, None, "only_in_a"),
        ("B-9", None, None, None, "only_in_b"),
    ]


def test_a_rule_defined_differently(city, tmp_path):
    a = city(rules=[_rule(tmp_path, "a", 1000, "reading_open")], only=["X03"])
    b = city(rules=[_rule(tmp_path, "b", 1000, None)], only=["X03"])
    assert changes(a, b) == [("A-4", "X03", "review", "ineligible", "rulebook")]
    assert any("X03" in text.zh for text in compare(a, b).others)


def test_a_value_that_changes_with_the_day(city, tmp_path):
    rules = [_rule(tmp_path, "dated", 1000, None, "[{ from = 2027-01-01, value = 850 }]")]
    a = city(rules=rules, only=["X03"], as_of=dt.date(2026, 12, 31))
    b = city(rules=rules, only=["X03"], as_of=dt.date(2027, 1, 1))
    assert changes(a, b) == [("A-3", "X03", "eligible", "ineligible", "date")]
    assert compare(a, b).changes["parameters"][0].as_py() == "X03.near_m: 1000 → 850"
    set_by_hand = city(rules=rules, only=["X03"], as_of=dt.date(2027, 1, 1),
                       parameters={"X03.near_m": 1000})  # fmt: skip
    assert changes(a, set_by_hand) == []


def test_rules_of_one_run_only(city, tmp_path):
    late = _rule(tmp_path, "late", 1000, None, effective="2027-01-01")
    a = city(rules=[late], only=["X03", "T08a"], as_of=dt.date(2026, 12, 31))
    b = city(rules=[late], only=["X03"], as_of=dt.date(2027, 1, 1))
    found = {(u.rule, u.only_in, u.why) for u in compare(a, b).unpaired}
    assert found == {("T08a", "a", "not_evaluated"), ("X03", "b", "date")}


def test_counts_by_rule_verdict_and_cause(city):
    a, b = city(), city(parameters={"T08a.radius_m": 1000})
    rows = compare(a, b).summary().to_pylist()
    assert [(r["rule"], r["from"], r["to"], r["cause"], r["count_all"]) for r in rows] == [
        ("T08a", "review", "eligible", "parameter", 1),
        ("T08a", "ineligible", "eligible", "parameter", 1),
    ]
    assert all(text.zh and text.en for text in CAUSES.values())


def _rule(folder, name, near_m, otherwise, values="[]", effective=None):
    """Write an overlay with a rule on the distance to a station; return its path."""
    path = folder / f"{name}.toml"
    effective = f"effective_from = {effective}" if effective else ""
    softly = f'otherwise = "{otherwise}"' if otherwise else ""
    path.write_text(
        f"""
[measure]
id = "X03"
document = "toolbox-1.0"
number = "0"
heading = "试行"
title_zh = "试行"
title_en = "Trial"
checked_on = 2026-11-23
{effective}

[[rules]]
id = "X03"
assess = "spatial"
subject = "parcels"
title_zh = "近站"
title_en = "Near a station"
explanation_zh = "近站。"
explanation_en = "Near a station."
headline = "near"

[rules.parameters.near_m]
value = {near_m}
values = {values}
unit = "m"
basis = "reading"
title_zh = "近"
title_en = "Near"
source_zh = "试行"
source_en = "Trial"

[rules.test]
id = "near"
fact = "rail_distance_m"
at_most = "near_m"
{softly}
""",
        encoding="utf-8",
    )
    return path


def test_another_raster_is_a_cause(tmp_path, make_shape, make_raster):
    """The same garage with its roof at 43 m, under ground of 45.5 m and then of 44 m."""

    def frame(box, **columns):
        return gpd.GeoDataFrame(columns, geometry=[make_shape({"box": box})], crs="EPSG:4548")

    def run(ground):
        make_raster("dem", [[ground]], accuracy_m=0.1)
        layers = {
            "green_spaces": frame([0, 0, 100, 100]),
            "underground_projects": frame([0, 0, 10, 10], use=["commerce"], roof_level_m=[43.0]),
            "ancient_trees": frame([900, 0, 901, 1]),
            "memorial_cores": frame([900, 0, 910, 10]),
            "dem": {"path": str(tmp_path / "dem.tif"), "accuracy_m": 0.1},
        }
        layers = {
            role: given if role == "dem" else _written(tmp_path, role, given)
            for role, given in layers.items()
        }
        parcels = _written(tmp_path, "parcels", frame([200, 0, 300, 100]))
        return geo_urc.screen(parcels, layers=layers, only=["T20"], as_of=DAY)._results

    found = compare(run(45.5), run(44.0), "en")
    assert set(found.inputs) == {"dem"}
    (row,) = (r for r in found.changes.to_pylist() if r["subject"] == "underground_projects")
    assert (row["from"], row["to"], row["cause"]) == ("eligible", "ineligible", "input")
    assert "dem.tif" in row["inputs"]


def _written(folder, name, frame):
    path = folder / f"{name}.geojson"
    if not path.exists():
        frame.to_file(path, driver="GeoJSON")
    return path
