"""Volumes as solids: closed, turned outwards, of the right size, and what other programs say."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections import Counter
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

import geo_urc
from geo_urc.errors import OutputError
from geo_urc.inputs import read_inputs
from geo_urc.outputs.solids import LEFT_OUT, prisms
from geo_urc.policy import load_rulebook
from geo_urc.run import Request, run
from geo_urc.stored import load_results
from tests.outputs.conftest import AS_OF, need

PYTHON = "/usr/bin/python3"
WEST, SOUTH = 448_000, 4_418_000
RING = "POLYGON ((0 0, 100 0, 100 100, 0 100, 0 0), (40 40, 40 60, 60 60, 60 40, 40 40))"
TWO = (
    "MULTIPOLYGON (((110 0, 120 0, 120 10, 110 10, 110 0)),"
    " ((120 10, 150 10, 150 40, 120 40, 120 10), (130 20, 140 20, 135.1234567 30, 130 20)))"
)
TOUCHING = (
    "POLYGON ((200 0, 300 0, 300 100, 200 100, 200 40, 200 0), (200 40, 220 60, 220 20, 200 40))"
)
VOLUMES = [  # id, plan, bottom, top, whether it is a solid, and its size in m3
    ("环", RING, 0.0, 6.5, 9600 * 6.5),
    ("其上", RING, 6.5, 80.0, 9600 * 73.5),
    ("两块", TWO, -12.25, 0.0, None),
    ("三角", "POLYGON ((160 0, 190 0, 160 30, 160 0))", 20.0, 30.0, 4500.0),
    ("自接", TOUCHING, 0.0, 5.0, "touches_itself"),
    ("倒置", "POLYGON ((0 200, 9 200, 9 209, 0 200))", 5.0, 1.0, "not_above_bottom"),
    ("无高", "POLYGON ((0 300, 9 300, 9 309, 0 300))", None, 1.0, "no_level"),
    ("极薄", "POLYGON ((0 400, 9 400, 9 409, 0 400))", 1.0, 1.0002, "under_a_millimetre"),
]
SOLIDS = [name for name, *_, size in VOLUMES if not isinstance(size, str)]


def plan_of(name: str) -> shapely.Geometry:
    wkt = next(wkt for found, wkt, *_ in VOLUMES if found == name)
    return shapely.transform(shapely.from_wkt(wkt), lambda xy: np.add(xy, (WEST, SOUTH)))


def layers(folder: Path, crs: int = 4548, first: int = 0) -> dict:
    """Write the volumes into a folder and return the layers of a run."""
    given = VOLUMES[first:]
    volumes = gpd.GeoDataFrame(
        {
            "编号": [v[0] for v in given],
            "bottom_m": [v[2] for v in given],
            "top_m": [v[3] for v in given],
            "layer": "above",
            "use": "办公",
            "class": range(len(given)),  # CityJSON wants text under this name
        },
        geometry=[plan_of(v[0]) for v in given],
        crs=4548,
    ).to_crs(crs)
    path = folder / f"volumes_{crs}_{first}.gpkg"
    volumes.to_file(path)
    return {"property_volumes": {"path": str(path), "id": "编号"}}


PLOT = gpd.GeoDataFrame(
    geometry=[shapely.box(WEST - 9, SOUTH - 9, WEST + 400, SOUTH + 500)], crs=4548
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("成果") / "out"
    inputs = read_inputs(PLOT, layers=layers(out.parent))
    run(inputs, load_rulebook(), Request(out, AS_OF))
    return out


@pytest.fixture(scope="module")
def city(folder) -> dict:
    return json.loads((folder / "volumes.city.json").read_text("utf-8"))


def shells(city: dict) -> list[tuple[str, list]]:
    """Return the id and the faces, in metres, of every solid of a CityJSON file."""
    scale, shift = (np.array(city["transform"][key]) for key in ("scale", "translate"))
    xyz = np.array(city["vertices"]) * scale + shift
    found = []
    for name, thing in city["CityObjects"].items():
        for geometry in thing["geometry"]:
            (shell,) = geometry["boundaries"]
            found.append((name, [[xyz[ring] for ring in face] for face in shell]))
    return found


def edges(faces: list) -> Counter:
    """Return how often the faces of a solid walk from each corner to another."""
    steps: Counter = Counter()
    for face in faces:
        for ring in face:
            corners = [tuple(np.round(corner, 4)) for corner in ring]
            steps.update(zip(corners, [*corners[1:], corners[0]], strict=True))
    return steps


def enclosed_m3(faces: list) -> float:
    """Return the space in a shell: a sixth of the sum of the triple products of its triangles.

    By the divergence theorem; each ring is fanned out from its first corner, and holes turn
    the other way, so that they count against their face.
    """
    middle = np.mean([corner for face in faces for ring in face for corner in ring], axis=0)
    total = 0.0
    for face in faces:
        for ring in face:
            a, b, c = ring[0] - middle, ring[1:-1] - middle, ring[2:] - middle
            total += float((np.cross(b, c) @ a).sum())
    return total / 6


def assert_closed_and_turned_outwards(faces: list) -> None:
    walked = edges(faces)
    assert set(walked.values()) == {1}, "an edge is walked twice in one direction"
    assert all((b, a) in walked for a, b in walked), "an edge has one face only"
    for face in faces:
        corners = np.concatenate(face)
        _, spread, _ = np.linalg.svd(corners - corners.mean(0))
        assert spread[2:].max(initial=0.0) < 1e-6, "a face is not plane"


@pytest.mark.parametrize("wkt", [RING, TWO, "POLYGON ((0 0, 3 0, 0 4, 0 0))"])
def test_prisms_are_closed_and_of_the_right_size(wkt):
    plan = shapely.from_wkt(wkt)
    solids = prisms(plan, -1.5, 8.5)
    assert len(solids) == len(shapely.get_parts(plan))
    sizes = []
    for solid in solids:
        xyz = solid.corners / 1000
        faces = [[xyz[ring] for ring in face] for face in solid.faces]
        assert_closed_and_turned_outwards(faces)
        assert len(np.unique(solid.corners, axis=0)) == len(solid.corners)
        sizes.append(enclosed_m3(faces))
    assert min(sizes) > 0, "turned inside out"
    assert sum(sizes) == pytest.approx(plan.area * 10, rel=1e-5)


def test_a_plan_turned_the_other_way_makes_the_same_solid():
    plan = shapely.from_wkt(RING)
    (one,), (other,) = prisms(plan, 0, 1), prisms(shapely.reverse(plan), 0, 1)
    for solid in (one, other):
        xyz = solid.corners / 1000
        assert enclosed_m3([[xyz[r] for r in f] for f in solid.faces]) == pytest.approx(9600)


def test_what_falls_together_on_the_grid_has_no_solid():
    sliver = shapely.from_wkt("POLYGON ((0 0, 100 0, 100 0.0003, 0 0))")
    pinched = shapely.from_wkt(
        "POLYGON ((0 0, 9 0, 9 9, 0 9, 0 4, 0 0), (0.0004 4, 3 6, 3 3, 0.0004 4))"
    )
    assert (
        prisms(sliver, 0, 5)
        == prisms(pinched, 0, 5)
        == prisms(shapely.box(0, 0, 1, 1), 0, 0.0004)
        == []
    )


def test_every_solid_of_the_file_is_closed_and_as_large_as_its_volume(city):
    found: Counter = Counter()
    for name, faces in shells(city):
        assert_closed_and_turned_outwards(faces)
        size = enclosed_m3(faces)
        assert size > 0
        found[name] += size
    assert list(found) == SOLIDS
    for name, _, bottom, top, size in VOLUMES:
        if name in SOLIDS:
            exact = size if size is not None else plan_of(name).area * (top - bottom)
            assert found[name] == pytest.approx(exact, rel=1e-6), name
            stated = city["CityObjects"][name]["attributes"]["volume_m3"]
            assert stated == pytest.approx(exact, rel=1e-9), name


def test_volumes_without_a_solid_are_named_with_the_reason(folder):
    record = json.loads((folder / "run.json").read_text("utf-8"))["volumes"]
    assert record["crs"] == "EPSG:4548"
    assert record["solids"] == len(SOLIDS)
    told = {x["subject_id"]: x["reason"] for x in record["left_out"]}
    assert told == {v[0]: v[4] for v in VOLUMES if isinstance(v[4], str)}
    assert record["left_out"][0]["reason_zh"] == LEFT_OUT["touches_itself"].zh
    rows = load_results(folder).tables["property_volumes"]
    assert rows["subject_id"].to_pylist() == [v[0] for v in VOLUMES], "rows are never left out"


def test_the_file_says_where_it_is_and_carries_the_verdicts(city):
    assert (city["type"], city["version"]) == ("CityJSON", "2.0")
    meta = city["metadata"]
    assert meta["referenceSystem"] == "https://www.opengis.net/def/crs/EPSG/0/4548"
    assert meta["geographicalExtent"] == [
        *(WEST, SOUTH, -12.25),
        *(WEST + 190, SOUTH + 100, 80.0),
    ]
    assert meta["referenceDate"] == AS_OF.isoformat()
    ring = city["CityObjects"]["环"]
    assert ring["attributes"]["t14_verdict"] == "eligible"
    assert ring["attributes"]["own_class"] == 0
    assert ring["attributes"]["volume_top_m"] == 6.5
    assert {g["lod"] for g in ring["geometry"]} == {"1"}
    assert len(city["CityObjects"]["两块"]["geometry"]) == 2


def test_common_corners_are_written_once(city):
    corners = [tuple(v) for v in city["vertices"]]
    assert len(set(corners)) == len(corners)
    assert all(isinstance(k, int) for corner in corners for k in corner)
    used = np.unique(
        [
            k
            for thing in city["CityObjects"].values()
            for geometry in thing["geometry"]
            for shell in geometry["boundaries"]
            for face in shell
            for ring in face
            for k in ring
        ]
    )
    assert used.tolist() == list(range(len(corners)))


def test_a_reader_of_the_current_version_takes_it(folder):
    """The reader is strict: it refuses places that are not there and wrong depths of lists."""
    model = library("cityjson_lib").CityModel.parse_document_bytes
    text = (folder / "volumes.city.json").read_bytes()
    seen = model(text).summary()
    assert (seen.cityobject_count, seen.geometry_count) == (len(SOLIDS), len(SOLIDS) + 1)
    wrong = json.loads(text)
    wrong["CityObjects"]["环"]["geometry"][0]["boundaries"][0][0][0][0] = 99_999
    with pytest.raises(Exception, match="out of range"):
        model(json.dumps(wrong, ensure_ascii=False).encode())


def test_the_standards_own_schema_and_checks_accept_the_geometry(city):
    """The last validator with schemas that can be installed knows 1.0: the solids are the same.

    From 1.0 to 2.0 the level of detail became text, the reference system an address, and the
    type for what has no type of its own was renamed.
    """
    validate = library("cjio.cityjson").CityJSON
    older = json.loads(json.dumps(city))
    older["version"] = "1.0"
    older["metadata"] = {"referenceSystem": "urn:ogc:def:crs:EPSG::4548"}
    for thing in older["CityObjects"].values():
        thing["type"] = "GenericCityObject"
        for geometry in thing["geometry"]:
            geometry["lod"] = 1
    valid, _, errors, warnings = validate(j=older).validate()
    assert valid, errors
    assert not [w for w in warnings if "attributes" not in w and "CityObjects have" not in w]
    older["CityObjects"]["环"]["geometry"][0]["boundaries"] = [[[0, 1, 2]]]
    assert not validate(j=older).validate()[0]


def library(name: str):
    """Return a library that only these tests use."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        need(None, name)


# --- the GeoPackage --------------------------------------------------------------------------------


def test_geopackage_shells_are_the_same_solids(folder, city):
    path = folder / "volumes.gpkg"
    frame = gpd.read_file(path, layer="property_volumes_3d")
    assert frame["编号"].tolist() == SOLIDS
    assert frame.crs.to_epsg() == 4548
    assert frame.geometry.has_z.all()
    by_name: dict[str, list] = {}
    for name, faces in shells(city):
        by_name.setdefault(name, []).extend(faces)
    for name, shell in zip(frame["编号"], frame.geometry, strict=True):
        faces = [
            [shapely.get_coordinates(ring, include_z=True)[:-1] for ring in shapely.get_rings(face)]
            for face in shell.geoms
        ]
        assert edges(faces) == edges(by_name[name])
    assert {"t13_verdict", "t14_verdict", "volume_bottom_m", "volume_top_m"} <= set(frame.columns)


def test_geopackage_is_of_the_version_that_qgis_322_opens(folder):
    with sqlite3.connect(folder / "volumes.gpkg") as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (10200,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        kind = connection.execute(
            "SELECT geometry_type_name, z FROM gpkg_geometry_columns"
        ).fetchall()
        assert kind == [("MULTIPOLYGON", 1)]
        changed = connection.execute("SELECT DISTINCT last_change FROM gpkg_contents").fetchall()
        assert changed == [(f"{AS_OF}T00:00:00.000Z",)]


def test_qgis_opens_the_layer_coloured_by_verdict(folder):
    need(shutil.which("qgis") if Path(PYTHON).exists() else None, "QGIS")
    probe = Path(__file__).with_name("qgis_probe.py")
    done = subprocess.run(
        [PYTHON, str(probe), str(folder / "volumes.gpkg"), "property_volumes_3d"],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("SEEN")]
    assert lines, done.stderr
    seen = json.loads(lines[0][4:])["property_volumes_3d"]
    assert seen["valid"]
    assert seen["kind"] == "MultiPolygonZ"
    assert seen["features"] == len(SOLIDS)
    assert seen["crs"] == "EPSG:4548"
    assert seen["attribute"] == "t13_verdict"
    assert seen["hidden"] == 0
    assert seen["aliases"]["volume_top_m"] == "顶面绝对高程（米）"


# --- when, and where -------------------------------------------------------------------------------


def test_the_same_run_gives_the_same_bytes(folder, tmp_path):
    inputs = read_inputs(PLOT, layers=layers(tmp_path))
    run(inputs, load_rulebook(), Request(tmp_path / "out", AS_OF, outputs=("gpkg",)))
    for name in ("volumes.city.json", "volumes.gpkg"):
        assert (tmp_path / "out" / name).read_bytes() == (folder / name).read_bytes(), name


def test_degrees_come_out_in_metres(folder, tmp_path):
    """Volumes given in degrees are written in the system that they are measured in."""
    inputs = read_inputs(PLOT, layers=layers(tmp_path, 4490))
    run(inputs, load_rulebook(), Request(tmp_path / "out", AS_OF, outputs=("gpkg",)))
    city = json.loads((tmp_path / "out" / "volumes.city.json").read_text("utf-8"))
    assert city["metadata"]["referenceSystem"].endswith("/4548")
    sizes = Counter()
    for name, faces in shells(city):
        sizes[name] += enclosed_m3(faces)
    assert sizes["环"] == pytest.approx(9600 * 6.5, rel=1e-4)


def test_no_files_without_volumes_or_without_rules_that_read_levels(tmp_path):
    for name, given, only in (("a", {}, ["T13"]), ("b", layers(tmp_path), ["T08a"])):
        book = load_rulebook().only(only)
        out = tmp_path / name
        record = run(read_inputs(PLOT, layers=given), book, Request(out, AS_OF, outputs=("gpkg",)))
        assert "volumes" not in record
        assert not list(out.glob("volumes.*"))


def test_from_python(tmp_path, folder):
    result = geo_urc.screen(PLOT, layers=layers(tmp_path), as_of=AS_OF)
    result.to_cityjson(tmp_path / "v.city.json")
    assert (tmp_path / "v.city.json").read_bytes() == (folder / "volumes.city.json").read_bytes()
    with pytest.raises(OutputError, match="property_volumes"):
        geo_urc.screen(PLOT, only=["T08a"]).to_cityjson(tmp_path / "none.json")


def test_nothing_that_is_a_solid(tmp_path):
    """A layer of faulty volumes makes empty files, and the record names them all."""
    out = tmp_path / "out"
    inputs = read_inputs(PLOT, layers=layers(tmp_path, first=4))
    record = run(inputs, load_rulebook(), Request(out, AS_OF))
    assert record["volumes"]["solids"] == 0
    assert len(record["volumes"]["left_out"]) == 4
    assert json.loads((out / "volumes.city.json").read_text("utf-8"))["CityObjects"] == {}
    assert len(gpd.read_file(out / "volumes.gpkg", layer="property_volumes_3d")) == 0
