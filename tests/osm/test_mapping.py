"""The tables that say what of OpenStreetMap makes which role."""

from __future__ import annotations

import re
import tomllib

import pytest

from geo_urc.errors import LayerError
from geo_urc.osm.mapping import check_mapping, mappings
from geo_urc.resources import layers_dir
from geo_urc.roles import roles

GOOD = """
coverage = "none"
accuracy_m = 5.0
[[take]]
tags = { amenity = ["school"] }
"""


@pytest.mark.parametrize("role", list(roles()))
def test_every_role_is_made_or_says_why_not(role):
    mapping = mappings()[role]
    told = [mapping.none] if mapping.none else [mapping.accuracy, mapping.lacks]
    for text in told:
        assert re.search(r"[\u4e00-\u9fff]", text.zh)
        assert text.en and not re.search(r"[\u4e00-\u9fff]", text.en)
    if mapping.where is not None:
        assert mapping.where_why.zh and mapping.where_why.en


def test_classes_of_shapefiles_are_of_known_layers():
    themes = {
        "geofabrik": {
            "transport",
            "landuse",
            "roads",
            "buildings",
            "pois",
            "traffic",
            "adminareas",
        },
        "bbbike": {"points", "landuse", "natural", "roads", "buildings"},
    }
    for mapping in mappings().values():
        for sort, known in themes.items():
            assert mapping.themes(sort) <= known


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[[take]]", "[[takes]]"), "takes"),
        (('amenity = ["school"]', 'amenity = "school"'), "take.0.tags.amenity"),
        (('coverage = "none"', 'coverage = "all"'), "coverage"),
        (('coverage = "none"', ""), "accuracy_m or coverage is missing"),
        (("accuracy_m = 5.0", "accuracy_m = -1"), "at least 0"),
        (("[[take]]", 'none_zh = "没有"\nnone_en = "none"\n[[take]]'), "either take or none_zh"),
        (("[[take]]", '[fields]\nsize = ["area"]\n[[take]]'), '"size" is not a field'),
        (("[[take]]", '[[take]]\ngives = { use = "garage" }'), '"use" is not a field'),
        (("[[take]]", '[[take]]\ngives = { opened_by_time = "si" }'), "must be yes or no"),
        (("[[take]]", '[[take]]\ngeometry = ["line"]'), 'no geometry "line"'),
        (
            ("[[take]]", '[fields]\nname = ["name"]\n[patterns]\nname = "(a)"\n[[take]]'),
            "group value",
        ),
        (("[[take]]", '[inside]\nrole = "towns"\nfield = "name"\n[[take]]'), 'no role "towns"'),
    ],
)
def test_faults_are_told(change, said):
    text = GOOD.replace(*change)
    assert text != GOOD
    with pytest.raises(LayerError) as told:
        check_mapping(tomllib.loads(text), roles()["schools"])
    shown = told.value.to("en")
    assert shown.startswith("layers/schools.toml: [osm]")
    assert said in shown


def test_what_is_good_passes():
    assert check_mapping(tomllib.loads(GOOD), roles()["schools"]).take[0].told == "amenity=school"


def test_the_catalogue_takes_no_notice(monkeypatch):
    """A role's own table is read as before: what OpenStreetMap has is no field of it."""
    for role in roles().values():
        raw = tomllib.loads((layers_dir() / f"{role.id}.toml").read_text("utf-8"))
        assert set(role.fields) == {"name", "kind", *raw.get("fields", {})}
