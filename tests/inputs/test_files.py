"""Every format gives the same parcels, and a file that cannot be used says what to do."""

from __future__ import annotations

import shutil
import zipfile

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pytest
import shapely

from geo_urc.errors import LayerError
from geo_urc.inputs import read_inputs


def written(parcels, folder, name):
    path = folder / name
    match path.suffix:
        case ".parquet":
            parcels.to_parquet(path)
        case ".shp":
            parcels.to_file(path, encoding="utf-8")
        case ".zip":
            inner = folder / "zip"
            inner.mkdir()
            parcels.to_file(inner / "宗地.shp", encoding="utf-8")
            with zipfile.ZipFile(path, "w") as archive:
                for file in inner.iterdir():
                    archive.write(file, file.name)
        case ".csv":
            frame = parcels.drop(columns="geometry").assign(WKT=parcels.geometry.to_wkt())
            frame.to_csv(path, index=False, encoding="utf-8")
        case ".fgb":  # with an index the file itself is in another order
            parcels.to_file(path, SPATIAL_INDEX="NO")
        case _:
            parcels.to_file(path)
    return path


@pytest.mark.parametrize(
    "name", ["a.gpkg", "a.shp", "a.fgb", "a.parquet", "a.zip", "a.csv", "宗地 一.gdb"]
)
def test_formats_agree(parcels, tmp_path, layers_toml, name):
    path = written(parcels, tmp_path, name)
    crs = 'crs = "EPSG:4548"' if name == "a.csv" else ""
    toml = layers_toml(
        f'[parcels]\nid = "编号"\n{crs}\n'
        'fields = { existing_above_gfa_m2 = "面积", land_use = "用地" }\n'
        'units = { existing_above_gfa_m2 = "万m2" }'
    )
    subjects = read_inputs(path, layers=toml).parcels
    (batch,) = subjects.batches()
    assert subjects.count == 3
    assert batch.features.ids.tolist() == ["甲一", "甲二", "甲三"]
    assert batch.features.fields["existing_above_gfa_m2"].tolist() == [15000, 25000, 35000]
    assert batch.features.fields["land_use"].tolist() == [
        "residential",
        "commercial",
        "residential",
    ]
    assert shapely.area(batch.features.geometry) == pytest.approx([1e4] * 3)
    assert {"编号", "用地", "面积"} <= set(batch.columns.schema.names)
    assert batch.columns.column("编号").to_pylist() == ["甲一", "甲二", "甲三"]
    assert batch.columns.schema.equals(subjects.column_schema)
    assert subjects.source.sha256
    assert set(subjects.source.converted) == {"面积", "用地"}


def test_geojson_in_degrees(parcels, tmp_path):
    path = tmp_path / "a.geojson"
    parcels.to_crs("EPSG:4326").to_file(path, COORDINATE_PRECISION=12)
    subjects = read_inputs(path).parcels
    (batch,) = subjects.batches()
    assert shapely.area(batch.features.geometry) == pytest.approx([1e4] * 3, rel=1e-6)
    assert subjects.output_crs == "EPSG:4326"
    assert subjects.source.datum_assumed
    assert any(n.kind == "assumption" and "datum" in n.text.en for n in subjects.notices)


def test_geodataframes(parcels, square):
    stations = gpd.GeoDataFrame(
        {"name": ["东"]}, geometry=[shapely.centroid(square(0))], crs="EPSG:4548"
    )
    inputs = read_inputs(parcels, layers={"rail_stations": stations})
    assert inputs.parcels.count == 3
    assert inputs.layers["rail_stations"].features.names.tolist() == ["东"]
    assert inputs.layers["rail_stations"].features.ids.tolist() == ["rail_stations-1"]


def test_batches_are_stable_and_repeatable(square, tmp_path):
    count = 1000
    frame = gpd.GeoDataFrame(
        {"n": range(count)}, geometry=[square(i % 50) for i in range(count)], crs="EPSG:4548"
    )
    path = tmp_path / "a.gpkg"
    frame.to_file(path)
    subjects = read_inputs(path).parcels
    for rows in (64, 333, 5000):
        batches = list(subjects.batches(rows))
        assert np.concatenate([b.features.ids for b in batches]).tolist() == [
            f"parcels-{i + 1}" for i in range(count)
        ]
        assert [v for b in batches for v in b.columns.column("n").to_pylist()] == list(range(count))


def test_input_bytes_are_untouched(parcels, tmp_path):
    path = tmp_path / "a.parquet"
    parcels.to_parquet(path)
    (batch,) = read_inputs(path).parcels.batches()
    assert batch.wkb.to_pylist() == list(parcels.geometry.to_wkb())
    assert batch.raw_wkb.null_count == 3


def test_layer_is_chosen_by_name(parcels, tmp_path):
    path = tmp_path / "多层.gpkg"
    parcels.to_file(path, layer="一层")
    parcels.iloc[:1].to_file(path, layer="二层")
    assert read_inputs(f"{path}|layername=二层").parcels.count == 1
    with pytest.raises(LayerError) as caught:
        read_inputs(path)
    assert "一层" in caught.value.to("zh") and "二层" in caught.value.to("en")
    with pytest.raises(LayerError, match="Known: 一层, 二层"):
        read_inputs(f"{path}|layername=三层")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("postgresql://127.0.0.1:1/db?table=a.b", "does not answer"),
        ("PG:host=127.0.0.1", "no address of a database"),
        ("none.gpkg", "does not exist"),
    ],
)
def test_what_cannot_be_opened(given, said):
    with pytest.raises(LayerError, match=said):
        read_inputs(given)


def test_junk_is_refused_not_crashed_on(tmp_path):
    for name in ("a.gpkg", "a.shp", "a.geojson", "a.parquet", "a.zip", "a.csv"):
        path = tmp_path / name
        path.write_bytes(b"\x00\x01 this is nothing")
        with pytest.raises(LayerError):
            read_inputs(path)


def test_nested_columns_become_text(parcels, tmp_path):
    frame = parcels.assign(list=[[1, 2], None, []])
    path = tmp_path / "a.parquet"
    frame.to_parquet(path)
    (batch,) = read_inputs(path).parcels.batches()
    assert batch.columns.column("list").to_pylist() == ["[1, 2]", None, "[]"]
    assert batch.columns.schema.field("list").type == pa.string()


def test_time_zone_is_kept(parcels, tmp_path):
    when = gpd.pd.to_datetime(["2026-01-01T08:00:00+08:00"] * 3).tz_convert("Asia/Shanghai")
    path = tmp_path / "a.parquet"
    parcels.assign(when=when).to_parquet(path)
    subjects = read_inputs(path).parcels
    assert subjects.column_schema.field("when").type.tz == "Asia/Shanghai"


def test_where_filters_gdal_formats_and_is_refused_for_parquet(parcels, tmp_path):
    frame = parcels.rename(columns={"编号": "name"})
    frame.to_file(tmp_path / "a.gpkg")
    frame.to_parquet(tmp_path / "a.parquet")
    entry = {"path": str(tmp_path / "a.gpkg"), "where": "面积 > 2"}
    layer = read_inputs(parcels, layers={"green_spaces": entry}).layers["green_spaces"]
    assert layer.features.names.tolist() == ["甲二", "甲三"]
    for wrong in (
        {"path": str(tmp_path / "a.parquet"), "where": "面积 > 2"},
        {"path": str(tmp_path / "a.gpkg"), "where": "nothing = 1"},
    ):
        with pytest.raises(LayerError, match="where"):
            read_inputs(parcels, layers={"green_spaces": wrong})


def test_shapefile_without_index_is_read(parcels, tmp_path):
    path = written(parcels, tmp_path, "a.shp")
    (tmp_path / "a.shx").unlink()
    subjects = read_inputs(path).parcels
    assert subjects.count == 3
    assert not (tmp_path / "a.shx").exists()
    assert any(".shx" in n.text.en for n in subjects.notices)


def many(square, count=400):
    return gpd.GeoDataFrame(
        {"n": range(count), "文": ["某某街道"] * count},
        geometry=[square(i % 40) for i in range(count)],
        crs="EPSG:4548",
    )


def halve(path):
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])


@pytest.mark.parametrize("part", [".shp", ".shx", ".dbf"])
def test_no_parcel_of_a_cut_shapefile_is_lost(square, tmp_path, part):
    path = written(many(square), tmp_path, "a.shp")
    halve(path.with_suffix(part))
    subjects = read_inputs(path).parcels
    batches = list(subjects.batches())
    source = subjects.source
    assert source.records_in == source.records_used + source.records_set_aside == 400
    assert sum(len(b.features) for b in batches) == 400
    assert any(part in n.text.en for n in subjects.notices)
    null = sum(b.wkb.null_count for b in batches)
    assert (null > 100) if part == ".shp" else (null == 0)
    assert source.unusable == null


def test_cut_geojson_gives_the_whole_features(square, tmp_path):
    path = tmp_path / "a.geojson"
    many(square).to_crs(4326).to_file(path)
    text = path.read_text("utf-8")
    whole = text[: len(text) // 2].count("] ] ] } }")
    halve(path)
    subjects = read_inputs(path).parcels
    assert 0 < whole == subjects.count
    assert [s.record for s in subjects.set_aside] == [whole + 1]
    assert subjects.source.records_in == whole + 1


def test_broken_feature_inside_geojson_is_named(square, tmp_path):
    path = tmp_path / "a.geojson"
    many(square, 5).to_crs(4326).to_file(path)
    lines = path.read_text("utf-8").splitlines(keepends=True)
    broken = next(i for i, line in enumerate(lines) if '"n": 2' in line)
    lines[broken] = lines[broken].replace('"n": 2', '"n": @@')
    path.write_text("".join(lines), "utf-8")
    subjects = read_inputs(path).parcels
    (batch,) = subjects.batches()
    assert batch.columns.column("n").to_pylist() == [0, 1, 3, 4]
    assert batch.features.ids.tolist() == [f"parcels-{i}" for i in (1, 2, 4, 5)]
    assert [s.record for s in subjects.set_aside] == [3]


def test_cut_flatgeobuf_is_read_record_by_record(square, tmp_path):
    path = tmp_path / "a.fgb"
    many(square).to_file(path, SPATIAL_INDEX="NO")
    halve(path)
    subjects = read_inputs(path).parcels
    source = subjects.source
    assert source.records_in == 400
    assert 100 < source.records_used < 300
    assert source.records_used + source.records_set_aside == 400
    (batch,) = subjects.batches()
    assert batch.columns.column("n").to_pylist() == list(range(source.records_used))
    assert set(batch.columns.column("文").to_pylist()) == {"某某街道"}


def test_zip_with_two_files_asks_which(parcels, tmp_path):
    parcels.to_file(tmp_path / "a.gpkg")
    shutil.copy(tmp_path / "a.gpkg", tmp_path / "b.gpkg")
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a.gpkg", "b.gpkg"):
            archive.write(tmp_path / name, name)
    with pytest.raises(LayerError, match="several data files"):
        read_inputs(path)
    assert read_inputs(f"{path}|layername=b").parcels.count == 3


def test_real_landuse(real):
    subjects = read_inputs(real("parcels/osm_landuse.shp")).parcels
    source = subjects.source
    assert source.records_in == 15_967
    assert source.records_in == source.records_used + source.records_set_aside
    assert source.repaired + source.unusable + source.records_set_aside >= 30
    batches = list(subjects.batches())
    assert sum(len(b.features) for b in batches) == source.records_used
    geometry = np.concatenate([b.features.geometry for b in batches])
    usable = geometry[~shapely.is_missing(geometry)]
    assert len(geometry) - len(usable) == source.unusable
    assert shapely.is_valid(usable).all()


def test_real_forbidden_city(real):
    """509 outlines of four equal points or the like; one building stands in Shenyang."""
    source = read_inputs(real("bad_inputs/gugong_509invalid_mixed_city.geojson")).parcels.source
    assert source.records_in == 1101 == source.records_used + source.records_set_aside
    assert source.repaired + source.unusable >= 509


def test_real_stations(real, parcels):
    entry = {
        "path": str(real("rail/gtfs/stops.txt")),
        "where": "location_type = '1'",
        "id": "stop_id",
        "fields": {"name": "stop_name"},
    }
    layer = read_inputs(parcels, layers={"rail_stations": entry}).layers["rail_stations"]
    assert layer.source.records_in == 513
    assert len(layer.features) == 511
    assert sorted(str(s.content)[:13] for s in layer.set_aside) == ['{"attributes"'] * 2
    assert "西直门" in layer.features.names.tolist()
    assert any("EPSG:4326" in n.text.en for n in layer.notices)


def test_a_folder_of_several_files_is_read_whole(tmp_path):
    """Each file comes as a run of its own, and a short run is not the last."""
    for k in range(3):
        x = 448_000.0 + 100.0 * k + 10.0 * np.arange(2 + k)
        plots = gpd.GeoDataFrame(
            {"code": [f"{k}-{i}" for i in range(2 + k)]},
            geometry=shapely.box(x, 4_418_000.0, x + 5.0, 4_418_005.0),
            crs=4548,
        )
        plots.to_parquet(tmp_path / f"{k}.parquet")
    for workers in (1, 2):
        subjects = read_inputs(tmp_path, workers=workers).parcels
        assert subjects.count == 2 + 3 + 4
        codes = [c for b in subjects.batches() for c in b.columns.column("code").to_pylist()]
        assert codes == ["0-0", "0-1", "1-0", "1-1", "1-2", "2-0", "2-1", "2-2", "2-3"]
