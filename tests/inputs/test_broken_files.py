"""Files as they come: misnamed, empty, cut, locked, half merged, with huge values and odd names."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import pyogrio
import pytest

from geo_urc.errors import LayerError
from geo_urc.inputs import read_inputs

PARTS = ("shp", "shx", "dbf", "prj", "cpg")
IN_METRES = '[parcels]\ncrs = "EPSG:4548"'


@pytest.fixture
def files(parcels, tmp_path):
    """Write the three parcels in every format, as ``a.…``; return the folder."""
    for ending in ("gpkg", "fgb"):
        parcels.to_file(tmp_path / f"a.{ending}")
    parcels.to_file(tmp_path / "a.shp", encoding="utf-8")
    parcels.to_crs(4326).to_file(tmp_path / "a.geojson")
    parcels.to_parquet(tmp_path / "a.parquet")
    frame = parcels.drop(columns="geometry").assign(WKT=parcels.geometry.to_wkt())
    frame.to_csv(tmp_path / "a.csv", index=False, encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for part in PARTS:
            archive.write(tmp_path / f"a.{part}", f"a.{part}")
    return tmp_path


def names(source) -> list[str]:
    """Return the parcels' column 编号, in file order."""
    return [v for batch in source.batches() for v in batch.columns.column("编号").to_pylist()]


@pytest.mark.parametrize(
    ("given", "named", "holds"),
    [
        ("a.geojson", "b.shp", "GeoJSON"),
        ("a.zip", "b.gpkg", "ZIP"),
        ("a.gpkg", "b.geojson", "GeoPackage"),
        ("a.gpkg", "b.shp", "GeoPackage"),
        ("a.gpkg", "b.csv", "GeoPackage"),
        ("a.gpkg", "b.zip", "GeoPackage"),
        ("a.gpkg", "b.parquet", "GeoPackage"),
        ("a.geojson", "b.csv", "GeoJSON"),
        ("a.parquet", "b.gpkg", "GeoParquet"),
        ("a.fgb", "b.json", "FlatGeobuf"),
    ],
)
def test_a_misnamed_file_is_read_as_what_it_holds(files, given, named, holds):
    shutil.copy(files / given, files / named)
    source = read_inputs(files / named).parcels
    assert sorted(names(source)) == ["甲一", "甲三", "甲二"]  # by code point
    assert any(f"holds {holds}" in n.text.en for n in source.notices)
    assert list(source.source.sha256) == [named]


@pytest.mark.parametrize("given", ["a.gpkg", "a.fgb", "a.geojson", "a.parquet", "a.csv", "a.shp"])
def test_a_well_named_file_needs_no_word(files, layers_toml, given):
    layers = layers_toml(IN_METRES) if given == "a.csv" else None
    notices = read_inputs(files / given, layers=layers).parcels.notices
    assert not any("is named" in n.text.en for n in notices)


@pytest.mark.parametrize("ending", ["gpkg", "shp", "geojson", "fgb", "parquet", "csv", "zip"])
def test_an_empty_file_says_so(tmp_path, ending):
    (tmp_path / f"a.{ending}").touch()
    with pytest.raises(LayerError, match="is empty"):
        read_inputs(tmp_path / f"a.{ending}")


def test_an_empty_folder_says_so(tmp_path):
    (tmp_path / "a.gdb").mkdir()
    with pytest.raises(LayerError, match="empty folder"):
        read_inputs(tmp_path / "a.gdb")


@pytest.mark.parametrize("part", [".dbf", ".shx", ".prj", ".cpg"])
def test_a_part_of_a_shapefile_is_no_shapefile(files, part):
    with pytest.raises(LayerError, match=r"Give the \.shp"):
        read_inputs(files / f"a{part}")


def test_a_shapefile_without_attributes_is_read(files):
    (files / "a.dbf").unlink()
    source = read_inputs(files / "a.shp").parcels
    assert source.count == 3
    assert any(".dbf" in n.text.en for n in source.notices)


def test_a_shapefile_without_a_system_is_refused_with_what_to_write(files, layers_toml):
    (files / "a.prj").unlink()
    with pytest.raises(LayerError, match=r"set crs = \"EPSG:4548\""):
        read_inputs(files / "a.shp")
    assert read_inputs(files / "a.shp", layers=layers_toml(IN_METRES)).parcels.count == 3


@pytest.mark.parametrize("name", ["a.gpkg", "a.parquet", "a.zip"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_what_cannot_be_read_without_its_end_is_refused(files, name, share):
    raw = (files / name).read_bytes()
    (files / name).write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(LayerError) as caught:
        read_inputs(files / name)
    assert name in str(caught.value)
    assert "geo_urc-" not in str(caught.value), "the user's file is named and not our copy"


def test_a_shapefile_that_is_none_is_named_as_the_user_named_it(tmp_path):
    (tmp_path / "a.shp").write_bytes(b"\0\1 nothing")
    with pytest.raises(LayerError) as caught:
        read_inputs(tmp_path / "a.shp")
    assert "staged" not in str(caught.value)


def test_an_archive_larger_than_the_disk_is_refused_at_once(files, monkeypatch):
    free = shutil.disk_usage(files)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    with pytest.raises(LayerError, match="No space left"):
        read_inputs(files / "a.zip")


def test_a_file_without_permission_is_refused(files, monkeypatch):
    def shut(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("geo_urc.inputs.contents.format_of", shut)
    with pytest.raises(LayerError, match="Permission denied"):
        read_inputs(files / "a.gpkg")


# --- databases in use ---------------------------------------------------------------------------


LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_locked_geopackage_is_told_as_such(files):
    """Locks hold between processes only."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", LOCK, str(files / "a.gpkg")]
    pyogrio.set_gdal_config_options({"OGR_SQLITE_BUSY_TIMEOUT": "50"})
    try:
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
            assert other.stdout.readline() == "locked\n"
            with pytest.raises(LayerError, match="locked by another program"):
                read_inputs(files / "a.gpkg")
            other.communicate("")
    finally:
        pyogrio.set_gdal_config_options({"OGR_SQLITE_BUSY_TIMEOUT": None})
    assert read_inputs(files / "a.gpkg").parcels.count == 3


def with_pending_changes(files: Path, folder: Path) -> Path:
    """Leave a database as a program that died has left it: a change is in its log only."""
    path = files / "a.gpkg"
    with closing(sqlite3.connect(path, isolation_level=None)) as theirs:
        theirs.execute("PRAGMA journal_mode=WAL")
        for (name,) in theirs.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            theirs.execute(f'DROP TRIGGER "{name}"')
        theirs.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        theirs.execute("UPDATE a SET 编号 = '改' WHERE 编号 = '甲二'")
        folder.mkdir()
        for file in (path, path.with_name("a.gpkg-wal")):
            shutil.copy(file, folder / file.name)
    return folder / "a.gpkg"


def test_pending_changes_are_read_and_the_input_stays_as_it_is(files):
    path = with_pending_changes(files, files / "crashed")
    before = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in path.parent.iterdir()}
    source = read_inputs(path).parcels
    assert names(source) == ["甲一", "改", "甲三"]
    assert any("not merged" in n.text.en for n in source.notices)
    after = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in path.parent.iterdir()}
    assert after == before == source.source.sha256


READ = """
import sys
from geo_urc.inputs import read_inputs
source = read_inputs(sys.argv[1]).parcels
(batch,) = source.batches()
sys.stdout.buffer.write(" ".join(batch.columns.column("编号").to_pylist()).encode())
"""
NO_RIGHTS = "-dac_override,-dac_read_search"


@pytest.mark.parametrize("pending", [True, False])
def test_a_folder_that_cannot_be_written_hides_nothing(files, pending):
    """GDAL opens the database alone there and passes over the changes in the log."""
    if os.name == "nt":
        pytest.skip("permissions of POSIX")
    path = with_pending_changes(files, files / "shut")
    if not pending:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("SELECT count(*) FROM a").fetchall()  # merges on closing
        assert [p.name for p in path.parent.iterdir()] == ["a.gpkg"]
    for file in path.parent.iterdir():
        file.chmod(0o444)
    path.parent.chmod(0o555)
    command = [sys.executable, "-c", READ, str(path)]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root without setpriv")
        command = ["setpriv", f"--inh-caps={NO_RIGHTS}", f"--bounding-set={NO_RIGHTS}", *command]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.stdout.decode() == "甲一 改 甲三", done.stderr.decode()


def test_reading_does_not_change_a_database_in_the_other_journal_mode(files):
    with closing(sqlite3.connect(files / "a.gpkg")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    before = (files / "a.gpkg").read_bytes()
    assert read_inputs(files / "a.gpkg").parcels.count == 3
    assert (files / "a.gpkg").read_bytes() == before
    assert not [p.name for p in files.iterdir() if p.name.startswith("a.gpkg-")]


# --- huge values --------------------------------------------------------------------------------

MB = 1_000_000


@pytest.mark.parametrize("size", [1 * MB, 10 * MB])
@pytest.mark.parametrize("ending", ["gpkg", "parquet", "fgb", "csv"])
def test_huge_values_are_kept_and_so_is_what_follows(parcels, tmp_path, layers_toml, ending, size):
    """GDAL ends a CSV, without a word, before a line of 10 MB."""
    frame = parcels.assign(文=["短", "长" * (size // 3), "短"])
    path = tmp_path / f"a.{ending}"
    match ending:
        case "parquet":
            frame.to_parquet(path)
        case "csv":
            text = frame.drop(columns="geometry").assign(WKT=frame.geometry.to_wkt())
            text.to_csv(path, index=False, encoding="utf-8")
        case "fgb":
            frame.to_file(path, SPATIAL_INDEX="NO")
        case _:
            frame.to_file(path)
    source = read_inputs(path, layers=layers_toml(IN_METRES)).parcels
    (batch,) = source.batches()
    assert [len(v) for v in batch.columns.column("文").to_pylist()] == [1, size // 3, 1]


def test_a_geojson_value_that_gdal_refuses_is_set_aside(parcels, tmp_path):
    frame = parcels.to_crs(4326).assign(文=["短", "x" * (11 * MB), "短"])
    frame.to_file(tmp_path / "a.geojson")
    source = read_inputs(tmp_path / "a.geojson").parcels
    assert names(source) == ["甲一", "甲三"]
    (aside,) = source.set_aside
    assert (aside.record, "10 MB" in aside.reason.en) == (2, True)
    assert source.source.records_in == 3


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["规 划!局", "a.zip!b", "100%", "it's"])
@pytest.mark.parametrize("name", ["a.gpkg", "a.shp", "a.geojson", "a.fgb", "a.parquet", "a.zip"])
def test_names_with_spaces_and_marks(files, monkeypatch, folder, name):
    """pyogrio takes what is before an exclamation mark for an archive."""
    inside = files / folder
    inside.mkdir()
    stem, _, ending = name.partition(".")
    for part in PARTS if ending == "shp" else (ending,):
        shutil.copy(files / f"{stem}.{part}", inside / f"宗 地! {stem}.{part}")
    given = f"宗 地! {name}"
    assert sorted(names(read_inputs(inside / given).parcels)) == ["甲一", "甲三", "甲二"]
    monkeypatch.chdir(inside)
    relative = read_inputs(given).parcels
    assert relative.count == 3
    assert relative.source.path == given
