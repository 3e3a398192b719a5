"""A few rounds of the fuzzing in every run of the tests; ``nox -s fuzz`` goes on for longer."""

from __future__ import annotations

import warnings

import pytest

from tests.fuzz.fuzz_files import PARCELS, attempt, make_case, run_block, write_whole


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    with warnings.catch_warnings(action="ignore"):
        write_whole(folder)
    return folder


@pytest.mark.parametrize("parcels", PARCELS)
def test_whole_files_give_a_result(whole, parcels):
    assert attempt(whole, parcels) == "result"


def test_nothing_but_results_and_our_errors(whole, tmp_path, capsys):
    outcome = run_block(whole, 20, range(40), tmp_path / "progress", tmp_path)
    assert "FINDING" not in outcome, capsys.readouterr().out
    assert outcome["result"] and outcome["error of ours"]


def test_a_case_is_the_same_every_time(whole, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        make_case(whole, tmp_path / name, 5, 17)
    a, b = ([p.read_bytes() for p in sorted((tmp_path / n).iterdir())] for n in ("a", "b"))
    assert a == b


def test_a_finding_is_told_and_kept(whole, tmp_path, capsys, monkeypatch):
    def broken(*_args, **_options):
        raise IndexError("out of bounds")

    monkeypatch.setattr("tests.fuzz.fuzz_files.read_inputs", broken)
    outcome = run_block(whole, 20, range(1), tmp_path / "progress", tmp_path / "kept")
    assert outcome == {"FINDING": 1}
    assert "IndexError" in capsys.readouterr().out
    assert list((tmp_path / "kept" / "0").iterdir())


def test_heading_of_a_csv_cut_inside_a_character(whole, tmp_path):
    for name in ("p.fgb", "green.geojson", "layers.toml", "overlay.toml"):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    (tmp_path / "stations.csv").write_bytes("站名".encode()[:-1])
    assert attempt(tmp_path, "p.fgb") == "error of ours"
