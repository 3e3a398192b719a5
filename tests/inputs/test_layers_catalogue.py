"""The catalogue holds every role and field of the contract, in a consistent form."""

from __future__ import annotations

import re

import pytest

from geo_urc.inputs.units import factor
from geo_urc.resources import layers_dir
from geo_urc.roles import roles

CONTRACT = {
    "parcels": "land_use existing_above_gfa_m2 planned_gfa_m2 special_quota_m2 rail_integration",
    "projects": "approved_gfa_m2 added_gfa_m2 city_quota_m2 major on_plan_list "
    "in_project_library agreement_signed comprehensive new_underground_commercial_m2 "
    "land_revenue_yuan market_price_yuan former_total_gfa_m2 former_above_gfa_m2 "
    "planned_above_gfa_m2",
    "public_contributions": "land_area_m2 free open_to_public",
    "facilities": "storeys height_m gfa_m2 service_radius_m status",
    "small_facilities": "storeys height_m gfa_m2 service_radius_m status",
    "green_amenities": "storeys height_m gfa_m2 service_radius_m status",
    "key_areas": "kind high_demand",
    "districts": "adcode",
    "green_spaces": "high_demand",
    "underground_projects": "use soil_cover_m roof_level_m status",
    "ancient_trees": "protection_m",
}
"""Role → fields the contract fixes."""

CONTRACT |= dict.fromkeys(
    (
        *("street_corner_spaces", "blue_lines", "bridge_spaces", "municipal_sites", "heritage"),
        *("integration_areas", "memorial_cores", "blocks", "subcentre", "rail_stations", "hubs"),
        *("schools", "playgrounds", "venues", "buildings", "courtyards", "property_volumes"),
        *("demand", "roads", "dem", "soil_depth", "population"),
    ),
    "",
)


ADDED = {
    "floor_uses": "use gfa_m2 level status queue_no parcel_id venue_id",
    "parking": "civil_defence residential_project",
}
"""Roles that the catalogue adds, with their fields: they stay as well."""


@pytest.mark.parametrize("role", ADDED)
def test_fields_of_added_roles(role):
    assert {"name", "kind", *ADDED[role].split()} == set(roles()[role].fields)


def test_roles_of_the_contract_and_no_others():
    assert set(roles()) == {*CONTRACT, *ADDED}
    assert next(iter(roles())) == "parcels"


@pytest.mark.parametrize("role", CONTRACT)
def test_fields_of_the_contract(role):
    assert {"name", "kind", *CONTRACT[role].split()} <= set(roles()[role].fields)


def test_key_area_words():
    assert set(roles()["key_areas"].fields["kind"].words) == {
        "key_area",
        "business",
        "functional",
        "renewal",
    }


@pytest.mark.parametrize("role", roles().values(), ids=lambda r: r.id)
def test_entry_is_complete(role):
    assert (layers_dir() / f"{role.id}.toml").exists()
    for text in (role.title, role.about):
        assert re.search(r"[\u4e00-\u9fff]", text.zh) and text.en.isprintable()
    assert bool(role.kinds) is not role.raster
    assert role.kinds <= {"point", "line", "polygon"}
    for field in role.fields.values():
        assert field.type in ("text", "number", "yes_no")
        assert field.title.zh and field.title.en
        assert field.type == "number" or (field.unit is None and field.minimum is None)
        assert field.type == "text" or not field.words
        if field.unit is not None:
            assert factor(field.unit, field.unit) == 1.0
            suffix = {"m2": "_m2", "m": "_m", "yuan": "_yuan"}.get(field.unit, "")
            assert field.name.endswith(suffix)
        assert len(set(field.words.values())) == len(field.words)
