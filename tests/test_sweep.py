"""One parameter over many values: counted by hand, and against a run for each value."""

from __future__ import annotations

import datetime as dt
import re
import xml.etree.ElementTree as ET

import geopandas as gpd
import pytest

import geo_urc
from geo_urc.errors import LayerError, RulebookError
from geo_urc.inputs import read_inputs
from geo_urc.outputs.sweep_chart import inline, sweep_chart
from geo_urc.outputs.sweep_page import write_sweep_page
from geo_urc.sweep import MOST_VALUES, sweep, sweep_plan, sweep_record, written_values

DAY = dt.date(2026, 11, 23)


@pytest.fixture(scope="module")
def city(make_shape):
    """Parcels of 1 ha at 400, 650 and 900 m from a station; a green undermined by a quarter."""

    def frame(*features, **columns):
        shapes = [make_shape(f) for f in features]
        return gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4548")

    parcels = frame(
        {"box": [0, 0, 100, 100]}, {"box": [-250, 0, -150, 100]}, {"box": [-500, 0, -400, 100]},
        existing_above_gfa_m2=[1000.0, 1000.0, 1000.0],
        special_quota_m2=[90.0, 110.0, 160.0],
        rail_integration=["是", "是", "是"],
    )  # fmt: skip
    layers = {
        "rail_stations": frame({"point": [500, 50]}),
        "green_spaces": frame({"box": [3000, 0, 3100, 100]}),
        "underground_projects": frame({"box": [3000, 0, 3025, 100]}, soil_cover_m=[3.0],
                                      use=["commerce"]),
        "ancient_trees": frame({"point": [9000, 0]}, protection_m=[5.0]),
        "memorial_cores": frame({"box": [9000, 0, 9010, 10]}),
        "projects": frame({"box": [0, 0, 10, 10]}, new_underground_commercial_m2=[100.0],
                          former_total_gfa_m2=[100.0], former_above_gfa_m2=[60.0],
                          planned_above_gfa_m2=[50.0], land_revenue_yuan=[1000.0]),
        "districts": frame({"box": [-5000, -5000, 9000, 9000]}, name=["朝阳区"]),
    }  # fmt: skip
    return parcels, layers


def swept(city, book, over, only=None):
    """Return the rows of a sweep: subject, rule, value → verdicts that occur."""
    inputs = read_inputs(city[0], layers=city[1])
    plan = sweep_plan((book.only(only) if only else book).as_of(DAY), over)
    return sweep(inputs, plan)


def verdicts(found, rule, subject="parcels"):
    words = ("eligible", "ineligible", "review", "unknown", "not_applicable")
    rows = [r for r in found.table.to_pylist() if (r["rule"], r["subject"]) == (rule, subject)]
    return {row["value"]: {w: row[w] for w in words if row[w]} for row in rows}


def test_a_radius(city, book):
    found = swept(city, book, "T08a.radius_m=300:900:200")
    assert list(found.rules) == [("T08a", "parcels")]
    assert verdicts(found, "T08a") == {
        300.0: {"ineligible": 3},
        500.0: {"eligible": 1, "ineligible": 2},
        700.0: {"eligible": 2, "ineligible": 1},
        900.0: {"eligible": 2, "review": 1},  # on the limit: within accuracy
    }
    areas = [row["eligible_m2"] for row in found.table.to_pylist()]
    assert areas == pytest.approx([0, 10_000, 20_000, 20_000])


def test_a_choice(city, book):
    """To the centroids it is 50 m more: 950 m, none of the three changes at 800 m."""
    found = swept(city, book, "T08a.cover=any,centroid")
    assert verdicts(found, "T08a") == {
        "any": {"eligible": 2, "ineligible": 1},
        "centroid": {"eligible": 2, "ineligible": 1},
    }


def test_a_parameter_inside_a_fact(city, book):
    """8, 10 and 12 % of 1000 m²: 90 m² are over 80, 110 over 100, 160 over all."""
    found = swept(city, book, "T08b.quota_share=0.08:0.12:0.02")
    assert verdicts(found, "T08b") == {
        0.08: {"review": 3},
        0.1: {"eligible": 1, "review": 2},
        0.12: {"eligible": 2, "review": 1},
    }


def test_a_parameter_of_related_subjects(city, book):
    """The project under the green has 3 m of soil; the green depends on it."""
    found = swept(city, book, "T20.min_soil_cover_m=3,4")
    both = {3.0: {"eligible": 1}, 4.0: {"ineligible": 1}}
    assert verdicts(found, "T20", "green_spaces") == both
    assert verdicts(found, "T20", "underground_projects") == both


@pytest.mark.parametrize(
    ("over", "rules"),
    [
        ("T08a.radius_m=450:1000:110", ["T08a"]),
        ("T08a.cover=share,any,centroid", ["T08a"]),
        ("T20.cap_share=0.2,0.3", ["T20", "T20b"]),
        ("P5b.none_share=0,0.1,0.2", ["P5b"]),
    ],
)
def test_each_value_as_a_run_of_its_own(city, book, over, rules):
    """What is kept between the values is what does not hang on them."""
    found = swept(city, book, over)
    name = over.partition("=")[0]
    assert {rule for rule, _ in found.rules} == set(rules)
    for row in found.table.to_pylist():
        alone = geo_urc.screen(
            city[0], layers=city[1], parameters={name: row["value"]}, only=rules, as_of=DAY
        )
        counted = alone[row["subject"]][f"{row['rule'].lower()}_verdict"].value_counts()
        for word in ("eligible", "ineligible", "review", "unknown", "not_applicable"):
            assert row[word] == counted.get(word, 0), row


def test_values_as_they_are_written():
    assert written_values("500:1200:100")[-1] == "1200"
    assert written_values("500:1250:100")[-1] == "1200"
    assert written_values("0:0.5:0.1") == ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]
    assert written_values("800") == ["800"]
    assert written_values(" a , b,a") == ["a", "b"]
    for wrong in (",", "1:2", "1:2:0", "2:1:1", "a:b:c", "1:2:-1", "0:nan:1", "1:inf:1"):
        with pytest.raises(ValueError, match=re.escape(wrong)):
            written_values(wrong)
    with pytest.raises(ValueError, match=str(MOST_VALUES)):
        written_values("0:1000000:1")


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ("T08a.radius=1,2", "T08a.radius_m"),
        ("T08a.radius_m", "--over"),
        ("T08a.radius_m=far,near", "far"),
        ("T08a.cover=any,all", "all"),
        ("T20.cap_share=0.5:1.5:0.5", "1.5"),
        ("T08a.min_share=0.1,0.2", "no verdict hangs"),  # the reading is: any part
    ],
)
def test_faults_are_told_before_anything_is_read(book, over, said):
    with pytest.raises(RulebookError) as caught:
        sweep_plan(book, over)
    assert said in caught.value.to("en")


def test_a_parameter_counts_in_the_reading_that_is_chosen(book):
    plan = sweep_plan(book.with_parameters({"T08a.cover": "share"}, "x"), "T08a.min_share=0.1,0.2")
    assert plan.rules == (("T08a", "parcels"),)


def test_nobody_to_judge(city, book):
    parcels, layers = city
    inputs = read_inputs(parcels, layers={"rail_stations": layers["rail_stations"]})
    with pytest.raises(LayerError) as caught:
        sweep(inputs, sweep_plan(book, "T20.cap_share=0.2,0.3"))
    assert "Green spaces" in caught.value.to("en")


def test_chart_and_page(city, book, tmp_path):
    found = swept(city, book, "T20.cap_share=0.2:0.3:0.05")
    chart = sweep_chart(found)
    assert chart == sweep_chart(found)
    texts = [
        "".join(t.itertext()) for t in ET.fromstring(chart).iter("{http://www.w3.org/2000/svg}text")
    ]
    assert {"0.2", "0.25", "0.3"} <= set(texts)
    assert any("绿地" in t for t in texts)
    assert any("符合" in t for t in texts)
    assert "Noto Sans CJK SC" in chart
    assert "DejaVu" not in chart
    assert not re.search(r"<(image|script)|@import|url\(http|href=\"http", inline(chart))
    inputs = read_inputs(city[0], layers=city[1])
    record = sweep_record(inputs, book.as_of(DAY), found, as_of=DAY, strict=False)
    write_sweep_page(found, chart, record, tmp_path / "s.html")
    page = (tmp_path / "s.html").read_text("utf-8")
    assert page.count("<svg") == 1
    assert "绿地地下空间利用" in page
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)
    # the quarter: 2500 of 10,000 m² hold at 30 %, at 25 % they are on the limit
    assert record["sweep"]["values"] == [0.2, 0.25, 0.3]
    assert record["sweep"]["parameter"] == "T20.cap_share"
