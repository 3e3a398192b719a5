"""A user's file laid over the rulebook: new measures of known facts, and changed figures."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pyogrio
import pytest

import geo_urc
from geo_urc.errors import RulebookError
from geo_urc.policy import load_rulebook

X01 = Path(__file__).with_name("X01.toml").read_text("utf-8")


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


# --- a made-up measure shows up in every output ----------------------------------------------------


X02 = """
[measure]
id = "X02"
document = "toolbox-1.0"
number = "0"
heading = "试行"
title_zh = "试行：老厂房<b>扶持"
title_en = "Trial: support for old factories"
department = "某区试行办公室"
policy_class = "试点推进"
checked_on = 2026-11-24

[[rules]]
id = "X02"
assess = "procedural"
title_zh = "老厂房<b>扶持"
title_en = "Support for old factories"
explanation_zh = "国企在水边的老旧厂房。"
explanation_en = "Old factories of state-owned firms by the water."

[rules.parameters.types]
value = ["old_factory"]
basis = "reading"
title_zh = "类型"
title_en = "Types"
source_zh = "试行"
source_en = "Trial"

[[rules.concerns.all]]
fact = "project_type"
one_of = "types"
[[rules.concerns.all]]
id = "water"
inside = "blue_depth_m"
"""


@pytest.fixture
def both(overlay, tmp_path):
    path = tmp_path / "x02.toml"
    path.write_text(X02, "utf-8")
    return [overlay, path]


@pytest.fixture
def finished(both, city, tmp_path, monkeypatch):
    """Return the folder of a run with both made-up measures, and the command."""
    from click.testing import CliRunner

    from geo_urc.cli.main import cli

    parcels, layers = city
    # 0 by the station; 1 in the water; 2 half green; 3 at the hub; 4 of no stated type
    parcels["kind_of_site"] = ["old_office", "老旧厂房", "old_factory", "old_estate", None]
    parcels.to_file(tmp_path / "parcels.gpkg")
    text = '[parcels]\nfields = { project_type = "kind_of_site" }\n'
    for role, frame in layers.items():
        frame.to_file(tmp_path / f"{role}.gpkg")
        text += f'[layers.{role}]\npath = "{role}.gpkg"\n'
    (tmp_path / "LAYERS.toml").write_text(text, "utf-8")
    rules = [word for path in both for word in ("--rules", str(path))]

    def command(*arguments: str) -> str:
        done = CliRunner().invoke(cli, list(arguments), standalone_mode=False)
        assert done.exception is None, done.exception
        return done.output

    parcel_file, layer_file = str(tmp_path / "parcels.gpkg"), str(tmp_path / "LAYERS.toml")
    command("screen", parcel_file, "--layers", layer_file, "--out", str(tmp_path / "out"), *rules)
    return tmp_path / "out", command, rules


def rows_of(folder):
    frame = pyogrio.read_dataframe(folder / "eligibility.gpkg", layer="parcels")
    return frame.set_index("subject_id")


def test_columns_of_a_made_up_measure(finished):
    folder, _, _ = finished
    rows = rows_of(folder)
    assert rows["x01_verdict"].tolist() == [
        "eligible", "eligible", "ineligible", "ineligible", "ineligible",
    ]  # fmt: skip
    # X02: an office; a factory in the water, twice; an estate; in the dry, whatever its type
    matched = ["X02" in ids.split(";") for ids in rows["concerned_measures"]]
    assert matched == [False, True, True, False, False]
    assert not any("X02" in (ids or "").split(";") for ids in rows["concerned_open"])
    assert "x02_verdict" not in rows.columns
    assert "X02" not in ";".join(rows["eligible_rules"])


def test_the_rules_table_and_styles_have_them(finished):
    folder, _, _ = finished
    path = folder / "eligibility.gpkg"
    rules = pyogrio.read_dataframe(path, layer="rules", read_geometry=False).set_index("id")
    assert rules.loc["X01", "status"] == "evaluated"
    assert rules.loc["X02", "status"] == "matched"
    assert rules.loc["X02", "concerns_zh"] == "更新项目类型：老旧厂房，且位于蓝线名称内"
    assert json.loads(rules.loc["X02", "parameters"]) == {"X02.types": ["old_factory"]}
    assert rules.loc["X02", "department"] == "某区试行办公室"
    styles = pyogrio.read_dataframe(path, layer="layer_styles", read_geometry=False)
    names = styles.query("f_table_name == 'parcels'")["styleName"].tolist()
    assert "X01 近站临水而少绿" in names
    assert not any(name.startswith("X02") for name in names)  # no verdict, no colours
    aliases = styles.query("styleName == 'X01 近站临水而少绿'")["styleQML"].item()
    assert "有关的程序性措施" in aliases


def test_map_report_and_record_have_them(finished):
    folder, _, _ = finished
    page = (folder / "map.html").read_text("utf-8")
    assert re.search(r'"id": ?"X01", ?"label": ?"X01 ', page)  # the switch of rules reads this
    report = (folder / "report.html").read_text("utf-8")
    assert report.count("X01 近站临水而少绿") >= 3  # results, sources, catalogue
    assert report.count("X02 老厂房&lt;b&gt;扶持") == 2  # what concerns whom, catalogue
    assert "老厂房<b>" not in report
    run = json.loads((folder / "run.json").read_text("utf-8"))
    assert run["counts"]["parcels"]["X01"] == {"eligible": 2, "ineligible": 3}
    assert "X02" not in run["counts"]["parcels"]
    assert run["concerns"]["parcels"]["X02"] == {"matched": 2, "open": 0, "reasons": {}}
    listed = {entry["id"]: entry["status"] for entry in run["catalogue"]}
    assert (listed["X01"], listed["X02"]) == ("evaluated", "matched")
    assert run["parameters"]["X02.types"]["value"] == ["old_factory"]


def test_commands_tell_of_them(finished):
    folder, command, rules = finished
    rows = json.loads(command("rules", "list", "--json", *rules))
    by_id = {row["id"]: row for row in rows}
    assert by_id["X02"]["subject"] is None
    assert by_id["X02"]["assess"] == "procedural"
    assert by_id["X02"]["status"] == "matched"
    assert by_id["X01"]["status"] == "computed"
    told = command("explain", str(folder), "parcels-2", "--lang", "en")
    assert "By a station, in the blue line, little green: eligible" in told
    concern = told[told.index("Measures that concern it") :]
    assert "X01 eligible" in concern
    assert "X02 Support for old factories | who decides 某区试行办公室 | pilot" in concern
    alone = command("explain", str(folder), "parcels-4", "--rule", "X02")
    assert "X02 老厂房<b>扶持: 与本对象无关" in alone
    assert "某区试行办公室" in alone
    assert "T08a" not in alone
    command("evidence", str(folder), "--out", str(folder.parent / "e.csv"))
    with (folder.parent / "e.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    green = [x for x in lines if x["rule"] == "X01" and x["fact"] == "green_share"]
    assert [x["value"] for x in green] == ["0", "0", "0.5", "0", "0"]
    assert not any(x["rule"] == "X02" for x in lines)


def test_without_the_layer_a_made_up_match_is_open(both, city):
    parcels, layers = city
    del layers["blue_lines"]
    parcels["project_type"] = ["old_factory", "old_estate", None, "別的", "old_factory"]
    result = geo_urc.screen(parcels, layers=layers, rules=both, only=["X02"], lang="en")
    assert result.parcels["concerned_measures"].tolist() == [""] * 5
    # of the right type; surely not; type missing; type not known; of the right type
    assert result.parcels["concerned_open"].tolist() == ["X02", "", "X02", "X02", "X02"]
    # the layer that is missing for all is said once, in the record, below
    assert result.parcels["concerned_reason"].tolist() == [
        "",
        "",
        "attribute_missing:project_type",
        "value_unrecognised:project_type",
        "",
    ]
    assert result.run["concerns"]["parcels"]["X02"] == {
        "matched": 0,
        "open": 4,
        "reasons": {
            "attribute_missing:project_type": 1,
            "value_unrecognised:project_type": 1,
            "layer_missing": 4,
        },
    }
    told = result.explain(result.parcels["subject_id"][2])
    assert "an attribute is missing: Type of renewal project" in told
    assert "a layer that the rule needs was not given: blue_lines" in told
    assert "missing" not in result.explain(result.parcels["subject_id"][1], "X02")
    of_type = result.explain(result.parcels["subject_id"][0], "X02")
    assert "reasons: a layer that the rule needs was not given: blue_lines\n" in of_type


def test_a_field_that_is_not_given_is_said_once_and_explained(both, city):
    parcels, layers = city
    result = geo_urc.screen(parcels, layers=layers, rules=both, only=["X02"], lang="en")
    assert result.parcels["concerned_open"].tolist() == ["", "X02", "X02", "X02", ""]
    assert result.parcels["concerned_reason"].tolist() == [""] * 5
    assert result.run["concerns"]["parcels"]["X02"]["reasons"] == {
        "attribute_missing:project_type": 3
    }
    told = result.explain(result.parcels["subject_id"][1], "X02")
    assert "reasons: an attribute is missing: Type of renewal project\n" in told


def test_only_and_the_date_are_told_in_the_catalogue(city):
    import datetime as dt

    parcels, layers = city
    result = geo_urc.screen(parcels, layers=layers, only=["T08a", "P5"], as_of=dt.date(2024, 1, 1))
    listed = {entry["id"]: entry["status"] for entry in result.run["catalogue"]}
    assert listed["T08a"] == "evaluated"
    assert listed["P5a"] == "not_in_force"
    assert listed["T36"] == "not_asked"
    assert len(listed) == len({r.id for r in load_rulebook().rules.values()})
    assert "concerned_measures" not in result.parcels.columns  # nothing was matched
