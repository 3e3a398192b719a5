"""Addresses of databases, without one."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geo_urc.database import AddressError, address_of, is_address, shown
from geo_urc.safe_text import without_password


@pytest.mark.parametrize(
    ("text", "schema", "table"),
    [
        ("postgresql://h/d?table=a.b", "a", "b"),
        ("postgres://h/d?table=b", None, "b"),
        ("postgresql://h/d?table=规划.宗地", "规划", "宗地"),
        ('postgresql://h/d?table="A.b"."c""d"', "A.b", 'c"d'),
        ("postgresql://h/d?table=%22a.b%22.c%20d", "a.b", "c d"),
        ("postgresql://h/d", None, None),
        ("postgresql:///d?host=/run/postgresql&table=Aa.Bb", "Aa", "Bb"),
    ],
)
def test_the_table_is_named_as_it_is(text, schema, table):
    found = address_of(text)
    assert (found.schema, found.table) == (schema, table)


def test_every_part():
    found = address_of("postgresql://gis%40corp:p%3Aw@[::1]:5433/city%20db?table=t&sslmode=require")
    assert dict(found.connection) == {
        "host": "::1", "port": "5433", "user": "gis@corp", "dbname": "city db", "sslmode": "require",
    }  # fmt: skip
    assert found.password == "p:w"
    assert found.shown == "postgresql://gis%40corp@[::1]:5433/city%20db?table=t&sslmode=require"
    assert "p:w" not in repr(found)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("postgresql://h/d?table=a.b.c", "cannot be understood"),
        ("postgresql://h/d?table=.b", "cannot be understood"),
        ("postgresql://h/d?table=a.", "cannot be understood"),
        ('postgresql://h/d?table="a', "cannot be understood"),
        ("postgresql://h:port/d?table=a", "no address"),
        ("postgresql://h/d?table=a&passfile=/etc/passwd", 'unknown key "passfile"'),
        ("postgresql://h/d?table=a&options=-csearch_path=x", 'unknown key "options"'),
        ("PG:dbname=x", "no address"),
    ],
)
def test_what_is_not_understood(text, told):
    assert is_address(text)
    with pytest.raises(AddressError, match=told):
        address_of(text)


def test_nothing_that_could_connect_is_loaded_without_an_address(tmp_path):
    code = """
import geopandas, shapely, sys
from geo_urc.cli.main import main
plot = geopandas.GeoDataFrame(geometry=[shapely.box(448000, 4418000, 448100, 4418100)], crs=4548)
plot.to_file("p.gpkg")
try:
    main(["screen", "p.gpkg", "--out", "out"])
except SystemExit as stopped:
    print("psycopg" in sys.modules, stopped.code)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "False 0", done.stderr


@given(
    user=st.text(st.characters(categories=("L", "N")), min_size=1, max_size=8),
    secret=st.text(st.characters(categories=("L", "N", "P", "S")), min_size=9, max_size=12),
)
@example(user="u", secret="a/b?c#d@e:f")
@example(user="u", secret="123456789")
def test_a_password_is_never_shown_however_it_is_written(user, secret):
    """Right or wrong: encoded as it should be, or with signs that cut the address short."""
    if secret in f"postgresql://{user}@h/d?table=a.b***":
        return
    encoded = "".join(f"%{byte:02X}" for byte in secret.encode())
    assert address_of(f"postgresql://{user}:{encoded}@h/d?table=a.b").password == secret
    for written in (secret, encoded):
        address = f"postgresql://{user}:{written}@h/d?table=a.b"
        assert written not in shown(address)
        assert written not in without_password(f"{address}: is wrong")
