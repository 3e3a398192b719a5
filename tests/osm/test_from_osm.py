"""From an extract to role layers and on to verdicts; every expectation is worked out by hand."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tomllib

import geopandas as gpd
import pyogrio
import pytest
import shapely

from geo_urc.roles import roles

from .conftest import LAT, LON, NAUGHTY

COUNTS = {
    "rail_stations": 4, "hubs": 1, "green_spaces": 4, "roads": 5, "buildings": 2, "schools": 2,
    "playgrounds": 1, "venues": 1, "heritage": 1, "ancient_trees": 1, "districts": 1, "parcels": 1,
    "parking": 1, "small_facilities": 1, "municipal_sites": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def made(pbf, tmp_path_factory):
    """Return the folder made of the PBF."""
    from geo_urc.osm import from_osm

    out = tmp_path_factory.mktemp("made") / "out"
    from_osm(str(pbf), out, lang="en")
    return out


@pytest.fixture(scope="module")
def record(made):
    return json.loads((made / "osm.json").read_text("utf-8"))["roles"]


def layer(folder, role):
    """Return a layer as id → row."""
    frame = gpd.read_file(folder / "layers.gpkg", layer=role, engine="pyogrio")
    return frame.set_index("osm_id")


def test_the_same_from_xml_and_pbf(made, xml, tmp_path, urc):
    status, _, err = urc("layers", "from-osm", xml, "--out", tmp_path / "x", "--lang", "en")
    assert (status, err) == (0, "")
    assert {n for n, _ in pyogrio.list_layers(made / "layers.gpkg")} == {*COUNTS, "osm_extent"}
    for role, count in COUNTS.items():
        a, b = layer(made, role), layer(tmp_path / "x", role)
        assert len(a) == count, role
        assert a.drop(columns="geometry").equals(b.drop(columns="geometry")), role
        assert a.geometry.geom_equals_exact(b.geometry, 1e-9).all(), role


def test_stations(made, record):
    """One row a centre: the point wins over the area, 8.5 m are one point, 171 m are two."""
    rows = layer(made, "rail_stations")
    assert dict(rows["kind"]) == {
        "node/1": "subway",
        "node/3": "subway",
        "node/4": "train",
        "node/6": "light_rail",
    }
    assert rows.loc["node/1", "osm_merged"] == "node/2;way/101"
    assert rows.loc["node/1", "osm_tags"] == "railway=station;station=subway"
    assert rows["osm_merged"].notna().sum() == 1
    found = record["rail_stations"]
    assert (found["unnamed"], found["merged"]) == (1, 2)
    assert {en: n for _, en, n in found["left"]} == {
        "stations under construction": 2,
        "planned stations": 1,
    }
    assert [entry[1:] for entry in found["alone"]] == [["metro entrances", 1, ["丁"]]]


def test_greens(made):
    rows = layer(made, "green_spaces")
    assert dict(rows["kind"]) == {
        "way/102": "park", "way/103": "forest", "way/105": "grass", "relation/201": "park",
    }  # fmt: skip
    hole = shapely.get_num_interior_rings(shapely.get_parts(rows.loc["relation/201"].geometry))
    assert hole.tolist() == [1]


def test_roads_that_are_walked(made):
    rows = layer(made, "roads")
    assert dict(rows["walkable"]) == {
        "way/110": "yes",
        "way/111": "no",  # motorway
        "way/112": "yes",  # trunk, but foot=yes
        "way/113": "no",  # access=private
        "way/115": "yes",
    }
    assert rows.loc["way/115"].geometry.geom_type == "LineString"  # closed, yet no area


def test_buildings(made, record):
    rows = layer(made, "buildings")
    assert rows.loc["way/120", ["storeys", "height_m", "year_built"]].tolist() == [6, 18.5, 1998]
    assert rows.loc["way/121", ["storeys", "height_m", "year_built"]].isna().all()
    assert "use" not in rows.columns
    assert record["buildings"]["unread"] == {"storeys": 1}  # 六


def test_school_and_playground(made, record):
    schools = layer(made, "schools")
    assert set(schools.index) == {"way/130", "node/32"}
    assert schools.loc["way/130", "osm_merged"] == "node/31"
    grounds = layer(made, "playgrounds")
    assert grounds["school_id"].to_dict() == {"way/131": "way/130"}
    assert record["playgrounds"]["outside"] == 1


def test_names_and_codes(made, record):
    assert layer(made, "hubs")["name"].to_dict() == {"node/4": "北京站"}
    assert "北京南站" in record["hubs"]["missing"]
    assert layer(made, "districts").loc["relation/202", ["name", "adcode"]].tolist() == [
        "东城区",
        "110101",
    ]
    assert len(record["districts"]["missing"]) == 15
    assert layer(made, "small_facilities")["name"].tolist() == [NAUGHTY]


def test_what_is_left_out_is_counted(record):
    left = {role: sum(n for *_, n in found["left"]) for role, found in record.items()}
    assert {role: n for role, n in left.items() if n} == {
        "rail_stations": 3, "roads": 1, "buildings": 1, "venues": 1, "heritage": 1,
        "ancient_trees": 1, "parking": 1, "parcels": 2,
    }  # fmt: skip


def test_layers_toml(made):
    text = (made / "LAYERS.toml").read_text("utf-8")
    settings = tomllib.loads(text)
    assert set(settings["layers"]) == set(COUNTS) - {"parcels"}
    assert settings["parcels"] == {}
    for role, entry in settings["layers"].items():
        assert entry["path"] == f"layers.gpkg|layername={role}"
        assert (entry["id"], entry["datum"]) == ("osm_id", "wgs84")
        assert set(entry["fields"]) <= set(roles()[role].fields)
        assert entry["accuracy_m"] > 1
        whole = role in ("rail_stations", "hubs", "districts")
        assert entry["coverage"] == ("layers.gpkg|layername=osm_extent" if whole else "nowhere")
    assert "© OpenStreetMap contributors, ODbL 1.0" in text
    land = tomllib.loads((made / "LAYERS-landuse.toml").read_text("utf-8"))
    assert land["parcels"]["id"] == "osm_id"
    assert land["layers"] == settings["layers"]


def test_the_licence_travels_in_the_file(made):
    for role in COUNTS:
        assert (
            "ODbL 1.0"
            in pyogrio.read_info(made / "layers.gpkg", layer=role)["layer_metadata"]["attribution"]
        )
    with sqlite3.connect(made / "layers.gpkg") as connection:
        told = connection.execute("SELECT description FROM gpkg_contents").fetchall()
    assert all("© OpenStreetMap contributors" in text for (text,) in told)
    assert "opendatacommons.org/licenses/odbl" in (made / "LICENSE.txt").read_text("utf-8")


def test_the_same_bytes_again(made, pbf, tmp_path):
    from geo_urc.osm import from_osm

    from_osm(str(pbf), tmp_path / "again", lang="en")
    for path in made.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def own_parcels(folder):
    """Write parcels of 100 m or so: at 甲, at the railway station, far from any, outside."""
    corners = {
        "near": (1, 1),
        "train": (29, 29),
        "far": (20, 18),
        "outside": (80, 0),
        "power": (10.2, -9.8),
    }
    boxes = [
        shapely.box(LON + x / 1e3, LAT + y / 1e3, LON + (x + 1) / 1e3, LAT + (y + 1) / 1e3)
        for x, y in corners.values()
    ]
    path = folder / "parcels.gpkg"
    gpd.GeoDataFrame({"code": list(corners)}, geometry=boxes, crs=4326).to_file(path)
    return path


@pytest.mark.parametrize("strict", [False, True])
def test_check_and_screen(made, tmp_path, urc, strict):
    """甲 is 111 m from the first parcel, 1.2 km from the last; a main-line station does not count."""
    parcels = own_parcels(tmp_path)
    layers = made / "LAYERS.toml"
    if strict:
        text = layers.read_text("utf-8").replace("[parcels]", '[parcels]\ndatum = "wgs84"')
        layers = shutil.copytree(made, tmp_path / "made") / "LAYERS.toml"
        layers.write_text(text, "utf-8")
    status, said, _ = urc("check", parcels, "--layers", layers, "--lang", "en")
    assert status == 0
    assert "assumed complete" not in said
    status, _, err = urc(
        "screen", parcels, "--layers", layers, "--only", "T08a,T09,T19,T23", "--outputs", "gpkg",
        "--out", tmp_path / "result", "--as-of", "2026-11-23", *(["--strict"] if strict else []),
    )  # fmt: skip
    assert (status, err) == (0, "")
    rows = gpd.read_file(tmp_path / "result" / "eligibility.gpkg", layer="parcels")
    rows = rows.set_index("code")
    assert rows["t08a_verdict"].to_dict() == {
        "near": "eligible", "train": "ineligible", "far": "ineligible", "outside": "unknown",
        "power": "ineligible",
    }  # fmt: skip
    assert rows.loc["near", "rail_nearest"] == "甲站"
    # Its corner at (2, 1) thousandths is straight north of the other line's centre at (2, 0).
    assert rows.loc["near", "rail_distance_m"] == pytest.approx(111.0, abs=0.1)
    assert "outside_coverage" in rows.loc["outside", "t08a_reason"]
    assert rows.loc["near", "district"] == "东城区"
    # A substation that OSM has counts; that it has no other proves nothing.
    assert rows["t19_verdict"].to_dict() == {
        "near": "unknown", "train": "unknown", "far": "unknown", "outside": "unknown",
        "power": "eligible",
    }  # fmt: skip
    assert rows.loc["near", "t19_reason"] == "outside_coverage"
    assert rows["t23_reason"].unique().tolist() == ["layer_missing"]  # blue lines are not made up


def test_land_use_in_the_place_of_parcels(made, tmp_path, urc):
    status, _, err = urc(
        "screen", f"{made / 'layers.gpkg'}|layername=parcels",
        "--layers", made / "LAYERS-landuse.toml", "--only", "T08a", "--outputs", "gpkg",
        "--out", tmp_path / "result", "--as-of", "2026-11-23",
    )  # fmt: skip
    assert (status, err) == (0, "")
    rows = gpd.read_file(tmp_path / "result" / "eligibility.gpkg", layer="parcels")
    assert rows["subject_id"].tolist() == ["way/150"]
    assert rows["t08a_verdict"].tolist() == ["eligible"]


def test_only_some_roles(pbf, tmp_path, urc):
    """Playgrounds need the schools, which are read for it and not written."""
    out = tmp_path / "out"
    assert urc("layers", "from-osm", pbf, "--out", out, "--only", "playgrounds")[0] == 0
    assert {n for n, _ in pyogrio.list_layers(out / "layers.gpkg")} == {"playgrounds", "osm_extent"}
    assert not (out / "LAYERS-landuse.toml").exists()
    status, _, err = urc(
        "layers", "from-osm", pbf, "--out", tmp_path / "no", "--only", "blue_lines"
    )
    assert status == 2 and "蓝线是规划划定的控制线" in err
    status, _, err = urc("layers", "from-osm", pbf, "--out", tmp_path / "no", "--only", "road")
    assert status == 2 and "roads" in err
    assert not (tmp_path / "no").exists()


def test_what_is_said(pbf, tmp_path, urc):
    for lang, words in (
        ("zh", ("规划站 1 个", "丁", "OSM 没有宗地", "做不出", "河岸或水面不能代替", "ODbL 1.0")),
        ("en", ("1 planned stations", "丁", "no parcels", "not made", "no substitute", "ODbL 1.0")),
    ):
        status, said, err = urc("layers", "from-osm", pbf, "--out", tmp_path / lang, "--lang", lang)
        assert (status, err) == (0, "")
        for word in words:
            assert word in said
        for role in roles():
            assert role in said


def test_an_earlier_result_is_replaced_and_nothing_else(pbf, tmp_path, urc):
    out = tmp_path / "out"
    command = ("layers", "from-osm", pbf, "--out", out, "--only", "schools")
    assert urc(*command)[0] == 0
    assert urc(*command)[0] == 2
    assert urc(*command, "--overwrite")[0] == 0
    own = tmp_path / "own"
    own.mkdir()
    (own / "LAYERS.toml").write_text("# mine", "utf-8")
    assert urc("layers", "from-osm", pbf, "--out", own, "--overwrite")[0] == 2
    assert (own / "LAYERS.toml").read_text("utf-8") == "# mine"


def damaged(pbf, xml):
    whole = pbf.read_bytes()
    hurt = bytearray(whole)
    hurt[len(whole) // 2 : len(whole) // 2 + 16] = bytes(16)
    return {
        "cut.osm.pbf": whole[: len(whole) // 2],
        "hurt.osm.pbf": bytes(hurt),
        "cut.osm": xml.read_bytes()[:9000],
        "empty.osm.pbf": b"",
        "junk.osm.pbf": b"hello",
        "small.osm.gz": b"\x1f\x8b",
        "notes.txt": b"hello",
    }


@pytest.mark.parametrize("name", [
    "cut.osm.pbf", "hurt.osm.pbf", "cut.osm", "empty.osm.pbf", "junk.osm.pbf", "small.osm.gz",
    "notes.txt", "nothing.osm.pbf",
])  # fmt: skip
def test_an_extract_that_is_none(name, pbf, xml, tmp_path, urc):
    """Of a damaged file GDAL's stream ends without a word: half a city would look whole."""
    file = tmp_path / name
    if name in damaged(pbf, xml):
        file.write_bytes(damaged(pbf, xml)[name])
    status, said, err = urc("layers", "from-osm", file, "--out", tmp_path / "out", "--lang", "en")
    assert (status, said) == (2, "")
    assert err.startswith(str(file)) and err.count("\n") == 1 and "Traceback" not in err
    assert [p for p in tmp_path.iterdir() if p != file] == []
