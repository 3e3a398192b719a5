"""Demand served: when it is not known, and polygons against fine polygons of circles."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.facts.circles import share_of_circles
from geo_urc.facts.demand import Circles, in_circles, meeting

FACILITY = {"kind": "早餐", "point": [0, 0], "service_radius_m": 1000}
NEAR = {"point": [500, 0], "people": 100}
RIVAL = {"kind": "早餐", "point": [300, 0], "service_radius_m": 50}
ROAD = {"wkt": "LINESTRING(-2000 0,2000 0)"}


@pytest.fixture
def ask(make_layer, make_scene):
    """Return a function from a map to newly and already served people, and why not."""

    def answer(facility=None, *, demand=(NEAR,), rivals=(), roads=None, walking=False, **options):
        given = {
            "facilities": [FACILITY | (facility or {})],
            "demand": demand,
            "small_facilities": rivals,
            "roads": roads,
        }
        layers = {
            role: make_layer(role, features, **options.get(role, {}))
            for role, features in given.items()
            if features is not None
        }
        parameters = {"T07b.distance": "walking"} if walking or roads else {}
        scene = make_scene(layers, parameters)
        fact = scene.evaluation_of("facilities").fact("demand_newly_served_people")
        newly, already = fact.value[0], fact.parts["already"].value[0]
        why = {code for code, mask in fact.missing.items() if mask[0]}
        assert np.isnan(newly) == np.isnan(already) == bool(why)
        return why or (newly, already)

    return answer


def test_known(ask):
    assert ask() == (100, 0)
    assert ask(rivals=[RIVAL]) == (100, 0)
    assert ask(rivals=[RIVAL | {"service_radius_m": 200}]) == (0, 100)
    assert ask(demand=[]) == (0, 0)


def test_layers_missing(ask):
    assert ask(demand=None) == {"layer_missing"}
    assert ask(rivals=None) == {"layer_missing"}
    assert ask(demand=[NEAR], small_facilities={"datum_known": False}) == {"datum_unknown"}


def test_a_figure_missing_in_reach_and_out_of_it(ask):
    bare = {"point": [0, 600]}
    assert ask(demand=[NEAR, bare]) == {"attribute_missing:people"}
    assert ask(demand=[NEAR, {"point": [0, 6000]}]) == (100, 0)
    assert ask(demand=[bare]) == {"attribute_missing:people"}


def test_own_radius_and_kind_missing(ask):
    assert ask({"service_radius_m": None}) == {"attribute_missing:service_radius_m"}
    assert ask({"kind": None}) == (100, 0)  # there is none that it could be like
    assert ask({"kind": None}, rivals=[RIVAL]) == {"attribute_missing:kind"}


def test_others_radius_and_kind_missing(ask):
    bare = RIVAL | {"service_radius_m": None}
    assert ask(rivals=[bare]) == {"attribute_missing:service_radius_m"}
    assert ask(rivals=[bare | {"kind": "快递"}]) == (100, 0)
    assert ask(rivals=[bare | {"kind": None}]) == {"attribute_missing:service_radius_m"}
    assert ask(rivals=[RIVAL | {"kind": None}]) == {"attribute_missing:kind"}
    assert ask(rivals=[RIVAL | {"kind": None, "point": [9000, 0]}]) == (100, 0)


def test_no_geometry(ask):
    assert ask(demand=[NEAR, {"people": 5}]) == (100, 0)
    assert ask(rivals=[{"kind": "早餐", "service_radius_m": 900}]) == (100, 0)


def test_coverage_is_a_bound(make_layer, make_scene, make_shape):
    about = make_shape({"box": [-900, -900, 900, 900]})
    layers = {
        "facilities": make_layer("facilities", [FACILITY]),
        "demand": make_layer("demand", [NEAR], coverage=about),
        "small_facilities": make_layer("small_facilities", []),
    }
    fact = make_scene(layers).evaluation_of("facilities").fact("demand_newly_served_people")
    assert [(b.side, b.limit[0]) for b in fact.bounds] == [("low", 100), ("high", np.inf)]
    layers["demand"] = make_layer("demand", [NEAR])
    layers["small_facilities"] = make_layer("small_facilities", [], coverage=about)
    fact = make_scene(layers).evaluation_of("facilities").fact("demand_newly_served_people")
    assert [(b.side, b.limit[0]) for b in fact.bounds] == [("low", 0), ("high", 100)]


def test_on_foot(ask):
    assert ask(walking=True) == {"layer_missing"}
    assert ask(roads=[ROAD]) == (100, 0)
    assert ask(roads=[ROAD], demand=[{"point": [990, 10], "people": 1}]) == (1, 0)  # 990 + 10
    assert ask(roads=[ROAD], demand=[{"point": [991, 10], "people": 1}]) == (0, 0)
    # a polygon is where its centroid is: 950 m, though a third of it is farther than 1000 m
    assert ask(roads=[ROAD], demand=[{"box": [800, 0, 1100, 0.2], "people": 8}]) == (8, 0)
    assert ask(roads=[ROAD], rivals=[RIVAL | {"service_radius_m": 200}]) == (0, 100)


def test_on_foot_off_the_network(ask):
    assert ask({"point": [0, 101]}, roads=[ROAD]) == {"network_gap"}
    assert ask(roads=[ROAD], demand=[NEAR, {"point": [0, 101], "people": 5}]) == {"network_gap"}
    assert ask(roads=[ROAD], demand=[NEAR, {"point": [0, 1001], "people": 5}]) == (100, 0)
    assert ask(roads=[ROAD], rivals=[RIVAL | {"point": [300, 101]}]) == {"network_gap"}
    assert ask(roads=[ROAD], rivals=[RIVAL | {"point": [300, 101], "kind": "快递"}]) == (100, 0)


# --- circles of any radii --------------------------------------------------------------------------

number = st.integers(-60, 60)
circle = st.tuples(number, number, st.integers(1, 60))
box = st.builds(
    lambda x, y, w, h: shapely.box(x, y, x + w, y + h),
    number, number, st.integers(1, 90), st.integers(1, 90),
)  # fmt: skip


def column(items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def fine(circles):
    """Return the union of circles as a polygon short of them by a millionth."""
    discs = [shapely.Point(x, y).buffer(r, quad_segs=1000) for x, y, r in circles]
    return shapely.union_all(discs)


@given(st.lists(box, min_size=1, max_size=4), st.lists(circle, max_size=5))
def test_share_of_circles_of_any_radii(boxes, circles):
    shapes = column(boxes)
    flat = np.array(circles, dtype=float).reshape(-1, 3)
    got = share_of_circles(shapes, flat[:, :2], flat[:, 2])
    expected = shapely.area(shapely.intersection(shapes, fine(circles))) / shapely.area(shapes)
    np.testing.assert_allclose(got, expected, atol=1e-4)


@given(st.lists(box, min_size=1, max_size=4), circle, st.lists(circle, max_size=4))
def test_newly_and_already(boxes, own, others):
    shapes = column(boxes)
    a, b = (np.array(c, dtype=float).reshape(-1, 3) for c in ([own], others))
    mine, theirs = (Circles(c[:, :2], c[:, 2]) for c in (a, b))
    found = in_circles(shapes, mine, theirs, meeting(mine, theirs))
    newly, already = np.zeros(len(shapes)), np.zeros(len(shapes))
    newly[found.place], already[found.place] = found.newly, found.already
    reach, taken = fine([own]), fine(others)
    size = shapely.area(shapes)
    left = shapely.area(shapely.intersection(shapes, reach.difference(taken))) / size
    both = shapely.area(shapely.intersection(shapes, reach.intersection(taken))) / size
    np.testing.assert_allclose(newly, left, atol=1e-4)
    np.testing.assert_allclose(already, both, atol=1e-4)


# --- people in cells ------------------------------------------------------------------------------


@pytest.fixture
def people_of_cells(make_layer, make_raster, make_scene):
    """Return newly and already served people where 10 live in every 100 m cell of 4 × 4 km."""

    def answer(rivals=(), *, cells=None, parameters=None, **layers):
        grid = np.full((40, 40), 10.0) if cells is None else cells
        raster = make_raster("population", grid, origin=(-2000, -2000), cell_m=100, nodata=-1)
        given = {"facilities": [FACILITY], "small_facilities": rivals, **layers}
        scene = make_scene(
            {role: make_layer(role, features) for role, features in given.items()},
            parameters or {},
            rasters={"population": raster},
        )
        return scene.evaluation_of("facilities").fact("demand_newly_served_people")

    return answer


def test_people_of_a_raster(people_of_cells):
    """10 people a hectare: π km² hold 3141.6, of which a rival of 500 m about the same centre
    serves a quarter."""
    alone = people_of_cells()
    assert alone.value[0] == pytest.approx(1000 * np.pi, rel=1e-5)
    assert alone.parts["already"].value[0] == 0
    rival = {"kind": "早餐", "point": [0, 0], "service_radius_m": 500}
    shared = people_of_cells([rival])
    assert shared.value[0] == pytest.approx(750 * np.pi, rel=1e-5)
    assert shared.parts["already"].value[0] == pytest.approx(250 * np.pi, rel=1e-5)
    other = people_of_cells([rival | {"kind": "维修"}])
    assert other.value[0] == pytest.approx(1000 * np.pi, rel=1e-5)


def test_mapped_people_go_before_the_raster(people_of_cells):
    assert people_of_cells(demand=[NEAR]).value[0] == 100
    without_people = people_of_cells(demand=[{"point": [500, 0], "dwellings": 40}])
    assert without_people.value[0] == pytest.approx(1000 * np.pi, rel=1e-5)


def test_cells_without_a_value_leave_more_possible(people_of_cells):
    """The eastern half is not known: half the circle is a least, not the answer."""
    cells = np.full((40, 40), 10.0)
    cells[:, 20:] = -1
    found = people_of_cells(cells=cells)
    assert found.value[0] == pytest.approx(500 * np.pi, rel=1e-5)
    assert [b.limit[0] for b in found.bounds if b.side == "high"] == [np.inf]
    nothing = people_of_cells(cells=np.full((40, 40), -1.0))
    assert np.isnan(nothing.value[0])
    assert nothing.missing["outside_coverage"][0]


def test_on_foot_a_raster_does_not_count(people_of_cells):
    found = people_of_cells(parameters={"T07b.distance": "walking"})
    assert found.missing["layer_missing"][0]
