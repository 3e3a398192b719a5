"""Taking data away never decides, for rules on what subjects share: caps, blocks, neighbours.

Small random cities as in ``test_properties.py``. What names and places say never contradicts
itself: floor area is tied by id or by place.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import sampled_from

from geo_urc import verdicts

DECIDED = ("eligible", "ineligible", "not_applicable")
OPTIONAL = {("parcels", "extension_years", "T29")}
"""Role, field and rule of an amount that may be left unasked."""
PARAMETERS = {"T11.caps": {"居住用地": {"商业": 0.1, "办公": 0.05}, "工业用地": {"商业": 0.3}}}


def figures(*values):
    """Return one of the values, or that nothing is stated."""
    return sampled_from([*values * 6, None])


YES_NO = sampled_from([True] * 9 + [False, None])
STATUS = figures("existing", "approved", "proposed", "proposed")
QUEUE = figures(1, 2, 3)


def boxes(smallest, largest, low=0, high=200):
    def box(x, y, w, h):
        return {"box": [x, y, x + w, y + h]}

    spans = [st.integers(low, high)] * 2 + [st.integers(smallest, largest)] * 2
    return st.builds(box, *spans)


def spots(low=0, high=250):
    return st.builds(lambda x, y: {"point": [x, y]}, *[st.integers(low, high)] * 2)


def some(place, most, least=0, **fields):
    feature = st.builds(
        lambda p, values: p | {k: v for k, v in values.items() if v is not None},
        place,
        st.fixed_dictionaries(fields),
    )
    return st.lists(feature, min_size=least, max_size=most)


def tied(key, role):
    return st.builds(lambda k: {key: f"{role}-{k}"}, st.integers(1, 2))


FIGURES = {
    f"{name}_{when}{unit}": figures(1, 2, 3)
    for name, unit in [
        ("shelter", "_m2"), ("setback", "_m"), ("spacing", "_m"), ("daylight", "_hours"),
        ("parking", "_spaces"), ("fire", "_count"),
    ]
    for when in ("before", "after", "standard")
}  # fmt: skip
LAYERS = {
    "parcels": some(
        boxes(40, 150), 3, 1,
        land_use=figures("residential", "residential", "industrial", "commercial"),
        planned_gfa_m2=figures(1000, 2000),
        remaining_years=figures(10, 30, 45), extension_years=figures(0, 10, 30),
        urban_village=YES_NO, ownership=figures("state", "collective"),
        swap_parcel_id=figures("parcels-1", "parcels-2"), inefficient=YES_NO,
    ),
    "venues": some(
        boxes(60, 150), 2, 1,
        kind=figures("library", "sports"), above_gfa_m2=figures(1000, 2000),
        in_project_library=YES_NO,
    ),
    "floor_uses": some(
        spots() | boxes(3, 20) | tied("parcel_id", "parcels") | tied("venue_id", "venues"), 5,
        use=figures("commercial", "commercial", "office", "residential", "culture", "staff_flats"),
        gfa_m2=figures(50, 100, 150), level=figures("above", "above", "above", "below"),
        status=STATUS, queue_no=QUEUE,
    ),
    "green_spaces": some(boxes(80, 150), 2, 1, high_demand=YES_NO),
    "key_areas": st.just([{"kind": "functional", "box": [-50, -50, 220, 400]}]),
    "underground_projects": some(
        boxes(20, 90), 4, status=STATUS, queue_no=QUEUE,
        use=figures("public_parking", "public_parking", "commerce"),
    ),
    "green_amenities": some(boxes(10, 40) | spots(), 4, status=STATUS, queue_no=QUEUE),
    "schools": some(
        boxes(80, 150), 2, 1,
        new_or_rebuilt=YES_NO, standards_met=YES_NO, opened_by_time=YES_NO, safety_proven=YES_NO,
    ),
    "playgrounds": some(boxes(40, 120), 2),
    "blocks": st.just([{"box": [-50, -50, 120, 400]}, {"box": [120, -50, 300, 400]}]),
    "projects": some(
        boxes(20, 60), 3, 1,
        civil_defence_required_m2=figures(0, 100), civil_defence_provided_m2=figures(0, 100, 200),
        civil_defence_exemption=figures("none", "none", "use_only"), in_project_library=YES_NO,
        renovates_existing=YES_NO,
        greening_m2=figures(0, 500, 2000), greening_standard_share=figures(0.3), **FIGURES,
    ),
    "facilities": some(
        boxes(5, 30) | spots(), 2, 1,
        exemption_item=figures(
            "lift_stairs_access", "cycle_parking", "micro_fire_station", "school_corridor",
            "gatehouse", "other_station",
        ),
        parcel_id=figures("parcels-1"), service_radius_m=figures(500),
        storeys=figures(1, 2), structure_kept=YES_NO,
    ),
    "bridge_spaces": some(boxes(80, 200), 1),
    "municipal_sites": some(boxes(80, 200), 1),
    "districts": st.just(
        [{"name": "东城区", "box": [-500, -500, 110, 900]}, {"name": "西城区", "box": [110, -500, 900, 900]}]
    ),
}  # fmt: skip
SUBJECTS = (
    "parcels", "venues", "floor_uses", "underground_projects", "green_amenities", "schools",
    "projects", "facilities",
)  # fmt: skip
RULES = {
    "T09", "T11", "T11b", "T16", "T16b", "T17", "T17b", "T18", "T19", "T20b", "T21", "T24c",
    "T29", "T31", "T56", "T58",
}  # fmt: skip
CITIES = st.fixed_dictionaries(LAYERS)


@pytest.fixture(scope="session")
def build(make_layer):
    return lambda city: {role: make_layer(role, given_) for role, given_ in city.items()}


@pytest.fixture(scope="session")
def verdict_table(make_scene):
    """Return a function from layers to (role, rule, id) → verdict."""

    def table(layers, **more):
        scene, said = make_scene(layers, PARAMETERS, **more), {}
        for role in SUBJECTS:
            if role not in layers:
                continue
            evaluation = scene.evaluation_of(role)
            for rule in scene.book.of_subject(role):
                if rule.id in RULES:
                    words = verdicts.words(evaluation.outcome(rule.id))
                    ids = evaluation.features.ids
                    said |= {(role, rule.id, i): w for i, w in zip(ids, words, strict=True)}
        return said

    return table


def poorer_never_decides(full, poorer, what, field=None):
    for key, word in poorer.items():
        if word in DECIDED and (key[0], field, key[1]) not in OPTIONAL:
            assert full[key] == word, f"{what}: {key} {full[key]} became {word}"


@given(CITIES, st.data())
def test_taking_data_away_never_decides(build, verdict_table, city, data):
    layers = build(city)
    full = verdict_table(layers)
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
    poorer_never_decides(full, verdict_table(less), f"without {role}.{field}", field)


@given(CITIES, st.data())
def test_emptying_one_cell_never_decides(build, verdict_table, city, data):
    layers = build(city)
    cells = [
        (role, field, i)
        for role, layer in layers.items()
        for field in layer.features.fields
        for i in range(len(layer.features))
    ]
    role, field, i = data.draw(sampled_from(cells))
    features = layers[role].features
    values = features.fields[field].copy()
    values[i] = None if values.dtype == object else np.nan
    emptied = replace(features, fields={**features.fields, field: values})
    poorer = verdict_table(layers | {role: replace(layers[role], features=emptied)})
    poorer_never_decides(verdict_table(layers), poorer, f"{role}.{field}[{i}] emptied", field)


@given(CITIES, st.data())
def test_what_is_only_partly_mapped_never_decides_otherwise(
    build, verdict_table, make_shape, city, data
):
    layers = build(city)
    role = data.draw(sampled_from(sorted(layers)))
    if data.draw(st.booleans()):
        changed = replace(layers[role], datum_known=False)
    else:
        smaller = make_shape({"box": [50, 50, 150, 150]})
        changed = replace(layers[role], coverage=smaller, coverage_assumed=False)
    poorer = verdict_table(layers | {role: changed})
    poorer_never_decides(verdict_table(layers), poorer, f"{role} poorer")


@given(CITIES)
def test_strict_only_takes_decisions_back(build, verdict_table, city):
    layers = build(city)
    poorer_never_decides(verdict_table(layers), verdict_table(layers, strict=True), "strict")


@given(CITIES, st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(build, verdict_table, city, random):
    layers, turned = build(city), {}
    for role, layer in layers.items():
        order = list(range(len(layer.features)))
        random.shuffle(order)
        f, order = layer.features, np.array(order, dtype=int)
        turned[role] = replace(
            layer,
            features=replace(
                f,
                ids=f.ids[order],
                names=f.names[order],
                geometry=f.geometry[order],
                fields={name: values[order] for name, values in f.fields.items()},
            ),
        )
    assert verdict_table(turned) == verdict_table(layers)
