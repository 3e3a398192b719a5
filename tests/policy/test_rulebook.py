"""The rulebook: complete, cited, and every fault of a wrong file told at once with its place."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import tomllib
from pathlib import Path

import jsonschema
import pytest

from geo_urc.errors import RulebookError
from geo_urc.policy import load_rulebook
from geo_urc.policy.model import MeasureFile, OverlayFile
from geo_urc.policy.rulebook import FOLDER
from geo_urc.roles import roles

FILES = sorted(FOLDER.glob("*.toml"))


@pytest.fixture
def broken(tmp_path):
    """Return a function that loads a copy of the rulebook with one file changed."""

    def load(name: str, old: str, new: str):
        shutil.copy(FOLDER.parent / "documents.toml", tmp_path)
        for part in ("facts", "rulebook"):
            shutil.copytree(FOLDER.parent / part, tmp_path / part, dirs_exist_ok=True)
        path = tmp_path / ("facts" if name[0].islower() else "rulebook") / name
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), "utf-8")
        with pytest.raises(RulebookError) as caught:
            load_rulebook(folder=tmp_path / "rulebook")
        return [p.to("en") for p in caught.value.problems]

    return load


# --- what is in it ------------------------------------------------------------------------------


def test_all_75_measures_and_the_price_clauses(book):
    ids = list(book.measures)
    assert ids == [f"T{n:02}" for n in range(1, 76)] + [f"P{n}" for n in range(8)]
    for measure in book.measures.values():
        assert any(book.measure_of(r) is measure for r in book.rules.values()), measure.id


def test_every_measure_cites_its_place(book):
    for measure in book.measures.values():
        assert measure.document in book.documents
        assert measure.heading
        assert measure.title_zh
        assert measure.title_en
        if measure.id.startswith("T"):
            assert measure.number == str(int(measure.id[1:]))
            assert measure.policy_class
            assert measure.department
        else:  # the price measures name neither
            assert measure.policy_class is None
            assert measure.department is None


def test_every_parameter_says_where_it_comes_from(book):
    for name in book.parameter_names:
        parameter = book.parameter(name)
        assert parameter.source_zh, name
        assert parameter.source_en, name
        if isinstance(parameter.value, float):
            assert parameter.unit, name


def test_figures_of_the_official_text(book):
    """Read out of source/toolbox-1.0.txt and source/land-price-measures-2024.txt by a person."""
    values = book.values
    assert values["T08a.radius_m"] == 800
    assert values["T08b.quota_share"] == 0.15
    assert values["T20.cap_share"] == 0.3
    assert values["T20.min_soil_cover_m"] == 2
    assert values["T24a.cap_share"] == 0.08
    assert (values["T24b.max_storeys"], values["T24b.max_gfa_m2"], values["T24b.max_height_m"]) == (
        1,
        300,
        4,
    )
    assert (values["T07b.max_storeys"], values["T07b.max_gfa_m2"], values["T07b.max_height_m"]) == (
        1,
        300,
        4,
    )
    assert (values["T07b.least_radius_m"], values["T07b.safe_radius_m"]) == (800, 1000)
    assert (values["T04.ratio"], values["T04.cap_share"]) == (1, 0.2)
    assert values["T16.cap_share"] == values["T17.cap_share"] == 0.1
    assert values["T69.core_districts"] == ["东城区", "西城区"]
    assert values["T01.quota_share"] == 0.5
    assert values["T06.max_storey_height_m"] == 2.4
    assert (values["T33.first_share"], values["T33.max_years"]) == (0.5, 1)
    assert values["T35.max_years"] == 10
    tiers = values["P5a.tiers"]
    assert {k for k, v in tiers.items() if v == 70} == {"东城区", "西城区"}
    assert {k for k, v in tiers.items() if v == 80} == {
        "朝阳区", "海淀区", "丰台区", "石景山区", "北京城市副中心",
    }  # fmt: skip
    assert values["P5a.tier_elsewhere"] == 90
    assert (values["P2b.factor"], values["P4a.factor"], values["P4b.most_far"]) == (0.8, 0.9, 1.5)
    assert [(s.up_to, s.value) for s in values["P5b.steps"]] == [
        (0.2, 0.9),
        (0.4, 0.8),
        (None, 0.7),
    ]


def test_what_the_text_does_not_give_is_not_invented(book):
    assert book.values["T20.tree_protection_m"] is None
    assert book.values["T11.caps"] is None
    assert book.values["T15.negative"] is None
    assert book.values["T15.positive"] is None


def test_statutory_terms_are_those_of_decree_55(book):
    """State Council decree 55 of 1990, article 12; the toolbox gives none."""
    years = book.values["T29.max_years"]
    assert (years["residential"], years["industrial"], years["commercial"]) == (70, 50, 40)
    assert {v for k, v in years.items() if k not in ("residential", "commercial")} == {50}
    assert book.parameter("T29.max_years").basis == "reading"


def test_subjects_are_roles_and_have_verdicts(book):
    for rule in book.rules.values():
        if rule.computed:
            assert roles()[rule.subject].subject, rule.id


def test_the_version_follows_what_can_change_a_verdict(book):
    assert book.version == load_rulebook().version
    changed = book.with_parameters({"T08a.radius_m": 801}, "test")
    assert changed.version != book.version
    assert changed.with_parameters({"T08a.radius_m": 800}, "test").version == book.version


def test_only_some(book):
    kept = book.only(["T08", "T20"])
    assert {r.id for r in kept.rules.values()} == {"T08a", "T08b", "T20", "T20b"}
    assert {r.subject for r in kept.rules.values()} == {
        "parcels",
        "green_spaces",
        "underground_projects",
    }
    with pytest.raises(RulebookError) as caught:
        book.only(["T80a", "T08a", "Z1"])
    assert len(caught.value.problems) == 2
    assert "T08a" in caught.value.problems[0].to("zh")  # suggested


def test_as_of(book):
    """The price measures were issued on 2024-11-20; the toolbox bears no date."""
    day = dt.date(2024, 11, 20)
    before = {r.id for r in book.as_of(day - dt.timedelta(days=1)).rules.values()}
    on_it = {r.id for r in book.as_of(day).rules.values()}
    assert not any(i.startswith("P") for i in before)
    assert on_it - before == {r.id for r in book.rules.values() if r.id.startswith("P")}
    assert set(book.as_of(dt.date(2026, 11, 23)).rules) == set(book.rules)


# --- the schema -----------------------------------------------------------------------------------


def test_the_json_schema_accepts_every_built_in_file():
    schema = MeasureFile.model_json_schema(by_alias=True)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for path in FILES:
        content = json.loads(json.dumps(tomllib.loads(path.read_text("utf-8")), default=str))
        faults = [
            f"{path.name}: {e.json_path}: {e.message}" for e in validator.iter_errors(content)
        ]
        assert not faults


def test_the_json_schema_refuses_what_the_model_refuses():
    schema = MeasureFile.model_json_schema(by_alias=True)
    content = json.loads(
        json.dumps(tomllib.loads((FOLDER / "T23.toml").read_text("utf-8")), default=str)
    )
    content["rules"][0]["testt"] = {}
    assert not jsonschema.Draft202012Validator(schema).is_valid(content)
    jsonschema.Draft202012Validator.check_schema(OverlayFile.model_json_schema(by_alias=True))


# --- faults -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("T23.toml", "inside =", "insides =", ["T23.toml: rules[0].test"]),
        (
            "T23.toml",
            '"blue_depth_m"',
            '"blue_deep_m"',
            ["T23.toml: T23.blue_line", "blue_depth_m"],
        ),
        (
            "T23.toml",
            'headline = "blue_line"',
            'headline = "blue"',
            ["T23.toml: T23.headline", "blue_line"],
        ),
        (
            "T23.toml",
            'subject = "parcels"',
            'subject = "parcel"',
            ["T23.toml: T23.subject", "parcels"],
        ),
        ("T23.toml", 'id = "T23"\nassess', 'id = "T24"\nassess', ["T23.toml: rules[0].id"]),
        ("T23.toml", 'assess = "spatial"', 'assess = "spacial"', ["T23.toml: rules[0].assess"]),
        ("T23.toml", "toolbox-1.0", "toolbox-2.0", ["T23.toml: measure.document", "toolbox-1.0"]),
        (
            "T08.toml",
            'at_most = "radius_m"',
            'at_most = "radius"',
            ["T08.toml: T08a.near_station", "radius_m"],
        ),
        (
            "T08.toml",
            "value = 800",
            'value = 800\nunits = "m"',
            ["T08.toml: rules[0].parameters.radius_m.units"],
        ),
        (
            "T08.toml",
            'results = ["rail_distance_m"',
            'results = ["rail_distance"',
            ["T08.toml: T08a.results"],
        ),
        ("T08.toml", '"T08"', "T08", ["T08.toml", "line 3"]),
        ("T45.toml", "is = true", "is = true\nat_most = 3", ["T45.toml: rules[0].applies"]),
        ("subject.toml", 'question = "area"', 'questions = "area"', ["subject.toml: area_m2"]),
        ("P4.toml", 'rule = "P0"', 'rule = "P9"', ["P4.toml: P4a.P9"]),
        ("P4.toml", 'rule = "P0"', 'rule = "T08a"', ["P4.toml: P4a.T08a"]),  # not of projects
        (
            "P4.toml",
            'base = "market_price_yuan"',
            'base = "market_prize_yuan"',
            ["P4.toml: P4a.price.base", "market_price_yuan"],
        ),
        (
            "P4.toml",
            'base = "market_price_yuan"',
            'base = "approved_gfa_m2"',
            ["P4.toml: P4a.price.base"],
        ),
        ("P4.toml", "P4a.factor", "P4a.share", ["P4.toml: P4a.price.factor"]),
        ("P4.toml", 'upon = "P7"', 'upon = "P0"', ["P4.toml: P4a.price.upon"]),
        ("P6.toml", "nothing = true", 'nothing = true\nbase = "x"', ["P6.toml: rules[0].price"]),
        ("P5.toml", 'base = "land_revenue_yuan"', 'upon = "P5b"', ["P5.toml: P5a.price", "circle"]),
        (
            "price.toml",
            'no = "remaining_value_old_yuan"',
            'no = "remaining_value_yuan"',
            ["price.toml: p7_deduction_yuan", "remaining_value_old_yuan"],
        ),
    ],
)
def test_a_fault_is_told_with_its_place_and_a_way_on(broken, name, old, new, said):
    problems = broken(name, old, new)
    for text in said:
        assert any(text in p for p in problems), (text, problems)


def test_a_fact_may_not_ask_what_cannot_be_asked(broken):
    """A question, layer or part that does not exist is a fault of the file, not of a run."""
    problems = broken("subject.toml", 'question = "area"', 'question = "arena"')
    assert any("subject.toml" in p and "area" in p for p in problems)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('same_as = "use"', 'same_as = "uses"', "did you mean: use"),
        ('"T15.negative"', '"T15.negativ"', "T15.negative"),
        ('fact = "legacy_class", one_of', 'fact = "legacy_clas", one_of', "legacy_class"),
        ('is = true, answer = "reserve_library"', 'answer = "reserve_library"', "same_as"),
        ('same_as = "use", answer', 'same_as = "use", is = true, answer', "give one of"),
    ],
)
def test_a_case_must_hold_one_condition_on_what_there_is(broken, old, new, said):
    problems = broken("buildings.toml", old, new)
    assert any("buildings.toml" in p and said.casefold() in p.casefold() for p in problems), (
        problems
    )


def test_by_case_needs_cases(broken):
    case = '{ fact = "planned_use", same_as = "use", answer = false }'
    problems = broken("buildings.toml", case, "")
    assert any("use_changes" in p for p in problems)


def test_only_a_field_has_a_vocabulary(broken):
    problems = broken(
        "T08.toml",
        'fact = "rail_integration"\nis = true',
        'fact = "hub"\none_of = "cover"\nstrange = "unknown"',
    )
    assert any("T08b.hub.strange" in p for p in problems)


def test_a_layer_of_a_fact_must_be_a_role(broken):
    problems = broken("rail.toml", 'layer = "rail_stations"', 'layer = "rail_station"')
    assert any("rail.toml" in p and "rail_stations" in p for p in problems)


def test_statistics_are_of_rasters_and_sources_are_facts(broken):
    asked = 'layer = "dem", stat = "min"'
    first, second, *_ = broken("terrain.toml", asked, 'layer = "hubs", stat = "median"')
    assert "no raster named hubs" in first
    assert "no statistic named median" in second
    problems = broken("terrain.toml", 'dem = "ground_over_roof_m"', 'dem = "ground_over_rof_m"')
    assert any("planting_soil_m" in p and "ground_over_roof_m" in p for p in problems)


def test_a_choice_must_name_a_parameter_and_have_a_case_for_each_word(broken):
    problems = broken("T08.toml", 'choose = "cover"', 'choose = "cove"')
    assert any("T08.toml" in p for p in problems)


def test_all_faults_of_all_files_at_once(tmp_path):
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text(
        '[parameters]\n"T08a.radius" = 3\n[facts.X]\nquestion = 1\n[measure]\nid = "Q1"\n', "utf-8"
    )
    second.write_text("this is no toml", "utf-8")
    with pytest.raises(RulebookError) as caught:
        load_rulebook([first, second, tmp_path / "absent.toml"])
    said = [p.to("en") for p in caught.value.problems]
    assert sum(p.startswith("a.toml") for p in said) >= 4  # title, document … of the measure; fact
    assert any("b.toml" in p for p in said)
    assert any("absent.toml" in p for p in said)
    zh = caught.value.to("zh")
    assert "无法读取" in zh
    assert len(zh.splitlines()) >= len(said)


# --- parameters -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("T08a.radius_m", "1000", 1000.0),
        ("T08a.radius_m", "1e3", 1000.0),
        ("T08a.radius_m", 650, 650.0),
        ("T08a.cover", "centroid", "centroid"),
        ("T20.tree_protection_m", "5", 5.0),
        ("T20.uses", '["commerce"]', ["commerce"]),
        ("T69.core_districts", ["东城区"], ["东城区"]),
        ("P5a.tiers", '{ "东城区" = 75 }', {"东城区": 75.0}),
    ],
)
def test_a_parameter_is_read_in_its_own_type(book, name, value, expected):
    changed = book.with_parameters({name: value}, "--set")
    assert changed.values[name] == expected
    assert changed.changed == (name,)
    assert book.changed == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("T08a.radius_m", "far"),
        ("T08a.radius_m", "true"),
        ("T08a.radius_m", "[800]"),
        ("T08a.radius_m", ""),
        ("T08a.cover", "centre"),
        ("T08a.cover", "3"),
        ("T69.core_districts", "东城区"),
        ("T69.core_districts", "3"),
        ("P5b.steps", "0.9"),
        ("T20.tree_protection_m", "five"),
    ],
)
def test_a_wrong_value_stops_the_run(book, name, value):
    with pytest.raises(RulebookError) as caught:
        book.with_parameters({name: value}, "--set")
    assert caught.value.problems[0].where == f"--set: {name}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("T08a.radius_m", "nan"),
        ("T08a.radius_m", "inf"),
        ("T08a.radius_m", "-5"),
        ("T20.cap_share", "30"),
    ],
)
def test_a_figure_that_makes_no_sense_stops_the_run(book, name, value):
    """Not a number, below nothing, a share over 1: a slip of the pen, not a policy."""
    with pytest.raises(RulebookError):
        book.with_parameters({name: value}, "--set")


def test_unknown_parameters_are_all_told_with_suggestions(book):
    with pytest.raises(RulebookError) as caught:
        book.with_parameters({"T08a.radius": 1, "T8a.radius_m": 1, "Z.z": 1}, "--set")
    said = [p.to("en") for p in caught.value.problems]
    assert len(said) == 3
    assert "T08a.radius_m" in said[0]
    assert "T08a.radius_m" in said[1]


def test_setting_the_built_in_value_is_no_change(book):
    changed = book.with_parameters({"T08a.radius_m": 1000}, "a").with_parameters(
        {"T08a.radius_m": 800}, "b"
    )
    assert changed.changed == ()


def test_every_file_is_found(book):
    assert {Path(p).stem for p in FILES} == set(book.measures)


def test_a_fact_may_not_stand_before_a_field(broken):
    problems = broken("rail.toml", "[rail_nearest]", "[market_price_yuan]")
    assert any("rail.toml" in p and "projects" in p for p in problems)
