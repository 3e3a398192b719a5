"""The command as a user runs it, in this process, on a small city written to disk."""

from __future__ import annotations

import json
import re
import sqlite3
import tomllib
import zipfile

import geopandas as gpd
import openpyxl
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from geo_urc.inputs import load_settings

AS_OF = ["--as-of", "2026-11-23"]


@pytest.fixture
def screened(urc, city):
    """Run the main job once; return a function that runs it with more options."""

    def run(*more, out="out", parcels="parcels.gpkg"):
        return urc(
            "screen",
            city / parcels,
            "--layers",
            city / "layers.toml",
            "--out",
            city / out,
            *AS_OF,
            *more,
        )

    return run


def rows(folder, layer="parcels"):
    return pyogrio.read_dataframe(folder / "eligibility.gpkg", layer=layer)


# --- the main job -------------------------------------------------------------------------------


def test_screen(screened, city):
    status, said, err = screened()
    assert status == 0, err
    assert {p.name for p in (city / "out").iterdir()} >= {
        "eligibility.gpkg", "map.html", "report.html", "run.json",
    }  # fmt: skip
    parcels = rows(city / "out")
    assert parcels["subject_id"].tolist() == ["A-1", "A-2", "A-3", "A-4"]
    assert parcels["t08a_verdict"].tolist() == ["eligible", "review", "ineligible", "ineligible"]
    assert parcels["rail_distance_m"].tolist() == pytest.approx([400.0, 799.5, 1400.0, 1500.0])
    assert parcels["rail_nearest"].tolist() == ["柳堤"] * 4
    assert parcels["宗地代码"].tolist() == ["A-1", "A-2", "A-3", "A-4"]
    assert parcels["eligible_rules"].fillna("").tolist() == ["T08a", "", "", ""]
    green = rows(city / "out", "green_spaces")
    # 20 x 20 of 10000 m2; ancient trees were not given
    assert green["underground_share"].tolist() == pytest.approx([0.04])
    assert green["t20_verdict"].tolist() == ["unknown"]
    assert "T08a" in said
    assert "符合" in said


def test_a_result_in_the_way_is_not_replaced(screened, city):
    assert screened()[0] == 0
    before = (city / "out" / "run.json").stat().st_mtime_ns
    status, _, err = screened()
    assert status == 2
    assert "--overwrite" in err
    assert (city / "out" / "run.json").stat().st_mtime_ns == before
    assert screened("--overwrite")[0] == 0


def test_a_folder_of_the_users_own_is_never_replaced(screened, city):
    (city / "out").mkdir()
    (city / "out" / "thesis.docx").write_text("years of work")
    status, _, _ = screened("--overwrite")
    assert status == 2
    assert (city / "out" / "thesis.docx").read_text() == "years of work"


def test_a_failed_run_leaves_the_earlier_result(screened, city, monkeypatch):
    assert screened()[0] == 0
    before = {p: p.read_bytes() for p in (city / "out").rglob("*") if p.is_file()}
    (city / "garage.gpkg").rename(city / "gone.gpkg")
    assert screened("--overwrite")[0] == 2
    (city / "gone.gpkg").rename(city / "garage.gpkg")

    def broken(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr("geo_urc.outputs.report.write_reports", broken)
    status, _, err = screened("--overwrite")
    assert status == 2
    assert "disk full" in err
    assert {p: p.read_bytes() for p in (city / "out").rglob("*") if p.is_file()} == before
    assert [p.name for p in city.iterdir() if p.is_dir()] == ["out"]


def test_set_aside_input_is_told_by_the_status(screened, city):
    frame = gpd.read_file(city / "parcels.gpkg")
    frame.loc[2, "geometry"] = None
    frame.to_file(city / "holes.gpkg", driver="GPKG")
    status, _, _ = screened(parcels="holes.gpkg")
    assert status == 1
    parcels = rows(city / "out")
    assert parcels["t08a_verdict"].tolist() == ["eligible", "review", "unknown", "ineligible"]
    assert parcels["t08a_reason"][2] == "geometry_unusable"


def test_same_input_same_output(screened, city):
    assert screened(out="one")[0] == 0
    assert screened(out="two")[0] == 0
    one, two = city / "one", city / "two"
    files = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(two) for p in two.rglob("*") if p.is_file())
    for name in files:
        if name.suffix != ".gpkg":
            assert (one / name).read_bytes() == (two / name).read_bytes(), name
    databases = [sqlite3.connect(folder / "eligibility.gpkg") for folder in (one, two)]
    tables = [
        [t for (t,) in d.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
        for d in databases
    ]
    assert tables[0] == tables[1]
    for table in tables[0]:
        if not table.startswith("rtree_"):
            a, b = (d.execute(f'SELECT * FROM "{table}"').fetchall() for d in databases)
            assert a == b, table
    for database in databases:
        database.close()


# --- options ------------------------------------------------------------------------------------


def test_only(screened, city):
    assert screened("--only", "T08a")[0] == 0
    columns = rows(city / "out").columns
    assert "t08a_verdict" in columns
    assert not [
        c for c in columns if re.match(r"[tp]\d\d?[a-z]?_verdict", c) and c != "t08a_verdict"
    ]


def test_set_is_used_and_recorded(screened, city):
    assert screened("--set", "T08a.radius_m=1450", "--set", "T08a.key_areas=ignored")[0] == 0
    assert rows(city / "out")["t08a_verdict"].tolist() == [
        "eligible",
        "eligible",
        "eligible",
        "ineligible",
    ]
    parameters = json.loads((city / "out" / "run.json").read_text("utf-8"))["parameters"]
    assert parameters["T08a.radius_m"]["value"] == 1450
    assert [name for name, p in parameters.items() if p["changed"]] == ["T08a.radius_m"]


def test_set_goes_over_rules_and_rules_over_layers(screened, city):
    with (city / "layers.toml").open("a", encoding="utf-8") as file:
        file.write('\n[rules]\n"T08a.radius_m" = 300\n"T08b.quota_share" = 0.1\n')
    overlay = city / "mine.toml"
    overlay.write_text('[parameters]\n"T08a.radius_m" = 1410\n', "utf-8")
    assert screened(out="layers")[0] == 0
    assert rows(city / "layers")["t08a_verdict"].tolist() == ["ineligible"] * 4
    assert screened("--rules", overlay, out="rules")[0] == 0
    assert rows(city / "rules")["t08a_verdict"].tolist()[2] == "eligible"
    assert screened("--rules", overlay, "--set", "T08a.radius_m=700", out="set")[0] == 0
    assert rows(city / "set")["t08a_verdict"].tolist() == [
        "eligible",
        "ineligible",
        "ineligible",
        "ineligible",
    ]
    parameters = json.loads((city / "set" / "run.json").read_text("utf-8"))["parameters"]
    assert parameters["T08b.quota_share"]["value"] == 0.1


def test_a_qgis_project_lies_beside_the_geopackage_if_asked_for(screened, city):
    assert screened()[0] == 0
    assert not (city / "out" / "eligibility.qgz").exists()
    status, said, err = screened("--outputs", "gpkg,qgz", out="qgis")
    assert status == 0, err
    assert "QGIS 工程" in said
    out = city / "qgis"
    assert {p.name for p in out.iterdir()} == {"eligibility.gpkg", "eligibility.qgz", "run.json"}
    with zipfile.ZipFile(out / "eligibility.qgz") as archive:
        project = archive.read("project.qgs").decode("utf-8")
    assert "./eligibility.gpkg|layername=parcels" in project
    assert "2026-11-23" in project
    # Whoever gets the files learns nothing of where they were made.
    assert str(city) not in project
    assert str(city).encode() not in (out / "eligibility.gpkg").read_bytes()


def test_a_qgis_project_without_its_geopackage_is_refused(screened, city):
    for more in (["--outputs", "map,qgz"], ["--outputs", "gpkg,qgz", "--format", "csv"]):
        status, _, err = screened(*more)
        assert status == 2
        assert "--outputs gpkg,qgz" in err
    assert not (city / "out").exists()


def test_a_base_map_comes_with_its_key_or_not_at_all(screened, city):
    status, _, err = screened("--basemap", "tianditu", "--outputs", "map")
    assert status == 2 and "--basemap-key" in err
    assert not (city / "out").exists()
    assert screened("--basemap", "tianditu", "--basemap-key", "K1", "--outputs", "map")[0] == 0
    assert "tianditu.gov.cn" in (city / "out" / "map.html").read_text("utf-8")


def test_formats(screened, city):
    assert screened("--format", "parquet,csv", "--outputs", "gpkg")[0] == 0
    out = city / "out"
    assert not (out / "eligibility.gpkg").exists()
    assert not (out / "map.html").exists()
    table = pq.read_table(out / "parcels.parquet")
    assert table["t08a_verdict"].to_pylist() == ["eligible", "review", "ineligible", "ineligible"]
    assert gpd.read_parquet(out / "parcels.parquet").crs.to_epsg() == 4548
    raw = (out / "parcels.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert "宗地代码" in raw.decode("utf-8-sig").splitlines()[0]


def test_strict_takes_assumptions_back(screened, city):
    assert screened("--strict", "--outputs", "gpkg")[0] == 0
    said = rows(city / "out")["t08a_verdict"].tolist()
    assert "ineligible" not in said


def test_english(screened, city):
    status, said, _ = screened("--lang", "en")
    assert status == 0
    assert "eligible" in said
    assert "review" in (city / "out" / "report.html").read_text("utf-8")


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "zh", "en"),
    [
        (["--set", "T08a.radius=3"], "T08a.radius_m", "T08a.radius_m"),
        (["--set", "T08a.radius_m"], "等号", "equals"),
        (["--set", "T08a.radius_m=far"], "无效", "not valid"),
        (["--only", "T80"], "没有名为", "no rule"),
        (["--as-of", "yesterday"], "不是日期", "not a date"),
        (["--outputs", "pdf"], "可用", "Choose from"),
        (["--format", "shp"], "可用", "Choose from"),
        (["--crs", "EPSG:4326"], "EPSG:4548", "EPSG:4548"),
        (["--rules", "nowhere.toml"], "无法读取", "cannot be read"),
    ],
)
def test_wrong_options_are_told_in_both_languages(screened, city, more, zh, en):
    for lang, word in (("zh", zh), ("en", en)):
        status, said, err = screened(*more, "--lang", lang)
        assert (status, said) == (2, "")
        assert word in err
        assert len(err.strip().splitlines()) == 1
        assert bool(re.search("[一-鿿]", err)) == (lang == "zh")
    assert not (city / "out").exists()


def test_what_is_not_there(urc, city):
    status, _, err = urc("screen", city / "none.gpkg", "--out", city / "out")
    assert status == 2
    assert "none.gpkg" in err
    status, _, err = urc(
        "screen", city / "parcels.gpkg", "--layers", city / "no.toml", "--out", city / "out"
    )
    assert status == 2
    assert "no.toml" in err
    status, _, err = urc("screen", city / "parcels.gpkg")
    assert status == 2
    assert "--out" in err
    assert urc("no-such-command")[0] == 2


def test_all_faults_of_the_inputs_at_once(urc, city):
    (city / "layers.toml").write_text(
        '[parcels]\nid = "编号"\n[layers.rail_stations]\npath = "no.gpkg"\n'
        '[layers.green_spaces]\npath = "green.gpkg"\nfields = { name = "名字" }\n',
        "utf-8",
    )
    status, _, err = urc(
        "screen", city / "parcels.gpkg", "--layers", city / "layers.toml", "--out", city / "out"
    )
    assert status == 2
    for name in ("编号", "no.gpkg", "名字"):
        assert name in err


def test_a_fault_of_the_program_is_one_sentence_too(screened, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("geo_urc.run.run", broken)
    status, _, err = screened()
    assert status == 2
    assert "--debug" in err
    assert len(err.strip().splitlines()) == 1


def test_interrupted(screened, city, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("geo_urc.outputs.report.write_reports", interrupted)
    assert screened()[0] == 130
    assert not [p for p in city.iterdir() if p.is_dir()]


# --- why ------------------------------------------------------------------------------------------


def test_explain(screened, urc, city):
    screened()
    status, said, _ = urc("explain", city / "out", "A-2", "--rule", "T08a")
    assert status == 0
    for text in ("T08a", "需人工研判", "799.5", "≤ 800", "柳堤", "1.414"):
        assert text in said
    assert "T23" not in said
    status, said, _ = urc("explain", city / "out", "A-2", "--lang", "en")
    assert "nearer to the limit" in said
    assert "T23" in said
    status, said, _ = urc("explain", city / "out", "green_spaces-1")
    assert status == 0
    assert "T20" in said


@pytest.mark.parametrize(
    "arguments", [["A-9"], ["A-2", "--rule", "T99"], ["A-2'; DROP TABLE parcels; --"]]
)
def test_explain_what_is_not_there(screened, urc, city, arguments):
    screened()
    status, said, err = urc("explain", city / "out", *arguments)
    assert (status, said) == (2, "")
    assert arguments[0] in err


def test_explain_without_a_run(urc, city):
    status, _, err = urc("explain", city, "A-1")
    assert status == 2
    assert str(city) in err


COLUMNS = [
    "subject", "subject_id", "rule", "verdict", "fact", "value", "unit", "limit", "margin",
    "accuracy", "feature", "missing", "source",
]  # fmt: skip


def test_evidence(screened, urc, city):
    screened()
    tables = {}
    for ending in ("parquet", "csv", "xlsx"):
        path = city / f"evidence.{ending}"
        status, said, _ = urc("evidence", city / "out", "--out", path)
        assert status == 0
        tables[ending] = path
    parquet = pq.read_table(tables["parquet"])
    assert parquet.column_names == COLUMNS
    assert str(parquet.num_rows) in said
    csv = pacsv.read_csv(tables["csv"])
    assert csv.column_names == COLUMNS
    assert csv.num_rows == parquet.num_rows
    sheet = openpyxl.load_workbook(tables["xlsx"], read_only=True)["evidence"]
    cells = list(sheet.iter_rows(values_only=True))
    assert list(cells[0]) == COLUMNS
    assert len(cells) == parquet.num_rows + 1
    frame = parquet.to_pandas()
    row = frame.query("subject_id == 'A-2' and rule == 'T08a' and fact == 'rail_distance_m'").iloc[
        0
    ]
    assert (row["verdict"], float(row["value"]), row["unit"]) == ("review", 799.5, "m")
    assert row["margin"] == pytest.approx(0.5)
    assert row["accuracy"] == pytest.approx(2**0.5)
    assert row["feature"] == "柳堤"
    missing = frame.query("subject_id == 'A-1' and rule == 'T23'")["missing"]
    assert set(missing) == {"layer_missing:blue_lines"}
    status, _, err = urc("evidence", city / "out", "--out", city / "evidence.docx")
    assert status == 2
    assert ".xlsx" in err


# --- listings --------------------------------------------------------------------------------------


def test_rules_list_for_machines(urc):
    status, said, _ = urc("rules", "list", "--json")
    assert status == 0
    listed = json.loads(said)
    keys = {
        "id", "measure", "document", "heading", "department", "policy_class", "assess", "subject",
        "title_zh", "title_en",
    }  # fmt: skip
    assert all(keys <= set(row) for row in listed)
    measures = {row["measure"] for row in listed}
    assert measures == {f"T{n:02}" for n in range(1, 76)} | {f"P{n}" for n in range(8)}
    price = [row for row in listed if row["measure"].startswith("P")]
    assert all(row["policy_class"] is None and row["department"] is None for row in price)


def test_rules_for_people(urc):
    status, said, _ = urc("rules", "list")
    assert status == 0
    assert all(f"T{n:02}" in said for n in range(1, 76))
    status, said, _ = urc("rules", "show", "T08a", "--set", "T08a.radius_m=900", "--lang", "en")
    assert status == 0
    assert "T08a.radius_m = 900" in said
    assert "*" in said
    status, said, _ = urc("rules", "show", "T20", "--json")
    assert {r["subject"] for r in json.loads(said)} == {"green_spaces", "underground_projects"}
    status, _, err = urc("rules", "show", "T8a")
    assert status == 2
    assert "T08a" in err


def test_rules_schema(urc):
    for more in ([], ["--overlay"]):
        status, said, _ = urc("rules", "schema", *more)
        assert status == 0
        assert "properties" in json.loads(said)


def test_layers(urc, tmp_path):
    status, said, _ = urc("layers", "list")
    assert status == 0
    for role in ("parcels", "rail_stations", "subcentre", "dem"):
        assert role in said
    status, said, _ = urc("layers", "show", "ancient_trees")
    assert status == 0
    assert "protection_m" in said
    status, _, err = urc("layers", "show", "ancient_tree")
    assert status == 2
    assert "ancient_trees" in err
    for wanted in ([], ["rail_stations", "districts"]):
        status, said, _ = urc("layers", "template", *wanted)
        assert status == 0
        assert len(tomllib.loads(said)["layers"]) == (
            len(wanted) or len(tomllib.loads(said)["layers"])
        )
        path = tmp_path / "template.toml"
        path.write_text(said, "utf-8")
        assert set(load_settings(path).layers) >= set(wanted)
    status, said, _ = urc("layers", "template", "parcels")  # has a table of its own, is no layer
    assert status == 0
    assert "layers" not in tomllib.loads(said) and "existing_above_gfa_m2" in said


def test_check(urc, city):
    status, said, err = urc("check", city / "parcels.gpkg", "--layers", city / "layers.toml")
    assert status == 0, err
    for text in ("stations.csv", "EPSG:4548", "T23", "blue_lines", "ancient_trees"):
        assert text in said
    frame = gpd.read_file(city / "parcels.gpkg")
    frame.loc[0, "geometry"] = shapely.Polygon()
    frame.to_file(city / "holes.gpkg", driver="GPKG")
    assert urc("check", city / "holes.gpkg", "--layers", city / "layers.toml")[0] == 1
    assert urc("check", city / "none.gpkg")[0] == 2
    assert urc("check", city / "none.gpkg", "--layers", city / "layers.toml")[0] == 2


def test_check_tells_of_rasters_and_of_those_refused(urc, city, make_raster):
    make_raster("dem", [[45, 46], [47, 48]], nodata=-9)
    layers = (city / "layers.toml").read_text("utf-8")
    given = '[layers.dem]\npath = "dem.tif"\naccuracy_m = 0.3\n'
    (city / "layers.toml").write_text(layers + given, "utf-8")
    command = ("check", city / "parcels.gpkg", "--layers", city / "layers.toml", "--lang", "en")
    status, said, err = urc(*command)
    assert status == 0, err
    line = next(line.split() for line in said.splitlines() if line.startswith("dem "))
    assert line == [
        "dem",
        "dem.tif",
        "EPSG:4548",
        "cgcs2000",
        "?",
        *["2", "×", "2", "10", "×", "10", "-9", "m", "0.3", "m"],
    ]
    assert "[assumption] dem (dem.tif): datum not declared" in said
    (city / "layers.toml").write_text(layers + given + 'datum = "bd09"\n', "utf-8")
    status, _, err = urc(*command)
    assert status == 2
    assert "declared as bd09" in err


def test_check_drafts_what_screen_then_reads(urc, city):
    """Without --layers, what is printed is a LAYERS.toml that works."""
    status, said, _ = urc("check", city / "parcels.gpkg")
    assert status == 0
    (city / "draft.toml").write_text(said, "utf-8")
    status, _, err = urc(
        "screen",
        city / "parcels.gpkg",
        "--layers",
        city / "draft.toml",
        "--out",
        city / "o",
        *AS_OF,
    )
    assert status == 0, err


def test_help_and_version(urc):
    status, said, _ = urc("--help")
    assert status == 0
    for command in ("screen", "check", "explain", "evidence", "rules", "layers", "demo"):
        assert command in said
    assert urc("screen", "--help")[0] == 0
    status, said, _ = urc("--version")
    assert status == 0
    assert re.search(r"\d+\.\d+", said)
