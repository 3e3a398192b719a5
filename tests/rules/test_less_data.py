"""Rules on attributes alone: every case with each field taken away, one at a time.

What is undecided stays undecided and what is decided is not turned, but for amounts that may be
left unasked.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from geo_urc import verdicts
from geo_urc.grounds import grounds_of_rule
from geo_urc.policy import load_rulebook

PAGES = [tomllib.loads(p.read_text("utf-8")) for p in sorted(Path(__file__).parent.glob("*.toml"))]
BOOK = load_rulebook()
REASONING = {"by_case", "by_verdict", "formula", "least", "lookup", "steps"}
"""Questions that ask nothing of the map."""


def on_attributes_alone(page):
    rule = BOOK.known[page["rule"], page["subject"]]
    names = {*grounds_of_rule(BOOK, rule).facts, *(n for n in rule.results if n in BOOK.facts)}
    return {BOOK.facts[name].question for name in names} <= REASONING


ALONE = {page["rule"]: page for page in PAGES if on_attributes_alone(page)}
DECIDED = ("eligible", "ineligible", "not_applicable")
OPTIONAL = {("T01", "city_quota_m2"), ("T05", "other_added_m2"), ("T29", "extension_years")}


def subjects(page):
    """Yield the first feature of every case, with the case."""
    for case in page["cases"]:
        given = case.get("map", {}).get(page["subject"], page["map"][page["subject"]])[0]
        feature = given | case.get("set", {})
        for path in case.get("drop", ()):
            feature.pop(path.partition(".")[2], None)
        yield feature, case


@pytest.mark.parametrize("rule", ALONE)
def test_without_one_field(rule, make_layer, make_scene):
    page = ALONE[rule]
    role = page["subject"]

    def said(feature, case):
        scene = make_scene({role: make_layer(role, [feature])}, case.get("parameters"))
        return verdicts.words(scene.evaluation_of(role).outcome(rule))[0]

    tried = 0
    for feature, case in subjects(page):
        full = said(feature, case)
        for field in set(feature) - {"box"}:
            poorer = said({k: v for k, v in feature.items() if k != field}, case)
            tried += 1
            if (rule, field) not in OPTIONAL:
                assert poorer == full or poorer not in DECIDED, (case["name"], field)
    assert tried


def test_there_are_rules_on_attributes_alone():
    assert {"T01", "T02", "T06", "T15", "T22", "T30", "T35", "T57"} <= set(ALONE)
