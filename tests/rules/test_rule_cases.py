"""Every rule against cases worked out by hand: one TOML file a rule, no code a case.

A file names its ``rule``, the ``subject`` and the ``verdicts`` that the rule can give, and
draws a ``[map]`` (role → features) that its ``[[cases]]`` change: ``map`` replaces layers,
``set`` changes the one subject's fields, ``drop`` takes fields away (``role.field``),
``without`` takes layers away, ``layer`` sets a layer's accuracy, coverage or datum, and
``raster`` draws rasters: role → ``cells`` (rows from the north), ``origin``, ``cell_m``,
``nodata`` and ``accuracy_m`` (0 unless said).
Coordinates are metres from the city's corner; ``why`` says how the expectation is found.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from geo_urc import verdicts

FILES = sorted(Path(__file__).parent.glob("*.toml"))
BOOKS = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in FILES}
CASES = [(rule, case) for rule, page in BOOKS.items() for case in page["cases"]]


@pytest.mark.parametrize(("rule", "case"), CASES, ids=[f"{r}: {c['name']}" for r, c in CASES])
def test_case(rule, case, make_layer, make_raster, make_shape, make_scene):
    page = BOOKS[rule]
    subject = case.get("subject", page["subject"])
    features = {role: [dict(f) for f in given] for role, given in page["map"].items()}
    features |= {role: [dict(f) for f in given] for role, given in case.get("map", {}).items()}
    features[subject][0] |= case.get("set", {})
    for path in case.get("drop", ()):
        role, _, field = path.partition(".")
        for feature in features[role]:
            feature.pop(field, None)
    options = {role: dict(o) for role, o in page.get("layer", {}).items()}
    for role, changed in case.get("layer", {}).items():
        options[role] = options.get(role, {}) | changed
    for option in options.values():
        if "coverage" in option:
            option["coverage"] = make_shape({"box": option["coverage"]})
    layers = {
        role: make_layer(role, given, **options.get(role, {}))
        for role, given in features.items()
        if role not in case.get("without", ())
    }
    rasters = {role: make_raster(role, **drawn) for role, drawn in case.get("raster", {}).items()}
    strict = case.get("strict", False)
    scene = make_scene(layers, case.get("parameters"), strict=strict, rasters=rasters)
    evaluation = scene.evaluation_of(subject)
    outcome = evaluation.outcome(rule)

    said = verdicts.words(outcome)[0]
    reasons = verdicts.reason_column(outcome)[0].split(";")
    assert said == case["verdict"], f"{case['why']} (reasons: {reasons})"
    for reason in case.get("reasons", ()):
        assert reason in reasons, case["why"]
    if said == "eligible":
        assert reasons == [""]
    if "margin" in case:
        assert evaluation.headline(rule)[0][0] == pytest.approx(case["margin"], rel=1e-9, abs=1e-6)
    if "accuracy" in case:
        assert evaluation.headline(rule)[1][0] == pytest.approx(case["accuracy"], rel=1e-9)
    for name, expected in case.get("facts", {}).items():
        value = evaluation.fact(name).value[0]
        if isinstance(expected, str):
            assert (value or "") == expected, name
        else:
            assert not np.isnan(value), name
            assert value == pytest.approx(expected, rel=1e-9, abs=1e-9), name


@pytest.mark.parametrize("rule", BOOKS)
def test_every_verdict_that_the_rule_can_give_has_a_case(rule):
    page = BOOKS[rule]
    said = {case["verdict"] for case in page["cases"] if "subject" not in case}
    assert said == set(page["verdicts"])


def test_every_computed_rule_has_cases(book):
    assert {rule.id for rule in book.rules.values() if rule.computed} == set(BOOKS)


@pytest.mark.parametrize("rule", BOOKS)
def test_case_names_are_unique_and_explained(rule):
    names = [case["name"] for case in BOOKS[rule]["cases"]]
    assert len(names) == len(set(names))
    assert all(case["why"] for case in BOOKS[rule]["cases"])
