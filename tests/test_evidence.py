"""The long form and the words of a verdict, from a screening in memory."""

from __future__ import annotations

import math

import geopandas as gpd
import openpyxl
import pandas as pd
import pytest

import geo_urc
from geo_urc.errors import OutputError
from geo_urc.evidence import SCHEMA, evidence
from geo_urc.tables import write_table
from geo_urc.verdicts import LABELS
from geo_urc.wording import shown


@pytest.fixture(scope="module")
def result(make_shape):
    """Screen two parcels, a green and a project; blue lines and trees are not given."""

    def frame(*features, **columns):
        shapes = [make_shape(f) for f in features]
        return gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4548")

    parcels = frame(
        {"box": [0, 0, 100, 100]},
        {"box": [2000, 0, 2100, 100]},
        existing_above_gfa_m2=[1000.0, 2000.0],
        special_quota_m2=[150.5, 100.0],
        rail_integration=["是", "否"],
    )
    layers = {
        "rail_stations": frame({"point": [500.25, 50]}, name=["=1+1"]),
        "hubs": frame({"box": [5000, 0, 5100, 100]}),
        "green_spaces": frame({"box": [3000, 0, 3100, 100]}),
        "underground_projects": frame({"box": [3000, 0, 3040, 100]}, soil_cover_m=[1.5]),
        "street_corner_spaces": frame({"box": [0, 500, 100, 600]}),
        "facilities": frame(
            {"box": [40, 540, 50, 550]}, height_m=[3.5], gfa_m2=[310.0], service_radius_m=[900.0]
        ),
    }
    return geo_urc.screen(parcels, layers=layers, lang="en")


def row(result, **wanted):
    frame = result.evidence()
    for column, value in wanted.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1, frame
    return frame.iloc[0]


def test_columns_and_order(result):
    frame = result.evidence()
    assert list(frame.columns) == SCHEMA.names
    subjects = list(dict.fromkeys(frame["subject"]))
    assert subjects == result.roles
    assert set(frame["verdict"]) <= set(LABELS)


def test_every_subject_rule_and_fact_has_one_row(result):
    frame = result.evidence()
    assert not frame.duplicated(["subject", "subject_id", "rule", "fact", "limit"]).any()
    for role in result.roles:
        table = result[role]
        rules = {
            c.removesuffix("_verdict").upper() for c in table.columns if c.endswith("_verdict")
        }
        rows = frame[frame["subject"] == role]
        assert {r.upper() for r in rows["rule"]} == rules
        for _, group in rows.groupby("rule"):
            assert (group.groupby("subject_id").size() == len(group) // len(table)).all()


def test_a_tested_fact(result):
    said = row(result, subject_id="parcels-1", rule="T08a", fact="rail_distance_m")
    assert (said["value"], said["unit"], said["limit"]) == ("400.25", "m", "≤ 800 m")
    assert said["margin"] == 399.75
    assert said["accuracy"] == pytest.approx(math.sqrt(2))
    assert said["feature"] == "=1+1"
    assert "measure 8" in said["source"]
    assert pd.isna(said["missing"])


def test_a_limit_that_is_a_fact(result):
    said = row(result, subject_id="parcels-1", rule="T08b", fact="special_quota_m2")
    # 15% of 1000 m2 is 150 m2
    assert float(said["value"]) == 150.5
    assert said["margin"] == pytest.approx(-0.5)
    assert said["verdict"] == "review"
    limit = row(result, subject_id="parcels-1", rule="T08b", fact="quota_max_m2")
    assert float(limit["value"]) == pytest.approx(150)


def test_margins_of_conditions_beside_the_headline(result):
    """4 m less 3.5 m to spare; 300 m2 less 310 m2: 10 too much. Attributes need no band."""
    height = row(result, subject="facilities", rule="T07b", fact="height_m")
    assert (height["margin"], height["limit"]) == (0.5, "≤ 4 m")
    assert row(result, subject="facilities", rule="T07b", fact="gfa_m2")["margin"] == -10.0


def test_a_fact_under_two_limits_has_a_row_for_each(result):
    """A service radius of 900 m: 100 m over the lower reading, 100 m under the upper."""
    frame = result.evidence()
    two = frame[(frame["rule"] == "T07b") & (frame["fact"] == "service_radius_m")]
    assert dict(zip(two["limit"], two["margin"], strict=True)) == {
        "≥ 800 m": 100.0,
        "≥ 1000 m": -100.0,
    }


def test_an_attribute_that_is_not_given_has_no_value_but_a_row(result):
    said = row(result, subject_id="underground_projects-1", rule="T20", fact="use")
    assert pd.isna(said["value"])
    assert "attribute_missing:use" in said["missing"]


def test_what_is_missing_is_named_by_its_role(result):
    frame = result.evidence()
    blue = frame[(frame["rule"] == "T23") & (frame["subject_id"] == "parcels-1")]
    assert set(blue["missing"]) == {"layer_missing:blue_lines"}
    green = frame[(frame["rule"] == "T20") & (frame["subject"] == "green_spaces")]
    assert all("ancient_trees" in m and "memorial_cores" in m for m in green["missing"])


def test_a_failed_condition_is_not_missing(result):
    said = row(result, subject_id="parcels-2", rule="T08a", fact="rail_distance_m")
    assert said["verdict"] == "ineligible"
    assert pd.isna(said["missing"])


def test_formats(result, tmp_path):
    table = evidence(result._results, "en")
    for ending in (".parquet", ".csv", ".xlsx"):
        write_table(table, tmp_path / f"e{ending}", "evidence")
    sheet = openpyxl.load_workbook(tmp_path / "e.xlsx")["evidence"]
    cells = [c for r in sheet.iter_rows() for c in r]
    assert not [c for c in cells if c.data_type == "f"]  # no name becomes a formula
    assert any(c.value == "=1+1" for c in cells)
    with pytest.raises(OutputError):
        write_table(table, tmp_path / "e.doc", "evidence")
    with pytest.raises(OutputError):
        write_table(table, tmp_path / "e", "evidence")


def test_same_rows_every_time(result):
    assert evidence(result._results).equals(evidence(result._results))


def test_explain_tells_fact_limit_margin_source(result):
    told = result.explain("parcels-1", "T08a")
    for text in (
        "eligible",
        "400.25 m",
        "≤ 800 m",
        "+399.75 m",
        "±1.414 m",
        "=1+1",
        "in force",
        "measure 8",
    ):
        assert text in told
    assert "T08b" not in told


def test_explain_tells_why_not(result):
    told = result.explain("parcels-2", "T08a")
    assert "ineligible" in told
    assert "a condition is not met" in told
    told = result.explain("parcels-1", "T23")
    assert "blue_lines" in told
    told = result.explain("parcels-1", "T08b")
    assert "in principle" in told


def test_explain_a_whole_measure_and_everything(result):
    assert {"T08a", "T08b"} <= {
        line.split()[0] for line in result.explain("parcels-1", "T08").splitlines() if line
    }
    everything = result.explain("parcels-1")
    assert all(rule in everything for rule in ("T08a", "T08b", "T12", "T23"))


def test_explain_repeats_the_related_subjects_reason(result):
    told = result.explain("green_spaces-1", "T20")
    assert "40%" in told  # 40 of 100 m are undermined
    assert "ineligible" in told


def test_explain_nothing(result):
    with pytest.raises(OutputError) as caught:
        result.explain("parcels-99")
    assert "parcels-99" in caught.value.to("zh")
    with pytest.raises(OutputError):
        result.explain("parcels-1", "T20")


@pytest.mark.parametrize(
    ("value", "unit", "signed", "zh", "en"),
    [
        (0.3, "share", False, "30%", "30%"),
        (-0.015, "share", True, "-1.5%", "-1.5%"),
        (400.25, "m", True, "+400.25 米", "+400.25 m"),
        (1e7, "yuan", False, "10000000 元", "10000000 yuan"),
        (0.0, "m", False, "0 米", "0 m"),
        ("yes", "yes_no", False, "是", "yes"),
        ("柳堤", None, False, "柳堤", "柳堤"),
        (None, "m", False, "", ""),
    ],
)
def test_values_as_a_person_reads_them(value, unit, signed, zh, en):
    assert shown(value, unit, "zh", signed=signed) == zh
    assert shown(value, unit, "en", signed=signed) == en


def test_of_several_areas_each_shows_its_own_margin(make_shape):
    """40 m deep in a hub and 100 m from an integration area: 40 is the hub's, not the area's."""

    def frame(box):
        return gpd.GeoDataFrame(geometry=[make_shape({"box": box})], crs="EPSG:4548")

    layers = {"hubs": frame([-40, -40, 140, 140]), "integration_areas": frame([200, 0, 300, 100])}
    done = geo_urc.screen(frame([0, 0, 100, 100]), layers=layers, only=["T12"])
    assert done.parcels["t12_margin"].tolist() == [40.0]
    area = row(done, fact="integration_area_depth_m")
    assert float(area["value"]) == -100.0
    assert pd.isna(area["margin"]) or area["margin"] == -100.0
