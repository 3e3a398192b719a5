"""The breakdown against arithmetic written out in Python's own decimals, on random projects."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geo_urc

SCOPE = {
    "land_supply": "granted", "built_as_planned": "yes", "commodity_housing": "no",
    "affordable_rental": "no", "auxiliary_m2": "0", "public_facilities_m2": "0",
    "land_use": "commercial", "mixed_use": "no", "term_expired": "no",
    "to_commodity_housing": "no", "vacated_or_idle_space": "yes", "added_inside_m2": "0",
}  # fmt: skip
MONEY = st.decimals(0, 10**11, places=3).map(str) | st.just("")
AREA = st.decimals(0, 10**6, places=2).map(str)
PROJECT = st.fixed_dictionaries(
    {
        "stock_type": st.sampled_from(["old_factory", "other"]),
        "changes_use": st.just("yes"),
        "dilapidated_rebuild": st.sampled_from(["yes", "no"]),
        "operated_services_m2": st.sampled_from(["0", "25.5"]),
        "market_price_yuan": MONEY,
        "extension": st.sampled_from(["yes", "no"]),
        "conditions_changed": st.sampled_from(["yes", "no"]),
        "new_term_value_yuan": MONEY,
        "remaining_value_old_yuan": MONEY,
        "remaining_value_new_yuan": MONEY,
        "new_underground_commercial_m2": st.sampled_from(["0", "10"]),
    }
)


def to_the_cent(amount):
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def extension_price(p):
    """Return the price of an extension; None where none is asked for or an input is missing."""
    old, new, value = (
        Decimal(p[f"{key}_yuan"]) if p[f"{key}_yuan"] else None
        for key in ("remaining_value_old", "remaining_value_new", "new_term_value")
    )
    less = old
    if p["conditions_changed"] == "yes":
        less = None if old is None or new is None else min(old, new)
    if p["extension"] == "no" or value is None or less is None or less > value:
        return None
    return value - less


def shares(p):
    """Return clause → amount, None where the clause is for the project and has no amount."""
    due = {}
    extended = extension_price(p)
    market = Decimal(p["market_price_yuan"]) if p["market_price_yuan"] else None
    base = extended if p["extension"] == "yes" else market
    if p["dilapidated_rebuild"] == "yes" and p["operated_services_m2"] != "0":
        due["P2b"] = None if base is None else base * 8 / 10
    if p["stock_type"] == "old_factory":
        due["P4a"] = None if base is None else base * 9 / 10
    if p["extension"] == "yes":
        due["P7"] = extended
    return due


@given(st.lists(PROJECT, min_size=1, max_size=4))
def test_shares_of_the_market_price_and_the_extension(projects):
    frame = pandas.DataFrame([SCOPE | p for p in projects])
    table = geo_urc.price(frame)
    for i, project in enumerate(projects, start=1):
        mine = table[table["subject_id"] == f"projects-{i}"].set_index("clause")
        for clause, amount in shares(project).items():
            found = mine.loc[clause, "amount_yuan"]
            if amount is None:
                assert found is None, clause
                assert mine.loc[clause, "verdict"] in ("unknown", "review")
            else:
                assert found == to_the_cent(amount), clause
        priced = set(mine.index[mine["amount_yuan"].notna()])
        assert priced == {c for c, amount in shares(project).items() if amount is not None}


UNDERGROUND = st.fixed_dictionaries(
    {
        "land_revenue_yuan": st.decimals(0, 10**11, places=2).map(str),
        "former_total_gfa_m2": st.decimals(1, 10**6, places=2).map(str),
        "former_above_gfa_m2": AREA,
        "planned_above_gfa_m2": AREA,
        "zone": st.sampled_from(["东城区", "朝阳区", "大兴区"]),
    }
)
PLACES = {"东城区": 0, "朝阳区": 1000, "大兴区": 2000}


@pytest.fixture(scope="session")
def districts(make_shape):
    import geopandas

    shapes = [make_shape({"box": [x, 0, x + 1000, 1000]}) for x in PLACES.values()]
    return geopandas.GeoDataFrame({"name": list(PLACES)}, geometry=shapes, crs="EPSG:4548")


@given(UNDERGROUND)
def test_underground_space(districts, make_shape, project):
    """The verdict columns go by floats, the amounts do not: both are to say the same."""
    import geopandas

    p = {**SCOPE, "new_underground_commercial_m2": "50", "extension": "no"} | project
    place = make_shape({"box": [PLACES[p["zone"]] + 100, 100, PLACES[p["zone"]] + 200, 200]})
    frame = geopandas.GeoDataFrame([p], geometry=[place], crs="EPSG:4548")
    table = geo_urc.price(frame, layers={"districts": districts}).set_index("clause")

    revenue = Decimal(p["land_revenue_yuan"])
    first = revenue * {"东城区": 70, "朝阳区": 80, "大兴区": 90}[p["zone"]] / 100
    assert table.loc["P5a", "amount_yuan"] == to_the_cent(first)
    lost = Fraction(p["former_above_gfa_m2"]) - Fraction(p["planned_above_gfa_m2"])
    share = lost / Fraction(p["former_total_gfa_m2"])
    if p["zone"] == "大兴区" or share <= 0:
        assert "P5b" not in table.index
        return
    tenths = 9 if share <= Fraction(1, 5) else 8 if share <= Fraction(2, 5) else 7
    assert table.loc["P5b", "amount_yuan"] == to_the_cent(first * tenths / 10)
