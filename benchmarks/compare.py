"""How long does a screening take, next to a plain copy of the table and an expert's script?

All three run as whole processes in one go on the same machine, and their answers are compared. What counts are
the ratios: seconds belong to a machine. Needs Linux or macOS (peak memory of a child process).

python benchmarks/compare.py --parcels 100000
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyogrio
from city import make_city

HERE = Path(__file__).parent
SHARE_TOLERANCE = 5e-3
"""The expert's circles are polygons of 256 sides, up to 6 cm short: much, for a small parcel."""
DISTANCE_TOLERANCE_M = 1e-6


class Cost(NamedTuple):
    """What a process took: wall seconds and its peak of resident memory."""

    seconds: float
    peak_mb: float


def run(*command: str | Path) -> Cost:
    """Run a process; both figures are its own and not those of earlier children."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *map(str, command)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    process.returncode = code
    if code:
        sys.exit(f"{command[0]} ended with status {code}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(seconds, usage.ru_maxrss * unit / 1e6)


def differences(ours: Path, expert: Path) -> dict[str, int]:
    """Return how many subjects the two disagree about, by question."""
    columns = ["rail_distance_m", "rail_share", "district", "blue_share"]
    a, b = (
        pyogrio.read_dataframe(p, layer="parcels", columns=columns, read_geometry=False)
        for p in (ours, expert)
    )
    near = b["rail_distance_m"] <= 800
    found = {
        "within 800 m": (a["rail_distance_m"] <= 800) != near,
        "distance": abs(a["rail_distance_m"] - b["rail_distance_m"]) > DISTANCE_TOLERANCE_M,
        "share within": abs(a["rail_share"] - b["rail_share"]) > SHARE_TOLERANCE,
        "district": a["district"] != b["district"],
        "share under water": abs(a["blue_share"] - b["blue_share"]) > 1e-9,
    }
    columns = ["underground_share"]
    a, b = (
        pyogrio.read_dataframe(p, layer="green_spaces", columns=columns, read_geometry=False)
        for p in (ours, expert)
    )
    found["share under greens"] = ~np.isclose(
        a["underground_share"], b["underground_share"], atol=1e-9
    )
    return {question: int(np.sum(rows)) for question, rows in found.items()}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--parcels", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--out", type=Path, default=HERE / "out")
    asked = options.parse_args()

    city = asked.out / f"city-{asked.parcels}-{asked.seed}"
    if not (city / "LAYERS.toml").exists():
        make_city(city, asked.parcels, asked.seed)
    plain, expert, ours = (asked.out / name for name in ("copy.gpkg", "expert.gpkg", "screen"))
    costs = {
        "copy of the table": run(HERE / "copy_table.py", city / "parcels.gpkg", plain),
        "expert's script": run(HERE / "expert.py", city, expert),
        "geo-urc screen": run(
            *("-c", "from geo_urc.cli.main import main; main()", "screen", city / "parcels.gpkg"),
            *("--layers", city / "LAYERS.toml", "--only", "T08a,T20,T23", "--outputs", "gpkg"),
            *("--as-of", "2026-11-23", "--out", ours, "--overwrite"),
        ),
    }
    floor = costs["copy of the table"]
    print(f"{asked.parcels} parcels")
    for name, cost in costs.items():
        print(
            f"{name:20} {cost.seconds:8.1f} s {cost.seconds / floor.seconds:6.1f} × copy "
            f"{cost.peak_mb:8.0f} MB peak"
        )
    for question, count in differences(ours / "eligibility.gpkg", expert).items():
        print(f"differ in {question}: {count}")


if __name__ == "__main__":
    main()
