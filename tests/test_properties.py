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
    "facilities", "courtyards",
)  # fmt: skip
DECIDED = ("eligible", "ineligible", "not_applicable")
OPTIONAL = {("parcels", "special_quota_m2")}
"""An amount that is not asked for is optional: the one field whose absence may decide."""
ORIGIN = (448_000.0, 4_418_000.0)
DISTRICTS = ["东城区", "西城区", "朝阳区", "通州区", "大兴区"]


def places(largest, smallest=5):
    """Return boxes somewhere in a city of 1000 m."""
    return st.builds(
        lambda x, y, w, h: {"box": [x, y, x + w, y + h]},
        st.integers(0, 900),
        st.integers(0, 900),
        st.integers(smallest, largest),
        st.integers(smallest, largest),
    )


spots = st.builds(lambda x, y: {"point": [x, y]}, st.integers(-300, 1300), st.integers(-300, 1300))
nothing = st.none()
yes_no = sampled_from([True, False, None])


def with_fields(place, **fields):
    return st.builds(
        lambda p, values: p | {k: v for k, v in values.items() if v is not None},
        place,
        st.fixed_dictionaries(fields),
    )


def figures(*values):
    return sampled_from([*values, None])


@st.composite
def cities(draw):
    """Return role → (features, options): every layer that a rule asks for."""
    strips = [0, 250, 450, 600, 850, 1100]
    districts = [
        {"name": name, "box": [a - 200 * (a == 0), -200, b, 1200]}
        for name, a, b in zip(DISTRICTS, strips, strips[1:], strict=False)
    ]
    demand = draw(yes_no)  # green and area never contradict each other
    features = {
        "parcels": draw(
            st.lists(
                with_fields(
                    places(200),
                    rail_integration=yes_no,
                    existing_above_gfa_m2=figures(1000, 2000),
                    special_quota_m2=figures(0, 150, 300, 301),
                ),
                min_size=1,
                max_size=4,
            )
        ),
        "projects": draw(
            st.lists(
                with_fields(
                    places(250),
                    approved_gfa_m2=figures(1000),
                    agreement_signed=yes_no,
                    comprehensive=yes_no,
                    new_underground_commercial_m2=figures(0, 50),
                    former_total_gfa_m2=figures(100, 0),
                    former_above_gfa_m2=figures(80),
                    planned_above_gfa_m2=figures(80, 60, 90),
                ),
                min_size=1,
                max_size=2,
            )
        ),
        "green_spaces": draw(
            st.lists(with_fields(places(200, 40), high_demand=sampled_from([demand, None])), min_size=1, max_size=2)
        ),
        "underground_projects": draw(
            st.lists(
                with_fields(
                    places(90),
                    soil_cover_m=figures(1, 2, 3),
                    use=figures("commerce", "storage"),
                ),
                max_size=3,
            )
        ),
        "green_amenities": draw(
            st.lists(
                with_fields(places(30) | spots, storeys=figures(1, 2), gfa_m2=figures(300, 301), height_m=figures(4)),
                max_size=3,
            )
        ),
        "facilities": draw(
            st.lists(
                with_fields(
                    places(20) | spots,
                    storeys=figures(1),
                    height_m=figures(4, 5),
                    gfa_m2=figures(300),
                    service_radius_m=figures(700, 900, 1000),
                ),
                min_size=1,
                max_size=2,
            )
        ),
        "courtyards": draw(
            st.lists(
                with_fields(places(40), public_housing=yes_no, works=figures("restoration", "rebuilding")),
                min_size=1,
                max_size=2,
            )
        ),
        "rail_stations": draw(st.lists(spots, max_size=3)),
        "hubs": draw(st.lists(places(300) | spots, max_size=1)),
        "integration_areas": draw(st.lists(places(400), max_size=1)),
        "key_areas": draw(
            st.lists(
                with_fields(
                    places(600, 100),
                    kind=figures("key_area", "business", "functional", "renewal"),
                    high_demand=sampled_from([demand, None]),
                ),
                max_size=4,
            )
        ),
        "blue_lines": draw(st.lists(places(400), max_size=2)),
        "street_corner_spaces": draw(st.lists(places(300), max_size=2)),
        "ancient_trees": draw(st.lists(with_fields(spots, protection_m=figures(5, 20)), max_size=3)),
        "memorial_cores": draw(st.lists(places(60), max_size=1)),
        "public_contributions": draw(
            st.lists(
                with_fields(places(60), land_area_m2=figures(200), free=yes_no, open_to_public=yes_no),
                max_size=3,
            )
        ),
        "heritage": draw(st.lists(places(50) | spots, max_size=2)),
        "districts": districts,
        "subcentre": [{"box": [600, -200, 700, 1200]}],
    }  # fmt: skip
    options = {}
    for role in draw(st.sets(sampled_from(sorted(set(features) - {"districts"})), max_size=3)):
        options[role] = {"accuracy_m": draw(sampled_from([0.0, 5.0]))}
    for role in draw(
        st.sets(sampled_from(["rail_stations", "blue_lines", "green_spaces"]), max_size=2)
    ):
        options[role] = options.get(role, {}) | {"coverage": [-100, -100, 700, 1200]}
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
        if (key[0], field) in OPTIONAL and key[1] == "T08b":
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
        if (key[0], field) in OPTIONAL and key[1] == "T08b":
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
        smaller = make_shape({"box": [200, 200, 500, 500]})
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
