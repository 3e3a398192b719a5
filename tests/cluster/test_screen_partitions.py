"""Partitions screened in this process and on a cluster: the same as the file itself in one process."""

from __future__ import annotations

import filecmp
import json
import os
import pickle
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import cloudpickle
import pandas
import pyarrow.parquet as pq
import pytest

from geo_urc.errors import LayerError, Problem
from geo_urc.inputs import read_inputs
from geo_urc.policy import load_rulebook
from geo_urc.resources import data_dir
from geo_urc.screening import Screening
from geo_urc.text import Text

SAMPLE = data_dir() / "sample"
DATE = ("--as-of", "2026-11-23")
TABLES = ("--outputs", "gpkg", "--format", "parquet")


class Case:
    """A city screened whole, and its parcels in partitions."""

    def __init__(self, geo_urc, parcels: Path, layers: Path, folder: Path, rows: int) -> None:
        self.layers = layers
        self.whole = folder / "whole"
        self.parts = folder / "parts"
        self.options = ("--layers", layers, *DATE)
        done = geo_urc("screen", parcels, *self.options, *TABLES, "--out", self.whole)
        assert done.returncode in (0, 1), done.stderr
        assert geo_urc("partition", parcels, self.parts, "--rows", rows).returncode == 0

    def assert_same(self, out: Path) -> None:
        """Check that all columns of all subjects are the same, by subject_id, and all counts."""
        roles = [path.stem for path in self.whole.glob("*.parquet")]
        assert "parcels" in roles
        for role in roles:
            expected, found = (
                pq.read_table(folder / f"{role}.parquet").to_pandas().set_index("subject_id")
                for folder in (self.whole, out)
            )
            if role == "parcels":
                order = found.pop("input_record")
                assert found.index[order.argsort()].tolist() == expected.index.tolist()
            pandas.testing.assert_frame_equal(found.loc[expected.index], expected, check_exact=True)
        then, now = (json.loads((f / "run.json").read_text("utf-8")) for f in (self.whole, out))
        for key in ("counts", "concerns", "written", "set_aside", "network"):
            assert now[key] == then[key], key


@pytest.fixture(scope="session")
def sample(geo_urc, tmp_path_factory) -> Case:
    folder = tmp_path_factory.mktemp("sample")
    return Case(geo_urc, SAMPLE / "parcels.shp", SAMPLE / "LAYERS.toml", folder, 300)


@pytest.fixture(scope="session")
def entangled(geo_urc, city, tmp_path_factory) -> Case:
    folder = tmp_path_factory.mktemp("entangled")
    return Case(geo_urc, city / "parcels.gpkg", city / "LAYERS.toml", folder, 50)


def same_folders(a: Path, b: Path) -> None:
    """Check that two folders hold the same files with the same bytes."""
    names = [
        sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        for folder in (a, b)
    ]
    assert names[0] == names[1]
    assert filecmp.cmpfiles(a, b, names[0], shallow=False)[1:] == ([], [])


@pytest.fixture(params=["sample", "entangled"])
def case(request) -> Case:
    return request.getfixturevalue(request.param)


def test_the_random_city_is_entangled(entangled):
    """Else it would show nothing: facts of a parcel rest on parcels of other partitions."""
    found = pq.read_table(entangled.whole / "parcels.parquet").to_pandas()
    part_of = {
        key: path.name
        for path in sorted(entangled.parts.glob("*.parquet"))
        for key in pq.read_table(path)["parcel"].to_pylist()
    }
    beside = found[["subject_id", "adjoining_inefficient"]].dropna()
    crossing = [
        (a, b)
        for a, ids in beside.itertuples(index=False)
        for b in ids.split(";")
        if a in part_of and b in part_of and part_of[a] != part_of[b]
    ]
    assert len(crossing) > 100
    assert found["subject_id"].str.startswith("P0007#").sum() >= 20
    assert found["subject_id"].str.startswith("parcels-").sum() == 10
    verdicts = set(found["t09_verdict"])
    assert {"eligible", "ineligible", "review"} <= verdicts
    uses = pq.read_table(entangled.whole / "floor_uses.parquet").to_pandas()
    assert uses["use_turn_holder"].nunique() > 200
    volumes = pq.read_table(entangled.whole / "property_volumes.parquet").to_pandas()
    assert volumes["volume_parcel"].nunique() > 30


def test_as_one_file(entangled, geo_urc, tmp_path):
    """A GeoPackage, and CSV beside Parquet, are written as from any other input."""
    options = ("--outputs", "gpkg,report", "--format", "gpkg,parquet")
    out = tmp_path / "out"
    done = geo_urc("screen", entangled.parts, *entangled.options, *options, "--out", out)
    assert done.returncode in (0, 1), done.stderr
    assert (out / "parcels.parquet").is_file()
    entangled_counts = json.loads((entangled.whole / "run.json").read_text("utf-8"))["counts"]
    assert json.loads((out / "run.json").read_text("utf-8"))["counts"] == entangled_counts


def test_on_a_cluster_of_which_a_worker_is_killed(
    case, geo_urc, cluster, command_line, patiently, tmp_path
):
    """Killed while both workers write partitions; what it had is done again by the other."""
    lost, _ = cluster.worker(), cluster.worker()
    options = (*case.options, "--engine", "dask", "--scheduler", cluster.address)
    out = tmp_path / "out"
    run = start(command_line, "screen", case.parts, *options, "--out", out)
    patiently(lambda: run.poll() is not None or any(tmp_path.glob(".out.*/parcels.parquet/*")))
    assert run.poll() is None, run.communicate()
    os.kill(lost.pid, signal.SIGKILL)
    said, wrong = run.communicate()
    assert run.returncode in (0, 1), said + wrong
    assert lost.wait() == -signal.SIGKILL
    case.assert_same(out)
    here = geo_urc("screen", case.parts, *case.options, *TABLES, "--out", tmp_path / "here")
    assert here.returncode == run.returncode
    same_folders(out, tmp_path / "here")
    assert {p.name for p in tmp_path.iterdir()} == {"cluster", "out", "here"}


def test_the_only_worker_is_killed_and_another_joins(
    entangled, cluster, command_line, patiently, tmp_path
):
    """Layers go to workers that join later, too: nothing of the run is held by workers alone."""
    lost = cluster.worker()
    options = (*entangled.options, "--engine", "dask", "--scheduler", cluster.address)
    out = tmp_path / "out"
    run = start(command_line, "screen", entangled.parts, *options, "--out", out)
    patiently(lambda: run.poll() is not None or any(tmp_path.glob(".out.*/parcels.parquet/*")))
    assert run.poll() is None, run.communicate()
    os.kill(lost.pid, signal.SIGKILL)
    lost.wait()
    cluster.worker()
    said, wrong = run.communicate()
    assert run.returncode in (0, 1), said + wrong
    entangled.assert_same(out)


def test_an_interrupted_run_leaves_the_earlier_result(
    entangled, cluster, command_line, patiently, tmp_path
):
    cluster.worker()
    options = (*entangled.options, "--engine", "dask", "--scheduler", cluster.address)
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text("{}")
    run = start(command_line, "screen", entangled.parts, *options, "--out", out, "--overwrite")
    patiently(lambda: run.poll() is not None or any(tmp_path.glob(".out.*/parcels.parquet/*")))
    run.send_signal(signal.SIGINT)
    _, wrong = run.communicate()
    assert run.returncode == 130, wrong
    assert [p.name for p in out.iterdir()] == ["run.json"]
    assert {p.name for p in tmp_path.iterdir()} == {"cluster", "out"}


def start(command_line: list[str], *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*command_line, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        # a shell has what it starts in the background ignore interruptions
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def test_workers_of_this_machine(entangled, geo_urc, tmp_path):
    options = (*entangled.options, "--engine", "dask", "--workers", 2)
    done = geo_urc("screen", entangled.parts, *options, "--out", tmp_path / "out")
    assert done.returncode in (0, 1), done.stderr
    entangled.assert_same(tmp_path / "out")


def test_a_result_in_partitions_is_read_and_repeated_like_any_other(entangled, geo_urc, tmp_path):
    out = tmp_path / "out"
    geo_urc("screen", entangled.parts, *entangled.options, *TABLES, "--out", out)
    told = geo_urc("explain", out, "P0007#2", "--rule", "T09")
    assert (told.returncode, "P0007#2" in told.stdout) == (0, True)
    assert geo_urc("diff", out, entangled.whole).returncode == 0
    again = geo_urc("verify", out)
    assert again.returncode == 0, again.stdout


def test_what_workers_are_sent(entangled):
    """Everything but parcels, with what facts have looked up; more cannot be looked up there."""
    parcels = read_inputs(str(entangled.parts), layers=entangled.layers)
    screening = Screening(parcels, load_rulebook([]))
    screening.look_up()
    there = cloudpickle.loads(cloudpickle.dumps(screening))
    assert there.looked_up.keys() == screening.looked_up.keys()
    assert set(there.looked_up) == {
        ("yes", "parcels", "inefficient"),
        ("naming", "swap_parcel_id"),
        ("named", "swap_parcel_id"),
    }
    assert len(cloudpickle.dumps(there.inputs.parcels)) < 100_000
    with pytest.raises(LayerError, match="fault of the program"):
        there.scene.parcels("something else", lambda features: features.ids == "P0001")


def test_errors_are_the_same_in_another_process():
    error = LayerError(Problem("a.shp", Text("坏了。", "is broken."), Text("修。", "Mend it.")))
    assert pickle.loads(pickle.dumps(error)).to("zh") == error.to("zh") == "a.shp: 坏了。 修。"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--engine", "dask"), "--scheduler"),
        (("--engine", "dask", "--scheduler", "tcp://x:1", "--workers", "2"), "--scheduler"),
        (("--scheduler", "tcp://x:1"), "--engine dask"),
        (("--engine", "dask", "--workers", "2", "--outputs", "map"), "GeoParquet only"),
        (("--engine", "dask", "--workers", "2", "--format", "csv"), "GeoParquet only"),
    ],
)
def test_options_that_do_not_go_together(entangled, geo_urc, tmp_path, options, said):
    out = tmp_path / "out"
    done = geo_urc(
        "screen", entangled.parts, *entangled.options, *options, "--lang", "en", "--out", out
    )
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not out.exists()


def test_a_file_is_partitioned_first(city, geo_urc, tmp_path):
    options = ("--engine", "dask", "--workers", 1, "--lang", "en", "--out", tmp_path / "out")
    done = geo_urc("screen", city / "parcels.gpkg", *options)
    assert (done.returncode, "geo-urc partition" in done.stderr) == (2, True)


def test_nobody_answers(entangled, tmp_path, monkeypatch, capsys):
    from geo_urc.cli.main import main

    monkeypatch.setattr("geo_urc.cluster.PATIENCE_S", 1)
    arguments = ("screen", str(entangled.parts), "--engine", "dask", "--lang", "en")
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--scheduler", "tcp://127.0.0.1:1", "--out", str(tmp_path / "out")])
    assert stop.value.code == 2
    assert "does not answer" in capsys.readouterr().err


def test_a_scheduler_without_workers(entangled, cluster, tmp_path, monkeypatch, capsys):
    from geo_urc.cli.main import main

    monkeypatch.setattr("geo_urc.cluster.PATIENCE_S", 2)
    arguments = ("screen", str(entangled.parts), "--engine", "dask", "--lang", "en")
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--scheduler", cluster.address, "--out", str(tmp_path / "out")])
    assert stop.value.code == 2
    assert "no workers" in capsys.readouterr().err


def test_without_dask(entangled, tmp_path):
    """The extra is named, and no run without it needs dask."""
    code = f"""
import sys
sys.modules["distributed"] = None
from geo_urc.cli.main import main
main(["screen", {str(entangled.parts)!r}, "--engine", "dask", "--workers", "1", "--lang", "en",
      "--out", {str(tmp_path / "out")!r}])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert "geo-urc[cluster]" in done.stderr


def test_workers_with_other_versions_are_refused(monkeypatch, cluster):
    from geo_urc import cluster as module

    cluster.worker()
    monkeypatch.setattr(module, "version", lambda name: "0")  # of this process alone
    with (
        pytest.raises(module.ClusterError, match=r"other versions.*geo-urc"),
        module.cluster(cluster.address),
    ):
        pass


def test_a_partition_that_is_not_what_it_was_stops_the_run(geo_urc, city, cluster, tmp_path):
    """The worker that surveys it says so, in the words of one process."""
    cluster.worker()
    assert geo_urc("partition", city / "parcels.gpkg", tmp_path / "in", "--rows", 300)
    first, second = sorted((tmp_path / "in").glob("*.parquet"))[:2]
    second.write_bytes(first.read_bytes())
    options = ("--engine", "dask", "--scheduler", cluster.address, "--lang", "en")
    done = geo_urc("screen", tmp_path / "in", *options, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "part-00001.parquet: is not what" in done.stderr
    assert not (tmp_path / "out").exists()
