"""Walking distances by hand on small grids, and against networkx on any grids."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.facts.network import GAP_M, JOIN_M, Network, Walks


def column(items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def lines(*wkt):
    return column([shapely.from_wkt(text) for text in wkt])


def roads(*wkt):
    return Network.of(lines(*wkt))


def walk(network, subject, *places, reach=50.0):
    """Return the ways of one subject to places given as (x, y)."""
    walks = Walks(network, column([shapely.Point(*p) for p in places]), reach)
    return walks.nearest(column([subject]))


def metres(network, subject, *places, reach=50.0):
    return walk(network, subject, *places, reach=reach).metres[0]


CROSS = roads("LINESTRING(0 0,100 0,200 0)", "LINESTRING(100 -100,100 0,100 100)")
"""Two roads with a common vertex at (100, 0)."""


# --- points ---------------------------------------------------------------------------------------


def test_off_along_off():
    """3 to the road, 80 along it, 4 to the place: not 80 straight, and no way by a vertex."""
    way = walk(CROSS, shapely.Point(10, 3), (90, -4))
    assert way.metres[0] == pytest.approx(3 + 80 + 4)
    assert way.off_m[0] == pytest.approx(3)


def test_round_a_corner():
    """(20, 5) to (100, 60) with 10 off: 5 + 80 + 60 + 10."""
    assert metres(CROSS, shapely.Point(20, 5), (110, 60)) == pytest.approx(155)


def test_the_nearest_by_way_not_by_air():
    """Two parallel roads 40 m apart meet only 500 m on: what is near by air is far on foot."""
    network = roads("LINESTRING(0 0,500 0,500 40,0 40)")
    way = walk(network, shapely.Point(10, 0), (10, 40), (410, 0))
    assert (way.metres[0], way.place[0]) == (pytest.approx(400), 1)
    assert metres(network, shapely.Point(10, 0), (10, 40)) == pytest.approx(490 + 40 + 490)


def test_two_places_on_one_piece_beside_the_subject():
    way = walk(CROSS, shapely.Point(50, 1), (20, 2), (70, 5))
    assert (way.metres[0], way.place[0]) == (pytest.approx(1 + 20 + 5), 1)


def test_equal_ways_name_the_first_in_the_file():
    assert walk(CROSS, shapely.Point(50, 0), (70, 0), (30, 0)).place[0] == 0


def test_a_place_twice_and_places_on_one_foot():
    way = walk(CROSS, shapely.Point(50, 0), (70, 8), (70, 8), (70, -6))
    assert (way.metres[0], way.place[0]) == (pytest.approx(26), 2)


def test_beyond_the_end_of_a_road_the_end_is_the_nearest_point():
    """(-30, 40) is 50 from the end (0, 0); the place is on (60, 0)."""
    assert metres(CROSS, shapely.Point(-30, 40), (60, 0)) == pytest.approx(50 + 60)


def test_equally_near_roads_the_shorter_way_counts():
    """(60, 40) is 40 from both arms of the cross; the place is 30 up the upright one."""
    point = shapely.Point(60, 40)
    assert metres(CROSS, point, (100, 30)) == pytest.approx(40 + 10)
    assert metres(CROSS, point, (50, 0)) == pytest.approx(40 + 10)


def test_the_reach_is_inclusive():
    assert metres(CROSS, shapely.Point(10, 50), (20, 0)) == pytest.approx(60)
    assert metres(CROSS, shapely.Point(10, 50.1), (20, 0)) == np.inf
    assert metres(CROSS, shapely.Point(10, 0), (20, 50.1)) == np.inf


def test_too_far_from_a_road_tells_how_far():
    way = walk(CROSS, shapely.Point(10, 70), (20, 0))
    assert (way.metres[0], way.off_m[0], way.place[0]) == (np.inf, 70, -1)


def test_a_place_on_the_subject_is_nothing_away():
    assert metres(CROSS, shapely.Point(10, 30), (10, 30)) == 0


# --- polygons -------------------------------------------------------------------------------------


def test_a_road_along_a_side_is_entered_at_the_corner_nearest_to_the_goal():
    """Box 0..100, road 10 m below it: 10 + (400 - 100)."""
    network = roads("LINESTRING(-500 -10,500 -10)")
    plot = shapely.box(0, 0, 100, 100)
    assert metres(network, plot, (400, -10)) == pytest.approx(310)
    assert metres(network, plot, (-400, -10)) == pytest.approx(410)


def test_a_slanting_road_too():
    """The left end is nearer to the box, by a hair; the way still starts at the right corner."""
    network = roads("LINESTRING(0 -10,100 -10.001,400 -10.001)")
    assert metres(network, shapely.box(0, 0, 100, 100), (400, -10.001)) == pytest.approx(310.001)


def test_a_junction_opposite_the_middle_of_a_side():
    """The way leaves by the junction at x = 40, and not by a corner: 10 + 200."""
    network = roads("LINESTRING(-500 -10,40 -10,500 -10)", "LINESTRING(40 -10,40 -210)")
    assert metres(network, shapely.box(0, 0, 100, 100), (40, -210)) == pytest.approx(210)


def test_a_place_opposite_the_middle_of_a_side():
    network = roads("LINESTRING(-500 -10,500 -10)")
    assert metres(network, shapely.box(0, 0, 100, 100), (40, -12)) == pytest.approx(10 + 2)


def test_a_road_that_ends_before_the_middle_of_a_side():
    network = roads("LINESTRING(40 -5,40 -205)")
    assert metres(network, shapely.box(0, 0, 100, 100), (40, -205)) == pytest.approx(205)


def test_a_road_through_the_subject_is_left_at_its_edge():
    network = roads("LINESTRING(-500 50,500 50)")
    way = walk(network, shapely.box(0, 0, 100, 100), (400, 50))
    assert (way.metres[0], way.off_m[0]) == (pytest.approx(300), 0)


def test_a_junction_in_the_subject():
    """Roads that meet inside and leave by the side: from the edge, not from the junction."""
    network = roads("LINESTRING(50 50,50 20)", "LINESTRING(50 50,500 50)")
    assert metres(network, shapely.box(0, 0, 100, 100), (400, 50)) == pytest.approx(300)


def test_a_place_in_the_subject_is_nothing_away_however_far_the_road():
    way = walk(roads("LINESTRING(-500 -10,500 -10)"), shapely.box(0, 0, 100, 100), (50, 50), (9, 9))
    assert (way.metres[0], way.place[0], way.off_m[0]) == (0, 0, 0)


def test_every_side_counts():
    """The road 5 m below leads nowhere; the one 20 m above leads to the place, 20 + 30."""
    network = roads("LINESTRING(0 -5,100 -5)", "LINESTRING(0 120,500 120)")
    assert metres(network, shapely.box(0, 0, 100, 100), (130, 120)) == pytest.approx(50)


def test_parts_and_holes():
    two = shapely.union(shapely.box(0, 0, 10, 10), shapely.box(200, 0, 210, 10))
    assert metres(roads("LINESTRING(0 -5,500 -5)"), two, (300, -5)) == pytest.approx(5 + 90)
    ring = shapely.box(0, 0, 300, 300).difference(shapely.box(100, 100, 200, 200))
    court = roads("LINESTRING(110 150,190 150)")
    assert metres(court, ring, (150, 150)) == pytest.approx(10 + 40)


def test_no_geometry():
    got = Walks(CROSS, column([shapely.Point(0, 0), None]), 50).nearest(column([None]))
    assert np.isnan(got.metres[0])
    assert got.place[0] == -1


# --- what meets what ------------------------------------------------------------------------------


def test_lines_that_only_cross_do_not_meet():
    bridge = roads("LINESTRING(0 0,200 0)", "LINESTRING(100 -100,100 100)")
    assert metres(bridge, shapely.Point(0, 0), (100, 90)) == np.inf
    assert bridge.crossings.tolist() == [[100, 0]]
    assert bridge.components == 2
    assert metres(CROSS, shapely.Point(0, 0), (100, 90)) == 190
    assert len(CROSS.crossings) == 0


def test_a_vertex_on_one_of_two_crossing_lines_is_no_meeting():
    bridge = roads("LINESTRING(0 0,200 0)", "LINESTRING(100 -100,100 0,100 100)")
    assert (len(bridge.crossings), bridge.components) == (1, 2)


def test_an_end_on_another_line_meets_it():
    network = roads("LINESTRING(0 0,200 0)", "LINESTRING(60 0,60 90)", "LINESTRING(60 0,60 -90)")
    assert (network.components, len(network.gaps.end), len(network.crossings)) == (1, 0, 0)
    assert metres(network, shapely.Point(0, 0), (60, 90)) == pytest.approx(150)


@pytest.mark.parametrize(("off", "meets"), [(0.5 * JOIN_M, True), (2 * JOIN_M, False)])
def test_ends_meet_within_a_tolerance(off, meets):
    across = roads("LINESTRING(0 0,100 0)", f"LINESTRING({100 + off} 0,200 0)")
    upright = roads("LINESTRING(0 0,200 0)", f"LINESTRING(60 {off},60 90)")
    assert (across.components == 1) == meets
    assert (upright.components == 1) == meets
    assert metres(across, shapely.Point(0, 0), (200, 0)) == (
        pytest.approx(200) if meets else np.inf
    )


def test_fine_vertices_keep_their_length():
    """A vertex every 5 mm, all within the tolerance of their neighbours: 2 m remain 2 m."""
    text = ",".join(f"{x / 200} 0" for x in range(401))
    network = roads(f"LINESTRING({text})", "LINESTRING(2 0,90 0)")
    assert metres(network, shapely.Point(0, 0), (90, 0)) == pytest.approx(90)


def test_lines_drawn_twice_in_either_direction():
    network = roads(*["LINESTRING(0 0,100 0)", "LINESTRING(100 0,0 0)"] * 2)
    assert len(network.pieces.a) == 1
    assert metres(network, shapely.Point(10, 0), (90, 0)) == 80


def test_a_loop_is_walked_the_short_way():
    loop = roads("LINESTRING(0 0,100 0,100 100,0 100,0 0)")
    assert metres(loop, shapely.Point(50, 0), (0, 60)) == pytest.approx(50 + 60)
    assert metres(loop, shapely.Point(90, 0), (90, 100)) == pytest.approx(10 + 100 + 10)
    assert len(loop.gaps.end) == 0


def test_lines_without_length_and_without_geometry():
    network = Network.of(
        column(
            [
                shapely.LineString([(50, 0), (50, 0)]),
                None,
                shapely.LineString(),
                shapely.LineString([(0, 0), (50, 0), (50, 0), (90, 0)]),
            ]
        )
    )
    assert network.components == 1
    assert metres(network, shapely.Point(0, 0), (90, 0)) == 90


def test_lines_in_parts():
    network = roads("MULTILINESTRING((0 0,50 0),(50 0,50 70),(300 0,400 0))")
    assert network.components == 2
    assert metres(network, shapely.Point(0, 0), (50, 70)) == 120
    assert metres(network, shapely.Point(0, 0), (350, 0)) == np.inf


@pytest.mark.parametrize("nothing", [(), ("LINESTRING EMPTY",), ("LINESTRING(1 1,1 1)",)])
def test_no_roads(nothing):
    way = walk(roads(*nothing), shapely.box(0, 0, 9, 9), (20, 0))
    assert (way.metres[0], way.closed_m[0], way.connected[0]) == (np.inf, np.inf, False)


# --- components and gaps --------------------------------------------------------------------------


def test_components_longest_first():
    network = roads("LINESTRING(0 0,10 0)", "LINESTRING(0 50,90 50)", "LINESTRING(0 99,30 99)")
    assert network.component_m().tolist() == [90, 30, 10]
    walks = Walks(network, column([shapely.Point(5, 0), shapely.Point(5, 50), None]), 9)
    assert walks.stray.tolist() == [True, False, False]
    assert walks.nearest(
        column([shapely.Point(9, 0), shapely.Point(9, 50)])
    ).connected.tolist() == [
        False,
        True,
    ]


def test_an_end_short_of_a_road_is_a_gap():
    """The end is 3 m short: no way, but if the gap were closed 60 + 3 + 87."""
    network = roads("LINESTRING(0 0,200 0)", "LINESTRING(60 3,60 90)")
    assert network.gaps.metres.tolist() == [3]
    way = walk(network, shapely.Point(0, 0), (60, 90))
    assert (way.metres[0], way.closed_m[0]) == (np.inf, pytest.approx(150))
    assert way.connected[0]


def test_a_gap_that_makes_a_detour():
    """Round 10 + 500 + 500 instead of through the gap of 4 m."""
    network = roads("LINESTRING(0 0,0 250,500 250,500 0,104 0)", "LINESTRING(0 0,100 0)")
    way = walk(network, shapely.Point(100, 0), (104, 0))
    assert way.metres[0] == pytest.approx(100 + 250 + 500 + 250 + 396)
    assert way.closed_m[0] == pytest.approx(4)
    assert network.gaps.metres.tolist() == [4]  # told once, though both ends see it


@pytest.mark.parametrize(("short", "gaps"), [(GAP_M, 1), (GAP_M + 0.1, 0)])
def test_how_wide_a_gap_may_be(short, gaps):
    network = roads("LINESTRING(0 0,200 0)", f"LINESTRING(60 {short},60 90)")
    assert len(network.gaps.end) == gaps


def test_an_end_past_a_road_is_a_gap_and_a_crossing():
    network = roads("LINESTRING(0 0,200 0)", "LINESTRING(60 -2,60 90)")
    assert (len(network.gaps.end), len(network.crossings)) == (1, 1)
    assert walk(network, shapely.Point(0, 0), (60, 90)).closed_m[0] == pytest.approx(60 + 2 + 92)


def test_a_stub_is_no_gap():
    """2 m off its own road, and 1 m from its own bend: it meets both."""
    network = roads("LINESTRING(0 0,60 0,200 0)", "LINESTRING(60 0,60 2)")
    assert len(network.gaps.end) == 0
    assert len(roads("LINESTRING(0 0,50 0,50 1,49 1)").gaps.end) == 0


def test_an_open_ring_is_a_gap():
    network = roads("LINESTRING(0 0,100 0,100 100,0 100,0 3)")
    assert network.gaps.metres.tolist() == [3]


# --- which points are served ----------------------------------------------------------------------


def test_reached_by_places_with_their_own_reach():
    """Places at 0 (30 m) and 100 (40 m): reached are 0..30 and 60..140, ends included."""
    network = roads("LINESTRING(0 0,200 0)")
    walks = Walks(network, column([shapely.Point(0, 0), shapely.Point(100, 0)]), 50)
    homes = column([shapely.Point(x, 0) for x in (0, 30, 31, 59, 60, 140, 141)])
    feet = walks.network.feet(homes, 50)
    got = walks.reached(feet, len(homes), np.array([0, 1]), np.array([30.0, 40.0]))
    assert got.tolist() == [True, True, False, False, True, True, False]
    one = walks.reached(feet, len(homes), np.array([1]), np.array([40.0]))
    assert one.tolist() == [False, False, False, False, True, True, False]
    assert not walks.reached(feet, len(homes), np.array([], int), np.array([])).any()


# --- any grids, against networkx ------------------------------------------------------------------

spot = st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda p: (p[0] * 100, p[1] * 100))
drawn = st.lists(st.lists(spot, min_size=2, max_size=4), min_size=1, max_size=7)
places = st.lists(st.tuples(st.integers(-9, 309), st.integers(-9, 309)), min_size=1, max_size=3)


class Independent:
    """Shortest ways, each foot found on every segment in turn, the graph being networkx's."""

    def __init__(self, paths, goals, reach):
        self.reach, self.goals = reach, set(goals)
        segments = [s for path in paths for s in itertools.pairwise(path) if s[0] != s[1]]
        self.shapes = [shapely.LineString(s) for s in segments]
        self.stops = [
            {0.0: s[0], shape.length: s[1]} for s, shape in zip(segments, self.shapes, strict=True)
        ]
        for end in {end for path in paths for end in (path[0], path[-1])}:
            for k, shape in enumerate(self.shapes):
                if end not in segments[k] and shape.distance(shapely.Point(end)) < 1e-9:
                    self.stops[k][shape.project(shapely.Point(end))] = end
        graph = nx.DiGraph()
        graph.add_node("goal")
        for goal in goals:
            for k, along, off in self.feet(goal):
                foot = self.stops[k].setdefault(along, (k, along))
                known = graph.get_edge_data("goal", foot, {"weight": np.inf})["weight"]
                graph.add_edge("goal", foot, weight=min(off, known))
        for stop in self.stops:
            for (a, here), (b, there) in itertools.pairwise(sorted(stop.items())):
                graph.add_edge(here, there, weight=b - a)
                graph.add_edge(there, here, weight=b - a)
        self.to_goal = nx.single_source_dijkstra_path_length(graph, "goal")

    def feet(self, point):
        off = [shape.distance(shapely.Point(point)) for shape in self.shapes]
        for k, metres in enumerate(off):
            if metres <= min(off) + 1e-9 and metres <= self.reach:
                yield k, self.shapes[k].project(shapely.Point(point)), metres

    def metres(self, start):
        if tuple(start) in self.goals:
            return 0.0
        ways = [
            off + abs(along - at) + self.to_goal.get(node, np.inf)
            for k, along, off in self.feet(start)
            for at, node in self.stops[k].items()
        ]
        return min(ways, default=np.inf)


@given(drawn, places, st.lists(st.tuples(st.integers(-9, 309), st.integers(-9, 309)), max_size=4))
def test_points_against_networkx(paths, goals, starts):
    network = Network.of(column([shapely.LineString(path) for path in paths]))
    walks = Walks(network, column([shapely.Point(*g) for g in goals]), 60)
    got = walks.nearest(column([shapely.Point(*s) for s in starts]))
    other = Independent(paths, goals, 60)
    np.testing.assert_allclose(got.metres, [other.metres(s) for s in starts], atol=1e-6)
    for start, place, metres in zip(starts, got.place, got.metres, strict=True):
        if place >= 0:  # the place named is the one at the end of the way
            one = Independent(paths, [goals[place]], 60)
            assert one.metres(start) == pytest.approx(metres, abs=1e-6)


@given(drawn, places, st.tuples(st.integers(0, 250), st.integers(0, 250)), st.integers(5, 90))
def test_polygons_by_points_all_over_them(paths, goals, corner, size):
    """No longer than from any corner, and no shorter than from any point, tried every metre.

    From a point half a metre beside one that was tried a way may be a metre shorter.
    """
    plot = shapely.box(*corner, corner[0] + size, corner[1] + size)
    network = Network.of(column([shapely.LineString(path) for path in paths]))
    walks = Walks(network, column([shapely.Point(*g) for g in goals]), 60)
    got = walks.nearest(column([plot])).metres[0]
    if any(plot.intersects(shapely.Point(*g)) for g in goals):
        assert got == 0
        return
    other = Independent(paths, goals, 60)
    inside = [shapely.intersection(shape, plot) for shape in other.shapes]
    tried = shapely.segmentize([plot, *inside], 1.0)
    every = [other.metres(p) for p in shapely.get_coordinates(tried)]
    assert got <= min(other.metres(p) for p in plot.exterior.coords) + 1e-6
    assert got >= min(every) - 1 - 1e-6 or got == min(every)
    assert got >= min(plot.distance(shapely.Point(*g)) for g in goals) - 1e-9
