"""Parcels and layers out of a real PostGIS."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest
import shapely

from geo_urc.errors import LayerError
from geo_urc.inputs import draft_layers_toml, postgis, read_inputs
from geo_urc.inputs.sources import Request, open_source
from tests.postgis.conftest import PASSWORD

BOX = "ST_MakeEnvelope({0}, 4418000, {0} + 100, 4418100, 4548)"
"""A hundred metres square near Tiananmen, by its west edge."""


def box(place: int) -> str:
    return BOX.format(448_000 + 200 * place)


def read(path, **more):
    subjects = read_inputs(path, **more).parcels
    (batch,) = subjects.batches()
    return subjects, batch


def said(subjects) -> str:
    return "\n".join(notice.text.en for notice in subjects.notices)


def rows_of(source):
    return [row for records in source.records(1, None) for row in records.columns.to_pylist()]


def test_parcels_of_a_table_with_a_key(server):
    server.sql(
        "CREATE SCHEMA 规划",
        'CREATE TABLE 规划."宗地 A.1" ("编 号" text PRIMARY KEY, "Select" int, "图形" geometry(Polygon, 4548))',
        f"""INSERT INTO 规划."宗地 A.1" VALUES ('乙', 2, {box(1)}), ('甲', NULL, {box(0)}), ('', 3, {box(2)})""",
    )
    subjects, batch = read(server.address('规划."宗地 A.1"'))
    assert batch.columns.to_pydict() == {"编 号": ["", "乙", "甲"], "Select": [3, 2, None]}
    assert subjects.output_crs == "EPSG:4548"
    assert batch.features.geometry[2].equals(shapely.box(448_000, 4_418_000, 448_100, 4_418_100))
    assert batch.wkb[2].as_py() == shapely.to_wkb(
        shapely.from_wkt("POLYGON ((448000 4418000, 448000 4418100, 448100 4418100, 448100 4418000, 448000 4418000))")
    )  # fmt: skip
    assert subjects.source.driver == "PostgreSQL"
    assert list(subjects.source.sha256) == ["规划.宗地 A.1"]
    encoded = server.address("%E8%A7%84%E5%88%92.%22%E5%AE%97%E5%9C%B0%20A.1%22")
    assert read(encoded)[0].source.sha256 == subjects.source.sha256


def test_every_type_of_column_keeps_its_values(server):
    server.sql(
        "CREATE TYPE 用途 AS ENUM ('居住', '商业')",
        "CREATE DOMAIN 面积 AS numeric(12, 2)",
        "CREATE TYPE pair AS (a int, b text)",
        f"""CREATE TABLE t AS SELECT 1 AS id, true AS b, 2::int2 AS i2, 3::int8 AS i8,
            1.5::real AS f4, 0.1::float8 AS f8, 12.50::面积 AS money_like,
            123456789012345678.25::numeric AS exact, '-Infinity'::float8 AS least,
            'NaN'::float8 AS nan,
            'x'::char(3) AS padded, '居住'::用途 AS use, '2026-02-28'::date AS day,
            'infinity'::date AS for_ever, '2026-01-01 08:00:00.5+08'::timestamptz AS at,
            '2026-01-01 08:00:00.123456'::timestamp AS local, '12:00:01'::time AS clock,
            '1 day 02:00'::interval AS long, '{{"a": [1, null]}}'::jsonb AS doc,
            ARRAY['甲', NULL, 'a"b'] AS list, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS u,
            '\\x00ff'::bytea AS raw, ''::bytea AS nothing, ROW(1, 'x')::pair AS pair,
            int4range(1, 5) AS range, E'line\\nbreak, "quoted" \\t甲' AS text, ''::text AS empty,
            NULL::text AS missing, {box(0)} AS geom""",
    )
    subjects, batch = read(server.address("public.t"))
    (row,) = batch.columns.to_pylist()
    nan = row.pop("nan")
    assert np.isnan(nan)
    utc = dt.UTC
    assert row == {
        "id": 1, "b": True, "i2": 2, "i8": 3, "f4": 1.5, "f8": 0.1, "money_like": 12.5,
        "exact": "123456789012345678.25", "least": -np.inf, "padded": "x", "use": "居住",
        "day": dt.date(2026, 2, 28), "for_ever": "infinity",
        "at": dt.datetime(2026, 1, 1, 0, 0, 0, 500_000, utc),
        "local": dt.datetime.fromisoformat("2026-01-01T08:00:00.123456"),
        "clock": "12:00:01", "long": "P1DT2H", "doc": '{"a": [1, null]}',
        "list": '{甲,NULL,"a\\"b"}', "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "raw": b"\x00\xff", "nothing": b"", "pair": "(1,x)", "range": "[1,5)",
        "text": 'line\nbreak, "quoted" \t甲', "empty": "", "missing": None,
    }  # fmt: skip
    assert "exact, for_ever: numbers or dates" in said(subjects)
    assert "no primary key" in said(subjects)


@pytest.mark.parametrize(
    ("value", "type_"),
    [("0.1", "double"), ("123456789.012345", "double"), ("1234567890.123456", "string"), ("1e400", "string"), ("1e-400", "string"), ("'NaN'", "double"), ("'Infinity'", "string"), ("NULL", "double"), ("0", "double"), ("-1e200", "double")],
)  # fmt: skip
def test_a_numeric_is_a_number_where_none_of_its_digits_is_lost(server, value, type_):
    server.sql(f"CREATE TABLE t AS SELECT {value}::numeric AS n, {box(0)} AS geom")
    assert str(open_source(Request(server.address("t"))).schema.field("n").type) == type_


def test_broken_missing_and_foreign_geometry_stays_with_its_record(server):
    spike = "ST_GeomFromText('POLYGON((448000 4418000,448000 4418100,448100 4418100,448100 4418000,448050 4418000,448050 4417980,448050 4418000,448000 4418000))', 4548)"
    server.sql(
        "CREATE TABLE t (id int PRIMARY KEY, geom geometry CHECK (ST_SRID(geom) = 4548))",
        f"""INSERT INTO t VALUES (1, {box(0)}), (2, NULL), (3, {spike}), (4, 'SRID=4548;POLYGON EMPTY'),
            (5, ST_Multi({box(1)})), (6, 'SRID=4548;POINT(448000 4418000)'),
            (7, ST_Force3D({box(2)})), (8, ST_GeomFromText('CURVEPOLYGON(CIRCULARSTRING(448000 4418000, 448050 4418050, 448100 4418000, 448050 4417950, 448000 4418000))', 4548))""",
    )
    subjects, batch = read(server.address("t"))
    source = subjects.source
    assert (source.records_in, source.records_used, source.records_set_aside) == (8, 7, 1)
    assert (source.unusable, source.repaired) == (3, 1)  # null, empty, curve; the spike
    assert [s.record for s in subjects.set_aside] == [6]
    assert json.loads(subjects.set_aside[0].content)["attributes"] == {"id": 6}
    assert batch.columns.column("id").to_pylist() == [1, 2, 3, 4, 5, 7, 8]
    assert "has arcs" in said(subjects)


def test_batches_are_cut_and_hold_every_row_once(server, monkeypatch):
    server.sql(
        "CREATE TABLE t (id int PRIMARY KEY, note text, geom geometry(Polygon, 4548))",
        "INSERT INTO t SELECT i, repeat('甲', i % 50), ST_MakeEnvelope(448000 + i, 4418000, 448001 + i, 4418001, 4548) FROM generate_series(1, 1000) i",
    )
    monkeypatch.setattr("geo_urc.inputs.postgis._ROWS", 300)
    monkeypatch.setattr("geo_urc.inputs.postgis._BYTES", 40_000)
    source = open_source(Request(server.address("t")))
    sizes = [len(records.wkb) for records in source.records(300, ["note"])]
    assert len(sizes) > 4 and sum(sizes) == 1000
    found = rows_of(source)
    assert [row["id"] for row in found] == list(range(1, 1001))
    assert all(row["note"] == "甲" * (row["id"] % 50) for row in found)


def test_what_is_read_stays_as_it_was_and_hashes_the_content(server):
    server.sql(f"CREATE TABLE t AS SELECT i AS id, {box(0)} AS geom FROM generate_series(1, 9) i")
    first = open_source(Request(server.address("t")))
    again = open_source(Request(server.address("t")))
    server.sql("UPDATE t SET id = 100 WHERE id = 9")
    changed = open_source(Request(server.address("t")))
    assert first.sha256 == again.sha256 != changed.sha256
    assert [row["id"] for row in rows_of(first)] == list(range(1, 10))
    server.sql("ALTER TABLE t ALTER id TYPE bigint")
    assert open_source(Request(server.address("t"))).sha256 != changed.sha256


def test_views_materialised_views_and_partitions(server):
    server.sql(
        "CREATE TABLE t (id int, j json, geom geometry(Polygon, 4548)) PARTITION BY LIST (id)",
        "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1)",
        "CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2)",
        f"INSERT INTO t VALUES (2, '{{}}', {box(1)}), (1, '[]', {box(0)})",
        "CREATE VIEW v AS SELECT id, j, ST_Transform(geom, 4490) AS geom FROM t",
        "CREATE MATERIALIZED VIEW m AS SELECT * FROM v",
    )
    for name, crs in (("t", "EPSG:4548"), ("v", "EPSG:4490"), ("m", "EPSG:4490")):
        subjects, batch = read(server.address(name))
        assert sorted(batch.columns.column("id").to_pylist()) == [1, 2]
        assert subjects.output_crs == crs
        assert "no primary key" in said(subjects)
    assert read(server.address("v"))[1].columns.column("id").to_pylist() == [1, 2]


def test_geography_lies_in_degrees(server):
    server.sql(f"CREATE TABLE t AS SELECT 1 AS id, ST_Transform({box(0)}, 4326)::geography AS g")
    assert read(server.address("t"))[0].output_crs == "EPSG:4326"


def test_no_system_and_several_systems(server, tmp_path):
    server.sql(
        f"CREATE TABLE t AS SELECT 1 AS id, ST_SetSRID({box(0)}, 0) AS geom",
        f"CREATE TABLE mixed AS SELECT 1 AS id, {box(0)} AS geom UNION ALL SELECT 2, ST_Transform({box(0)}, 4490)",
        f"CREATE TABLE own AS SELECT 1 AS id, ST_SetSRID({box(0)}, 990001) AS geom",
    )
    with pytest.raises(LayerError, match="coordinate system"):
        read_inputs(server.address("t"))
    given = tmp_path / "layers.toml"
    given.write_text('[parcels]\ncrs = "EPSG:4548"')
    assert read(server.address("t"), layers=given)[0].output_crs == "EPSG:4548"
    with pytest.raises(LayerError, match="mixes SRIDs: 4490, 4548"):
        read_inputs(server.address("mixed"))
    layer = {"green_spaces": {"path": server.address("mixed"), "where": "ST_SRID(geom) = 4548"}}
    server.sql(f"CREATE TABLE p AS SELECT 1 AS id, {box(0)} AS geom")
    assert len(read_inputs(server.address("p"), layers=layer).layers["green_spaces"].features) == 1
    assert "SRID 990001" in said(read(server.address("own"), layers=given)[0])
    server.sql("INSERT INTO spatial_ref_sys SELECT 990001, 'local', 1, srtext, proj4text FROM spatial_ref_sys WHERE srid = 4548")  # fmt: skip
    assert "4548" in read(server.address("own"))[0].output_crs


def test_a_table_of_outlines_alone_keeps_those_that_are_null(server):
    """Such a record is an empty line of CSV."""
    server.sql(f"CREATE TABLE t AS SELECT {box(0)} AS geom UNION ALL SELECT NULL UNION ALL SELECT {box(1)}")  # fmt: skip
    subjects, batch = read(server.address("t"))
    assert batch.wkb.is_valid().to_pylist() == [True, False, True]
    assert subjects.source.unusable == 1


def test_a_server_that_goes_away_while_it_is_read(server, monkeypatch):
    server.sql(
        f"CREATE TABLE t AS SELECT i AS id, {box(0)} AS geom FROM generate_series(1, 50000) i"
    )
    parsed = postgis._parsed
    monkeypatch.setattr(
        postgis, "_parsed", lambda *given: server.end_connections() or parsed(*given)
    )
    with pytest.raises(LayerError, match="connection was lost"):
        read_inputs(server.address("t"))


def test_an_empty_table(server):
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n numeric, geom geometry(Polygon, 4548))")
    subjects = read_inputs(server.address("t")).parcels
    assert subjects.count == 0 and list(subjects.batches()) == []
    assert subjects.output_crs == "EPSG:4548"


def test_which_table_is_meant(server):
    server.sql(
        f"CREATE TABLE parcels AS SELECT 1 AS id, {box(0)} AS geom, {box(1)} AS old",
        "CREATE TABLE plain AS SELECT 1 AS id",
        f'CREATE TABLE "Parcels" AS SELECT 2 AS id, {box(0)} AS geom',
    )
    with pytest.raises(LayerError, match=r'no table "public.parcel".*public.Parcels, public.parcels'):  # fmt: skip
        read_inputs(server.address("public.parcel"))
    with pytest.raises(LayerError, match=r"names no table.*public.parcels"):
        read_inputs(server.address())
    with pytest.raises(LayerError, match=r"no geometry column.*public.parcels"):
        read_inputs(server.address("plain"))
    with pytest.raises(LayerError, match=r"several geometry columns: geom, old.*&geometry="):
        read_inputs(server.address("parcels"))
    with pytest.raises(LayerError, match=r'no geometry column "odl".*Did you mean "old"'):
        read_inputs(server.address("parcels", more="&geometry=odl"))
    _, batch = read(server.address("parcels", more="&geometry=old"))
    assert batch.features.geometry[0].bounds[0] == 448_200
    assert batch.columns.schema.names == ["id", "geom"]
    assert read(server.address("Parcels"))[1].columns.column("id").to_pylist() == [2]
    table = open_source(Request(server.address("plain"), table_will_do=True))
    assert table.placeless and rows_of(table) == [{"id": 1}]


NAMES = ['a"b', "a'; DROP TABLE keep; --", "select", "%s", "{}", "甲 乙", "a\\b", "$1"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_names_whatever_is_in_them(server, name):
    quoted = '"' + name.replace('"', '""') + '"'
    server.sql(
        "CREATE TABLE keep (a int)",
        f"CREATE SCHEMA {quoted}",
        f"CREATE TABLE {quoted}.{quoted} ({quoted} int PRIMARY KEY, geom geometry(Polygon, 4548))",
        f"INSERT INTO {quoted}.{quoted} VALUES (7, {box(0)})",
    )
    written = "".join(f"%{byte:02X}" for byte in f"{quoted}.{quoted}".encode())
    _, batch = read(server.address(written))
    assert batch.columns.to_pydict() == {name: [7]}
    layer = {"green_spaces": {"path": server.address(written), "where": f"{quoted} > 6"}}
    found = read_inputs(server.address(written), layers=layer).layers["green_spaces"]
    assert len(found.features) == 1
    assert server.sql("SELECT count(*) FROM keep") == [(0,)]


def test_a_condition_chooses_and_does_nothing_else(server):
    server.sql(
        "CREATE TABLE t (id int PRIMARY KEY, 名称 text, geom geometry(Polygon, 4548))",
        f"INSERT INTO t VALUES (1, '甲地', {box(0)}), (2, '乙', {box(1)}), (3, '{{}}%s', {box(2)})",
    )
    parcels = server.address("t")

    def chosen(where):
        layer = {"green_spaces": {"path": parcels, "where": where}}
        batch = read_inputs(parcels, layers=layer).layers["green_spaces"].batch
        return batch.columns.column("id").to_pylist()

    assert chosen("名称 LIKE '%地' -- only these") == [1]
    assert chosen("名称 = '{}%s' OR id = 2") == [2, 3]
    for where in (
        "id >",
        "nothing = 1",
        "1=1; DROP TABLE t",
        "1=1); DROP TABLE t; --",
        "1=1); COMMIT; DROP TABLE t; --",
        "true)) TO PROGRAM 'touch /tmp/geo_urc-was-here' --",
        "id IN (DELETE FROM t RETURNING id)",
        "id = $1",
    ):
        with pytest.raises(LayerError, match="where cannot be carried out"):
            chosen(where)
    server.sql(
        "CREATE FUNCTION gone() RETURNS bool LANGUAGE sql VOLATILE AS 'DELETE FROM t RETURNING true'"
    )
    with pytest.raises(LayerError, match="read-only"):
        chosen("gone()")
    assert server.sql("SELECT count(*) FROM t") == [(3,)]


def test_postgis_in_a_schema_of_its_own(server):
    server.sql(
        "DROP EXTENSION postgis", 'CREATE SCHEMA "Ext"', 'CREATE EXTENSION postgis SCHEMA "Ext"'
    )
    server.sql('CREATE TABLE t AS SELECT 1 AS id, "Ext".ST_MakeEnvelope(448000, 4418000, 448100, 4418100, 4548) AS geom')  # fmt: skip
    assert read(server.address("public.t"))[0].output_crs == "EPSG:4548"


def test_the_reader_may_not_see_everything(server, monkeypatch):
    server.sql(
        f"CREATE TABLE t AS SELECT i AS id, {box(0)} AS geom FROM generate_series(1, 3) i",
        "CREATE TABLE closed AS SELECT * FROM t",
        "CREATE SCHEMA hidden",
        "CREATE TABLE hidden.inner_t AS SELECT * FROM t",
        "GRANT SELECT ON t, spatial_ref_sys TO reader",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY part ON t TO reader USING (id < 3)",
    )
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    subjects, batch = read(server.address("t", user="reader"))
    assert len(batch.features) == 2 and "row-level security" in said(subjects)
    with pytest.raises(LayerError, match=r"permission denied for table closed.*GRANT"):
        read_inputs(server.address("closed", user="reader"))
    with pytest.raises(LayerError, match=r"permission denied for schema hidden.*GRANT"):
        read_inputs(server.address("hidden.inner_t", user="reader"))


def test_a_draft_from_a_table(server):
    server.sql(f"CREATE TABLE t AS SELECT '1' AS 宗地代码, {box(0)} AS geom")
    assert 'id = "宗地代码"' in draft_layers_toml(server.address("t"))
