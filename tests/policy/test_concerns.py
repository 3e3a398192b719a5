"""Whom the procedural measures concern: cases by hand, and what holds for every site."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.errors import RulebookError
from geo_urc.policy import load_rulebook
from geo_urc.roles import roles
from geo_urc.verdicts import Verdict

HERE = Path(__file__).parent
PAGE = tomllib.loads((HERE / "concerns.toml").read_text("utf-8"))
KINDS = tomllib.loads((HERE / "kinds.toml").read_text("utf-8"))
PROCEDURAL = [3, 10, 28, 34, *range(36, 45), *range(46, 56), *range(59, 69), *range(70, 76)]
"""The measures that RULES.md lists as the others: those without anything to compute."""
AREAS = {
    "inside": [{"kind": "renewal", "box": [-50, -50, 150, 150]}],
    "astride": [{"kind": "renewal", "box": [50, -50, 150, 150]}],
    "outside": [{"kind": "renewal", "box": [500, 0, 600, 100]}],
}


def kind(code: str) -> str:
    """Return the one word for a kind of RULES.md: a map outweighs a figure, that an attribute."""
    if {"S", "3D", "R"} & set(code.split()):
        return "spatial"
    return "quantity" if "Q" in code else "attribute" if code else "procedural"


def test_kinds_hold_up_beside_the_reading(book):
    assert {r.id: r.assess for r in book.rules.values()} == {n: kind(k) for n, k in KINDS.items()}
    assert sorted(n for n, k in KINDS.items() if not k) == [f"T{n:02}" for n in PROCEDURAL]


def test_every_procedural_measure_says_whom_it_concerns(book):
    for rule in book.rules.values():
        procedural = rule.assess == "procedural"
        assert (rule.status in ("matched", "authority")) == procedural, rule.id
        assert (rule.subject is None) == procedural


def matched(scene, role: str) -> list[tuple[set[str], set[str]]]:
    """Return the ids that concern each subject, and those left open."""
    evaluation = scene.evaluation_of(role)
    found = [(set(), set()) for _ in range(len(evaluation))]
    for rule in scene.book.concerning(role):
        for row, state in enumerate(evaluation.concern(rule.id).state):
            if state != Verdict.INELIGIBLE:
                found[row][int(state != Verdict.ELIGIBLE)].add(rule.id)
    return found


@pytest.mark.parametrize("role", ["projects", "parcels"])
@pytest.mark.parametrize("case", PAGE["cases"], ids=lambda c: c["name"])
def test_case(case, role, make_layer, make_scene):
    site = {"box": [0, 0, 100, 100]} | PAGE["known"] | case.get("set", {})
    for field in case.get("drop", ()):
        site = {k: v for k, v in site.items() if k == "box" or field not in ("*", k)}
    layers = {role: make_layer(role, [site])}
    area = case.get("key_areas", "outside")
    if area != "none":
        layers["key_areas"] = make_layer("key_areas", AREAS[area])
    if "*" in case.get("drop", ()):
        del layers["key_areas"]
    [(concerned, open_)] = matched(make_scene(layers), role)
    assert concerned == set(case["concerned"].split()), case["why"]
    assert open_ == set(case["open"].split()), case["why"]


def test_cases_decide_every_measure_both_ways(book):
    """Each measure that is not for all sites is matched in a case and surely not in another."""
    always = set(PAGE["cases"][0]["concerned"].split())
    for rule in book.concerning("projects"):
        yes = [c for c in PAGE["cases"] if rule.id in c["concerned"].split()]
        no = [c for c in PAGE["cases"] if rule.id not in f"{c['concerned']} {c['open']}".split()]
        assert yes, rule.id
        # 59 ends in 等, 61 speaks of the suitable ones: surely not is never said
        assert no or rule.id in always | {"T59", "T61"}, rule.id


# --- nothing is decided by what is missing ---------------------------------------------------------

FIELDS = sorted(PAGE["known"])


def values(field: str) -> st.SearchStrategy:
    spec = roles()["projects"].fields[field]
    if spec.type == "yes_no":
        return st.sampled_from([True, False, None])
    if spec.type == "number":
        return st.sampled_from([0, 100, None])
    return st.sampled_from([*spec.words, "别的", None])


SITES = st.lists(st.fixed_dictionaries({f: values(f) for f in FIELDS}), min_size=1, max_size=3)


@pytest.mark.parametrize("role", ["projects", "parcels"])
@given(sites=SITES, field=st.sampled_from(FIELDS), area=st.sampled_from([*AREAS, None]))
def test_removing_a_field_never_decides(make_layer, make_scene, role, sites, field, area):
    sites = [
        {"box": [0, 0, 100, 100]} | {k: v for k, v in s.items() if v is not None} for s in sites
    ]
    layers = {role: make_layer(role, sites)}
    if area:
        layers["key_areas"] = make_layer("key_areas", AREAS[area])
    full = matched(make_scene(layers), role)
    less = [{k: v for k, v in site.items() if k != field} for site in sites]
    poorer = [matched(make_scene(layers | {role: make_layer(role, less)}), role)]
    if area:
        rest = {k: v for k, v in layers.items() if k != "key_areas"}
        poorer.append(matched(make_scene(rest), role))
    for found in poorer:
        for (yes, open_), (yes_before, open_before) in zip(found, full, strict=True):
            assert yes <= yes_before
            assert open_before <= open_  # what was open stays so; what is decided was so before


# --- faults of a file ------------------------------------------------------------------------------

OWN = """
[measure]
id = "X02"
document = "toolbox-1.0"
number = "0"
heading = "试行"
title_zh = "试行"
title_en = "Trial"
checked_on = 2026-11-24

[[rules]]
id = "X02"
assess = "procedural"
title_zh = "试行"
title_en = "Trial"
explanation_zh = "试行。"
explanation_en = "A trial."
concerns = { fact = "major", is = true }
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('fact = "major"', 'fact = "mayor"', r"mayor.*major"),
        ('fact = "major"', 'fact = "land_revenue_yuan"', r"\(parcels\).*land_revenue_yuan"),
        ('fact = "major", is = true', 'fact = "owner_type", one_of = "owners"', "owners"),
        ("is = true }", 'is = true }\nconcerns_subjects = ["districts"]', "districts"),
        ("is = true }", 'is = true }\nconcerns_subjects = ["parcel"]', "parcels"),
        ("is = true }", "is = true }\nconcerns_subjects = []", "concerns_subjects"),
        ("is = true }", 'is = true }\naddressee = "authority"', "authorities"),
        ("is = true }", 'is = true }\naddressee = "bank"', "addressee"),
        ("is = true }", 'is = true }\nsubject = "projects"', "subject"),
        ('fact = "major", is = true', 'each = "projects", through = "held"', "each"),
    ],
)
def test_faults_name_the_place(tmp_path, old, new, said):
    path = tmp_path / "x02.toml"
    path.write_text(OWN.replace(old, new), "utf-8")
    with pytest.raises(RulebookError) as caught:
        load_rulebook([path])
    assert re.search(said, caught.value.to("en"), re.DOTALL)
    assert "x02.toml" in caught.value.to("zh")


def test_one_subject_may_be_named(tmp_path):
    path = tmp_path / "x02.toml"
    named = OWN + 'concerns_subjects = ["courtyards"]\n'
    path.write_text(named.replace('"major"', '"public_housing"'), "utf-8")
    book = load_rulebook([path])
    assert [r.id for r in book.concerning("courtyards")] == ["X02"]
    assert "X02" not in {r.id for r in book.concerning("parcels")}
