"""What would change the verdicts of many rows at a time, beside what is said of each alone."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
import shapely

import geo_urc
from geo_urc.changes import Figure
from geo_urc.outlook import outlook, outlooks
from geo_urc.resources import data_dir
from geo_urc.wording import enough


@pytest.fixture(scope="module")
def city():
    """Return the finished rows of the sample city."""
    sample = data_dir() / "sample"
    return geo_urc.screen(sample / "parcels.shp", layers=sample / "LAYERS.toml")._results


def each(results, role):
    info = results.layers[role]
    table = results.tables[role]
    if role == "parcels":  # every seventh, and those with something missing or wrong
        table = table.take(pa.array([*range(0, 4000, 7), *range(4100, table.num_rows)]))
    for rule in info.rules:
        yield table, info, rule


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_many_at_a_time_are_told_the_same_as_each_alone(city, lang):
    told = different = 0
    for role in city.layers:
        for table, info, rule in each(city, role):
            many = outlooks(table, info, rule, city.run, lang)
            rows = table.to_pylist()
            for place, row in enumerate(rows):
                alone = outlook(row, info, rule, city.run, lang)
                assert many.at(place) == alone, (role, rule.id, place)
                told += alone is not None
            different += len(many.wordings)
    assert told > 5000
    assert different < 500  # few wordings for many rows


def test_values_at_near_and_on_both_sides_of_a_limit(city):
    """A parcel at each of many distances from a station, the limit itself and its neighbours too."""
    info = city.layers["parcels"]
    rule = next(rule for rule in info.rules if rule.id == "T08a")
    limit = next(fact for fact in rule.facts if fact.side == "at_most").limit_value
    column = next(fact.column for fact in rule.facts if fact.side == "at_most")
    band = math.sqrt(2)
    near = [0.0, 1e-12, 1e-7, 4e-7, 1e-6, 5e-4, 1e-3, 0.1, band - 1e-9, band, band + 1e-9, 2, 700]
    distances = [limit + sign * d for d in near for sign in (-1, 1)]
    rows = []
    first = city.tables["parcels"].slice(0, 1).to_pylist()[0]
    for distance in distances:
        for verdict, reason in (
            ("eligible", None),
            ("review", "within_accuracy"),
            ("ineligible", "not_met:near"),
        ):
            condition = next(fact.condition for fact in rule.facts if fact.side == "at_most")
            rows.append(
                first
                | {
                    column: distance,
                    info.column_of("T08a", "verdict"): verdict,
                    info.column_of("T08a", "margin"): limit - distance,
                    info.column_of("T08a", "accuracy"): band,
                    info.column_of("T08a", "reason"): reason and reason.replace("near", condition),
                }
            )
    table = pa.Table.from_pylist(rows, city.tables["parcels"].schema)
    many = outlooks(table, info, rule, city.run, "zh")
    for place, row in enumerate(table.to_pylist()):
        assert many.at(place) == outlook(row, info, rule, city.run, "zh"), distances[place // 3]


def test_a_figure_remembers_how_it_came_about():
    places: list = []
    value = Figure(812.5, "distance", places)
    short = -(800.0 - value)
    assert short == 12.5
    told = enough(short, "m").zh
    assert told == "\x000\x00 米"
    ((form, unit, up),) = places
    assert (form, unit, up) == (("-", 0.0, ("-", 800.0, "distance")), "m", True)
    assert float((value + 1.0) * 2.0) == 1627.0


def test_no_rows_have_no_outlook(city):
    info = city.layers["parcels"]
    none = outlooks(city.tables["parcels"].slice(0, 0), info, info.rules[0], city.run, "zh")
    assert none.wordings == [] and len(none.of) == 0


def test_a_million_rows_do_not_take_a_million_judgements(city, monkeypatch):
    from geo_urc import outlook as module

    info, table = city.layers["parcels"], city.tables["parcels"]
    judged = 0
    whole = module.change_needed

    def counted(*given):
        nonlocal judged
        judged += 1
        return whole(*given)

    monkeypatch.setattr(module, "change_needed", counted)
    for rule in info.rules:
        outlooks(table, info, rule, city.run, "zh")
    assert judged < 200 < table.num_rows
    assert np.isfinite(shapely.total_bounds(shapely.from_wkb(table["geom"].to_numpy()))).all()
