from __future__ import annotations

import io
import sqlite3
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pyogrio
import pytest
import shapely

from geo_urc.errors import OutputError
from geo_urc.outputs.geopackage import (
    finish_geopackage,
    stored_project,
    write_attribute_table,
    write_geopackage_layer,
)
from geo_urc.results import About
from geo_urc.text import Text
from tests.outputs.conftest import (
    ABOUT,
    AS_OF,
    COUNT,
    HOSTILE,
    UNUSABLE,
    greens_info,
    greens_table,
    parcel_shape,
    parcels_info,
    parcels_table,
)


def write_all(path: Path, crs: str = "EPSG:4490") -> Path:
    for info, table in (
        (parcels_info(crs), parcels_table(crs)),
        (greens_info(crs), greens_table(crs)),
    ):
        write_geopackage_layer(path, info, table.schema, table.to_batches(max_chunksize=7))
    write_attribute_table(path, "rules", pa.table({"id": ["T08a"], "parameters": ["{}"]}))
    finish_geopackage(path, [parcels_info(crs), greens_info(crs)], ABOUT)
    return path


def rows(path: Path, query: str) -> list[tuple]:
    with sqlite3.connect(path) as connection:
        return connection.execute(query).fetchall()


def test_every_row_comes_back_in_order_with_its_values(tmp_path, crs):
    path = write_all(tmp_path / "结果.gpkg", crs)
    meta, _, wkb, _ = pyogrio.raw.read(path, layer="parcels")
    assert meta["crs"] == crs
    assert meta["geometry_type"] == "MultiPolygon"
    back = pyogrio.read_dataframe(path, layer="parcels")
    table = parcels_table(crs)
    assert back["subject_id"].tolist() == table["subject_id"].to_pylist()
    assert back["名称"][0] == HOSTILE
    assert back["FID"].tolist() == list(range(100, 100 + COUNT))
    assert back["t08a_verdict"].tolist() == table["t08a_verdict"].to_pylist()
    assert back["raw_wkb"][UNUSABLE] == b"\x00broken"
    assert [place for place, shape in enumerate(wkb) if shape is None] == [UNUSABLE]


def test_coordinates_are_untouched_and_single_parts_are_promoted(tmp_path):
    path = write_all(tmp_path / "a.gpkg")
    shapes = pyogrio.read_dataframe(path, layer="parcels").geometry
    assert set(shapes.drop(UNUSABLE).geom_type) == {"MultiPolygon"}
    for place in (0, 6, COUNT - 1):
        assert shapes[place].geoms[0].equals_exact(parcel_shape(place), 0)


def test_heights_survive_the_promotion(tmp_path):
    table = parcels_table().slice(0, 1)
    tall = shapely.force_3d(parcel_shape(0), 12.5)
    table = table.set_column(
        table.schema.get_field_index("geom"), "geom", pa.array([shapely.to_wkb(tall)], pa.binary())
    )
    path = tmp_path / "z.gpkg"
    write_geopackage_layer(path, parcels_info(), table.schema, table.to_batches())
    shape = pyogrio.read_dataframe(path).geometry[0]
    assert shape.geom_type == "MultiPolygon"
    assert shapely.get_coordinates(shape, include_z=True)[:, 2].tolist() == [12.5] * 5


def test_version_index_and_tables_are_what_old_qgis_reads(tmp_path):
    path = write_all(tmp_path / "a.gpkg")
    assert rows(path, "PRAGMA user_version") == [(10200,)]
    assert rows(path, "PRAGMA journal_mode") == [("delete",)]
    assert sorted(tmp_path.iterdir()) == [path]
    assert rows(path, "SELECT count(*) FROM rtree_parcels_geom") == [(COUNT - 1,)]
    kinds = dict(rows(path, "SELECT table_name, data_type FROM gpkg_contents"))
    assert kinds == {
        "parcels": "features",
        "green_spaces": "features",
        "rules": "attributes",
        "layer_styles": "attributes",
    }
    assert rows(path, "SELECT identifier FROM gpkg_contents WHERE table_name = 'parcels'") == [
        ("宗地",)
    ]


def test_styles_are_named_by_rule_and_the_first_is_the_default(tmp_path):
    path = write_all(tmp_path / "a.gpkg")
    assert rows(
        path,
        "SELECT f_table_name, f_table_schema, f_geometry_column, styleName, useAsDefault"
        " FROM layer_styles ORDER BY id",
    ) == [
        ("parcels", "", "geom", "T08a 轨道站点周边", 1),
        ("parcels", "", "geom", "T23 蓝线内便民设施", 0),
        ("green_spaces", "", "geom", "T20 绿地地下空间", 1),
    ]


def test_gdal_gives_the_chinese_headings_back(tmp_path):
    path = write_all(tmp_path / "a.gpkg")
    with pyogrio.open_arrow(path, layer="parcels") as (_, stream):
        schema = pa.RecordBatchReader.from_stream(stream).schema
    field = schema.field("rail_distance_m")
    assert field.metadata[b"GDAL:OGR:alternative_name"].decode() == "到车站的距离（米）"


def test_same_input_gives_the_same_bytes(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
    first = write_all(tmp_path / "a" / "x.gpkg").read_bytes()
    second = write_all(tmp_path / "b" / "x.gpkg").read_bytes()
    assert first == second


def test_vocabularies_are_in_the_file_as_the_standard_has_them(tmp_path):
    path = write_all(tmp_path / "a.gpkg")
    words = rows(
        path,
        "SELECT value, k.description FROM gpkg_data_columns c"
        " JOIN gpkg_data_column_constraints k USING (constraint_name)"
        " WHERE table_name = 'parcels' AND column_name = 't08a_verdict'",
    )
    assert ("review", "需人工研判") in words and len(words) == 5
    assert rows(
        path,
        "SELECT DISTINCT title FROM gpkg_data_columns WHERE table_name = 'rules'"
        " AND column_name = 'id'",
    ) == [("规则",)]


def test_the_file_says_what_it_is(tmp_path):
    path = write_all(tmp_path / "a.gpkg")
    told = pyogrio.read_info(path, layer="parcels")["dataset_metadata"]
    assert told["TITLE"] == "北京市城市更新政策适用性筛查"
    assert told["AS_OF"] == "2026-11-22"
    assert told["RULEBOOK_VERSION"] == "2026.11"
    assert told["SOURCE_01"] == "宗地：宗地.gpkg"
    assert rows(path, "SELECT DISTINCT timestamp FROM gpkg_metadata_reference") == [
        ("2026-11-22T00:00:00.000Z",)
    ]
    extensions = {name for (name,) in rows(path, "SELECT extension_name FROM gpkg_extensions")}
    assert extensions == {"gpkg_rtree_index", "gpkg_schema", "gpkg_metadata"}


def test_every_table_opens_without_a_warning(tmp_path):
    path = write_all(tmp_path / "a.gpkg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [name for name, _ in pyogrio.list_layers(path)]
        for name in found:
            pyogrio.read_dataframe(path, layer=name)
    assert found == ["parcels", "green_spaces", "rules", "layer_styles"]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert rows(path, "PRAGMA foreign_key_check") == []


def test_the_project_does_not_grow_with_the_rows(tmp_path):
    sizes = []
    for times in (1, 50):
        path = tmp_path / str(times) / "a.gpkg"
        path.parent.mkdir()
        table = pa.concat_tables([parcels_table()] * times)
        write_geopackage_layer(path, parcels_info(), table.schema, table.to_batches())
        finish_geopackage(path, [parcels_info()], ABOUT)
        sizes.append(len(stored_project(path)))
    assert sizes[0] == sizes[1]


def test_layers_without_rows_or_rules_are_finished_too(tmp_path):
    path = tmp_path / "a.gpkg"
    info = replace(parcels_info(), rules=())
    table = parcels_table().slice(0, 0)
    write_geopackage_layer(path, info, table.schema, table.to_batches())
    finish_geopackage(path, [info], About(Text("空", "empty"), AS_OF))
    ((name, default, qml),) = rows(
        path, "SELECT styleName, useAsDefault, styleQML FROM layer_styles"
    )
    assert (name, default) == ("宗地", 1)
    assert "singleSymbol" in qml
    with zipfile.ZipFile(io.BytesIO(stored_project(path))) as archive:
        ElementTree.fromstring(archive.read("project.qgs").partition(b"\n")[2])


@pytest.mark.parametrize("cut", [3, 6, 40])
def test_broken_geometry_is_not_silently_replaced(tmp_path, cut):
    # GDAL 3.12 gives such a row the geometry of the row before it.
    table = parcels_table().slice(0, 2)
    whole = table["geom"][0].as_py()
    broken = pa.array([whole, whole[:cut]], pa.binary())
    table = table.set_column(table.schema.get_field_index("geom"), "geom", broken)
    with pytest.raises(OutputError, match="record 2"):
        write_geopackage_layer(
            tmp_path / "a.gpkg", parcels_info(), table.schema, table.to_batches()
        )


def test_columns_that_differ_in_case_are_named(tmp_path):
    table = pa.table({"Name": ["a"], "name": ["b"], "NAME": ["c"]})
    with pytest.raises(OutputError) as caught:
        write_attribute_table(tmp_path / "a.gpkg", "rules", table)
    assert "“Name”与“name”" in caught.value.to("zh")
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OutputError([])])
def test_what_the_batches_raise_comes_through(tmp_path, failure):
    table = parcels_table()

    def batches():
        yield from table.slice(0, 5).to_batches()
        raise failure

    with pytest.raises(failure if isinstance(failure, type) else type(failure)):
        write_geopackage_layer(tmp_path / "a.gpkg", parcels_info(), table.schema, batches())


def test_types_that_a_geopackage_lacks_become_text(tmp_path):
    table = pa.table(
        {"id": ["a"], "empty": pa.nulls(1), "view": pa.array(["北"], pa.string_view())}
    )
    write_attribute_table(tmp_path / "a.gpkg", "t", table)
    assert rows(tmp_path / "a.gpkg", "SELECT id, empty, view FROM t") == [("a", None, "北")]


def test_a_missing_folder_is_an_output_error(tmp_path):
    with pytest.raises(OutputError):
        write_attribute_table(tmp_path / "no" / "a.gpkg", "t", pa.table({"id": ["a"]}))
