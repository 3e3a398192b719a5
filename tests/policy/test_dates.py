"""What holds on which day: measures with a term, figures that change, and what the user sets."""

from __future__ import annotations

import datetime as dt

import geopandas as gpd
import pytest

import geo_urc
from geo_urc.errors import RulebookError
from geo_urc.policy import load_rulebook

FILE = """
[measure]
id = "X05"
document = "toolbox-1.0"
number = "0"
heading = "试行"
title_zh = "试行"
title_en = "Trial"
checked_on = 2026-11-23

[[rules]]
id = "X05"
assess = "spatial"
subject = "parcels"
title_zh = "试行"
title_en = "Trial"
explanation_zh = "试行"
explanation_en = "Trial"

[rules.parameters.near_m]
value = 500
values = VALUES
unit = "m"
basis = "reading"
title_zh = "近"
title_en = "Near"
source_zh = "试行"
source_en = "Trial"

[rules.test]
fact = "rail_distance_m"
at_most = "near_m"
"""
TWO = "[{ from = 2027-01-01, value = 600 }, { from = 2028-07-01, value = 700 }]"


@pytest.fixture
def laid(tmp_path):
    """Return a function that lays a rule with dated values over the rulebook."""

    def load(values=TWO):
        path = tmp_path / "x05.toml"
        path.write_text(FILE.replace("VALUES", values), encoding="utf-8")
        return load_rulebook([path])

    return load


@pytest.mark.parametrize(
    ("day", "value"),
    [
        ("2026-12-31", 500.0),
        ("2027-01-01", 600.0),
        ("2028-06-30", 600.0),
        ("2028-07-01", 700.0),
        ("2050-01-01", 700.0),
    ],
)
def test_the_day_chooses(laid, day, value):
    book = laid().as_of(dt.date.fromisoformat(day))
    assert book.values["X05.near_m"] == value
    assert book.changed == ()


def test_without_a_day_the_first_value_holds(laid):
    assert laid().values["X05.near_m"] == 500.0


def test_what_the_user_sets_holds_on_any_day(laid):
    book = laid().with_parameters({"X05.near_m": 500}, "--set")
    assert book.changed == ()  # no day yet: it is what the rulebook says
    later = book.as_of(dt.date(2027, 6, 1))
    assert later.values["X05.near_m"] == 500.0
    assert later.changed == ("X05.near_m",)
    after = laid().as_of(dt.date(2027, 6, 1)).with_parameters({"X05.near_m": 600}, "--set")
    assert after.changed == ()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("[{ from = 2028-01-01, value = 1 }, { from = 2027-01-01, value = 2 }]", "order"),
        ("[{ from = 2027-01-01, value = 1 }, { from = 2027-01-01, value = 2 }]", "order"),
        ('[{ from = 2027-01-01, value = "far" }]', "values[0].value"),
        ("[{ from = 2027-01-01, value = -1 }]", "values[0].value"),
        ("[{ from = 2027-01-01 }]", "value"),
        ("[{ since = 2027-01-01, value = 1 }]", "from"),
        ('[{ from = "soon", value = 1 }]', "from"),
    ],
)
def test_wrong_dated_values_stop_the_run(laid, values, said):
    with pytest.raises(RulebookError) as caught:
        laid(values)
    assert said in caught.value.to("en")


def test_another_value_is_another_version(laid):
    book = laid()
    versions = {book.as_of(dt.date(year, 12, 31)).version for year in (2025, 2026, 2027, 2028)}
    assert len(versions) == 3


def test_rules_that_rest_are_known(book):
    """The price measures were issued on 2024-11-20."""
    early = book.as_of(dt.date(2024, 11, 19))
    assert {rule for rule, _ in early.resting} == {r for r, _ in book.rules if r.startswith("P")}
    assert book.as_of(dt.date(2024, 11, 20)).resting == ()
    only = book.only(["T08a"]).as_of(dt.date(2024, 11, 19))
    assert only.resting == ()  # what was not asked for is not told of
    assert list(only.rules) == [("T08a", "parcels")]


def test_a_rule_whose_figures_hang_on_another_can_be_asked_for_alone(make_shape):
    """70 % of 1000 yuan by location; and 80 % of that, because a third is given up above ground."""
    projects = gpd.GeoDataFrame(
        {
            "new_underground_commercial_m2": [100.0],
            "former_above_gfa_m2": [60.0],
            "planned_above_gfa_m2": [30.0],
            "former_total_gfa_m2": [90.0],
            "land_revenue_yuan": [1000.0],
        },
        geometry=[make_shape({"box": [0, 0, 10, 10]})],
        crs="EPSG:4548",
    )
    districts = gpd.GeoDataFrame(
        {"name": ["西城区"]}, geometry=[make_shape({"box": [-90, -90, 90, 90]})], crs="EPSG:4548"
    )
    parcels = projects[["geometry"]]
    alone = geo_urc.screen(
        parcels, layers={"projects": projects, "districts": districts}, only=["P5a"]
    )
    assert alone["projects"]["p5_amount_yuan"].tolist() == pytest.approx([560.0])
    assert "p5b_verdict" not in alone["projects"]


def test_a_day_may_be_given_as_text():
    plot = gpd.GeoDataFrame(geometry=gpd.points_from_xy([448000], [4418000]).buffer(50), crs=4548)
    result = geo_urc.screen(plot, only=["T08a"], as_of="2026-12-01")
    assert result.run["as_of"] == "2026-12-01"
    with pytest.raises(RulebookError, match="as_of"):
        geo_urc.screen(plot, only=["T08a"], as_of="1.12.2026")
