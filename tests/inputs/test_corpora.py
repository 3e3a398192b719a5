"""Broken files of the kinds that public test corpora hold: told, counted, kept; never lost."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import struct
import zipfile
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from geo_urc.errors import LayerError
from geo_urc.inputs import draft_layers_toml, read_inputs

RING = [[116.4, 39.9], [116.41, 39.9], [116.41, 39.91], [116.4, 39.91], [116.4, 39.9]]
SHAPE = {"type": "Polygon", "coordinates": [RING]}
WHOLE = {"type": "Feature", "properties": {"n": "甲"}, "geometry": SHAPE}
WKT = "POLYGON((116.4 39.9,116.41 39.9,116.41 39.91,116.4 39.9))"


def collection(*features: object) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)


def read(path: Path, **options):
    """Return the parcels of a file and all their batches as one list of (attributes, raw)."""
    source = read_inputs(path, **options).parcels
    rows = [
        (record, raw)
        for batch in source.batches()
        for record, raw in zip(
            batch.columns.to_pylist() or [{}] * len(batch.raw_wkb),
            batch.raw_wkb.to_pylist(),
            strict=True,
        )
    ]
    counted = source.source
    assert counted.records_in == counted.records_used + counted.records_set_aside
    assert len(rows) == counted.records_used
    return source, rows


def said(source) -> str:
    return "\n".join(n.text.en for n in source.notices)


# --- GeoJSON ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "odd",
    [None, {"properties": {}, "geometry": SHAPE}, {**WHOLE, "type": "feature"}],
    ids=["null", "no type", "another type"],
)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_element_that_gdal_passes_over_is_set_aside(tmp_path, odd, at):
    features: list[object] = [WHOLE, WHOLE]
    features.insert(at, odd)
    (tmp_path / "a.geojson").write_text(collection(*features), "utf-8")
    source, rows = read(tmp_path / "a.geojson")
    assert [aside.record for aside in source.set_aside] == [at + 1]
    assert [record["n"] for record, _ in rows] == ["甲", "甲"]


def test_words_in_properties_that_look_like_it_lose_nothing(tmp_path):
    odd = {**WHOLE, "properties": {"n": "甲", "l": [{"geometry": 1}, None], "geometry": "x"}}
    (tmp_path / "a.geojson").write_text(collection(odd, WHOLE), "utf-8")
    source, rows = read(tmp_path / "a.geojson")
    assert (len(rows), source.set_aside) == (2, ())


@pytest.mark.parametrize(
    "shape",
    [
        {"type": "Polygone", "coordinates": [RING]},
        {"type": "Polygon", "coordinates": [[["116.4", "39.9"], ["116.5", "39.9"]]]},
        {"type": "Polygon", "coordinates": [[[[[1]]]]]},
    ],
)
def test_a_geometry_that_is_none_is_kept_as_its_json(tmp_path, shape):
    (tmp_path / "a.geojson").write_text(collection(WHOLE, {**WHOLE, "geometry": shape}), "utf-8")
    source, rows = read(tmp_path / "a.geojson")
    assert rows[0][1] is None
    assert json.loads(rows[1][1]) == shape
    assert "cannot be parsed" in said(source)


@pytest.mark.parametrize("ending", ["geojsonl", "geojson", "json"])
def test_a_broken_line_of_a_sequence_is_set_aside(tmp_path, ending):
    lines = [json.dumps(WHOLE), '{"type": "Feature", "geom', json.dumps(WHOLE)]
    (tmp_path / f"a.{ending}").write_text("\n".join(lines), "utf-8")
    source, rows = read(tmp_path / f"a.{ending}")
    assert ([aside.record for aside in source.set_aside], len(rows)) == ([2], 2)


@pytest.mark.parametrize("depth", [3_000, 100_000])
def test_a_value_nested_too_deep_is_no_fault_of_the_program(tmp_path, depth):
    deep = json.dumps(WHOLE).replace('"\\u7532"', "[" * depth + "]" * depth)
    (tmp_path / "a.geojson").write_text(collection(WHOLE).replace("]}", f",{deep}]}}"), "utf-8")
    try:
        source, rows = read(tmp_path / "a.geojson")
    except LayerError:
        return
    assert len(rows) + len(source.set_aside) == 2


# --- tables of text -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", [f"SRID=4490;{WKT}", "POLYGON((1 2", "01030000"])
def test_a_text_that_is_no_wkt_is_kept(tmp_path, text):
    (tmp_path / "a.csv").write_text(f'n,wkt\n甲,"{WKT}"\n乙,"{text}"\n丙,\n', "utf-8")
    source, rows = read(tmp_path / "a.csv")
    assert [raw for _, raw in rows] == [None, text.encode(), None]
    assert "cannot be parsed" in said(source)


def test_an_arc_spoils_no_other_row(tmp_path):
    arc = "CURVEPOLYGON(CIRCULARSTRING(0 0,1 1,2 0,1 -1,0 0))"
    (tmp_path / "a.csv").write_text(f'n,wkt\n甲,"{WKT}"\n乙,"{arc}"\n', "utf-8")
    source, rows = read(tmp_path / "a.csv")
    assert source.source.unusable == 1
    assert rows[1][1] == arc.encode()


@pytest.mark.parametrize("rows", ["", "甲,SRID=4490;POINT(1 2)\n"])
def test_a_table_without_any_place_says_why(tmp_path, rows):
    (tmp_path / "a.csv").write_text(f"n,wkt\n{rows}", "utf-8")
    with pytest.raises(LayerError, match="none of its"):
        read(tmp_path / "a.csv")


# --- GeoPackage ---------------------------------------------------------------------------------


@pytest.mark.parametrize("blob", [b"hello", b"", b"GP\0\0\0\0\0\0", bytes(range(200))])
def test_a_blob_that_is_no_geometry_is_kept(parcels, tmp_path, blob):
    parcels.to_file(tmp_path / "a.gpkg", SPATIAL_INDEX="NO")
    with closing(sqlite3.connect(tmp_path / "a.gpkg")) as database, database:
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        for (name,) in database.execute(triggers).fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("UPDATE a SET geom = ? WHERE fid = 2", (blob,))
        database.execute("UPDATE a SET geom = NULL WHERE fid = 3")
    source, rows = read(tmp_path / "a.gpkg")
    assert [raw for _, raw in rows] == [None, blob, None]
    assert source.source.unusable == 2


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "shp", "csv", "parquet", "fgb", "zip"])
def test_a_wrong_layer_is_not_passed_over(parcels, tmp_path, ending):
    path = tmp_path / f"宗地.{ending}"
    match ending:
        case "parquet":
            parcels.to_parquet(path)
        case "csv":
            path.write_text(f'n,wkt\n甲,"{WKT}"\n', "utf-8")
        case "zip":
            parcels.to_crs(4326).to_file(tmp_path / "宗地.geojson")
            with zipfile.ZipFile(path, "w") as archive:
                archive.write(tmp_path / "宗地.geojson", "宗地.geojson")
        case _:
            parcels.to_crs(4326).to_file(path)
    with pytest.raises(LayerError, match='no layer "别的"'):
        read_inputs(f"{path}|layername=别的")
    read_inputs(f"{path}|layername=宗地")


def test_what_qgis_appends_and_is_not_supported_is_told(parcels, tmp_path):
    parcels.to_file(tmp_path / "a.gpkg")
    with pytest.raises(LayerError, match="Filter with where"):
        read_inputs(f'{tmp_path / "a.gpkg"}|layername=a|subset="面积" > 2')


def test_no_record_at_all_is_told(parcels, tmp_path):
    parcels.iloc[:0].to_file(tmp_path / "a.gpkg")
    (tmp_path / "a.geojson").write_text(collection(), "utf-8")
    for name in ("a.gpkg", "a.geojson"):
        assert "has no record" in said(read_inputs(tmp_path / name).parcels)


def test_a_damaged_table_of_a_geodatabase_is_no_empty_layer(parcels, tmp_path):
    parcels.to_file(tmp_path / "a.gdb", driver="OpenFileGDB")
    table = sorted((tmp_path / "a.gdb").glob("*.gdbtable"))[-1]
    table.write_bytes(table.read_bytes()[:60])
    with pytest.raises(LayerError, match="damaged"):
        read_inputs(tmp_path / "a.gdb")


# --- GeoParquet ---------------------------------------------------------------------------------


@pytest.mark.parametrize("covering", [5, {"bbox": [1]}, {"bbox": {"xmin": 3}}])
def test_damaged_coverings(parcels, tmp_path, covering):
    parcels.to_parquet(tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    geo = json.loads(table.schema.metadata[b"geo"])
    geo["columns"]["geometry"]["covering"] = covering
    table = table.replace_schema_metadata({b"geo": json.dumps(geo)})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(LayerError, match="damaged GeoParquet metadata"):
        read_inputs(tmp_path / "a.parquet")


def test_two_columns_of_one_name_in_parquet(parcels, tmp_path):
    parcels.to_parquet(tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    twins = pa.Table.from_arrays(table.columns, names=["a", "a", "b", "geometry"])
    pq.write_table(twins.replace_schema_metadata(table.schema.metadata), tmp_path / "a.parquet")
    with pytest.raises(LayerError, match="several columns of one name: a"):
        read_inputs(tmp_path / "a.parquet")


def test_numbers_that_no_double_holds_stay_as_they_are(parcels, tmp_path):
    parcels.to_parquet(tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    exact = Decimal("123456789012345678901.25")
    table = table.append_column("值", pa.array([exact] * 3, pa.decimal128(30, 2)))
    table = table.append_column("半", pa.array([0.5] * 3, pa.float16()))
    pq.write_table(table, tmp_path / "a.parquet")
    _, rows = read(tmp_path / "a.parquet")
    assert (rows[0][0]["值"], rows[0][0]["半"]) == (str(exact), 0.5)


# --- Shapefiles ---------------------------------------------------------------------------------


def table_of(words: list[str], deleted: tuple[int, ...] = ()) -> bytes:
    """Return a DBF with one column of text."""
    head = struct.pack("<BBBBIHH20x", 3, 126, 1, 1, len(words), 65, 11)
    head += b"n".ljust(11, b"\0") + b"C" + bytes(4) + bytes([10, 0]) + bytes(14) + b"\r"
    marks = (b"*" if i in deleted else b" " for i in range(len(words)))
    values = (word.encode().ljust(10) for word in words)
    return head + b"".join(m + v for m, v in zip(marks, values, strict=True)) + b"\x1a"


@pytest.fixture
def shp(parcels, tmp_path):
    parcels.to_file(tmp_path / "a.shp", encoding="utf-8")
    return tmp_path / "a.shp"


@pytest.mark.parametrize("words", [[], ["a"], ["a", "b"]])
def test_shapes_beyond_the_table_are_not_lost(shp, words):
    shp.with_suffix(".dbf").write_bytes(table_of(words))
    source, rows = read(shp)
    assert [record["n"] for record, _ in rows] == [*words, *[None] * (3 - len(words))]
    assert f"the last {3 - len(words)} records lack attributes" in said(source)


def test_records_beyond_the_shapes_are_set_aside(shp):
    shp.with_suffix(".dbf").write_bytes(table_of(list("abcde")))
    source, rows = read(shp)
    assert ([aside.record for aside in source.set_aside], len(rows)) == ([4, 5], 3)


def test_deleted_records_are_told(shp):
    shp.with_suffix(".dbf").write_bytes(table_of(list("abc"), deleted=(1,)))
    source, rows = read(shp)
    assert [record["n"] for record, _ in rows] == ["a", "c"]
    assert "1 records are marked as deleted" in said(source)


@pytest.mark.parametrize("raw", [b"", b"\3", b"\3" * 40, b"not a dbf at all" * 9])
def test_a_table_that_is_none_is_told(shp, raw):
    shp.with_suffix(".dbf").write_bytes(raw)
    source, rows = read(shp)
    assert rows == [({}, None)] * 3
    assert ".dbf is damaged" in said(source)


def test_extensions_in_mixed_letters(shp):
    shp.with_suffix(".prj").rename(shp.with_suffix(".Prj"))
    shp.with_suffix(".dbf").rename(shp.with_suffix(".Dbf"))
    _, rows = read(shp)
    assert [record["编号"] for record, _ in rows] == ["甲一", "甲二", "甲三"]


def test_a_folder_of_a_shapefile_is_read_as_the_shapefile(parcels, tmp_path):
    """Its encoding is looked at: GDAL would take UTF-8 without a .cpg for Latin-1."""
    folder = tmp_path / "市局数据"
    folder.mkdir()
    parcels.to_file(folder / "a.shp", encoding="utf-8")
    (folder / "a.cpg").unlink()
    _, rows = read(folder)
    assert [record["编号"] for record, _ in rows] == ["甲一", "甲二", "甲三"]
    parcels.to_file(folder / "b.shp", encoding="gbk")
    with pytest.raises(LayerError, match="several layers: a, b"):
        read_inputs(folder)
    _, rows = read(f"{folder}|layername=b")
    assert rows[0][0]["编号"] == "甲一"
    with pytest.raises(LayerError, match='no layer "c"'):
        read_inputs(f"{folder}|layername=c")


# --- archives, names, things that are no files --------------------------------------------------


def test_a_notice_beside_the_data_of_an_archive_is_no_data(parcels, tmp_path):
    parcels.to_crs(4326).to_file(tmp_path / "a.geojson")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.geojson", "a.geojson")
        archive.writestr("说明.txt", "来源")
    assert len(read(tmp_path / "a.zip")[1]) == 3


def test_archives_that_cannot_be_opened_say_why(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.geojson", collection(WHOLE))
    raw = bytearray((tmp_path / "a.zip").read_bytes())
    (tmp_path / "cut.zip").write_bytes(raw[:-30])
    with zipfile.ZipFile(tmp_path / "spoilt.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.geojson", collection(WHOLE) * 50)
    packed = bytearray((tmp_path / "spoilt.zip").read_bytes())
    packed[39:60] = b"\xff" * 21
    (tmp_path / "spoilt.zip").write_bytes(packed)
    raw[raw.find(b"PK\1\2") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(raw)
    (tmp_path / "a.rar").write_bytes(b"Rar!\x1a\7\0")
    for name, why in (
        ("a.zip", "password"),
        ("cut.zip", "no whole ZIP"),
        ("spoilt.zip", "unpacked"),
        ("a.rar", "archive"),
    ):
        with pytest.raises(LayerError, match=why):
            read_inputs(tmp_path / name)


@pytest.mark.parametrize("name", ["甲;乙.gpkg", "甲;乙.geojson", "甲;乙.shp", "甲;乙.parquet"])
def test_semicolons_in_names(parcels, tmp_path, name):
    path = tmp_path / name
    given = parcels.to_crs(4326)
    given.to_parquet(path) if path.suffix == ".parquet" else given.to_file(
        tmp_path / f"a{path.suffix}"
    )
    for file in tmp_path.glob("a.*"):
        file.rename(tmp_path / f"甲;乙{file.suffix}")
    assert len(read(path)[1]) == 3
    assert "编号" in draft_layers_toml(path)


@pytest.mark.parametrize("ending", ["", ".gpkg", ".csv", ".shp", ".parquet", ".geojson"])
def test_a_pipe_does_not_hang(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    os.mkfifo(path)
    with pytest.raises(LayerError, match="neither a file nor a folder"):
        read_inputs(path)


@pytest.mark.parametrize("ending", ["gpkg", "csv", "geojson", "zip"])
def test_a_folder_where_a_file_is_meant(tmp_path, ending):
    (tmp_path / f"a.{ending}").mkdir()
    (tmp_path / f"a.{ending}" / "x").write_text("x")
    with pytest.raises(LayerError, match="is a folder"):
        read_inputs(tmp_path / f"a.{ending}")


def test_a_name_that_is_no_text_is_told(parcels, tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xd6\xd0.gpkg"))
    parcels.to_file(tmp_path / "a.gpkg")
    try:
        shutil.copy(tmp_path / "a.gpkg", path)
    except OSError:
        pytest.skip("this file system has names of text only")
    with pytest.raises(LayerError, match="no text") as caught:
        read_inputs(path)
    str(caught.value).encode()


def test_wkb_in_hexadecimal_is_read(tmp_path):
    shape = shapely.from_wkt(WKT)
    (tmp_path / "a.csv").write_text(f"n,geom\n甲,{shape.wkb_hex}\n乙,{WKT[:9]}\n", "utf-8")
    source, rows = read(tmp_path / "a.csv")
    assert [raw for _, raw in rows] == [None, WKT[:9].encode()]
    (batch,) = source.batches()
    assert shapely.from_wkb(batch.wkb[0].as_py()) == shape


def test_text_in_place_of_wkb_is_no_geometry(parcels, tmp_path):
    """shapely reads hexadecimal text; GDAL, which writes the results, does not."""
    parcels.to_parquet(tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    texts = [shapely.from_wkb(shape).wkb_hex for shape in table["geometry"].to_pylist()]
    at = table.schema.get_field_index("geometry")
    pq.write_table(table.set_column(at, "geometry", pa.array(texts)), tmp_path / "a.parquet")
    _, rows = read(tmp_path / "a.parquet")
    assert [raw for _, raw in rows] == [text.encode() for text in texts]
