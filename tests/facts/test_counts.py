"""How many features are near: the radius itself counts, and what is within accuracy is told."""

from __future__ import annotations

import numpy as np
import pytest

from geo_urc.evaluation import Evaluation
from geo_urc.facts.questions import QUESTIONS

ROLE = "small_facilities"
PLOT = {"box": (0, 0, 20, 20)}  # its centroid is (10, 10)


@pytest.fixture
def counted(make_layer, make_scene):
    """Return a function from places about the plot's centroid to the answer."""

    def ask(*places, radius_m=50.0, plots=(PLOT,), accuracy_m=0.0, coverage=None):
        shops = [{"point": (10 + x, 10 + y)} for x, y in places]
        layer = make_layer(ROLE, shops, accuracy_m=accuracy_m, coverage=coverage)
        scene = make_scene({ROLE: layer})
        subjects = make_layer("parcels", list(plots), accuracy_m=0.0).features
        return QUESTIONS["count_within"](Evaluation(subjects, scene), layer=ROLE, radius_m=radius_m)

    return ask


def test_just_under_at_and_just_over_the_radius(counted):
    fact = counted((49.999, 0), (30, 40), (0, -50), (50.001, 0))  # 30, 40 is at 50
    assert fact.value.tolist() == [3.0]
    assert fact.accuracy.tolist() == [0.0]


def test_each_plot_has_its_own_number(counted):
    far = {"box": (1_000, 0, 1_020, 20)}
    fact = counted((0, 0), (5, 5), (1_000, 0), plots=(PLOT, far))
    assert fact.value.tolist() == [2.0, 1.0]


def test_those_within_accuracy_of_the_radius_make_the_number_inexact(counted):
    fact = counted((0, 0), (49.5, 0), (-49.5, 0), (50.5, 0), (52, 0), accuracy_m=1.0)
    assert fact.value.tolist() == [3.0]
    assert fact.accuracy.tolist() == [2.0]  # 1 if the two just inside are out, 4 if the next is in


def test_without_the_layer_or_a_geometry_there_is_no_number(counted, make_layer, make_scene):
    subjects = make_layer("parcels", [PLOT]).features
    bare = Evaluation(subjects, make_scene({}))
    missing = QUESTIONS["count_within"](bare, layer=ROLE, radius_m=50.0)
    assert np.isnan(missing.value).all() and missing.missing["layer_missing"].all()
    fact = counted((0, 0), plots=(PLOT, {"geometry": None}))
    assert fact.value[0] == 1.0 and np.isnan(fact.value[1])
    assert fact.missing["geometry_unusable"].tolist() == [False, True]


def test_beyond_the_coverage_there_may_be_more(counted, make_shape):
    wide, tight = (make_shape({"box": (-s, -s, s, s)}) for s in (500, 55))
    assert counted((0, 0), coverage=wide).bounds[0].limit.tolist() == [1.0]
    bound = counted((0, 0), coverage=tight).bounds[0]  # the plot's edge is 35 m from the coverage's
    assert (bound.side, bound.reason) == ("high", "outside_coverage")
    assert bound.limit.tolist() == [np.inf]
