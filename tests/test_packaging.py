"""The wheel holds all that the program reads, and works without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytest.importorskip("build")
pytest.importorskip("hatchling")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run("-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, folder=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory) -> Path:
    """The wheel unpacked by pip into a folder of its own."""
    target = tmp_path_factory.mktemp("site")
    run(
        *("-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
        *("--target", target, wheel),
        folder=target,
    )
    return target


def run(*arguments: str | Path, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONUTF8": "1"} | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_holds_what_the_program_reads(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = {
        f"geo_urc/{path.relative_to(ROOT / 'geo_urc').as_posix()}"
        for path in (ROOT / "geo_urc").rglob("*")
        if path.suffix in (".py", ".toml", ".js", ".css", ".j2")
    }
    wanted |= {f"geo_urc/_layers/{path.name}" for path in (ROOT / "layers").glob("*.toml")}
    wanted |= {f"geo_urc/_data/sample/{path.name}" for path in (ROOT / "data" / "sample").iterdir()}
    assert len(wanted) > 100
    assert not wanted - names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_demo_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    home = run(
        "-c", "import geo_urc; print(geo_urc.__file__)", folder=tmp_path, PYTHONPATH=str(installed)
    )
    assert Path(home.strip()).is_relative_to(installed)
    command = "from geo_urc.cli.main import main; main()"
    printed = run(
        "-c", command, "demo", "--out", "demo", folder=tmp_path, PYTHONPATH=str(installed)
    )
    assert "T08a" in printed
    written = {path.name for path in (tmp_path / "demo").iterdir()}
    assert written >= {"map.html", "report.html", "eligibility.gpkg", "run.json"}


def test_the_command_is_an_entry_point(installed: Path) -> None:
    (entry,) = installed.glob("geo_urc-*.dist-info/entry_points.txt")
    assert "geo-urc = geo_urc.cli.main:main" in entry.read_text(encoding="utf-8")
