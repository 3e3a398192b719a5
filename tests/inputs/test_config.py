"""LAYERS.toml: every fault is found at once, and coverage, roles and parameters are obeyed."""

from __future__ import annotations

import geopandas as gpd
import pytest
import shapely

from geo_urc.errors import LayerError
from geo_urc.inputs import draft_layers_toml, load_settings, read_inputs


@pytest.fixture
def stations(square, tmp_path):
    path = tmp_path / "stations.gpkg"
    gpd.GeoDataFrame(
        {"站名": ["东", "西"]},
        geometry=[shapely.force_3d(shapely.centroid(square(i)), 40) for i in (0, 1)],
        crs="EPSG:4548",
    ).to_file(path)
    return path


def test_all_faults_are_reported_together(layers_toml):
    path = layers_toml(
        """
        [parcels]
        idd = "x"
        datum = "gcj"
        [layers.rail_stations]
        accuracy_m = -1
        [layers.rail_station]
        path = "a.gpkg"
        """
    )
    with pytest.raises(LayerError) as caught:
        load_settings(path)
    message = caught.value.to("en")
    assert len(caught.value.problems) == 4
    for part in ('"id"', "gcj02", "path = …", "accuracy_m"):
        assert part in message


def test_faults_against_the_catalogue(layers_toml):
    path = layers_toml(
        """
        [parcels]
        fields = { land_uses = "a" }
        units = { planned_gfa_m2 = "kg", land_use = "m2" }
        values = { planned_gfa_m2 = { a = "b" } }
        [layers.rail_station]
        path = "a.gpkg"
        [layers.hubs]
        path = "a.gpkg"
        coverage = "districts"
        x = "lon"
        """
    )
    with pytest.raises(LayerError) as caught:
        load_settings(path)
    message = caught.value.to("en")
    assert len(caught.value.problems) == 7
    assert 'Did you mean "land_use"' in message and 'Did you mean "rail_stations"' in message
    assert "ha" in message and "[layers.districts]" in message
    assert all(p.what.zh and p.fix.zh for p in caught.value.problems)


def test_not_toml(layers_toml):
    with pytest.raises(LayerError, match="valid TOML"):
        load_settings(layers_toml("[parcels\n"))
    with pytest.raises(LayerError, match="cannot be opened"):
        load_settings(layers_toml("").with_name("other.toml"))


def test_parameters_are_flat_names(layers_toml):
    quoted = load_settings(layers_toml('[rules]\n"T08a.radius_m" = 800'))
    plain = load_settings(layers_toml("[rules]\nT08a.radius_m = 800"))
    assert quoted.rules == plain.rules == {"T08a.radius_m": 800}


def test_problems_of_all_files_are_collected(parcels, stations, layers_toml):
    path = layers_toml(
        """
        [layers.hubs]
        path = "none.gpkg"
        [layers.rail_stations]
        path = "stations.gpkg"
        id = "osm_id"
        fields = { name = "站明" }
        [layers.blue_lines]
        path = "postgresql://127.0.0.1:1/db?table=a.b"
        """
    )
    with pytest.raises(LayerError) as caught:
        read_inputs(parcels, layers=path)
    message = caught.value.to("en")
    assert len(caught.value.problems) == 4
    for part in ("none.gpkg", '"osm_id"', 'Did you mean "站名"', "does not answer"):
        assert part in message


def test_layer_as_facts_see_it(parcels, stations, layers_toml):
    path = layers_toml(
        """
        [layers.rail_stations]
        path = "stations.gpkg"
        fields = { name = "站名" }
        accuracy_m = 5.0
        datum = "cgcs2000"
        """
    )
    layer = read_inputs(parcels, layers=path).layers["rail_stations"]
    assert layer.features.names.tolist() == ["东", "西"]
    assert layer.features.accuracy_m == 5.0
    assert not layer.features.geometry[0].has_z
    assert layer.coverage is None and layer.coverage_assumed
    assert not layer.source.datum_assumed and layer.datum_known
    kinds = [n.text.en for n in layer.notices if n.kind == "assumption"]
    assert any("coverage" in k for k in kinds)
    assert not any("accuracy" in k or "datum not" in k for k in kinds)


def test_unknown_datum_decides_nothing(parcels, stations):
    entry = {"path": str(stations), "datum": "unknown"}
    inputs = read_inputs(parcels, layers={"rail_stations": entry})
    assert not inputs.layers["rail_stations"].datum_known


def test_coverage_by_role_and_by_file(parcels, stations, square, tmp_path, layers_toml):
    area = gpd.GeoDataFrame(
        {"name": ["甲", "乙"]}, geometry=[square(0), square(1)], crs="EPSG:4548"
    )
    area.to_file(tmp_path / "area.gpkg")
    for coverage in ("districts", "area.gpkg"):
        toml = layers_toml(
            f"""
            [layers.rail_stations]
            path = "stations.gpkg"
            coverage = "{coverage}"
            [layers.districts]
            path = "area.gpkg"
            """
        )
        inputs = read_inputs(parcels, layers=toml, roles_needed={"rail_stations"})
        layer = inputs.layers["rail_stations"]
        assert layer.coverage.area == pytest.approx(20_000)
        assert not layer.coverage_assumed
        assert ("districts" in inputs.layers) is (coverage == "districts")


def test_roles_that_no_rule_needs_are_not_read(parcels, tmp_path):
    layers = {"rail_stations": str(tmp_path / "none.gpkg")}
    assert read_inputs(parcels, layers=layers, roles_needed=set()).layers == {}


def test_wrong_kind_and_unusable_geometry_in_a_layer_are_set_aside(parcels, square):
    given = [square(0), None, shapely.LineString([(448000, 4418000), (448001, 4418000)])]
    layer = read_inputs(
        parcels,
        layers={
            "green_spaces": gpd.GeoDataFrame({"n": [1, 2, 3]}, geometry=given, crs="EPSG:4548")
        },
    ).layers["green_spaces"]
    assert len(layer.features) == len(layer.batch.wkb) == layer.batch.columns.num_rows == 1
    assert [s.record for s in layer.set_aside] == [2, 3]
    assert layer.source.records_in == 3


def test_unfit_evaluation_system(parcels):
    with pytest.raises(LayerError, match="3857"):
        read_inputs(parcels, evaluation_crs="EPSG:3857")


def test_draft_can_be_used_as_it_is(parcels, tmp_path, layers_toml):
    path = tmp_path / "a.gpkg"
    parcels.rename(columns={"编号": "宗地代码", "面积": "现状建筑面积"}).to_file(path)
    text = draft_layers_toml(path)
    settings = load_settings(layers_toml(text))
    assert settings.parcels.id == "宗地代码"
    assert settings.parcels.fields == {"existing_above_gfa_m2": "现状建筑面积"}
    assert read_inputs(path, layers=layers_toml(text)).parcels.count == 3


def test_draft_takes_no_id_that_repeats(parcels, tmp_path):
    path = tmp_path / "a.gpkg"
    parcels.assign(编号=["a", "a", "b"]).to_file(path)
    assert "# id =" in draft_layers_toml(path)


X0, Y0 = 448_000.0, 4_418_000.0


def test_a_crack_between_districts_is_no_hole_in_the_coverage(parcels, tmp_path, layers_toml):
    west = shapely.box(X0, Y0, X0 + 500, Y0 + 900)
    crack = shapely.Polygon([(X0 + 500, Y0 + 200), (X0 + 500, Y0 + 700), (X0 + 500.2, Y0 + 450)])
    lake = shapely.box(X0 + 600, Y0 + 300, X0 + 700, Y0 + 400)
    east = shapely.box(X0 + 500, Y0, X0 + 900, Y0 + 900).difference(crack).difference(lake)
    frame = gpd.GeoDataFrame({"name": ["东城区", "西城区"]}, geometry=[west, east], crs=4548)
    frame.to_file(tmp_path / "districts.gpkg")
    point = gpd.GeoDataFrame(geometry=[shapely.Point(X0, Y0)], crs=4548)
    point.to_file(tmp_path / "stations.gpkg")
    path = layers_toml(
        """
        [layers.rail_stations]
        path = "stations.gpkg"
        coverage = "districts"
        [layers.districts]
        path = "districts.gpkg"
        """
    )
    coverage = read_inputs(parcels, layers=path).layers["rail_stations"].coverage
    # The 0.2 m crack is closed; the hectare that no district covers stays a hole.
    assert coverage.area == pytest.approx(900 * 900 - 100 * 100)
