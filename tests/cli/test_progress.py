"""What a long run shows on a terminal, what it shows nowhere else, and how it is stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

import geo_urc
from geo_urc.progress import Silent
from geo_urc.resources import data_dir

SAMPLE = data_dir() / "sample"
RUN = [sys.executable, "-c", "from geo_urc.cli.main import main; main()"]
PHASES = {
    "zh": ["读取宗地", "读取轨道交通站点", "核对坐标基准", "筛查宗地", "写出 eligibility.gpkg", "绘制地图", "撰写报告", "存盘"],
    "en": ["Reading: Parcels", "Checking the datums", "Screening: Parcels", "Drawing the map", "Saving"],
}  # fmt: skip
SECONDS = 1.5
"""A process that is told to end has this long; a busy machine gets ten times as much."""


def arguments(out: Path, *more: str) -> list[str]:
    return [
        "screen", str(SAMPLE / "parcels.shp"), "--layers", str(SAMPLE / "LAYERS.toml"),
        "--as-of", "2026-11-23", "--out", str(out), *more,
    ]  # fmt: skip


def on_a_terminal(command: list[str]) -> tuple[int, str]:
    """Run with a pseudo-terminal as standard error; return status and what was drawn on it."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env=environment)
    os.close(theirs)
    drawn = b""
    try:
        while piece := os.read(ours, 65536):
            drawn += piece
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(ours)
    return process.wait(), drawn.decode()


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """Return the folder of a run into pipes, and what it said there."""
    out = tmp_path_factory.mktemp("quiet") / "out"
    done = subprocess.run([*RUN, *arguments(out)], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    return out, done


def test_nothing_is_drawn_in_a_pipe(quiet):
    _, done = quiet
    assert done.stderr == ""
    assert "\x1b" not in done.stdout and "\r" not in done.stdout


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_terminal_shows_phases_rate_and_time_and_no_byte_is_changed(tmp_path, quiet, lang):
    out = tmp_path / "out"
    status, drawn = on_a_terminal([*RUN, *arguments(out, "--lang", lang)])
    assert status == 1
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)
    at = [plain.find(phase) for phase in PHASES[lang]]
    assert -1 not in at, (PHASES[lang], at, plain)
    assert at == sorted(at)
    assert re.search(r"\d+/\d+", plain), "how many of how many"
    assert {"zh": "剩余", "en": "left"}[lang] in plain
    assert drawn.rstrip().endswith(("\x1b[2K", "\x1b[?25h")), "the line is gone, the cursor back"
    if lang == "zh":
        assert content(out) == content(quiet[0])


class Kept(Silent):
    def __init__(self):
        self.phases = []

    def phase(self, title, subjects=None):
        self.phases.append([title.en, subjects, 0])

    def done(self, subjects):
        self.phases[-1][2] += subjects


def test_python_is_told_the_same(city):
    kept = Kept()
    geo_urc.screen(city / "parcels.gpkg", layers=city / "layers.toml", progress=kept)
    assert kept.phases == [
        ["Reading: Parcels", 4, 4],
        ["Reading: Rail stations", None, 0],
        ["Reading: Green spaces", None, 0],
        ["Reading: Underground projects", None, 0],
        ["Checking the datums", None, 0],
        ["Screening: Parcels", 4, 4],
        ["Screening: Green spaces", 1, 1],
        ["Screening: Underground projects", 1, 1],
    ]


# --- Ctrl-C and SIGTERM ---------------------------------------------------------------------------


def begun(out: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start a run over an earlier result, temporary files in a folder of their own."""
    environment = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.Popen(
        [*RUN, *arguments(out, "--overwrite")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        # What starts the tests may ignore Ctrl-C, as a shell does with what it puts behind.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


@pytest.fixture
def earlier(tmp_path):
    """Return a folder that holds what stands for an earlier result, and one for scratch."""
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    out.mkdir()
    scratch.mkdir()
    (out / "run.json").write_text("{}", "utf-8")
    return out, scratch


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("moment", ["reading", "writing"])
def test_told_to_end_it_ends_and_nothing_is_changed(earlier, number, moment):
    out, scratch = earlier
    process = begun(out, scratch)
    if moment == "writing":
        while not any(p.suffix == ".partial" for p in out.parent.iterdir()):
            assert process.poll() is None
            time.sleep(0.001)
    else:
        time.sleep(1.0)
    process.send_signal(getattr(signal, number))
    process.send_signal(getattr(signal, number))  # and again, as the impatient do
    said = process.communicate(timeout=10 * SECONDS)[1].decode()
    assert process.returncode == 130, said
    assert said.strip() == "已中断，没有改动任何结果。"
    assert [p.name for p in out.iterdir()] == ["run.json"]
    assert sorted(p.name for p in out.parent.iterdir()) == ["out", "scratch"]
    assert not list(scratch.iterdir())


def test_an_interruption_while_the_result_takes_its_place_is_too_late(tmp_path, urc, monkeypatch):
    from geo_urc.outputs import staging

    swap = staging._swap

    def swapped(partial, out):
        swap(partial, out)
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(staging, "_swap", swapped)
    status, _, said = urc(*arguments(tmp_path / "out", "--outputs", "gpkg", "--only", "T08a"))
    assert (status, said) == (1, "")
    assert (tmp_path / "out" / "run.json").exists()
    assert signal.getsignal(signal.SIGINT) is before
