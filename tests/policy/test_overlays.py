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
