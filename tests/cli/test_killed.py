"""``kill -9`` at any moment: the folder is whole each time, the old result or the new one."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from geo_urc.identity import table_hashes
from geo_urc.resources import data_dir

KILLS = int(os.environ.get("GEO_URC_KILLS", "6"))
SEED = int(os.environ.get("GEO_URC_SEED", "4"))
SAMPLE = data_dir() / "sample"
DONE = 1
"""The sample city has a parcel whose outline cannot be used."""
RUN = [sys.executable, "-c", "from geo_urc.cli.main import main; main()"]


def command(out: Path, radius_m: int) -> list[str]:
    return [
        *RUN, "screen", str(SAMPLE / "parcels.shp"), "--layers", str(SAMPLE / "LAYERS.toml"),
        "--only", "T08a", "--set", f"T08a.radius_m={radius_m}", "--as-of", "2026-11-23",
        "--format", "gpkg,csv", "--out", str(out), "--overwrite",
    ]  # fmt: skip


def start(out: Path, radius_m: int) -> subprocess.Popen[bytes]:
    """Start a run that can be interrupted, though a shell may have us ignore that (``pytest &``)."""
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        command(out, radius_m),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=heed if os.name == "posix" else None,
    )


def content(folder: Path) -> dict[str, object]:
    """Return everything in a result: GeoPackages by rows, other files by bytes."""
    found: dict[str, object] = {}
    for path in folder.iterdir():
        if path.suffix == ".gpkg":
            with closing(sqlite3.connect(path)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            found[path.name] = table_hashes(path)
        else:
            found[path.name] = path.read_bytes()
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the two results that may be found, by radius, and how long a run takes."""
    results = {}
    for radius_m in (500, 1000):
        out = tmp_path_factory.mktemp("whole") / "out"
        began = time.monotonic()
        assert start(out, radius_m).wait() == DONE
        results[radius_m] = content(out)
        seconds = time.monotonic() - began
    assert results[500]["parcels.csv"] != results[1000]["parcels.csv"]
    return results, seconds


def wait_until(there, process):
    while not there() and process.poll() is None:
        time.sleep(0.0005)


def test_a_killed_run_leaves_a_whole_folder(tmp_path, whole, capsys):
    results, seconds = whole
    lot = random.Random(SEED)
    out = tmp_path / "结果"
    assert start(out, 500).wait() == DONE
    found = {500: 0, 1000: 0}
    for i in range(KILLS):
        before = json.loads((out / "run.json").read_text("utf-8"))["parameters"]
        radius_m = 1500 - int(before["T08a.radius_m"]["value"])
        there, inode = list(tmp_path.iterdir()), (out / "run.json").stat().st_ino
        process = start(out, radius_m)
        match i % 3:
            case 0:  # anywhere
                time.sleep(lot.uniform(0, seconds))
            case 1:  # while it writes
                wait_until(partial(_written, tmp_path, {p.name for p in there}), process)
                time.sleep(lot.uniform(0, seconds / 4))
            case 2:  # as the new folder takes the place of the old one
                wait_until(partial(_another, out / "run.json", inode), process)
                time.sleep(lot.uniform(0, 0.002))
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = content(out)
        unlike = {r: _unlike(now, result) for r, result in results.items()}
        assert set() in unlike.values(), (i, unlike)
        found[500 if now == results[500] else 1000] += 1
    assert sum(found.values()) == KILLS
    with capsys.disabled():
        sys.stdout.write(f"{KILLS} kills, found of the two results: {found}\n")
    assert start(out, 500).wait() == DONE
    assert content(out) == results[500]
    assert list(tmp_path.iterdir()) == [out], "nothing of the killed runs is left"


def _written(folder: Path, before: set[str]) -> bool:
    return any(p.name.endswith(".partial") and p.name not in before for p in folder.iterdir())


def _unlike(a: dict[str, object], b: dict[str, object]) -> set[str]:
    return {name for name in a.keys() | b.keys() if a.get(name) != b.get(name)}


def _another(path: Path, inode: int) -> bool:
    try:
        return path.stat().st_ino != inode
    except OSError:
        return False


def test_an_interrupted_run_changes_nothing(tmp_path, whole):
    results, _ = whole
    out = tmp_path / "out"
    assert start(out, 500).wait() == DONE
    process = start(out, 1000)
    wait_until(lambda: any(p.suffix == ".partial" for p in tmp_path.iterdir()), process)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1].decode()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert content(out) == results[500]
    assert list(tmp_path.iterdir()) == [out]


def test_of_two_runs_into_one_folder_one_wins_whole(tmp_path, whole):
    results, _ = whole
    out = tmp_path / "out"
    assert start(out, 500).wait() == DONE
    both = [start(out, 500), start(out, 1000)]
    said = [process.communicate()[1].decode() for process in both]
    assert {process.returncode for process in both} <= {DONE, 2}
    assert DONE in {process.returncode for process in both}
    for process, message in zip(both, said, strict=True):
        assert (process.returncode == 2) == ("另一次运行正在写入" in message), message
    assert content(out) in results.values()
    assert list(tmp_path.iterdir()) == [out]
