"""Attributes: numbers with their units, words, yes and no; what is unreadable is missing."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from geo_urc.inputs.fields import Tally, bind, parse_numbers, read_fields
from geo_urc.inputs.settings import ParcelsEntry
from geo_urc.roles import roles


def read(given, name, role="parcels", **entry):
    tally = Tally()
    batch = pa.RecordBatch.from_pydict({"c": given})
    bound = bind(roles()[role], ParcelsEntry(fields={name: "c"}, **entry), ["c"], "test")
    return read_fields(batch, bound, tally)[name], tally


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12),
        (" +1.5 ", 1.5),
        ("1,234,567.5", 1234567.5),
        ("１２．５", 12.5),
        ("1e3", 1000),
        (".5", 0.5),
        ("5.", 5),
    ],
)
def test_readable_numbers(text, number):
    values, unreadable = parse_numbers(pa.array([text]))
    assert values.tolist() == [number] and not unreadable[0]


@pytest.mark.parametrize("text", ["1,5", "12 ha", "约100", "1.2.3", "-", "0x10", "十二"])
def test_unreadable_numbers_are_missing_and_counted(text):
    values, tally = read([text, "7"], "planned_gfa_m2")
    assert np.isnan(values[0]) and values[1] == 7
    (notice,) = tally.notices("test")
    assert notice.count == 1 and text in notice.text.zh


@pytest.mark.parametrize("values", [["", None, "nan"], [float("nan"), None, float("inf")]])
def test_empty_is_missing_without_complaint(values):
    found, tally = read(values, "planned_gfa_m2")
    assert np.isnan(found).all()
    assert sum(n.count for n in tally.notices("test")) <= 1  # the word "nan"


def test_negative_area_is_missing_and_said():
    values, tally = read([-1.0, 0.0, 3.0], "planned_gfa_m2")
    assert np.isnan(values[0]) and values[1:].tolist() == [0, 3]
    (notice,) = tally.notices("test")
    assert "-1.0" in notice.text.en


@pytest.mark.parametrize(
    ("unit", "square_metres"),
    [
        ("m2", 3),
        ("㎡", 3),
        ("ha", 3e4),
        ("公顷", 3e4),
        ("km²", 3e6),
        ("亩", 2000),
        ("万平方米", 3e4),
    ],
)
def test_area_units(unit, square_metres):
    values, _ = read([3.0], "planned_gfa_m2", units={"planned_gfa_m2": unit})
    assert values[0] == pytest.approx(square_metres, rel=1e-12)


def test_money_and_length_units():
    values, _ = read([2], "land_revenue_yuan", role="projects", units={"land_revenue_yuan": "亿元"})
    assert values[0] == 2e8
    values, _ = read([350], "height_m", role="facilities", units={"height_m": "cm"})
    assert values[0] == pytest.approx(3.5)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["是", "否", "有", "无", "√", "×"], [1, 0, 1, 0, 1, 0]),
        (["Yes", "no", "TRUE", "f", " 1 ", "０"], [1, 0, 1, 0, 1, 0]),
        ([1, 0, 1], [1, 0, 1]),
        ([1.0, 0.0], [1, 0]),
        ([True, False], [1, 0]),
    ],
)
def test_yes_and_no(values, expected):
    found, tally = read(values, "rail_integration")
    assert found.tolist() == expected
    assert not list(tally.notices("test"))


def test_other_words_for_yes_and_no():
    found, tally = read(["一体化", "普通", "也许", None], "rail_integration")
    assert np.isnan(found).all()
    (notice,) = tally.notices("test")
    assert notice.count == 3
    words = {"rail_integration": {"一体化": True, "普通": "否"}}
    found, tally = read(["一体化", "普通", "也许", None], "rail_integration", values=words)
    assert found[:2].tolist() == [1, 0] and np.isnan(found[2:]).all()


def test_vocabulary_comes_out_as_codes():
    found, tally = read(
        ["R2", "居住用地", "residential", "火星用地", None, " "],
        "land_use",
        values={"land_use": {"R2": "居住用地"}},
    )
    assert found.tolist() == ["residential"] * 3 + ["火星用地", None, None]
    (notice,) = tally.notices("test")
    assert notice.count == 1 and "火星用地" in notice.text.zh


def test_numbers_as_text_codes():
    found, _ = read([110101, 110102], "adcode", role="districts")
    assert found.tolist() == ["110101", "110102"]
    found, _ = read([110101.0, float("nan")], "adcode", role="districts")
    assert found.tolist() == ["110101", None]


def test_column_of_the_fields_own_name_is_used():
    bound = bind(roles()["parcels"], ParcelsEntry(), ["name", "land_use", "other"], "test")
    assert {b.column for b in bound} == {"name", "land_use"}
