"""Inputs that lie or are broken inside: each record ends in one place, by a stated rule."""

from __future__ import annotations

import json
import re
import sqlite3
import struct
import tomllib
from contextlib import closing

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_urc.errors import LayerError
from geo_urc.inputs import draft_layers_toml, read_inputs
from tests.inputs.conftest import X0, Y0

WHOLE = shapely.box(X0, Y0, X0 + 100, Y0 + 100)
DEGREES = shapely.box(116.39, 39.9, 116.391, 39.901)


def read(path, **options):
    """Return subjects and their one batch, after the books of the file are balanced."""
    subjects = read_inputs(path, **options).parcels
    (batch,) = subjects.batches()
    source = subjects.source
    assert source.records_in == source.records_used + source.records_set_aside
    assert len(batch.features) == source.records_used == subjects.count
    assert int(shapely.is_missing(batch.features.geometry).sum()) == source.unusable
    return subjects, batch


def said(subjects) -> str:
    return "\n".join(notice.text.en for notice in subjects.notices)


# Encodings


def shapefile(tmp_path, square, values, *, width=20, name="name"):
    """Write a Shapefile whose only column holds these bytes, with nothing to say which text."""
    path = tmp_path / "a.shp"
    frame = gpd.GeoDataFrame({"name": ["x" * width] * len(values)}, geometry=[square(i) for i in range(len(values))], crs=4548)  # fmt: skip
    frame.to_file(path, encoding="utf-8")
    path.with_suffix(".cpg").unlink(missing_ok=True)
    dbf = bytearray(path.with_suffix(".dbf").read_bytes())
    dbf[29] = 0
    dbf[32:43] = (name.encode() if isinstance(name, str) else name).ljust(11, b"\0")
    head, size = int.from_bytes(dbf[8:10], "little"), int.from_bytes(dbf[10:12], "little")
    for row, value in enumerate(values):
        at = head + row * size + 1
        dbf[at : at + size - 1] = value.ljust(size - 1, b" ")
    path.with_suffix(".dbf").write_bytes(dbf)
    return path


def test_four_byte_characters_of_gb18030(tmp_path, square):
    """㐂 takes four bytes in GB18030 and has none in GBK: a reader of GBK makes two signs of it."""
    path = shapefile(tmp_path, square, ["㐂与𠮷".encode("gb18030"), "国贸".encode("gb18030")])
    subjects, batch = read(path)
    assert batch.columns.column("name").to_pylist() == ["㐂与𠮷", "国贸"]
    assert subjects.source.encoding == "gb18030"


@pytest.mark.parametrize("codec", ["utf-8", "gb18030"])
def test_one_bad_value_spoils_no_other_and_its_bytes_are_told(tmp_path, square, codec):
    bad = "甲".encode(codec) + b"\xff\xfe" + "乙".encode(codec)
    good = [text.encode(codec) for text in ("朝阳门内大街", "东四十条", "建国门外")]
    subjects, batch = read(shapefile(tmp_path, square, [*good, bad]))
    values = batch.columns.column("name").to_pylist()
    assert values[:3] == ["朝阳门内大街", "东四十条", "建国门外"]
    assert values[3].startswith("甲?") and "\ufffd" not in values[3]
    assert subjects.source.encoding == codec
    assert 'in "name" of record 4' in said(subjects) and bad.hex(" ") in said(subjects)


def test_half_characters_are_told_with_their_bytes(tmp_path, square):
    cut = "文文文".encode()[:-1]
    subjects, batch = read(shapefile(tmp_path, square, [cut, b"x"], width=8))
    assert batch.columns.column("name").to_pylist() == ["文文", "x"]
    assert "half a character" in said(subjects) and cut.hex(" ") in said(subjects)


def test_a_word_of_the_user_that_does_not_fit_makes_no_mojibake(tmp_path, square, layers_toml):
    path = shapefile(tmp_path, square, ["朝阳".encode("gb18030")])
    subjects, batch = read(path, layers=layers_toml('[parcels]\nencoding = "utf-8"'))
    (value,) = batch.columns.column("name").to_pylist()
    assert set(value) == {"?"}
    assert "朝阳".encode("gb18030").hex(" ") in said(subjects)


@pytest.mark.parametrize("named", ["hex", "rot13", "idna", "undefined", "zlib"])
def test_what_python_calls_an_encoding_and_is_none(tmp_path, square, named, layers_toml):
    path = shapefile(tmp_path, square, ["朝阳".encode()])
    path.with_suffix(".cpg").write_text(named)
    _, batch = read(path)
    assert batch.columns.column("name").to_pylist() == ["朝阳"]
    with pytest.raises(LayerError, match="no encoding"):
        read_inputs(path, layers=layers_toml(f'[parcels]\nencoding = "{named}"'))


def test_a_prj_that_is_none_leaves_room_for_crs(tmp_path, square, layers_toml):
    path = shapefile(tmp_path, square, [b"x"])
    for broken in ("PROJCS[x", "", "\0\0", 'GEOGCS["a",DATUM["b"]]'):
        path.with_suffix(".prj").write_text(broken)
        with pytest.raises(LayerError, match="coordinate system"):
            read_inputs(path)
        subjects, _ = read(path, layers=layers_toml('[parcels]\ncrs = "EPSG:4548"'))
        assert subjects.output_crs == "EPSG:4548"


def test_invalid_utf8_and_halves_of_surrogates_in_geojson(tmp_path):
    ring = shapely.get_coordinates(DEGREES).tolist()
    feature = {"type": "Feature", "properties": {"a": "@@", "b": "x"}}
    feature["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    text = json.dumps({"type": "FeatureCollection", "features": [feature]}).encode()
    path = tmp_path / "a.geojson"
    path.write_bytes(text.replace(b"@@", b"\\ud800z"))
    _, batch = read(path)
    assert batch.columns.column("a").to_pylist()[0].endswith("z")
    path.write_bytes(text.replace(b"@@", b"a\\u0000b"))
    subjects, batch = read(path)
    assert batch.columns.column("a").to_pylist() == ["a␀b"]
    assert "NUL" in said(subjects)
    path.write_bytes(text.replace(b"@@", rb"a\\u0000b"))
    assert read(path)[1].columns.column("a").to_pylist() == ["a\\u0000b"]
    path.write_bytes(text.replace(b"@@", b"\xff\xff"))
    with pytest.raises(LayerError, match="neither UTF-8 nor GB18030"):
        read_inputs(path)


# Geometry


def point(x, y):
    return struct.pack("<dd", X0 + x, Y0 + y)


def ring(*corners):
    return struct.pack("<I", len(corners)) + b"".join(point(*corner) for corner in corners)


def polygon(*rings):
    return struct.pack("<BII", 1, 3, len(rings)) + b"".join(rings)


CORNERS = ((0, 0), (100, 0), (100, 100), (0, 100), (0, 0))
ARC = struct.pack("<BII", 1, 8, 5) + b"".join(point(*c) for c in CORNERS)
BROKEN = {
    "an arc": (struct.pack("<BII", 1, 10, 1) + ARC, "has arcs"),
    "a surface in space": (
        struct.pack("<BII", 1, 15, 1) + polygon(ring(*CORNERS)),
        "surface in space",
    ),
    "a ring that does not close": (polygon(ring(*CORNERS[:4])), "damaged"),
    "a ring of two corners": (polygon(ring(*CORNERS[:2])), "damaged"),
    "no ring": (polygon(), "empty"),
    "cut off": (polygon(ring(*CORNERS))[:-9], "damaged"),
    "a count that lies": (struct.pack("<BIII", 1, 3, 1, 2**32 - 1) + point(0, 0), "damaged"),
    "a type that is none": (struct.pack("<BI", 1, 99), "damaged"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_geometry_bytes_in_a_geopackage_stay_with_the_record(tmp_path, what):
    wkb, why = BROKEN[what]
    path = tmp_path / "a.gpkg"
    gpd.GeoDataFrame({"n": [1, 2]}, geometry=[WHOLE, WHOLE], crs=4548).to_file(
        path, SPATIAL_INDEX="NO"
    )
    with closing(sqlite3.connect(path)) as database, database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():  # fmt: skip
            database.execute(f'DROP TRIGGER "{name}"')
        (blob,) = database.execute("SELECT geom FROM a LIMIT 1").fetchone()
        head = blob[:3] + b"\1" + blob[4:8]  # no envelope
        database.execute("UPDATE a SET geom = ? WHERE fid = 2", (head + wkb,))
    subjects, batch = read(path)
    assert subjects.source.unusable == 1
    assert batch.features.geometry[0].equals(WHOLE)
    assert batch.raw_wkb.to_pylist() == [None, wkb]
    assert why in said(subjects)


@pytest.mark.parametrize(
    "shape",
    [
        shapely.box(116.39, 95.0, 116.4, 95.1),  # beyond the pole
        shapely.box(500.0, 39.9, 500.1, 40.0),
        shapely.box(39.9, 116.39, 39.91, 116.4),  # axes swapped in one record
        shapely.box(-179.0, 39.0, 179.0, 40.0),  # across the 180th meridian, or so drawn
        WHOLE,  # metres among degrees
    ],
)
def test_a_place_that_is_none_on_earth_is_unusable_and_counted(tmp_path, shape):
    path = tmp_path / "a.gpkg"
    gpd.GeoDataFrame({"n": [1, 2]}, geometry=[DEGREES, shape], crs=4326).to_file(path)
    subjects, batch = read(path)
    assert subjects.source.unusable == 1
    assert batch.wkb.null_count == 1
    assert batch.raw_wkb[1].as_py() is not None
    assert "no place in their system" in said(subjects)
    entry = {"green_spaces": {"path": str(path)}}
    layer = read_inputs(path, layers=entry).layers["green_spaces"]
    assert (layer.source.records_used, [s.record for s in layer.set_aside]) == (1, [2])


def test_a_feature_in_another_province_is_measured_and_told(tmp_path):
    path = tmp_path / "a.gpkg"
    shenyang = shapely.box(123.45, 41.8, 123.46, 41.81)
    gpd.GeoDataFrame({"n": [1, 2]}, geometry=[DEGREES, shenyang], crs=4490).to_file(path)
    subjects, batch = read(path)
    assert subjects.source.unusable == 0
    assert batch.features.geometry[1].area > 0
    assert "1 records lie far from Beijing" in said(subjects) and "parcels-2" in said(subjects)


def test_coordinates_beyond_the_earth(square):
    huge = shapely.box(X0, Y0, 1e200, 1e200)
    frame = gpd.GeoDataFrame({"n": [1, 2]}, geometry=[square(0), huge], crs=4548)
    subjects, _ = read(frame)
    assert subjects.source.unusable == 1 and "beyond the Earth" in said(subjects)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_bytes_for_a_geometry(data, tmp_path_factory):
    """Every record of a GeoParquet stays, valid or without a shape, whatever its bytes are."""
    whole = [
        WHOLE,
        shapely.MultiPolygon([WHOLE]),
        WHOLE.boundary,
        shapely.GeometryCollection([WHOLE]),
    ]
    blobs = []
    for shape in whole:
        raw = bytearray(shapely.to_wkb(shape))
        for _ in range(data.draw(st.integers(0, 3))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        blobs.append(bytes(raw[: data.draw(st.sampled_from([None, None, 5, -1]))]))
    table = pa.table({"geometry": pa.array([shapely.to_wkb(WHOLE), *blobs], pa.binary())})
    geo = {"version": "1.1.0", "primary_column": "geometry"}
    geo["columns"] = {"geometry": {"encoding": "WKB", "crs": 4548, "geometry_types": []}}
    geo["columns"]["geometry"]["crs"] = "EPSG:4548"
    path = tmp_path_factory.mktemp("wkb") / "a.parquet"
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
    _, batch = read(path)
    usable = batch.features.geometry[~shapely.is_missing(batch.features.geometry)]
    assert shapely.is_valid(usable).all()
    assert np.isfinite(shapely.get_coordinates(usable)).all()


# Names and conditions


def test_a_condition_that_fails_is_no_empty_layer(parcels, tmp_path):
    """GDAL gives no record and no error; to a rule that would say that nothing is there."""
    for driver, name in (("GPKG", "a.gpkg"), ("SQLite", "a.sqlite")):
        path = tmp_path / name
        parcels.rename(columns={"面积": "area"}).to_file(path, driver=driver)
        before = path.read_bytes()
        entry = {"path": str(path), "where": "area > 2 -- at least"}
        layer = read_inputs(parcels, layers={"green_spaces": entry}).layers["green_spaces"]
        assert len(layer.features) == 2
        for where in (
            "area >",
            "nothing = 1",
            "1=1; DROP TABLE a",
            "1=1); DROP TABLE a; --",
            "load_extension('x')",
            "ogr_geocode('Beijing') IS NULL",
            "gdal_get_pixel_value('/etc/hosts', 1, 'georef', 0, 0)",
            "abs(-9223372036854775807 - 1) > 0",
            "ATTACH 'x.db' AS x",
        ):
            with pytest.raises(LayerError, match="where cannot be carried out"):
                read_inputs(parcels, layers={"green_spaces": {**entry, "where": where}})
        assert path.read_bytes() == before
        assert not (tmp_path / "x.db").exists()


def test_two_columns_of_one_name_are_refused(parcels, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("n,x,x,y\na,1,448500,4418050\n", "utf-8")
    entry = {"path": str(path), "x": "x", "y": "y", "crs": "EPSG:4548"}
    with pytest.raises(LayerError, match="one name: x"):
        read_inputs(parcels, layers={"rail_stations": entry})


def test_damaged_geoparquet_metadata(parcels, tmp_path):
    path = tmp_path / "a.parquet"
    parcels.to_parquet(path)
    table = pq.read_table(path)
    for geo in (b"{", b"[]", b'{"columns": 1}', b'{"primary_column": "x", "columns": {}}', b"\xff"):
        pq.write_table(table.replace_schema_metadata({"geo": geo}), path)
        with pytest.raises(LayerError, match="damaged GeoParquet"):
            read_inputs(path)


def test_a_column_name_cannot_write_into_the_draft(square):
    name = 'x\n[layers.rail_stations]\npath = "evil.csv" # \x7f\u202e'
    frame = gpd.GeoDataFrame({name: ["a"], "宗地代码": ["1"]}, geometry=[square(0)], crs=4548)
    drafted = tomllib.loads(draft_layers_toml(frame))
    assert set(drafted) == {"parcels"}
    assert drafted["parcels"]["id"] == "宗地代码"


@pytest.mark.parametrize(
    "odd", ["x" * 1_000_000, "a;b", "a\nb", "../../x", "\x1b[2J", " ", "甲\u202e"]
)
def test_odd_ids_stay_as_they_are(square, layers_toml, odd):
    frame = gpd.GeoDataFrame({"编号": [odd, odd, "1"]}, geometry=[square(i) for i in range(3)], crs=4548)  # fmt: skip
    _, batch = read(frame, layers=layers_toml('[parcels]\nid = "编号"'))
    assert batch.columns.column("编号").to_pylist()[:2] == [odd, odd]
    ids = batch.features.ids.tolist()
    assert len(set(ids)) == 3
    if odd.strip():
        assert ids[0].strip() == odd.strip() and ids[1].endswith("#2")


def test_a_column_without_a_name(tmp_path, square):
    _, batch = read(shapefile(tmp_path, square, [b"a", b"b"], name=""))
    assert batch.columns.to_pydict() == {"": ["a", "b"]}


def test_a_draft_of_a_damaged_file_is_drafted(parcels, tmp_path):
    path = tmp_path / "a.fgb"
    parcels.to_file(path, SPATIAL_INDEX="NO")
    path.write_bytes(path.read_bytes()[:-200])
    assert "[parcels]" in draft_layers_toml(path)


def test_an_index_of_another_kind_is_made_anew(tmp_path, square):
    path = shapefile(tmp_path, square, [b"a", b"b"])
    index = bytearray(path.with_suffix(".shx").read_bytes())
    index[:4] = b"\0\0\0\0"
    path.with_suffix(".shx").write_bytes(index)
    subjects, batch = read(path)
    assert subjects.source.unusable == 0 and len(batch.features) == 2
    assert ".shx" in said(subjects)


def test_a_map_of_the_country_without_a_system_is_in_degrees(tmp_path):
    """The middle of China is not in Beijing, and yet these are no local metres."""
    path = tmp_path / "a.shp"
    boxes = [
        shapely.box(80, 30, 90, 40),
        shapely.box(100, 20, 110, 30),
        shapely.box(116, 39, 117, 41),
    ]
    gpd.GeoDataFrame({"n": [1, 2, 3]}, geometry=boxes).to_file(path)
    path.with_suffix(".prj").unlink(missing_ok=True)
    with pytest.raises(LayerError, match="fit EPSG:4490"):
        read_inputs(path)


def test_a_projection_that_nobody_knows_is_named(tmp_path, square, layers_toml):
    path = shapefile(tmp_path, square, [b"x"])
    prj = path.with_suffix(".prj")
    prj.write_text(re.sub(r'PROJECTION\["[^"]*"\]', 'PROJECTION["Gauss_Kru=er"]', prj.read_text()))
    with pytest.raises(LayerError, match=r"projection that is not known.*Set crs"):
        read_inputs(path)
    read(path, layers=layers_toml('[parcels]\ncrs = "EPSG:4548"'))
