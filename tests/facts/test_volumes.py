"""Volumes by hand, and against boxes, of which everything is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.facts.fact import Fact, absent
from geo_urc.facts.questions.volumes import levels, solid, volume
from geo_urc.facts.volumes import Level, above, keeping, neighbours, prism_m3, touches_itself


def column(*items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def stated(*metres):
    return Level(np.array(metres, float), np.zeros(len(metres)), np.full(len(metres), np.nan))


def over(ground, accuracy, *metres):
    ground = np.broadcast_to(np.asarray(ground, float), len(metres))
    return Level(ground + np.array(metres, float), np.full(len(metres), accuracy), ground)


def pair(a, b, bottom, top, band_m=0.0):
    """Return what the first of two volumes says of the second."""
    found = neighbours(column(a, b), bottom, top, band_m, 50.0)
    if not len(found.row):
        return None
    return SimpleNamespace(**{name: values[0] for name, values in found._asdict().items()})


PLAN = shapely.box(0, 0, 10, 10)


# --- sizes -----------------------------------------------------------------------------------------


def test_size_and_its_accuracy():
    """10 x 10 x 4 m; walls 40 m long move by 0.5 m: 80 m3; the height by 0.3 m: 30 m3."""
    size, accuracy = prism_m3(column(PLAN), np.array([4.0]), np.array([0.3]), 0.5)
    assert size[0] == 400
    assert accuracy[0] == pytest.approx(np.hypot(80, 30))


@pytest.mark.parametrize(
    ("plan", "height"), [(None, 3.0), (PLAN, 0.0), (PLAN, -2.0), (PLAN, np.nan)]
)
def test_no_size_without_plan_or_height(plan, height):
    assert np.isnan(prism_m3(column(plan), np.array([height]), np.zeros(1), 1.0)[0][0])


def test_walls_that_meet():
    corner = "POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0), (0 0, 4 2, 2 4, 0 0))"
    edge = "POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0), (0 5, 3 3, 3 6, 0 5))"
    holes = (
        "POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0), (2 2, 4 2, 4 4, 2 4, 2 2), (4 4, 6 4, 6 6, 4 6, 4 4))"
    )
    parts = "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 1, 0 0)), ((1 1, 2 1, 2 2, 1 2, 1 1)))"
    clean = "POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0), (2 2, 4 2, 4 4, 2 4, 2 2))"
    plans = column(*shapely.from_wkt([corner, edge, holes, parts, clean]), None)
    # two parts are two solids, each of them clean
    assert touches_itself(plans).tolist() == [True, True, True, False, False, False]


# --- levels ----------------------------------------------------------------------------------------


def test_levels_from_one_ground_share_its_error():
    high, low = over(50.0, 0.5, 6.0), over(50.0, 0.5, 0.0)
    assert [x[0] for x in above(high, low)] == [6.0, 0.0]
    metres, band = above(high, over(51.0, 0.5, 0.0))
    assert (metres[0], band[0]) == (5.0, pytest.approx(np.hypot(0.5, 0.5)))
    assert above(high, stated(50.0))[1][0] == 0.5


def scene(fields, ground=None, n=1):
    names = ("bottom_m", "top_m", "bottom_above_ground_m", "top_above_ground_m")
    arrays = {k: np.array(v, float) for k, v in zip(names, fields, strict=True) if v is not None}
    features = SimpleNamespace(fields=arrays, geometry=column(*[PLAN] * n), accuracy_m=0.5)

    class Context(SimpleNamespace):
        def __len__(self):
            return n

    def fact(name):
        if name == "ground":
            return ground
        return levels(
            context, bottom=names[0], top=names[1], bottom_above_ground=names[2],
            top_above_ground=names[3], ground="ground",
        )  # fmt: skip

    context = Context(features=features, fact=fact, placed=np.ones(n, bool))
    return context


def test_stated_levels_need_no_ground():
    found = scene(([44.0], [50.0], None, None)).fact("height")
    assert (found.value[0], found.accuracy[0], found.unknown[0]) == (6.0, 0.0, False)
    assert found.parts["top"].value[0] == 50.0


def test_heights_over_the_ground():
    """Ground at 43.2 m, good to 0.4 m: the levels carry its error, the height does not."""
    ground = Fact(np.array([43.2]), 0.4)
    found = scene((None, None, [-5.0], [1.5]), ground).fact("height")
    assert found.value[0] == pytest.approx(6.5)
    assert found.accuracy[0] == 0
    bottom = found.parts["bottom"]
    assert (bottom.value[0], bottom.accuracy[0]) == (pytest.approx(38.2), 0.4)


def test_a_stated_level_goes_before_one_over_the_ground():
    ground = Fact(np.array([43.0]), 0.4)
    found = scene(([40.0], None, [-99.0], [2.0]), ground).fact("height")
    assert found.value[0] == 5.0
    assert found.accuracy[0] == 0.4
    assert found.parts["bottom"].accuracy == 0


def test_without_terrain_only_stated_levels_are_known():
    ground = absent(2, "layer_missing")
    found = scene(([40.0, np.nan], [44.0, 44.0], [np.nan, -2.0], None), ground, 2).fact("height")
    assert found.value[0] == 4.0
    assert np.isnan(found.value[1])
    assert {code: mask.tolist() for code, mask in found.missing.items() if mask.any()} == {
        "layer_missing": [False, True]
    }


def test_ground_without_a_value_is_outside_the_terrain():
    found = scene((None, None, [0.0], [6.0]), Fact(np.array([np.nan]), 0.4)).fact("height")
    assert found.missing["outside_coverage"].tolist() == [True]


def test_levels_that_nobody_gives():
    found = scene((None, [44.0], None, None)).fact("height")
    assert found.missing["attribute_missing:bottom_m"].tolist() == [True]
    assert solid(scene((None, [44.0], None, None)), of="height").unknown[0]
    assert np.isnan(volume(scene((None, [44.0], None, None)), of="height").value[0])


def test_a_height_within_the_error_of_the_ground_is_for_a_person():
    """Stated bottom 43.0 m, top 0.2 m over ground of 43.1 m, good to 0.4 m: 0.3 m, or none."""
    ground = Fact(np.array([43.1]), 0.4)
    context = scene(([43.0], None, None, [0.2]), ground)
    assert context.fact("height").value[0] == pytest.approx(0.3)
    assert solid(context, of="height").review["within_accuracy"].tolist() == [True]
    context = scene(([43.0], None, None, [-0.2]), ground)
    assert np.isclose(solid(context, of="height").value[0], 1.0)
    assert solid(context, of="height").review["within_accuracy"].tolist() == [True]


# --- clashes and clearances --------------------------------------------------------------------------


def test_relative_levels_that_touch_over_one_ground():
    """Both count from the same ground, so that the face between them is one face."""
    found = pair(PLAN, PLAN, over(50.0, 2.0, -5.0, 0.0), over(50.0, 2.0, 0.0, 6.0), 1.4)
    assert (found.apart_m, found.accuracy_m) == (0, 0)
    assert not found.clash
    assert not found.open


def test_relative_levels_over_different_ground():
    """Grounds of 50.0 and 50.1 m, each good to 0.5 m: 0.1 m of room, or none."""
    found = pair(PLAN, PLAN, over([50, 50.1], 0.5, -5.0, 0.0), over([50, 50.1], 0.5, 0.0, 6.0))
    assert found.apart_m == pytest.approx(0.1)
    assert found.accuracy_m == pytest.approx(np.hypot(0.5, 0.5))
    assert found.open
    found = pair(PLAN, PLAN, over([50, 49], 0.5, -5.0, 0.0), over([50, 49], 0.5, 0.0, 6.0))
    assert found.apart_m == pytest.approx(-1.0)
    assert found.clash


def test_the_worst_neighbour_comes_first():
    """Over one volume lie a clash of 1 m, one within accuracy in plan, and one 3 m up."""
    plans = column(PLAN, PLAN, shapely.box(9.5, 0, 20, 10), PLAN)
    found = neighbours(plans, stated(0, 5, 0, 9), stated(6, 8, 6, 12), 1.4, 50.0)
    mine = found.row == 0
    assert found.other[mine].tolist() == [1, 2, 3]
    assert found.apart_m[mine].tolist() == [-1.0, -0.5, 3.0]
    assert found.clash[mine].tolist() == [True, False, False]
    assert found.open[mine].tolist() == [False, True, False]


def test_a_thin_bow_along_a_curve_is_an_overlap():
    """2 cm of overlap along a quarter of a circle of 50 m: no vertex and no centre tells."""
    disc = shapely.Point(0, 0).buffer(50.0, quad_segs=64)
    ring = (
        shapely.Point(0, 0)
        .buffer(80.0, quad_segs=64)
        .difference(shapely.Point(0, 0).buffer(49.98, quad_segs=64))
    )
    found = pair(disc, ring, stated(0, 0), stated(5, 5))
    assert found.clash
    assert -0.03 < found.apart_m < -0.01


def test_a_courtyard_holds_another_volume():
    """The tower stands in the court, 2 m from each wall: they share nothing."""
    court = shapely.box(0, 0, 20, 20).difference(shapely.box(5, 5, 15, 15))
    found = pair(court, shapely.box(7, 7, 13, 13), stated(0, 0), stated(9, 9), 1.4)
    assert (found.apart_m, found.clash, found.open) == (2.0, False, False)


def test_far_volumes_are_no_neighbours():
    far = shapely.box(100, 0, 110, 10)
    assert pair(PLAN, far, stated(0, 0), stated(5, 5)) is None
    assert pair(PLAN, None, stated(0, 0), stated(5, 5)) is None


BOXES = st.tuples(*[st.integers(0, 12)] * 3, *[st.integers(1, 8)] * 3)


@given(st.lists(BOXES, min_size=2, max_size=6))
def test_exact_boxes_against_intervals(boxes):
    """Of boxes on a grid, overlap and distance follow from three intervals."""
    low = np.array([b[:3] for b in boxes], float)
    high = low + [b[3:] for b in boxes]
    plans = shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1])
    found = neighbours(plans, stated(*low[:, 2]), stated(*high[:, 2]), 0.0, 50.0)
    assert len(found.row) == len(boxes) * (len(boxes) - 1)
    for k, (i, j) in enumerate(zip(found.row, found.other, strict=True)):
        shared = np.minimum(high[i], high[j]) - np.maximum(low[i], low[j])
        assert found.overlap_m3[k] == pytest.approx(np.prod(np.maximum(shared, 0)))
        assert found.clash[k] == (shared > 0).all()
        assert not found.open[k]
        if not found.clash[k]:
            assert found.apart_m[k] == pytest.approx(np.linalg.norm(np.minimum(shared, 0)))


@given(st.lists(BOXES, min_size=2, max_size=5), st.floats(0.1, 3.0))
def test_less_accurate_plans_never_turn_a_decision(boxes, band):
    low = np.array([b[:3] for b in boxes], float)
    high = low + [b[3:] for b in boxes]
    plans = shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1])
    said = []
    for band_m in (0.0, band):
        found = neighbours(plans, stated(*low[:, 2]), stated(*high[:, 2]), band_m, 50.0)
        order = np.lexsort((found.other, found.row))
        sure = found.clash | ~(found.clash | found.open)
        said.append(
            (found.clash[order], sure[order], found.apart_m[order], found.accuracy_m[order])
        )
    (exact, _, _, _), (clash, sure, apart, accuracy) = said
    assert (clash == exact)[sure].all()
    assert (np.abs(apart) >= accuracy - 1e-9)[sure].all(), "sure is beyond accuracy"


# --- the parcel ------------------------------------------------------------------------------------


def kept(plan, plot, band_m=1.4):
    found = keeping(column(plan), column(plot), band_m)
    return SimpleNamespace(**{name: values[0] for name, values in found._asdict().items()})


PLOT = shapely.box(0, 0, 100, 100)


def test_the_plots_own_edge_is_inside_whatever_the_accuracy():
    found = kept(PLOT, PLOT, 50.0)
    assert (found.inside, found.depth_m, found.accuracy_m) == (True, 0, 0)


def test_a_line_of_its_own_has_to_be_clear_of_the_edge():
    for gap, inside in ((0.0005, True), (1.0, False), (1.5, True)):
        found = kept(shapely.box(10, 10, 100 - gap, 90), PLOT)
        assert found.inside == inside
        assert not found.outside
        assert not found.straddles


def test_a_corner_of_the_plot_near_a_wall():
    """The plot's notch comes within 0.5 m of the long wall, which has no corner there."""
    plot = shapely.Polygon([(0, 0), (100, 0), (100, 100), (50, 60.5), (0, 100)])
    found = kept(shapely.box(10, 10, 90, 60), plot)
    assert not found.inside
    assert found.depth_m == pytest.approx(0.5)


def test_sticking_out_of_a_courtyard_counts():
    """The volume covers a hole of the plot 3 m wide, all of whose corners are on the edge."""
    plot = PLOT.difference(shapely.box(40, 40, 60, 43))
    found = kept(shapely.box(20, 20, 80, 80), plot)
    assert found.straddles
    assert found.depth_m == pytest.approx(-3.0)


@pytest.mark.parametrize(
    ("plan", "state", "depth"),
    [
        (shapely.box(90, 10, 110, 20), "straddles", -10),
        (shapely.box(90, 10, 101, 20), None, -1),
        (shapely.box(101, 10, 110, 20), None, -1),
        (shapely.box(103, 10, 110, 20), "outside", -3),
    ],
)
def test_out_of_the_plot(plan, state, depth):
    found = kept(plan, PLOT)
    told = [s for s in ("inside", "outside", "straddles") if getattr(found, s)]
    assert told == [s for s in [state] if s]
    assert found.depth_m == pytest.approx(depth)
