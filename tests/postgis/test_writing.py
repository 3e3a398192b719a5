"""A whole run from PostGIS into PostGIS, told by the command."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from tests.postgis.conftest import PASSWORD

RUN = [sys.executable, "-c", "from geo_urc.cli.main import main; main()"]
ORIGIN = (448_000, 4_418_000)
PARCELS = """
CREATE TABLE plan.parcels (fid int PRIMARY KEY, 宗地代码 text, 现状建筑面积 numeric(12, 2),
                           备注 jsonb, "Quote""d" bytea, geom geometry(MultiPolygon, 4548))
"""
ROWS = """
INSERT INTO plan.parcels SELECT place, 'A-' || place, 1000 * place, '{"a": 1}', '\\x00ff',
    ST_Multi(ST_MakeEnvelope(448000 + west, 4418000, 448100 + west, 4418100, 4548))
FROM (VALUES (1, 0), (2, -400), (3, -1000)) t (place, west)
"""
"""400, 800 and 1400 m from the station."""


@pytest.fixture
def plan(server, tmp_path, monkeypatch):
    """Put parcels and a station into the database, and a list that names them into a folder."""
    server.sql(
        "CREATE SCHEMA plan",
        "CREATE SCHEMA 成果",
        PARCELS,
        ROWS,
        "INSERT INTO plan.parcels VALUES (4, 'A-4', NULL, NULL, NULL, NULL)",
        "CREATE TABLE plan.stations AS SELECT 1 AS id, '柳堤' AS 站名, 'subway' AS type,"
        " ST_SetSRID(ST_MakePoint(448500, 4418050), 4548) AS geom"
        " UNION ALL SELECT 2, '站台', 'bus', ST_SetSRID(ST_MakePoint(448000, 4418050), 4548)",
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layers.toml").write_text(
        f"""
[parcels]
id = "宗地代码"
fields = {{ existing_above_gfa_m2 = "现状建筑面积" }}
[layers.rail_stations]
path = "{server.address("plan.stations")}"
where = "type = 'subway'"
fields = {{ name = "站名" }}
""",
        "utf-8",
    )
    return server


def command(server, *more, table="成果.宗地", only="T08a"):
    return [
        "screen", server.address("plan.parcels"), "--layers", "layers.toml", "--out", "out",
        "--only", only, "--as-of", "2026-11-23", "--outputs", "gpkg", "--lang", "en",
        "--postgis", server.address(table), *more,
    ]  # fmt: skip


VERDICTS = 'SELECT fid, subject_id, t08a_verdict, rail_distance_m FROM "成果"."宗地" ORDER BY fid'
EXPECTED = [
    (1, "A-1", "eligible", 400.0),
    (2, "A-2", "review", 800.0),  # on the limit of T08a, within the accuracy
    (3, "A-3", "ineligible", 1400.0),
    (4, "A-4", "unknown", None),
]


def test_results_are_tables_beside_each_other(plan, urc):
    status, said, err = urc(*command(plan, "--set", "T08a.radius_m=800"))
    assert (status, err) == (1, "")  # a parcel has no geometry
    assert "Database tables: 成果.宗地, 成果.宗地_rules, 成果.宗地_set_aside" in said
    assert plan.sql(VERDICTS.replace("fid", "urc_fid")) == EXPECTED
    ours = plan.sql(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = '成果' ORDER BY 1"
    )
    assert ours == [("宗地",), ("宗地_rules",), ("宗地_run",), ("宗地_set_aside",)]
    # the user's own columns, in nearest types
    (row,) = plan.sql(
        'SELECT fid, 现状建筑面积, 备注, "Quote""d" FROM "成果"."宗地" WHERE urc_fid = 1'
    )
    assert row == (1, 1000.0, '{"a": 1}', b"\x00\xff")
    # the outline is that of the input, byte by byte
    assert plan.sql(
        'SELECT bool_and(ST_AsEWKB(r.geom) IS NOT DISTINCT FROM ST_AsEWKB(p.geom)) FROM "成果"."宗地" r'
        " JOIN plan.parcels p USING (fid)"
    ) == [(True,)]
    assert plan.sql(
        "SELECT type, srid, coord_dimension FROM geometry_columns WHERE f_table_schema = '成果'"
    ) == [("MULTIPOLYGON", 4548, 2)]
    indexes = plan.sql("SELECT indexdef FROM pg_indexes WHERE tablename = '宗地' ORDER BY 1")
    assert [("gist" in d, "UNIQUE" in d) for (d,) in indexes] == [(True, False), (False, True), (False, True)]  # fmt: skip
    told = dict(
        plan.sql(
            "SELECT a.attname::text, col_description(a.attrelid, a.attnum) FROM pg_attribute a"
            " WHERE a.attrelid = '成果.宗地'::regclass AND a.attnum > 0"
        )
    )
    assert all(told.values())
    assert told["现状建筑面积"] == "输入列：现状建筑面积"
    assert (
        told["t08a_verdict"].startswith("T08a 结论：") and "eligible 符合" in told["t08a_verdict"]
    )
    assert "（米）" in told["rail_distance_m"]
    assert "宗地" in plan.sql("SELECT obj_description('成果.宗地'::regclass)")[0][0]
    (run,) = plan.sql('SELECT run FROM "成果"."宗地_run"')
    record = json.loads(run[0])
    assert record == json.loads(Path("out/run.json").read_text("utf-8"))
    assert record["postgis"]["tables"][0]["rows"] == 4
    written = gpd.read_file("out/eligibility.gpkg", layer="parcels")
    assert written["t08a_verdict"].tolist() == [word for _, _, word, _ in EXPECTED]


def test_earlier_results_are_kept_without_overwrite_and_replaced_with_it(plan, urc):
    assert urc(*command(plan))[0] == 1
    plan.sql(
        'GRANT SELECT ON "成果"."宗地" TO reader', 'GRANT SELECT ON "成果"."宗地_run" TO PUBLIC'
    )
    shutil.rmtree("out")
    status, _, err = urc(*command(plan))
    assert status == 2 and "holds earlier results" in err and "--overwrite" in err
    assert not os.path.exists("out")
    status, _, err = urc(*command(plan, "--set", "T08a.radius_m=300", "--overwrite"))
    assert (status, err) == (1, "")
    assert {row[2] for row in plan.sql(VERDICTS.replace("fid", "urc_fid"))} == {
        "ineligible",
        "unknown",
    }
    granted = plan.sql(
        "SELECT table_name::text, grantee::text FROM information_schema.table_privileges"
        " WHERE table_schema = '成果' AND grantee <> 'postgres' ORDER BY 1"
    )
    assert granted == [("宗地", "reader"), ("宗地_run", "PUBLIC")]


@pytest.mark.parametrize("suffix", ["", "_rules", "_run"])
def test_a_table_that_is_no_result_is_never_replaced(plan, urc, suffix):
    plan.sql(f'CREATE TABLE "成果"."宗地{suffix}" (keep int)')
    status, _, err = urc(*command(plan, "--overwrite"))
    assert status == 2 and "not an earlier result" in err
    assert plan.sql(f'SELECT * FROM "成果"."宗地{suffix}"') == []


def test_a_view_on_earlier_results_stops_the_run_and_loses_nothing(plan, urc):
    assert urc(*command(plan))[0] == 1
    before = plan.sql(VERDICTS.replace("fid", "urc_fid"))
    plan.sql('CREATE VIEW plan.mine AS SELECT * FROM "成果"."宗地"')
    folder = {path: path.read_bytes() for path in Path("out").iterdir()}
    status, _, err = urc(*command(plan, "--overwrite", "--set", "T08a.radius_m=300"))
    assert status == 2 and "view plan.mine depends on" in err
    assert plan.sql(VERDICTS.replace("fid", "urc_fid")) == before
    assert {path: path.read_bytes() for path in Path("out").iterdir()} == folder


def test_what_stands_in_the_way_is_said_before_the_work(plan, urc, monkeypatch):
    monkeypatch.setattr("geo_urc.command.read_inputs", None)  # would fail if it came so far
    for table, told in (
        ("nowhere.宗地", r'no schema "nowhere"'),
        ("", "does not name the table"),
        ("a.b.c", "cannot be understood"),
    ):
        status, _, err = urc(*command(plan, table=table))
        assert status == 2 and told in err, err
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    arguments = command(plan)
    arguments[-1] = plan.address("成果.宗地", user="reader")
    status, _, err = urc(*arguments)
    assert status == 2 and "No right to create" in err


def test_names_that_are_too_long(plan, urc):
    status, _, err = urc(*command(plan, table=f"成果.{'宗地判定结果' * 4}"))
    assert status == 2 and "too long" in err and "63 bytes" in err
    assert not os.path.exists("out")


@pytest.mark.parametrize("name", ['a"b', "a'; DROP TABLE plan.parcels; --", "%s {}", "select"])
def test_names_are_names(plan, urc, name):
    quoted = '"' + name.replace('"', '""') + '"'
    written = "".join(f"%{byte:02X}" for byte in f"成果.{quoted}".encode())
    status, _, err = urc(*command(plan, table=written))
    assert (status, err) == (1, "")
    assert plan.sql(f'SELECT count(*) FROM "成果".{quoted}') == [(4,)]
    assert urc(*command(plan, "--overwrite", table=written))[0] == 1
    assert plan.sql("SELECT count(*) FROM plan.parcels") == [(4,)]


def test_verify_says_what_is_so(plan, urc):
    urc(*command(plan, "--set", "T08a.radius_m=800"))
    before = plan.sql("SELECT oid, relname::text FROM pg_class ORDER BY 1")
    status, said, err = urc("verify", "out", "--lang", "en")
    assert (status, err) == (0, ""), said
    assert "Input files unchanged: 3." in said  # the list, parcels and stations
    assert said.splitlines()[-1] == "Identical."
    assert plan.sql("SELECT oid, relname::text FROM pg_class ORDER BY 1") == before

    plan.sql('UPDATE "成果"."宗地" SET t08a_verdict = \'eligible\' WHERE urc_fid = 3')
    status, said, _ = urc("verify", "out", "--lang", "en")
    assert status == 1 and "成果.宗地: The result table in the database is not as" in said
    plan.sql('DROP TABLE "成果"."宗地_rules"')
    _, said, _ = urc("verify", "out", "--lang", "en")
    assert "成果.宗地_rules: The result table is gone" in said

    urc(*command(plan, "--set", "T08a.radius_m=800", "--overwrite"))
    assert urc("verify", "out")[0] == 0
    plan.sql("UPDATE plan.stations SET geom = ST_Translate(geom, 1000, 0)")
    status, said, _ = urc("verify", "out", "--lang", "en")
    assert status == 1
    assert f"Input file changed: {plan.address('plan.stations')}" in said
    assert "table parcels differs" in said


def test_the_password_is_nowhere(plan, urc, tmp_path, caplog):
    plan.sql(
        "GRANT USAGE ON SCHEMA plan TO reader",
        "GRANT SELECT ON plan.parcels, plan.stations TO reader",
        "GRANT CREATE, USAGE ON SCHEMA 成果 TO reader",
    )
    text = (tmp_path / "layers.toml").read_text("utf-8")
    login = f"reader:{PASSWORD}"
    toml = text.replace("postgres@", f"{login}@").replace(
        "[layers.rail", f'[layers.green_spaces]\npath = "{plan.address("plan.parcels", user=login)}"\n[layers.rail'
    ).replace("where", f'coverage = "{plan.address("plan.parcels", user=login)}"\nwhere')  # fmt: skip
    (tmp_path / "layers.toml").write_text(toml, "utf-8")
    arguments = command(plan, "--outputs", "gpkg,map,report", "--format", "gpkg,csv,parquet")
    arguments = [a.replace("//postgres@", f"//{login}@") for a in arguments]
    status, said, err = urc(*arguments)
    assert status == 1, err
    for found in (
        said,
        err,
        caplog.text,
        *urc("check", arguments[1], "--layers", "layers.toml")[1:],
    ):
        assert PASSWORD not in found
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes(), path
    assert not plan.sql(f'SELECT FROM "成果"."宗地_run" WHERE run LIKE \'%{PASSWORD}%\'')
    record = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))
    assert record["command"]["parcels"] == plan.address("plan.parcels", user="reader")
    assert record["inputs"][0]["path"] == plan.address("plan.parcels", user="reader")

    # …and in no error
    base = plan.address("plan.parcels", user=login)
    wrong = [
        base.replace(PASSWORD, PASSWORD + "x"),
        base.replace(f":{plan.port}", ":1"),
        base.replace("127.0.0.1", "no.such.host.invalid"),
        base.replace("/trial", "/nowhere"),
        base.replace("parcels", "nothing"),
        base + "&no_such=1",
        base + "&geometry=x",
        base + f"&password={PASSWORD}",
        base.replace("@127", "@@127"),
        base.replace(":s3", ":a/b#s3"),
        base.replace("?table=plan.parcels", ""),
        f"PG:host=127.0.0.1 password={PASSWORD} user=reader",
        plan.address("plan.parcels").replace("//", f"//u:{PASSWORD}@h:x/"),
    ]
    for address in wrong:
        (tmp_path / "a.toml").write_text(f'[layers.green_spaces]\npath = "{address}"\n[layers.dem]\npath = "{address}"\n', "utf-8")  # fmt: skip
        for line in (
            ("check", address),
            ("check", plan.address("plan.parcels"), "--layers", "a.toml"),
            ("price", address, "--out", "x.csv"),
            ("datum", address, "x.gpkg", "--from", "gcj02", "--to", "wgs84"),
            ("screen", plan.address("plan.parcels"), "--out", "o", "--postgis", address),
        ):
            status, said, err = urc(*line)
            assert status == 2 or "--postgis" not in line
            assert PASSWORD not in said + err, line
    for address in (wrong[0], wrong[8]):
        done = subprocess.run([*RUN, "check", address, "--debug"], capture_output=True, text=True)
        assert "Traceback" in done.stderr and PASSWORD not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda a: a[: a.index("127")] + "127.0.0.1:1/trial?table=plan.parcels", "does not answer"),
        (lambda a: a.replace("/trial", "/nowhere"), "no such database"),
        (lambda a: a.replace("postgres@", "nobody@"), "no such database or user"),
        (lambda a: a.replace("postgres@", "reader:no@"), "refuses the user"),
        (lambda a: a.replace("postgres@", "reader@"), "refuses the user"),
    ],
)
def test_a_server_that_does_not_let_one_in(plan, urc, change, told):
    status, _, err = urc("screen", change(plan.address("plan.parcels")), "--out", "out", "--lang", "en")  # fmt: skip
    assert status == 2 and told in err and err.count("\n") == 1, err
    assert not os.path.exists("out")


def test_no_psycopg(plan, urc, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    status, _, err = urc("check", plan.address("plan.parcels"), "--lang", "en")
    assert status == 2 and 'pip install "geo-urc[postgis]"' in err


def test_files_into_the_database_with_heights_and_without(server, urc, tmp_path, monkeypatch):
    """Points of a file become tables as well, with heights where all have them, and mixed."""
    monkeypatch.chdir(tmp_path)
    west, south = ORIGIN
    flat = shapely.box(west, south, west + 100, south + 100)
    high = shapely.force_3d(shapely.box(west + 200, south, west + 300, south + 100), 42.5)
    for shapes, crs, expected in (
        ([high, high], 4548, ("POLYGON", 4548, 3)),
        ([flat, shapely.MultiPolygon([flat])], 4548, ("MULTIPOLYGON", 4548, 2)),
        ([flat, high], 4548, ("GEOMETRY", 4548, 2)),
        ([flat, None], 4548, ("POLYGON", 4548, 2)),
    ):
        frame = gpd.GeoDataFrame(
            {"n": range(len(shapes)), "空": ["", None]}, geometry=shapes, crs=crs
        )
        frame.to_file("p.gpkg", engine="pyogrio")
        frame.to_parquet("p.parquet")
        status, _, err = urc("screen", "p.parquet", "--out", "out", "--outputs", "gpkg", "--postgis", server.address("r"), "--overwrite", "--only", "T08a")  # fmt: skip
        assert status in (0, 1), err
        there = server.sql("SELECT type, srid, coord_dimension FROM geometry_columns WHERE f_table_name = 'r'")  # fmt: skip
        assert there == [expected]
        assert server.sql('SELECT n, "空" FROM r ORDER BY n') == [(0, ""), (1, None)]
        given = shapely.to_wkt(shapes[1]) if shapes[1] is not None else None
        (found,) = server.sql("SELECT ST_AsBinary(geom) FROM r ORDER BY n OFFSET 1")
        assert (found[0] and shapely.to_wkt(shapely.from_wkb(found[0]))) == given


def test_a_server_that_goes_away_while_it_is_written(plan, urc, monkeypatch):
    assert urc(*command(plan))[0] == 1
    before = plan.sql(VERDICTS.replace("fid", "urc_fid"))
    folder = {path: path.read_bytes() for path in Path("out").iterdir()}
    monkeypatch.setattr(
        "geo_urc.outputs.postgis._csv", lambda _: plan.end_connections() or b"1\n" * 10_000_000
    )
    status, _, err = urc(*command(plan, "--overwrite", "--set", "T08a.radius_m=300"))
    assert status == 2 and "connection was lost" in err
    assert plan.sql(VERDICTS.replace("fid", "urc_fid")) == before
    assert {path: path.read_bytes() for path in Path("out").iterdir()} == folder


def test_from_python(plan):
    import geo_urc

    result = geo_urc.screen(
        plan.address("plan.parcels"),
        layers={"rail_stations": plan.address("plan.stations")},
        only=["T08a"],
    )
    result.to_postgis(plan.address("成果.宗地"))
    assert plan.sql('SELECT count(*) FROM "成果"."宗地"') == [(4,)]
    with pytest.raises(geo_urc.GeoUrcError, match="holds earlier results"):
        result.to_postgis(plan.address("成果.宗地"))
    result.to_postgis(plan.address("成果.宗地"), overwrite=True)


def test_another_writer_is_kept_out(plan, urc):
    import psycopg

    with psycopg.connect(
        host="127.0.0.1", port=plan.port, user="postgres", dbname="trial"
    ) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('geo-urc 成果.宗地', 5))")
        status, _, err = urc(*command(plan))
        assert status == 2 and "Another run is writing" in err
        assert not os.path.exists("out")


def test_killed_at_any_moment_the_earlier_results_are_whole(plan, urc):
    """Each kill waits until the process is in the middle of writing."""
    plan.sql(
        "INSERT INTO plan.parcels SELECT i, 'B-' || i, i, NULL, NULL, ST_Multi(ST_MakeEnvelope("
        "448000 + i % 200 * 50, 4418000 + i / 200 * 50, 448040 + i % 200 * 50, 4418040 + i / 200 * 50, 4548))"
        " FROM generate_series(5, 8000) i"
    )
    assert urc(*command(plan, "--set", "T08a.radius_m=500"))[0] == 1
    count = (
        'SELECT count(*), count(*) FILTER (WHERE t08a_verdict = \'eligible\') FROM "成果"."宗地"'
    )
    before = plan.sql(count)
    state = "SELECT state FROM pg_stat_activity WHERE application_name = 'geo-urc'"
    writing = "SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE locktype = 'advisory' AND application_name = 'geo-urc'"  # fmt: skip
    killed = 0
    for wait in (0.0, 0.2, 0.5):
        process = subprocess.Popen(
            [*RUN, *command(plan, "--set", "T08a.radius_m=1500", "--overwrite")],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        while process.poll() is None and not plan.sql(f"SELECT EXISTS ({writing})")[0][0]:
            time.sleep(0.01)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        while plan.sql(state):
            time.sleep(0.05)
        there = plan.sql(count)
        tables = plan.sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'geo_urc%%'")
        assert tables == [(0,)]
        if there != before:
            break  # it was faster than the kill, and the new results are whole
    assert killed
    assert there[0][0] == 8000
