"""Chinese text comes out right whatever the file says of its encoding."""

from __future__ import annotations

import geopandas as gpd
import pytest
import shapely

from geo_urc.errors import LayerError
from geo_urc.inputs import read_inputs
from geo_urc.inputs.encoding import text_file_encoding

NAMES = ["国贸三期", "西直门北大街四十七号院", "ASCII only", "镕㐂"]


@pytest.fixture
def frame(square):
    return gpd.GeoDataFrame(
        {"名称": NAMES}, geometry=[square(i) for i in range(len(NAMES))], crs="EPSG:4548"
    )


def values(path, column="名称", layers=None):
    subjects = read_inputs(path, layers=layers).parcels
    (batch,) = subjects.batches()
    return subjects, batch.columns.column(column).to_pylist()


@pytest.mark.parametrize("stored", ["utf-8", "gb18030"])
@pytest.mark.parametrize("declared", [None, "UTF-8", "GBK", "ISO-8859-1", "nonsense"])
def test_shapefile(frame, tmp_path, stored, declared):
    path = tmp_path / "a.shp"
    frame.to_file(path, encoding=stored)
    cpg = path.with_suffix(".cpg")
    cpg.unlink(missing_ok=True)
    if declared:
        cpg.write_text(declared)
    dbf = bytearray(path.with_suffix(".dbf").read_bytes())
    dbf[29] = 0x57  # GDAL's "ANSI"
    path.with_suffix(".dbf").write_bytes(dbf)
    subjects, found = values(path)
    assert found == NAMES
    assert subjects.source.encoding == stored
    agrees = (declared, stored) in [("UTF-8", "utf-8"), ("GBK", "gb18030")]
    assert any("encoding" in n.text.en for n in subjects.notices) is not agrees


def test_language_byte_of_gbk(frame, tmp_path):
    path = tmp_path / "a.shp"
    frame.to_file(path, encoding="gb18030")
    path.with_suffix(".cpg").unlink(missing_ok=True)
    dbf = bytearray(path.with_suffix(".dbf").read_bytes())
    dbf[29] = 0x4D
    path.with_suffix(".dbf").write_bytes(dbf)
    subjects, found = values(path)
    assert found == NAMES
    assert not any("encoding" in n.text.en for n in subjects.notices)


def test_utf8_cut_off_in_name_and_value(tmp_path, square):
    """宗地代码 takes 12 bytes, a DBF name has 10; a value may lose half a character too."""
    path = tmp_path / "a.shp"
    frame = gpd.GeoDataFrame(
        {"abcdefghij": ["文" * 26 + "ab", "x" * 80]}, geometry=[square(0), square(1)], crs=4548
    )
    frame.to_file(path, encoding="utf-8")
    dbf = path.with_suffix(".dbf").read_bytes()
    dbf = dbf.replace(b"abcdefghij", "宗地代码".encode()[:10], 1)
    dbf = dbf.replace("文ab".encode(), "文".encode() + "字".encode()[:2], 1)
    path.with_suffix(".dbf").write_bytes(dbf)
    subjects, found = values(path, "宗地代")
    assert found == ["文" * 26, "x" * 80]
    assert subjects.source.encoding == "utf-8"


def test_encoding_key_is_obeyed(frame, tmp_path, layers_toml):
    path = tmp_path / "a.shp"
    frame.to_file(path, encoding="gb18030")
    path.with_suffix(".cpg").write_text("UTF-8")
    _, found = values(path, layers=layers_toml('[parcels]\nencoding = "gbk"'))
    assert found == NAMES
    with pytest.raises(LayerError, match="no encoding"):
        read_inputs(path, layers=layers_toml('[parcels]\nencoding = "gkb"'))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_of_points(parcels, tmp_path, encoding, separator):
    path = tmp_path / "站点.csv"
    rows = [["站名", "经度", "纬度"], ["国贸", "116.4556", "39.9070"], ["无坐标", "", ""]]
    path.write_text("\n".join(separator.join(r) for r in rows) + "\n", encoding)
    entry = {"path": str(path), "fields": {"name": "站名"}}
    layer = read_inputs(parcels, layers={"rail_stations": entry}).layers["rail_stations"]
    assert layer.features.names.tolist() == ["国贸"]
    assert layer.batch.columns.column("经度").to_pylist() == ["116.4556"]
    assert layer.output_crs == "EPSG:4326"
    (lost,) = layer.set_aside
    assert lost.record == 2 and "无坐标" in lost.content
    assert layer.source.records_in == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
def test_geojson(frame, tmp_path, encoding):
    path = tmp_path / "a.geojson"
    frame[:3].to_crs(4326).to_file(path)
    path.write_text(path.read_text("utf-8"), encoding)
    subjects, found = values(path)
    assert found == NAMES[:3]
    assert any("encoding" in n.text.en for n in subjects.notices) is (encoding == "gbk")


def test_csv_columns_and_crs_named_by_user(parcels, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text('n,东,北\n甲,"４４８，000","4,418,000"\n', "gbk")
    entry = {"path": str(path), "x": "东", "y": "北", "crs": "EPSG:4548"}
    layer = read_inputs(parcels, layers={"rail_stations": entry}).layers["rail_stations"]
    assert shapely.get_coordinates(layer.features.geometry).tolist() == [[448000, 4418000]]
    with pytest.raises(LayerError, match="no coordinate column"):
        read_inputs(parcels, layers={"rail_stations": {**entry, "x": "南"}})
    del entry["x"], entry["y"]
    with pytest.raises(LayerError, match="x and y"):
        read_inputs(parcels, layers={"rail_stations": entry})


def test_parcels_as_points_are_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,lon,lat\n1,116.4,39.9\n", "utf-8")
    with pytest.raises(LayerError, match="none of the 1 records"):
        read_inputs(path)


def test_neither_encoding(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n\xff\xff\xff,\xff\n")
    assert text_file_encoding(path) is None
    with pytest.raises(LayerError, match="encoding"):
        read_inputs(path)


def test_real_utf8_without_any_declaration(real, layers_toml):
    path = real("bad_inputs/gary_no_prj_no_cpg/北京市.shp")
    toml = layers_toml('[parcels]\ndatum = "gcj02"')
    subjects = read_inputs(path, layers=toml).parcels
    (batch,) = subjects.batches()
    texts = {v for c in batch.columns.columns for v in c.to_pylist() if isinstance(v, str)}
    assert {"东城区", "延庆区"} <= texts or any("东城" in t for t in texts)
    assert subjects.output_crs == "EPSG:4490"


def test_real_gbk_without_any_declaration(real, layers_toml):
    path = real("bad_inputs/nmc_gbk/bou2_4p.shp")
    toml = layers_toml('[parcels]\ncrs = "EPSG:4326"')
    subjects = read_inputs(path, layers=toml).parcels
    texts = {
        v
        for b in subjects.batches()
        for c in b.columns.columns
        for v in c.to_pylist()
        if isinstance(v, str)
    }
    assert "北京市" in texts
    assert subjects.source.encoding == "gb18030"
    assert subjects.source.records_in == 925
