"""A user's file laid over the rulebook: new measures of known facts, and changed figures."""

from __future__ import annotations

import json

import pyogrio
import pytest

import geo_urc
from geo_urc.errors import RulebookError
from geo_urc.policy import load_rulebook

X01 = """
[parameters]
"T08a.radius_m" = 1000

[facts.green_share]
question = "share_in"
arguments = { layer = "green_spaces" }
unit = "share"
title_zh = "绿地内占比"
title_en = "Share inside green space"

[measure]
id = "X01"
document = "toolbox-1.0"
number = "0"
heading = "试行"
title_zh = "试行：近站临水而少绿"
title_en = "Trial: by a station, in the blue line, little green"
policy_class = "探索研究"
checked_on = 2026-11-23

[[rules]]
id = "X01"
assess = "spatial"
subject = "parcels"
title_zh = "近站临水而少绿"
title_en = "By a station, in the blue line, little green"
explanation_zh = "站点 300 米内，或蓝线内且绿地不过两成。"
explanation_en = "Within 300 m of a station, or inside the blue line with at most a fifth green."
headline = "near"

[rules.parameters.near_m]
value = 300
unit = "m"
basis = "reading"
title_zh = "近"
title_en = "Near"
source_zh = "试行"
source_en = "Trial"

[rules.parameters.most_green]
value = 0.2
unit = "share"
basis = "reading"
title_zh = "绿地占比上限"
title_en = "Most green"
source_zh = "试行"
source_en = "Trial"

[[rules.test.any]]
id = "near"
fact = "rail_distance_m"
at_most = "near_m"
[[rules.test.any]]
all = [{ inside = "blue_depth_m" }, { id = "green", fact = "green_share", at_most = "most_green" }]
unless = [{ id = "in_hub", inside = "hub_depth_m" }]
"""


@pytest.fixture
def overlay(tmp_path):
    path = tmp_path / "x01.toml"
    path.write_text(X01, "utf-8")
    return path


@pytest.fixture
def city(make_shape):
    """Return parcels in a row, 1000 m apart, and what lies about each."""
    import geopandas as gpd

    def frame(*boxes, **columns):
        shapes = [make_shape({"box": b}) for b in boxes]
        return gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4548")

    plots = [[1000 * i, 0, 1000 * i + 100, 100] for i in range(5)]
    parcels = frame(*plots)
    station = gpd.GeoDataFrame(geometry=[make_shape({"point": [300, 50]})], crs="EPSG:4548")
    layers = {
        "rail_stations": station,
        "blue_lines": frame([900, -100, 3200, 200]),
        "green_spaces": frame([2050, -10, 2200, 200]),
        "hubs": frame([2900, -100, 3200, 200]),
    }
    return parcels, layers


def test_a_new_measure_is_evaluated(overlay, city):
    parcels, layers = city
    result = geo_urc.screen(parcels, layers=layers, rules=[overlay], only=["X01", "T08a"])
    # 0: station 200 m off; 1: in the water, no green; 2: half of it green; 3: at the hub;
    # 4: neither near nor in the water
    assert result.parcels["x01_verdict"].tolist() == [
        "eligible", "eligible", "ineligible", "ineligible", "ineligible",
    ]  # fmt: skip
    assert result.parcels["x01_margin"].tolist()[:2] == [100.0, -400.0]
    assert result.parcels["green_share"].tolist() == [0.0, 0.0, 0.5, 0.0, 0.0]
    assert (
        result.parcels["x01_reason"][3] == "not_met:blue_depth_m"
        or "in_hub" in result.parcels["x01_reason"][3]
    )
    assert "X01" in result.parcels["eligible_rules"][0]


def test_without_a_layer_the_new_measure_is_unknown(overlay, city):
    parcels, layers = city
    del layers["green_spaces"]
    result = geo_urc.screen(parcels, layers=layers, rules=[overlay], only=["X01"])
    assert result.parcels["x01_verdict"].tolist() == [
        "eligible", "unknown", "unknown", "ineligible", "ineligible",
    ]  # fmt: skip
    assert "layer_missing" in result.parcels["x01_reason"][1]


def test_it_is_explained_recorded_and_in_the_rules_table(overlay, city, tmp_path):
    parcels, layers = city
    result = geo_urc.screen(
        parcels, layers=layers, rules=[overlay], only=["X01", "T08a"], lang="en"
    )
    told = result.explain(result.parcels["subject_id"][2], "X01")
    assert "By a station, in the blue line, little green: ineligible" in told
    assert "Share inside green space: 50%" in told
    assert "≤ 20%" in told
    record = result.run["parameters"]
    assert record["T08a.radius_m"]["value"] == 1000
    assert record["T08a.radius_m"]["changed"] is True
    assert record["X01.near_m"]["changed"] is False
    result.to_gpkg(tmp_path / "out.gpkg")
    rules = pyogrio.read_dataframe(tmp_path / "out.gpkg", layer="rules", read_geometry=False)
    row = rules.set_index("id").loc["X01"]
    assert row["status"] == "evaluated"
    assert json.loads(row["parameters"])["X01.near_m"] == 300
    rows = result.evidence().query("rule == 'X01'")
    assert {"rail_distance_m", "green_share", "blue_depth_m", "hub_depth_m"} <= set(rows["fact"])


def test_an_overlay_changes_parameters_only_where_it_says(overlay, book):
    laid = load_rulebook([overlay])
    assert laid.changed == ("T08a.radius_m",)
    assert laid.version != book.version
    assert laid.values["T08b.quota_share"] == book.values["T08b.quota_share"]


def test_the_later_overlay_wins(overlay, tmp_path):
    later = tmp_path / "later.toml"
    later.write_text('[parameters]\n"T08a.radius_m" = 600\n"X01.near_m" = 250\n', "utf-8")
    laid = load_rulebook([overlay, later])
    assert laid.values["T08a.radius_m"] == 600
    assert laid.values["X01.near_m"] == 250


def test_a_measure_of_the_same_id_replaces_the_built_in_one(tmp_path):
    path = tmp_path / "t23.toml"
    path.write_text(X01.replace("X01", "T23").replace('"T08a.radius_m" = 1000', ""), "utf-8")
    laid = load_rulebook([path])
    assert laid.rules["T23", "parcels"].headline == "near"
    assert list(laid.measures).count("T23") == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('fact = "green_share"', 'fact = "greens_share"', "green_share"),
        ('at_most = "near_m"', 'at_most = "nearly_m"', "near_m"),
        ('headline = "near"', 'headline = "nearest"', "near"),
        ('id = "X01"\nassess', 'id = "X02"\nassess', "X01"),
        ('at_most = "near_m"', "", "at_most"),
        ('"T08a.radius_m" = 1000', '"T08a.radius_km" = 1', "T08a.radius_m"),
        ("[measure]", "[measures]", "measures"),
    ],
)
def test_faults_name_the_file_and_suggest(overlay, old, new, said):
    overlay.write_text(X01.replace(old, new, 1), "utf-8")
    with pytest.raises(RulebookError) as caught:
        load_rulebook([overlay])
    assert "x01.toml" in caught.value.to("zh")
    assert said in caught.value.to("en")


def test_rules_without_a_measure_are_told(overlay):
    head, tail = X01.split("[measure]")
    overlay.write_text(head + tail[tail.index("[[rules]]") :], "utf-8")
    with pytest.raises(RulebookError, match="no \\[measure\\]"):
        load_rulebook([overlay])


# --- tables that the documents do not give ---------------------------------------------------------


OWN_TABLE = """
[measure]
id = "X01"
document = "toolbox-1.0"
number = "1"
heading = "本地补充"
title_zh = "本地用途上限"
title_en = "A local cap by use"
checked_on = 2026-11-24

[[rules]]
id = "X01"
assess = "quantity"
subject = "parcels"
title_zh = "本地用途上限"
title_en = "A local cap by use"
explanation_zh = "按用地性质查表。"
explanation_en = "A cap by land use."

[rules.parameters.caps]
form = "table"
example = { "商业" = 1000 }
unit = "m2"
basis = "reading"
title_zh = "各用途上限"
title_en = "Cap by use"
source_zh = "由用户提供"
source_en = "Supplied by the user"

[rules.test]
id = "cap"
fact = "planned_gfa_m2"
at_most_fact = "own_cap_m2"

[facts.own_cap_m2]
question = "lookup"
arguments = { key = "land_use", table = "X01.caps" }
unit = "m2"
title_zh = "上限"
title_en = "Cap"
"""


@pytest.fixture
def with_table(tmp_path):
    """Return a rulebook with a rule whose table the user has to supply."""
    path = tmp_path / "own.toml"
    path.write_text(OWN_TABLE, "utf-8")
    return load_rulebook([path])


def test_a_table_may_be_a_file_with_its_own_source(with_table, tmp_path):
    (tmp_path / "caps.csv").write_bytes("用途,上限\n商业,1000\n居住,250.5\n".encode("gbk"))
    setting = {"X01.caps": {"file": "caps.csv", "source": "某区规定第3条"}}
    book = with_table.with_parameters(setting, "LAYERS.toml", tmp_path)
    assert book.values["X01.caps"] == {"商业": 1000.0, "居住": 250.5}
    assert book.stated == {"X01.caps": "某区规定第3条"}
    assert book.with_parameters({"X01.caps": {"商业": 5}}, "--set").stated == {}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"file": "none.csv"}, "none.csv"),
        ({"file": "caps.csv"}, "caps.csv:3"),
        ({"file": "twice.csv"}, "twice.csv:3"),
        ({"value": {"商业": -1}}, "-1"),
        ({"value": {"商业": "many"}}, "many"),
        ({"value": 3, "origin": "x"}, "origin"),
        (["商业"], "商业"),
    ],
)
def test_a_table_of_the_wrong_form_is_a_fault(with_table, tmp_path, raw, said):
    (tmp_path / "caps.csv").write_text("用途,上限\n商业,1000\n居住,许多\n", "utf-8")
    (tmp_path / "twice.csv").write_text("用途,上限\n商业,1000\n商业,900\n", "utf-8")
    with pytest.raises(RulebookError, match=said):
        with_table.with_parameters({"X01.caps": raw}, "LAYERS.toml", tmp_path)


def test_without_its_table_a_rule_says_what_to_supply(with_table, make_layer, make_scene):
    from geo_urc import verdicts
    from geo_urc.evaluation import Scene

    plot = {"box": [0, 0, 10, 10], "land_use": "商业", "planned_gfa_m2": 1000}
    layers = {"parcels": make_layer("parcels", [plot, plot | {"land_use": "其他"}])}

    def outcome(book):
        return Scene(book, layers).evaluation_of("parcels").outcome("X01")

    assert verdicts.reason_column(outcome(with_table))[0] == "parameter_missing:X01.caps"
    given = with_table.with_parameters({"X01.caps": {"商业": 1000}}, "test")
    assert verdicts.words(outcome(given)).tolist() == ["eligible", "unknown"]


def test_nested_and_quoted_names_of_tables_are_the_same(tmp_path):
    from geo_urc.inputs import load_settings

    texts = ('[rules]\n"X01.caps" = { "商业" = 5 }', '[rules.X01]\ncaps = { "商业" = 5 }')
    for text in texts:
        path = tmp_path / "LAYERS.toml"
        path.write_text(text, "utf-8")
        assert load_settings(path).rules == {"X01.caps": {"商业": 5}}
