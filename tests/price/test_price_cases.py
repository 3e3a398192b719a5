"""Whole breakdowns worked out by hand: one TOML file a subject matter, no code a case.

A file gives ``[fields]`` of every project and a ``[map]`` of layers; a case names its
``projects`` (fields as a user types them, ``box`` or ``point`` from the city's corner, or no
place at all), and the ``rows`` that come out, whole and in order: ``clause``, ``verdict``, and
``base``, ``factor``, ``amount`` as text, left out where empty; ``reason`` is one code among
those told. Clauses under ``open`` are unknown for lack of a field and told without a figure.
"""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path

import geopandas
import pandas
import pytest

import geo_urc

FILES = sorted(Path(__file__).parent.glob("*.toml"))
PAGES = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in FILES}
CASES = [(page, case) for page, content in PAGES.items() for case in content["cases"]]
COLUMNS = [
    "subject_id", "clause", "base_yuan", "factor", "amount_yuan", "verdict", "reason", "source",
]  # fmt: skip


def table(features, make_shape):
    """Return features as a user's table: every value as text, with a place where one is given."""
    rows = [
        {k: str(v) for k, v in f.items() if k not in ("box", "point") and v != ""} for f in features
    ]
    if not any(f.keys() & {"box", "point"} for f in features):
        return pandas.DataFrame(rows)
    shapes = [make_shape(feature) for feature in features]
    return geopandas.GeoDataFrame(pandas.DataFrame(rows), geometry=shapes, crs="EPSG:4548")


def priced(page, case, make_shape):
    projects = [{"id": "p", **page["fields"], **project} for project in case["projects"]]
    layers = {role: table(given, make_shape) for role, given in page.get("map", {}).items()}
    kept = {role: f for role, f in layers.items() if role not in case.get("without", ())}
    kept["projects"] = {"id": "id", "path": "", **case.get("read", {})}
    return geo_urc.price(
        table(projects, make_shape), layers=kept, parameters=case.get("parameters")
    )


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{n}: {c['name']}" for n, c in CASES])
def test_case(name, case, make_shape):
    due = priced(PAGES[name], case, make_shape)
    assert list(due.columns) == COLUMNS
    unnamed = due[due["clause"].isin(case.get("open", ()))]
    assert (unnamed["verdict"] == "unknown").all()
    assert unnamed["amount_yuan"].isna().all()
    told = due.drop(unnamed.index)
    keys = [(r.get("id", "p"), r["clause"], r["verdict"]) for r in case["rows"]]
    found = list(zip(told["subject_id"], told["clause"], told["verdict"], strict=True))
    assert found == keys, case["why"]
    for expected, row in zip(case["rows"], told.to_dict("records"), strict=True):
        for key, column in (("base", "base_yuan"), ("factor", "factor"), ("amount", "amount_yuan")):
            value = row[column]
            if key not in expected:
                assert value is None, f"{expected['clause']} {column} {value}: {case['why']}"
                continue
            assert value == Decimal(expected[key]), f"{expected['clause']} {column}: {case['why']}"
            if key != "factor":
                assert str(value) == expected[key]
        reasons = row["reason"].split(";")
        if row["verdict"] == "eligible" and "reason" not in expected:
            assert reasons == [""]
        for reason in [expected["reason"]] if "reason" in expected else []:
            assert reason in reasons, row["reason"]
        assert row["source"]


@pytest.mark.parametrize("name", PAGES)
def test_case_names_are_unique_and_explained(name):
    names = [case["name"] for case in PAGES[name]["cases"]]
    assert len(names) == len(set(names))
    assert all(case["why"] for case in PAGES[name]["cases"])
