"""Rasters: what is taken, how it is said, and what is refused with a reason."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import rasterio
import shapely

import geo_urc
from geo_urc.errors import CrsError, LayerError
from geo_urc.inputs import draft_layers_toml, read_inputs
from geo_urc.inputs.settings import load_settings
from geo_urc.inputs.table import Raster

X0, Y0 = 448_000.0, 4_418_000.0
GRID = rasterio.Affine(10, 0, X0, 0, -10, Y0 + 50)
CELLS = np.arange(1.0, 26.0).reshape(5, 5)
"""1 … 25, row by row from the north-west, in cells of 10 m."""


@pytest.fixture
def write(tmp_path):
    """Return a function that writes cells as a GeoTIFF and gives its path."""

    def make(cells=CELLS, *, name="a.tif", crs="EPSG:4548", transform=GRID, tags=None, **profile):
        bands = cells if cells.ndim == 3 else cells[np.newaxis]
        path = tmp_path / name
        options = {
            "driver": "GTiff", "dtype": bands.dtype, "count": len(bands), "crs": crs,
            "height": bands.shape[1], "width": bands.shape[2], "transform": transform,
        }  # fmt: skip
        with rasterio.open(path, "w", **options | profile) as file:
            file.write(bands)
            for name_, value in (tags or {}).items():
                setattr(file, name_, value)
        return path

    return make


@pytest.fixture
def opened(parcels):
    """Return a function from a path and keys to the raster of a role."""

    def read(path, role="dem", *, strict=False, **keys) -> Raster:
        given = {"path": str(path), **keys}
        return read_inputs(parcels, layers={role: given}, strict=strict).rasters[role]

    return read


def cells_of(raster, column=0, row=0, columns=None, rows=None):
    """Return a window of a raster, by default all of it."""
    with raster.opened() as window:
        return window(column, row, columns or raster.shape[1], rows or raster.shape[0])


def said(raster):
    return " ".join(notice.text.en for notice in raster.notices)


# --- what is taken ---------------------------------------------------------------------------------


def test_a_raster_is_described_and_read_window_by_window(write, opened):
    path = write(nodata=-1.0)
    raster = opened(path)
    assert raster.extent == (X0, Y0, X0 + 50, Y0 + 50)
    assert raster.shape == (5, 5)
    assert cells_of(raster).tolist() == CELLS.tolist()
    assert cells_of(raster, 1, 2, 3, 2).tolist() == [[12, 13, 14], [17, 18, 19]]
    source = raster.source
    assert source.sha256 == {"a.tif": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert (source.crs, source.datum, source.driver) == ("EPSG:4548", "cgcs2000", "GTiff")
    assert (source.columns, source.rows, source.bands) == (5, 5, 1)
    assert (source.cell_width, source.cell_height) == (10, 10)
    assert (source.nodata, source.unit) == (-1.0, "m")


def test_only_the_window_asked_for_is_read(write, opened, monkeypatch):
    raster = opened(write())
    asked = []

    class Reader:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def read(self, band, *, window, **options):
            asked.append((band, window.width, window.height))
            return self.file.read(band, window=window, **options)

    real = rasterio.open
    monkeypatch.setattr(rasterio, "open", lambda path: Reader(real(path)))
    cells_of(raster, 0, 0, 2, 1)
    assert asked == [(1, 2, 1)]


def test_accuracy_is_assumed_and_said(write, opened):
    path = write()
    assert opened(path).accuracy_m == 1.0
    assert "accuracy not declared" in said(opened(path))
    assert opened(path, accuracy_m=0.3).source.accuracy_m == 0.3
    assert "accuracy not declared" not in said(opened(path, accuracy_m=0.3))


def test_people_have_no_accuracy_in_metres(write, opened):
    raster = opened(write(), "population")
    assert raster.accuracy_m == 0.0
    assert "accuracy" not in said(raster)


def test_nodata_of_the_file(write, opened):
    raster = opened(write(nodata=7.0))
    assert np.isnan(cells_of(raster)).sum() == 1
    assert np.isnan(cells_of(raster)[1, 1])
    assert "nodata" not in said(raster)


def test_nodata_of_the_user_goes_before_the_files(write, opened):
    raster = opened(write(nodata=7.0), nodata=25)
    empty = np.isnan(cells_of(raster))
    assert empty.sum() == 1
    assert empty[4, 4]
    assert raster.source.nodata == 25


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_nodata_in_every_type(write, opened, dtype):
    """-9999 is no uint8 at all, and 0.1 is another number in 32 bits."""
    raster = opened(write(CELLS.astype(dtype)), nodata=-9999)
    assert cells_of(raster).tolist() == CELLS.tolist()
    tenth = np.full((5, 5), 0.1, "float32")
    assert np.isnan(cells_of(opened(write(tenth, name="b.tif"), nodata=0.1))).all()


def test_without_nodata_every_cell_counts_and_it_is_said(write, opened):
    assert "names no nodata value" in said(opened(write()))


@pytest.mark.parametrize("void", [np.nan, np.inf, -9999.0, -32768.0, -3.4e38])
def test_impossible_heights_are_no_values(write, opened, void):
    cells = CELLS.copy()
    cells[0, 0] = void
    assert np.flatnonzero(np.isnan(cells_of(opened(write(cells))))).tolist() == [0]


@pytest.mark.parametrize(("role", "void"), [("soil_depth", -0.1), ("population", -99999.0)])
def test_amounts_below_nothing_are_no_values(write, opened, role, void):
    cells = CELLS.copy()
    cells[0, 0], cells[0, 1] = void, 0
    found = cells_of(opened(write(cells), role))
    assert np.isnan(found[0, 0])
    assert found[0, 1] == 0


def test_a_mask_counts(write, opened):
    path = write()
    with rasterio.open(path, "r+") as file:
        file.write_mask(CELLS > 5)
    raster = opened(path)
    assert np.isnan(cells_of(raster)[0]).all()
    assert np.isnan(cells_of(raster)).sum() == 5
    assert "nodata" not in said(raster)


def test_scale_and_offset_of_the_file(write, opened):
    raster = opened(write(CELLS.astype("int16"), tags={"scales": (0.5,), "offsets": (100,)}))
    assert cells_of(raster)[0].tolist() == [100.5, 101, 101.5, 102, 102.5]


@pytest.mark.parametrize(
    ("label", "keys", "metres"),
    [
        ("", {}, 1.0),
        ("metre", {}, 1.0),
        ("m", {}, 1.0),
        ("cm", {}, 0.01),
        ("", {"units": {"elevation_m": "cm"}}, 0.01),
        ("ft", {"units": {"elevation_m": "m"}}, 1.0),
    ],
)
def test_units(write, opened, label, keys, metres):
    raster = opened(write(tags={"units": (label,)}), **keys)
    assert cells_of(raster)[0] == pytest.approx(CELLS[0] * metres)


def test_the_first_of_several_bands(write, opened):
    raster = opened(write(np.stack([CELLS, CELLS + 100])))
    assert cells_of(raster).tolist() == CELLS.tolist()
    assert "has 2 bands; the first is read" in said(raster)
    assert raster.source.bands == 2


def test_a_raster_without_a_system_takes_the_users(write, opened):
    path = write(crs=None)
    with pytest.raises(CrsError, match="no coordinate system"):
        opened(path)
    assert opened(path, crs="EPSG:4548").source.crs == "EPSG:4548"


def test_the_users_system_goes_before_the_files(write, opened):
    raster = opened(write(crs="EPSG:32650"), crs="EPSG:4548")
    assert "EPSG:4548 is used as set" in said(raster)
    assert raster.place(np.array([shapely.Point(X0, Y0)]))[0] == shapely.Point(X0, Y0)


def test_a_world_file_places_a_picture_of_values(write, opened, tmp_path):
    cells = CELLS.astype("uint8")
    path = write(cells, name="a.png", driver="PNG", crs=None, transform=None)
    (tmp_path / "a.pgw").write_text(f"10\n0\n0\n-10\n{X0 + 5}\n{Y0 + 45}\n")
    raster = opened(path, crs="EPSG:4548")
    assert raster.extent == (X0, Y0, X0 + 50, Y0 + 50)
    assert set(raster.source.sha256) == {"a.png", "a.pgw"}


def test_assumed_datum_is_no_datum_when_strict(write, opened):
    path = write()
    assert opened(path).datum_known
    assert not opened(path, strict=True).datum_known
    assert opened(path, strict=True, datum="cgcs2000").datum_known
    assert not opened(path, datum="unknown").datum_known


# --- where it lies -----------------------------------------------------------------------------------


def test_footprints_go_to_degrees_and_back(write, opened):
    degrees = rasterio.Affine(1e-4, 0, 116.39, 0, -1e-4, 39.9)
    raster = opened(write(crs="EPSG:4490", transform=degrees))
    box = shapely.box(X0, Y0, X0 + 30, Y0 + 30)
    placed = raster.place(np.array([box, None], dtype=object))
    there = pyproj.Transformer.from_crs("EPSG:4548", "EPSG:4490", always_xy=True)
    lon, lat = there.transform(*shapely.get_coordinates(box).T)
    assert shapely.get_coordinates(placed[0]) == pytest.approx(np.column_stack([lon, lat]))
    assert placed[1] is None


def test_long_edges_stay_where_the_map_draws_them(write, opened):
    """20 km along one line: in degrees it bends, and is followed to 1 cm."""
    degrees = rasterio.Affine(1e-4, 0, 116.39, 0, -1e-4, 39.9)
    raster = opened(write(crs="EPSG:4490", transform=degrees))
    line = shapely.LineString([(X0, Y0), (X0 + 20_000, Y0)])
    placed = raster.place(np.array([line], dtype=object))[0]
    back = pyproj.Transformer.from_crs("EPSG:4490", "EPSG:4548", always_xy=True)
    along = shapely.get_coordinates(shapely.segmentize(placed, 1e-4))
    _, y = back.transform(*along.T)
    assert np.abs(y - Y0).max() < 0.01
    straight = shapely.LineString([placed.coords[0], placed.coords[-1]])
    _, y = back.transform(*shapely.get_coordinates(shapely.segmentize(straight, 1e-4)).T)
    assert np.abs(y - Y0).max() > 5  # what it would be without


def test_another_projection(write, opened):
    path = write(crs="EPSG:32650", transform=rasterio.Affine(90, 0, 448_000, 0, -90, 4_416_450))
    placed = opened(path).place(np.array([shapely.Point(X0, Y0)], dtype=object))[0]
    there = pyproj.Transformer.from_crs("EPSG:4548", "EPSG:4490", always_xy=True)
    east, north = pyproj.Proj("EPSG:32650")(*there.transform(X0, Y0))
    assert (placed.x, placed.y) == pytest.approx((east, north), abs=1e-3)


# --- what is refused ----------------------------------------------------------------------------------


def test_no_such_file(opened, tmp_path):
    with pytest.raises(LayerError, match=r"dem \(.*none.tif\): does not exist"):
        opened(tmp_path / "none.tif")


def test_no_raster_at_all(opened, tmp_path):
    path = tmp_path / "a.tif"
    path.write_text("not a raster")
    with pytest.raises(LayerError, match="cannot be read as a raster"):
        opened(path)


@pytest.mark.parametrize("colour", [True, False])
def test_a_picture_called_tif(write, opened, colour):
    """A screenshot has colours; a grey one has values, but no place."""
    picture = np.zeros((3 if colour else 1, 5, 5), "uint8")
    profile = {"driver": "PNG", "crs": None, "transform": None}
    reason = "is a picture" if colour else "is not georeferenced"
    with pytest.raises(LayerError, match=reason):
        opened(write(picture, **profile))


def test_a_scanned_map_is_a_picture_wherever_it_lies(write, opened):
    scan = np.zeros((3, 5, 5), "uint8")
    with pytest.raises(LayerError, match="holds colours"):
        opened(write(scan, photometric="RGB"))
    drawn = write(np.zeros((1, 5, 5), "uint8"), name="b.tif", photometric="palette")
    with rasterio.open(drawn, "r+") as file:
        file.write_colormap(1, {0: (255, 0, 0)})
    with pytest.raises(LayerError, match="holds colours"):
        opened(drawn)


def test_control_points_only(write, opened, tmp_path):
    path = tmp_path / "a.tif"
    corners = [(0, 0, X0, Y0 + 50), (0, 5, X0 + 50, Y0 + 50), (5, 0, X0, Y0)]
    points = [rasterio.control.GroundControlPoint(*corner) for corner in corners]
    profile = {"driver": "GTiff", "dtype": "float64", "count": 1, "height": 5, "width": 5}
    with rasterio.open(path, "w", gcps=points, crs="EPSG:4548", **profile) as file:
        file.write(CELLS, 1)
    with pytest.raises(LayerError, match="control points only"):
        opened(path)


@pytest.mark.parametrize(
    "transform",
    [
        rasterio.Affine(10, 1, X0, 1, -10, Y0 + 50),
        rasterio.Affine(10, 0, X0, 0, 10, Y0),
        rasterio.Affine(-10, 0, X0 + 50, 0, -10, Y0 + 50),
    ],
)
def test_a_turned_or_mirrored_grid(write, opened, transform):
    with pytest.raises(LayerError, match="turned or mirrored"):
        opened(write(transform=transform))


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
def test_a_web_maps_datum(write, opened, datum):
    with pytest.raises(LayerError, match=f"declared as {datum}.*Warp the raster to CGCS2000"):
        opened(write(), datum=datum)


def test_an_old_datum(write, opened):
    with pytest.raises(CrsError, match="Xian 1980"):
        opened(write(crs="EPSG:2335", transform=rasterio.Affine(10, 0, 20_447_000, 0, -10, Y0)))


def test_another_city(write, opened):
    with pytest.raises(CrsError, match="not near Beijing"):
        opened(write(crs="EPSG:4490", transform=rasterio.Affine(1e-4, 0, 121.4, 0, -1e-4, 31.2)))


def test_feet(write, opened):
    with pytest.raises(LayerError, match=r'values in "ft".*units = \{ elevation_m = "m"'):
        opened(write(tags={"units": ("ft",)}))


def test_a_geodataframe_is_no_raster(parcels):
    with pytest.raises(LayerError, match="a GeoDataFrame was given"):
        read_inputs(parcels, layers={"dem": parcels})


def test_keys_that_mean_nothing_are_told_at_once(layers_toml):
    path = layers_toml(
        """
        [layers.dem]
        path = "a.tif"
        where = "a = 1"
        coverage = "assumed"
        units = { elevation_m = "kg" }
        [layers.population]
        path = "b.tif"
        accuracy_m = 1
        [layers.hubs]
        path = "c.gpkg"
        nodata = 0
        """
    )
    with pytest.raises(LayerError) as caught:
        load_settings(path)
    told = [problem.to("en") for problem in caught.value.problems]
    words = ["kg", "coverage means", "where means", "accuracy_m means", "nodata is for rasters"]
    assert len(told) == len(words)
    assert all(any(word in line for line in told) for word in words)


def test_faults_of_rasters_and_layers_are_told_together(parcels, tmp_path):
    with pytest.raises(LayerError) as caught:
        read_inputs(parcels, layers={"dem": "none.tif", "hubs": "none.gpkg"})
    assert len(caught.value.problems) == 2


def test_a_file_that_breaks_off_is_told_when_it_is_read(write, opened):
    path = write(np.arange(250_000.0).reshape(500, 500))
    raster = opened(path)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(LayerError, match="cannot be read as a raster"):
        cells_of(raster)


# --- what else knows of rasters --------------------------------------------------------------------


def test_a_role_that_no_rule_needs_is_not_opened(parcels):
    assert not read_inputs(parcels, layers={"dem": "none.tif"}, roles_needed=()).rasters


def test_the_draft_names_rasters(parcels, tmp_path):
    path = tmp_path / "a.gpkg"
    parcels.to_file(path)
    text = draft_layers_toml(path)
    assert "# [layers.dem]" in text
    assert "nodata" in text


def test_from_python_to_the_result_and_the_record(write):
    plot = gpd.GeoDataFrame(geometry=[shapely.box(X0, Y0, X0 + 20, Y0 + 20)], crs="EPSG:4548")
    result = geo_urc.screen(plot, layers={"dem": str(write()), "population": str(write())})
    row = result.parcels.iloc[0]
    # the south-western four of 1 … 25: 16, 17, 21 and 22
    assert (row.ground_min_m, row.ground_mean_m, row.ground_max_m) == (16, 19, 22)
    assert (row.population_people, row.population_covered_share) == (76, 1)
    assert [raster["role"] for raster in result.run["rasters"]] == ["dem", "population"]
    assert result.run["software"]["rasterio"] == rasterio.__version__
    assert any("dem" in notice["where"] for notice in result.run["notices"])


def test_without_a_raster_there_is_no_column_for_it(parcels):
    columns = set(geo_urc.screen(parcels).parcels.columns)
    assert not columns & {"ground_min_m", "ground_covered_share", "population_people"}


@pytest.mark.parametrize("first", ["pyogrio", "rasterio"])
def test_two_copies_of_gdal_and_proj_in_one_process(write, parcels, tmp_path, first):
    """The wheels of pyogrio, fiona, rasterio and pyproj bring their own: none may spoil another."""
    parcels.to_file(tmp_path / "a.gpkg")
    raster = write(crs="EPSG:32650", transform=rasterio.Affine(90, 0, 448_000, 0, -90, 4_416_450))
    second = {"pyogrio": "rasterio", "rasterio": "pyogrio"}[first]
    code = f"""
import {first}, {second}, fiona, pyproj, pyogrio, rasterio
def both():
    assert pyogrio.read_info({str(tmp_path / "a.gpkg")!r})["crs"] == "EPSG:4548"
    with fiona.open({str(tmp_path / "a.gpkg")!r}) as file:
        assert len(file) == 3
    with rasterio.open({str(raster)!r}) as file:
        assert file.crs.to_epsg() == 32650
        assert file.read(1)[0, 0] == 1
    there = pyproj.Transformer.from_crs("EPSG:4548", "EPSG:4490", always_xy=True)
    print(*(round(v, 6) for v in there.transform({X0}, {Y0})))
both(); both()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    once, again = done.stdout.splitlines()
    there = pyproj.Transformer.from_crs("EPSG:4548", "EPSG:4490", always_xy=True)
    assert once == again == " ".join(str(round(v, 6)) for v in there.transform(X0, Y0))
