"""Statistics under footprints: by hand, cell by cell with another library, and by counting points."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
import rasterio
import rasterio.windows
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geo_urc import verdicts
from geo_urc.errors import LayerError
from geo_urc.facts.raster import zonal
from geo_urc.inputs.rasters import open_raster
from geo_urc.inputs.settings import LayerEntry
from geo_urc.roles import roles

X0, Y0 = 448_000.0, 4_418_000.0
VOID = -9.0
EXACT = 1e-6
"""exactextract keeps shares of cells in 32 bits."""


def places(*shapes):
    """Return shapes counted from the city's corner."""
    moved = [s and shapely.transform(s, lambda xy: xy + np.array([X0, Y0])) for s in shapes]
    return np.array([*moved, None], dtype=object)[:-1]


def numbered(n):
    """Return 1 … n², row by row from the north-west."""
    return np.arange(1.0, n * n + 1).reshape(n, n)


@pytest.fixture
def square(make_raster):
    """Return 1 … 25 in cells of 10 m, the south-west corner at the city's."""
    return make_raster("dem", numbered(5))


# --- by hand ----------------------------------------------------------------------------------------


def test_all_of_it(square):
    """1 … 25: sum 25 × 26 / 2."""
    got = zonal(square, places(shapely.box(0, 0, 50, 50)))
    assert [column[0] for column in got] == [1, 25, 13, 325, 1]


def test_whole_cells(square):
    """Columns 2 and 3, rows 3 and 4: 12 13 17 18."""
    got = zonal(square, places(shapely.box(10, 10, 30, 30)))
    assert [column[0] for column in got] == [12, 18, 15, 60, 1]


def test_parts_of_cells_count_with_their_share(square):
    """A quarter each of 21 and 22 (south-west) and of 16 and 17 above them: 76 / 4."""
    got = zonal(square, places(shapely.box(5, 5, 15, 15)))
    assert [column[0] for column in got] == [16, 22, 19, 19, 1]


def test_unequal_parts(square):
    """Three quarters of 21, a quarter of 22, both to half their height: 0.375 × 21 + 0.125 × 22."""
    got = zonal(square, places(shapely.box(2.5, 0, 12.5, 5)))
    assert got.total[0] == 0.375 * 21 + 0.125 * 22
    assert got.mean[0] == got.total[0] / 0.5


def test_a_footprint_inside_one_cell(square):
    got = zonal(square, places(shapely.box(1, 1, 1.25, 1.25)))
    assert [got.least[0], got.most[0], got.covered[0]] == [21, 21, 1]
    assert got.mean[0] == pytest.approx(21, rel=EXACT)
    assert got.total[0] == pytest.approx(21 * 0.0625 / 100, rel=EXACT)


def test_a_hole_and_two_parts(square):
    """The frame about the cell 13: everything else; and two corners, 1 and 25."""
    frame = shapely.box(0, 0, 50, 50).difference(shapely.box(20, 20, 30, 30))
    corners = shapely.MultiPolygon([shapely.box(0, 40, 10, 50), shapely.box(40, 0, 50, 10)])
    got = zonal(square, places(frame, corners))
    assert got.total.tolist() == [325 - 13, 26]
    assert got.least.tolist() == [1, 1]
    assert got.covered.tolist() == [1, 1]


def test_touching_a_cell_is_not_holding_it(square):
    assert zonal(square, places(shapely.box(0, 0, 10, 10))).least[0] == 21
    assert zonal(square, places(shapely.box(0, 0, 10, 10))).most[0] == 21


def test_order_is_that_of_the_footprints(square):
    """Whatever order they are read in: far apart, mixed kinds, some without a geometry."""
    boxes = [
        shapely.box(10 * i, 10 * j, 10 * i + 10, 10 * j + 10) for i in range(5) for j in range(5)
    ]
    value = [5 * (4 - j) + i + 1 for i in range(5) for j in range(5)]
    mixed = [s for box in boxes for s in (box, None, box.centroid)]
    got = zonal(square, places(*mixed))
    assert got.least[0::3].tolist() == value == got.least[2::3].tolist()
    assert np.isnan(got.least[1::3]).all()


# --- what has no value ---------------------------------------------------------------------------------


def test_nodata_is_left_out_and_told(make_raster):
    """Without the cell 13 of four cells 7 8 12 13."""
    cells = numbered(5)
    cells[2, 2] = -9
    got = zonal(make_raster("dem", cells, nodata=-9), places(shapely.box(10, 20, 30, 40)))
    assert [column[0] for column in got] == [7, 12, 9, 27, 0.75]


def test_the_smallest_void_is_told(make_raster):
    """A void under a millionth of a hectare: 0.01 m² of it is under the footprint."""
    cells = np.ones((10, 10))
    cells[9, 9] = -9
    raster = make_raster("dem", cells, nodata=-9)
    without, touched = shapely.box(0, 0, 90, 100), shapely.box(0, 0, 90.001, 100)
    assert zonal(raster, places(without)).covered[0] == 1
    assert 0.999 < zonal(raster, places(touched)).covered[0] < 1


def test_half_outside(square):
    """West half beyond the raster; of the rest 21 and 16."""
    got = zonal(square, places(shapely.box(-10, 0, 10, 20)))
    assert [column[0] for column in got] == [16, 21, 18.5, 37, 0.5]


def test_all_outside_or_void(make_raster):
    raster = make_raster("dem", [[-9, 1], [1, 1]], nodata=-9)
    got = zonal(raster, places(shapely.box(100, 0, 110, 10), shapely.box(0, 10, 10, 20)))
    assert got.covered.tolist() == [0, 0]
    for column in got[:4]:
        assert np.isnan(column).all()


def test_nothing_to_ask(square):
    assert all(len(column) == 0 for column in zonal(square, places()))


def test_a_line_has_no_footprint(square):
    got = zonal(square, places(shapely.LineString([(0, 0), (10, 10)]), shapely.Polygon()))
    assert all(np.isnan(column).all() for column in got)


# --- points -------------------------------------------------------------------------------------------


def test_points_take_the_value_of_their_cell(square):
    spots = [(5, 5), (15, 45), (10, 10), (50, 0), (0, 50), (-1, 5), (5, 50.1)]
    got = zonal(square, places(*map(shapely.Point, spots)))
    # on an edge the cell east or south of it; the raster's own outer edges belong to it
    expected = [21, 2, 22, 25, 1, np.nan, np.nan]
    for column in (got.least, got.most, got.mean):
        assert column == pytest.approx(expected, nan_ok=True)
    assert got.covered.tolist() == [1, 1, 1, 1, 1, 0, 0]
    assert np.isnan(got.total).all()


def test_points_in_many_blocks(make_raster):
    """600 × 600 cells are 25 blocks of 128; each point has its own number."""
    raster = make_raster("dem", numbered(600), cell_m=1)
    rng = np.random.default_rng(5)
    column, row = rng.integers(0, 600, (2, 500))
    spots = places(*(shapely.Point(c + 0.5, 599.5 - r) for c, r in zip(column, row, strict=True)))
    assert zonal(raster, spots).least.tolist() == (row * 600 + column + 1).tolist()


# --- against other methods -------------------------------------------------------------------------------


def by_cells(path, footprint):
    """Return the statistics worked out from each cell's own intersection, read by rasterio."""
    with rasterio.open(path) as file:
        t = file.transform
        west, south, east, north = footprint.bounds
        column, row = int((west - t.c) // t.a), int((north - t.f) // t.e)
        columns, rows = int((east - t.c) // t.a) - column + 1, int((south - t.f) // t.e) - row + 1
        window = rasterio.windows.Window(column, row, columns, rows)
        values = file.read(1, window=window)
        t = file.window_transform(window)
    rows, columns = np.indices(values.shape)
    left, top = t.c + columns * t.a, t.f + rows * t.e
    cells = shapely.box(left, top + t.e, left + t.a, top)
    share = shapely.area(shapely.intersection(cells, footprint)) / abs(t.a * t.e)
    held = share > 0
    total = (share * values).sum()
    return values[held].min(), values[held].max(), total / share.sum(), total


def test_against_an_overlay_of_every_cell(make_raster, tmp_path):
    rng = np.random.default_rng(11)
    raster = make_raster("dem", rng.uniform(20, 80, (40, 40)), cell_m=5)
    for _ in range(30):
        spots = rng.uniform(5, 195, (rng.integers(3, 9), 2))
        footprint = places(shapely.MultiPoint(spots).convex_hull)[0]
        if rng.random() < 0.5:
            footprint = footprint.difference(footprint.centroid.buffer(9))
        got = zonal(raster, np.array([footprint], dtype=object))
        least, most, mean, total = by_cells(tmp_path / "dem.tif", footprint)
        assert (got.least[0], got.most[0]) == (least, most)
        assert (got.mean[0], got.total[0]) == pytest.approx((mean, total), rel=EXACT)
        assert got.covered[0] == 1


def in_degrees(path, cells, corner, size, role="dem", crs="EPSG:4490"):
    """Return a raster in degrees."""
    profile = {
        "driver": "GTiff", "dtype": "float64", "count": 1, "crs": crs, "nodata": -9,
        "height": len(cells), "width": len(cells[0]),
        "transform": rasterio.Affine(size, 0, corner[0], 0, -size, corner[1]),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.array(cells), 1)
    entry = LayerEntry(path=path.name)
    return open_raster(roles()[role], entry, path.parent, evaluation_crs="EPSG:4548")


def test_degrees_against_points_counted_one_by_one(tmp_path):
    """A raster of 0.001°, footprints in metres: 200 × 200 points each, placed by PROJ alone."""
    rng = np.random.default_rng(3)
    cells = rng.uniform(20, 80, (30, 30))
    cells[12:15, 12:15] = -9
    west, north = 116.38, 39.91
    raster = in_degrees(tmp_path / "a.tif", cells, (west, north), 0.001)
    there = pyproj.Transformer.from_crs("EPSG:4548", "EPSG:4490", always_xy=True)
    for left, bottom, width, height in [
        (0, 0, 400, 300), (-300, 500, 900, 700), (500, -1500, 50, 60), (-700, -900, 1500, 2300),
    ]:  # fmt: skip
        box = shapely.box(X0 + left, Y0 + bottom, X0 + left + width, Y0 + bottom + height)
        got = zonal(raster, np.array([box], dtype=object))
        steps = (np.arange(200) + 0.5) / 200
        x, y = np.meshgrid(X0 + left + width * steps, Y0 + bottom + height * steps)
        lon, lat = there.transform(x.ravel(), y.ravel())
        row, column = np.floor((north - lat) / 0.001), np.floor((lon - west) / 0.001)
        inside = (row >= 0) & (row < 30) & (column >= 0) & (column < 30)
        value = np.full(len(lon), -9.0)
        value[inside] = cells[row[inside].astype(int), column[inside].astype(int)]
        known = value[value != -9]
        assert got.mean[0] == pytest.approx(known.mean(), abs=0.2)
        assert got.covered[0] == pytest.approx(len(known) / len(value), abs=0.01)
        assert got.least[0] <= known.min()
        assert got.most[0] >= known.max()
        assert {got.least[0], got.most[0]} <= set(cells.ravel())


def test_footprints_in_many_blocks_and_across_them(make_raster):
    """Boxes of 1 to 300 cells anywhere among 700 × 700: least and most are at their corners."""
    raster = make_raster("dem", numbered(700), cell_m=1)
    rng = np.random.default_rng(8)
    size = rng.choice([1, 5, 40, 128, 129, 300], (400, 2))
    column, row = (rng.integers(0, 700 - size.T)).astype(int)
    boxes = [
        shapely.box(c, 700 - r - h, c + w, 700 - r)
        for c, r, (w, h) in zip(column, row, size, strict=True)
    ]
    got = zonal(raster, places(*boxes))
    first = row * 700 + column + 1
    last = (row + size[:, 1] - 1) * 700 + column + size[:, 0]
    assert got.least.tolist() == first.tolist()
    assert got.most.tolist() == last.tolist()
    assert got.mean == pytest.approx((first + last) / 2, rel=EXACT)
    assert got.covered.tolist() == [1] * 400


def test_a_large_footprint_is_worked_out_piece_by_piece(make_raster, monkeypatch):
    """No window is larger than what may be held, and the pieces give the whole."""
    monkeypatch.setattr("geo_urc.facts.raster.MOST_CELLS", 40_000)
    raster = make_raster("dem", numbered(500), cell_m=1)
    asked = []
    read = type(raster)._window

    def watched(self, file, column, row, columns, rows):
        asked.append(columns * rows)
        return read(self, file, column, row, columns, rows)

    monkeypatch.setattr(type(raster), "_window", watched)
    got = zonal(raster, places(shapely.box(0, 0, 500, 500)))
    assert max(asked) <= 40_000
    assert sum(asked) == 500 * 500
    assert [column[0] for column in got] == [1, 250_000, 125_000.5, 250_000 * 250_001 / 2, 1]


def test_a_raster_that_breaks_off_stops_the_run(make_raster, tmp_path):
    raster = make_raster("dem", numbered(500), cell_m=1)
    path = tmp_path / "dem.tif"
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(LayerError, match="cannot be read as a raster"):
        zonal(raster, places(shapely.box(0, 0, 500, 500)))


# --- as facts ------------------------------------------------------------------------------------------


def facts_of(make_scene, make_layer, features, rasters, **more):
    layers = {"underground_projects": make_layer("underground_projects", features, **more)}
    scene = make_scene(layers, rasters={raster.role: raster for raster in rasters})
    return scene.evaluation_of("underground_projects")


WHOLE, PART, NONE = {"box": [0, 0, 10, 10]}, {"box": [-10, 0, 10, 10]}, {"box": [90, 0, 99, 9]}


def test_what_is_not_covered_leaves_the_fact_open(make_scene, make_layer, make_raster):
    """Where heights end, the least may be lower, the most higher, and the mean anything."""
    raster = make_raster("dem", numbered(2), accuracy_m=0.5)
    found = facts_of(make_scene, make_layer, [WHOLE, PART, NONE], [raster])
    least, most, mean = (found.fact(f"ground_{stat}_m") for stat in ("min", "max", "mean"))
    for fact in (least, most):
        assert fact.value == pytest.approx([3, 3, np.nan], nan_ok=True)
        assert fact.missing["outside_coverage"].tolist() == [False, False, True]
        assert fact.accuracy == 0.5
    ((side, limit, reason),) = least.bounds
    assert (side, limit[:2].tolist(), reason) == ("low", [3, -np.inf], "outside_coverage")
    ((side, limit, reason),) = most.bounds
    assert (side, limit[:2].tolist(), reason) == ("high", [3, np.inf], "outside_coverage")
    assert mean.value == pytest.approx([3, np.nan, np.nan], nan_ok=True)
    assert mean.missing["outside_coverage"].tolist() == [False, True, True]
    assert found.fact("ground_covered_share").value.tolist() == [1, 0.5, 0]


def test_people_can_only_be_more_where_data_ends(make_scene, make_layer, make_raster):
    raster = make_raster("population", [[8, 4], [2, 6]])
    found = facts_of(make_scene, make_layer, [WHOLE, PART, NONE, {"point": [5, 5]}], [raster])
    people = found.fact("population_people")
    assert people.value == pytest.approx([2, 2, np.nan, np.nan], nan_ok=True)
    ((side, limit, _),) = people.bounds
    assert (side, limit[:2].tolist()) == ("high", [2, np.inf])
    assert people.missing["outside_coverage"].tolist() == [False, False, True, False]
    assert people.missing["attribute_missing:extent"].tolist() == [False, False, False, True]
    assert people.accuracy == 0


def test_points_and_unusable_geometries(make_scene, make_layer, make_raster):
    features = [{"point": [5, 5]}, {"point": [95, 5]}, {"wkt": "LINESTRING (0 0, 9 9)"}, {}]
    fact = facts_of(make_scene, make_layer, features, [make_raster("dem", numbered(2))]).fact(
        "ground_min_m"
    )
    assert fact.value == pytest.approx([3, np.nan, np.nan, np.nan], nan_ok=True)
    reason = [next((r for r, mask in fact.missing.items() if mask[i]), "") for i in range(4)]
    assert reason == ["", "outside_coverage", "attribute_missing:extent", "geometry_unusable"]


def test_without_the_raster_or_its_datum(make_scene, make_layer, make_raster):
    nothing = facts_of(make_scene, make_layer, [WHOLE], []).fact("ground_min_m")
    assert nothing.missing["layer_missing"].tolist() == [True]
    raster = make_raster("dem", numbered(2), datum="unknown")
    for found in (
        facts_of(make_scene, make_layer, [WHOLE], [raster]),
        facts_of(
            make_scene, make_layer, [WHOLE], [make_raster("dem", numbered(2))], datum_known=False
        ),
    ):
        for name in ("ground_min_m", "ground_covered_share"):
            assert found.fact(name).missing["datum_unknown"].tolist() == [True]


def test_statistics_of_a_raster_are_worked_out_once(make_scene, make_layer, make_raster):
    found = facts_of(make_scene, make_layer, [WHOLE], [make_raster("dem", numbered(2))])
    found.fact("ground_min_m")
    path = found.scene.rasters["dem"].file
    path.unlink()
    assert found.fact("ground_max_m").value.tolist() == [3]


# --- the first source that knows ---------------------------------------------------------------------------


def test_each_row_takes_its_first_source(make_scene, make_layer, make_raster):
    """Stated 1 m; heights 3 − 0.5; soil raster 7; heights that end under it; nothing at all."""
    features = [
        WHOLE | {"soil_cover_m": 1, "roof_level_m": 0.5},
        WHOLE | {"roof_level_m": 0.5},
        {"box": [100, 0, 110, 10], "roof_level_m": 0.5},
        PART | {"roof_level_m": 0.5},
        NONE,
    ]
    rasters = [
        make_raster("dem", numbered(2), accuracy_m=0.5),
        make_raster("soil_depth", [[7]], origin=(100, 0), accuracy_m=0.1),
    ]
    fact = facts_of(make_scene, make_layer, features, rasters).fact("planting_soil_m")
    assert fact.value == pytest.approx([1, 2.5, 7, 2.5, np.nan], nan_ok=True)
    assert fact.accuracy.tolist() == [0, 0.5, 0.1, 0.5, 0]
    assert fact.parts["source"].value.tolist() == ["soil_cover_m", "dem", "soil_depth", "dem", None]
    lows = [bound.limit for bound in fact.bounds if bound.side == "low"]
    assert np.min(lows, axis=0)[:4].tolist() == [1, 2.5, 7, -np.inf]
    assert [r for r, mask in fact.missing.items() if mask.any()] == [
        "attribute_missing:soil_cover_m"
    ]
    assert fact.missing["attribute_missing:soil_cover_m"].tolist() == [False] * 4 + [True]


GROUNDS = st.lists(st.sampled_from([44.0, 45.0, 46.0, 47.0, VOID]), min_size=9, max_size=9)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=GROUNDS,
    lost=st.sets(st.integers(0, 8), min_size=1),
    corner=st.tuples(st.integers(-8, 20), st.integers(-8, 20)),
    roof=st.sampled_from([42.0, 42.5, 43.0, 43.5]),
    accuracy_m=st.sampled_from([0.0, 0.6]),
)
def test_values_taken_away_decide_nothing(
    make_scene, make_layer, make_raster, before, lost, corner, roof, accuracy_m
):
    """What was open stays open; what was decided stays as it is, or is open."""
    x, y = corner
    garage = {"box": [x, y, x + 12, y + 12], "use": "commerce", "roof_level_m": roof}
    after = [VOID if i in lost else value for i, value in enumerate(before)]

    def verdict(cells):
        grid = np.reshape(cells, (3, 3))
        layers = {
            "underground_projects": make_layer("underground_projects", [garage]),
            "green_spaces": make_layer("green_spaces", [{"box": [-90, -90, 90, 90]}]),
            "ancient_trees": make_layer("ancient_trees", []),
            "memorial_cores": make_layer("memorial_cores", []),
        }
        raster = make_raster("dem", grid, nodata=VOID, accuracy_m=accuracy_m)
        scene = make_scene(layers, rasters={"dem": raster})
        return verdicts.words(scene.evaluation_of("underground_projects").outcome("T20"))[0]

    more, less = verdict(before), verdict(after)
    assert less in (more, "unknown", "review")
    assert more in ("eligible", "ineligible") or less not in ("eligible", "ineligible")
