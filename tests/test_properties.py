"""What no example can cover, on small random cities.

A city is a set of layers as the inputs hand them on. "Decided" is eligible, ineligible and
not applicable; unknown and review are left to data or to a person.
"""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import sampled_from

from geo_urc import verdicts
from geo_urc.inputs import read_inputs
from geo_urc.inputs.datum import shift
from geo_urc.screening import Screening

SUBJECTS = (
    "parcels", "projects", "green_spaces", "underground_projects", "green_amenities",
    "facilities", "courtyards", "property_volumes",
)  # fmt: skip
DECIDED = ("eligible", "ineligible", "not_applicable")
OPTIONAL = {("T08b", "parcels", "special_quota_m2")} | {
    (rule, "projects", field)
    for rule in ("P5a", "P5b")
    for field in ("land_supply", "built_as_planned", "commodity_housing")
}
"""Fields whose absence may decide: an amount that is not asked for, and the scope that P5 presumes."""
ORIGIN = (448_000.0, 4_418_000.0)


def places(smallest, largest, low=0, high=300):
    """Return boxes somewhere in a city of 300 m, crowded enough for much to overlap."""
    return st.builds(
        lambda x, y, w, h: {"box": [x, y, x + w, y + h]},
        st.integers(low, high),
        st.integers(low, high),
        st.integers(smallest, largest),
        st.integers(smallest, largest),
    )


def spots(low, high):
    return st.builds(lambda x, y: {"point": [x, y]}, *[st.integers(low, high)] * 2)


AREAS = places(100, 500, -150, 150)
YES_NO = sampled_from([True, True, True, False, None])


def figures(*values):
    """Return one of the values, or that nothing is stated."""
    return sampled_from([*values, *values, None])


def some(place, most, least=0, **fields):
    """Return a list of features at such places with such fields."""
    feature = st.builds(
        lambda p, values: p | {k: v for k, v in values.items() if v is not None},
        place,
        st.fixed_dictionaries(fields),
    )
    return st.lists(feature, min_size=least, max_size=most)


DEMAND = st.shared(YES_NO, key="demand")
"""What greens and areas say of public demand never contradicts itself."""
LAYERS = {
    "parcels": some(
        places(5, 100), 4, 1,
        rail_integration=YES_NO,
        existing_above_gfa_m2=figures(1000, 2000),
        special_quota_m2=figures(0, 150, 300, 301),
    ),
    "projects": some(
        places(60, 250), 2, 1,
        approved_gfa_m2=figures(1000),
        agreement_signed=YES_NO,
        comprehensive=YES_NO,
        new_underground_commercial_m2=figures(0, 50, 60),
        former_total_gfa_m2=figures(100, 120, 0),
        former_above_gfa_m2=figures(80),
        planned_above_gfa_m2=figures(80, 60, 90),
        land_supply=figures("granted", "granted", "granted", "allocated"),
        built_as_planned=YES_NO,
        commodity_housing=sampled_from([False, False, False, True, None]),
        stock_type=figures("old_factory", "other"),
        changes_use=YES_NO,
        to_commodity_housing=sampled_from([False, False, True, None]),
        market_price_yuan=figures(1000),
        extension=YES_NO,
        term_expired=sampled_from([False, False, True, None]),
        conditions_changed=YES_NO,
        new_term_value_yuan=figures(500),
        remaining_value_old_yuan=figures(200, 600),
        remaining_value_new_yuan=figures(100),
        dilapidated_rebuild=YES_NO,
        added_inside_m2=figures(0, 10),
        managed_as_affordable=YES_NO,
        operated_services_m2=figures(0, 10),
        vacated_or_idle_space=YES_NO,
        auxiliary_m2=figures(0, 10),
        required_by_standards=YES_NO,
        outside_far=YES_NO,
        public_facilities_m2=figures(0, 10),
        turned_to_other_use=sampled_from([False, False, True, None]),
        land_use=figures("M1", "industrial", "commercial"),
        inefficient=YES_NO,
        plan_met=YES_NO,
        added_gfa_m2=figures(0, 10),
        planned_gfa_m2=figures(1000, 100000),
        affordable_rental=YES_NO,
        use_change_approved=YES_NO,
        former_use=figures("hotel", "housing"),
        mixed_use=YES_NO,
        on_positive_list=YES_NO,
        within_mix_caps=YES_NO,
    ),
    "green_spaces": some(places(80, 300), 2, 1, high_demand=DEMAND),
    "underground_projects": some(
        places(5, 60), 2, soil_cover_m=figures(2, 3, 1), use=figures("commerce", "storage")
    ),
    "green_amenities": some(
        places(5, 30) | spots(0, 300), 3,
        storeys=figures(1, 2), gfa_m2=figures(300, 301), height_m=figures(4),
    ),
    "facilities": some(
        places(5, 20) | spots(0, 300), 2, 1,
        storeys=figures(1), height_m=figures(4, 4, 5), gfa_m2=figures(300),
        service_radius_m=figures(1000, 900, 700),
    ),
    "courtyards": some(
        places(10, 40), 2, 1, public_housing=YES_NO, works=figures("restoration", "rebuilding")
    ),
    "property_volumes": some(
        places(10, 60), 3,
        bottom_m=figures(0, 0, -5), top_m=figures(5, 5, 0, -5),
        layer=figures("surface", "above", "below"), use=figures("shops"),
    ),
    "rail_stations": some(spots(-900, 1200), 3),
    "hubs": some(AREAS | spots(0, 300), 1),
    "integration_areas": some(AREAS, 1),
    "key_areas": some(
        AREAS, 4,
        kind=figures("key_area", "business", "functional", "functional", "renewal"),
        high_demand=DEMAND,
    ),
    "blue_lines": some(AREAS, 2),
    "street_corner_spaces": some(AREAS, 2),
    "ancient_trees": some(spots(0, 400), 2, protection_m=figures(5, 20)),
    "memorial_cores": some(places(5, 40), 1),
    "public_contributions": some(
        places(5, 60), 3, land_area_m2=figures(200), free=YES_NO, open_to_public=YES_NO
    ),
    "heritage": some(places(5, 50) | spots(0, 300), 2),
    "districts": st.just(
        [
            {"name": name, "box": [west, -500, east, 900]}
            for name, west, east in [
                ("东城区", -500, 80), ("西城区", 80, 150), ("朝阳区", 150, 200),
                ("通州区", 200, 300), ("大兴区", 300, 450),
            ]
        ]
    ),
    "subcentre": st.just([{"box": [200, -500, 250, 900]}]),
}  # fmt: skip


@st.composite
def cities(draw):
    """Return features by role, and options by role: every layer that a rule asks for."""
    features = draw(st.fixed_dictionaries(LAYERS))
    options = {}
    for role in draw(st.sets(sampled_from(sorted(LAYERS)), max_size=3)):
        options[role] = {"accuracy_m": draw(sampled_from([0.0, 5.0]))}
    coverable = ["rail_stations", "blue_lines", "green_spaces", "underground_projects"]
    for role in draw(st.sets(sampled_from(coverable), max_size=2)):
        options[role] = options.get(role, {}) | {"coverage": [-100, -100, 250, 1200]}
    return features, options


@pytest.fixture(scope="session")
def build(make_layer, make_shape):
    def layers(city):
        features, options = city
        made = {}
        for role, given_features in features.items():
            chosen = dict(options.get(role, {}))
            if "coverage" in chosen:
                chosen["coverage"] = make_shape({"box": chosen["coverage"]})
            made[role] = make_layer(role, given_features, **chosen)
        return made

    return layers


def verdict_table(scene):
    """Return (role, rule, id) → verdict of every subject."""
    table = {}
    for role in SUBJECTS:
        if role not in scene.layers:
            continue
        evaluation = scene.evaluation_of(role)
        for rule in scene.book.of_subject(role):
            said = verdicts.words(evaluation.outcome(rule.id))
            ids = evaluation.features.ids
            table |= {(role, rule.id, i): w for i, w in zip(ids, said, strict=True)}
    return table


# --- the one that matters most -----------------------------------------------------------------


@given(cities(), st.data())
def test_taking_data_away_never_decides(build, make_scene, city, data):
    layers = build(city)
    full = verdict_table(make_scene(layers))
    choices = [(role, None) for role in layers] + [
        (role, field) for role, layer in layers.items() for field in layer.features.fields
    ]
    role, field = data.draw(sampled_from(choices))
    if field is None:
        less = {r: layer for r, layer in layers.items() if r != role}
    else:
        features = layers[role].features
        kept = {f: v for f, v in features.fields.items() if f != field}
        less = layers | {role: replace(layers[role], features=replace(features, fields=kept))}
    poorer = verdict_table(make_scene(less))
    for key, word in poorer.items():
        if (key[1], key[0], field) in OPTIONAL:
            continue
        if word in DECIDED:
            assert full[key] == word, f"without {role}.{field}: {key} {full[key]} became {word}"


@given(cities(), st.data())
def test_emptying_one_cell_never_decides(build, make_scene, city, data):
    layers = build(city)
    cells = [
        (role, field, i)
        for role, layer in layers.items()
        for field in layer.features.fields
        for i in range(len(layer.features))
    ]
    role, field, i = data.draw(sampled_from(cells))
    features = layers[role].features
    column = features.fields[field].copy()
    column[i] = None if column.dtype == object else np.nan
    emptied = replace(features, fields={**features.fields, field: column})
    full = verdict_table(make_scene(layers))
    poorer = verdict_table(make_scene(layers | {role: replace(layers[role], features=emptied)}))
    for key, word in poorer.items():
        if (key[1], key[0], field) in OPTIONAL:
            continue
        if word in DECIDED:
            assert full[key] == word, (
                f"{role}.{field}[{i}] emptied: {key} {full[key]} became {word}"
            )


def test_an_amount_that_is_not_asked_for_is_optional(make_layer, make_scene):
    """The exception: without the amount nothing exceeds the limit."""
    parcel = {"box": [0, 0, 9, 9], "rail_integration": True, "existing_above_gfa_m2": 1000}
    asked = make_layer("parcels", [parcel | {"special_quota_m2": 999}])
    silent = make_layer("parcels", [parcel])
    said = [
        verdict_table(make_scene({"parcels": p, "hubs": make_layer("hubs", [])}))
        ["parcels", "T08b", "parcels-1"]
        for p in (asked, silent)
    ]  # fmt: skip
    assert said == ["review", "eligible"]


@given(cities(), st.data())
def test_what_is_only_partly_mapped_never_decides_otherwise(
    build, make_scene, make_shape, city, data
):
    """A smaller coverage, an unknown datum: decisions may be lost, never made or turned."""
    layers = build(city)
    full = verdict_table(make_scene(layers))
    role = data.draw(sampled_from(sorted(layers)))
    if data.draw(st.booleans()):
        changed = replace(layers[role], datum_known=False)
    else:
        smaller = make_shape({"box": [50, 50, 200, 200]})
        changed = replace(layers[role], coverage=smaller, coverage_assumed=False)
    poorer = verdict_table(make_scene(layers | {role: changed}))
    for key, word in poorer.items():
        if word in DECIDED:
            assert full[key] == word, f"{role} poorer: {key} {full[key]} became {word}"


@given(cities())
def test_strict_only_takes_decisions_back(build, make_scene, city):
    layers = build(city)
    loose, strict = (
        verdict_table(make_scene(layers)),
        verdict_table(make_scene(layers, strict=True)),
    )
    for key, word in strict.items():
        if word in DECIDED:
            assert loose[key] == word


@given(cities(), st.integers(1, 5))
def test_coarser_data_never_turn_a_decision(build, make_scene, city, worse):
    """Less accurate parcels: decided may become review, never the other decision."""
    layers = build(city)
    fine = verdict_table(make_scene(layers))
    features = layers["parcels"].features
    coarse = replace(features, accuracy_m=features.accuracy_m + worse)
    after = verdict_table(
        make_scene(layers | {"parcels": replace(layers["parcels"], features=coarse)})
    )
    for key, word in after.items():
        if word in ("eligible", "ineligible") and fine[key] in DECIDED:
            assert fine[key] == word, key


# --- the same city, put differently --------------------------------------------------------------


def _turned(layer, order):
    features = layer.features
    fields = {name: values[order] for name, values in features.fields.items()}
    turned = replace(
        features,
        ids=features.ids[order],
        names=features.names[order],
        geometry=features.geometry[order],
        fields=fields,
    )
    return replace(layer, features=turned)


@given(cities(), st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(build, make_scene, city, random):
    layers = build(city)
    turned = {}
    for role, layer in layers.items():
        order = list(range(len(layer.features)))
        random.shuffle(order)
        turned[role] = _turned(layer, np.array(order, dtype=int))
    assert verdict_table(make_scene(turned)) == verdict_table(make_scene(layers))


@given(cities(), st.integers(-40_000, 40_000), st.integers(-40_000, 40_000))
def test_the_whole_city_elsewhere(build, make_scene, city, east, north):
    layers = build(city)
    moved, step = {}, np.array([east, north])
    for role, layer in layers.items():
        geometry = shapely.transform(layer.features.geometry, lambda xy: xy + step)
        coverage = layer.coverage and shapely.transform(
            layer.coverage, lambda xy: np.add(xy, (east, north))
        )
        features = replace(layer.features, geometry=geometry)
        moved[role] = replace(layer, features=features, coverage=coverage)
    assert verdict_table(make_scene(moved)) == verdict_table(make_scene(layers))


@given(cities())
def test_parcels_alone_or_together(build, make_scene, city):
    """A parcel's verdicts do not depend on which other parcels are asked about."""
    layers = build(city)
    together = verdict_table(make_scene(layers))
    for i, key in enumerate(layers["parcels"].features.ids):
        only = layers | {"parcels": _turned(layers["parcels"], np.array([i]))}
        alone = verdict_table(make_scene(only))
        for rule in ("T08a", "T08b", "T12", "T23"):
            assert alone["parcels", rule, key] == together["parcels", rule, key]


# --- the same city in other systems ---------------------------------------------------------------

CITY_PARCELS = [
    [300 * i, 300 * j, 300 * i + 120, 300 * j + 120] for i in range(6) for j in range(4)
]
CITY = {
    "rail_stations": [shapely.Point(260, 260), shapely.Point(2000, 900)],
    "blue_lines": [shapely.box(-50, 550, 660, 1100)],
    "districts": [shapely.box(-900, -900, 700, 3000), shapely.box(700, -900, 4000, 3000)],
    "hubs": [shapely.box(850, -100, 1400, 500)],
}


@pytest.fixture(scope="module")
def city_verdicts(book):
    """Return a function from system and datum to the verdicts of one fixed city stored so."""

    def frame(shapes, stored, datum):
        placed = shapely.transform(np.array(shapes), lambda xy: xy + ORIGIN)
        if stored != "EPSG:4548":
            dense = gpd.GeoSeries(shapely.segmentize(placed, 50.0), crs=4548)
            placed = dense.to_crs(stored).values
        if datum == "gcj02":
            placed = shapely.transform(
                placed, lambda xy: np.column_stack(shift(*xy.T, "wgs84", "gcj02"))
            )
        names = [f"区{i}" for i in range(len(shapes))]
        return gpd.GeoDataFrame({"name": names}, geometry=placed, crs=stored)

    def verdict(stored, datum, folder):
        parcels = frame([shapely.box(*b) for b in CITY_PARCELS], stored, datum)
        parcels["rail_integration"] = [i % 2 == 0 for i in range(len(parcels))]
        parcels["existing_above_gfa_m2"] = 1000.0
        lines = ["[parcels]"] + ([f'datum = "{datum}"'] if datum else [])
        for role, shapes in CITY.items():
            path = folder / f"{role}.gpkg"
            data = frame(shapes, stored, datum)
            if role == "districts":
                data["name"] = ["东城区", "朝阳区"]
            data.to_file(path, driver="GPKG")
            lines += [f"[layers.{role}]", f'path = "{path.name}"']
            lines += [f'datum = "{datum}"'] if datum else []
        (folder / "layers.toml").write_text("\n".join(lines), "utf-8")
        inputs = read_inputs(parcels, layers=folder / "layers.toml")
        return Screening(inputs, book).results().tables["parcels"].to_pandas()

    return verdict


@pytest.mark.parametrize(
    ("stored", "datum"),
    [("EPSG:4326", "wgs84"), ("EPSG:4490", None), ("EPSG:4527", None), ("EPSG:4326", "gcj02")],
)
def test_the_same_city_in_other_systems(city_verdicts, tmp_path, stored, datum):
    plain, other = tmp_path / "plain", tmp_path / "other"
    plain.mkdir()
    other.mkdir()
    here = city_verdicts("EPSG:4548", None, plain)
    there = city_verdicts(stored, datum, other)
    for rule in ("t08a", "t08b", "t12", "t23"):
        assert here[f"{rule}_verdict"].tolist() == there[f"{rule}_verdict"].tolist(), rule
    words = set(here["t08a_verdict"]) | set(here["t23_verdict"])
    assert {"eligible", "ineligible", "review"} <= words
    np.testing.assert_allclose(here["rail_distance_m"], there["rail_distance_m"], atol=0.02)
    np.testing.assert_allclose(here["blue_share"], there["blue_share"], atol=1e-4)
    assert here["district"].tolist() == there["district"].tolist()
