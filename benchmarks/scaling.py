"""How long does a screening take in one process, and on a dask cluster of one worker, of two …?

Scheduler and workers run before the clock starts, as on a cluster; each is a process. The
results are compared byte for byte. Seconds belong to a machine, and workers beyond its cores gain
nothing: what counts is the ratio of workers. Needs Linux (peaks and processor time from /proc).

python benchmarks/scaling.py --parcels 1000000 --workers 1,2
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from city import make_city
from processes import Cost, run

HERE = Path(__file__).parent
GEO_URC = (sys.executable, "-c", "from geo_urc.cli.main import main; main()")
TICKS = os.sysconf("SC_CLK_TCK")


class Worker:
    """A process of the cluster, and what it has taken so far."""

    def __init__(self, *command: str) -> None:
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dask", *command], stdout=quiet, stderr=quiet
        )
        self.proc = Path(f"/proc/{self.process.pid}")

    def cpu_s(self) -> float:
        """Return the processor time of the process."""
        fields = (self.proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak_mb(self) -> float:
        """Return the most memory that it has held."""
        peak = (self.proc / "status").read_text().split("VmHWM:")[1].split()[0]
        return int(peak) / 1024


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[tuple[str, list[Worker]]]:
    """Give the address of a scheduler, and its workers."""
    file = folder / "scheduler.json"
    file.unlink(missing_ok=True)
    options = ("--host", "127.0.0.1", "--no-dashboard")
    scheduler = Worker("scheduler", *options, "--port", "0", "--scheduler-file", str(file))
    made = [scheduler]
    try:
        while not file.exists():
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        own = ("--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
        made += [Worker("worker", address, *options, *own) for _ in range(workers)]
        from distributed import Client

        with Client(address) as client:
            client.wait_for_workers(workers)
            client.run(_import)
        yield address, made[1:]
    finally:
        for one in reversed(made):
            one.process.kill()
            one.process.wait()


def _import() -> None:
    import geo_urc.parted  # noqa: F401


def same(a: Path, b: Path) -> bool:
    """Return whether two folders hold the same files with the same bytes."""
    names = [sorted(str(p.relative_to(f)) for p in f.rglob("*") if p.is_file()) for f in (a, b)]
    return names[0] == names[1] and filecmp.cmpfiles(a, b, names[0], shallow=False)[1:] == ([], [])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--parcels", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--rows", type=int, default=131_072)
    options.add_argument("--workers", default="1,2")
    options.add_argument("--only", help="rules to evaluate; all by default")
    options.add_argument("--out", type=Path, default=HERE / "out")
    asked = options.parse_args()

    city = asked.out / f"city-{asked.parcels}-{asked.seed}"
    layers = city / "all-gpkg.toml"
    if not layers.exists():
        make_city(city, asked.parcels, asked.seed, formats=("gpkg",))
    parts = asked.out / "parts"
    made = run([*GEO_URC, "partition", city / "parcels.gpkg", parts,
                "--rows", str(asked.rows), "--overwrite"])  # fmt: skip
    rules = ("--only", asked.only) if asked.only else ()
    screen = (*GEO_URC, "screen", parts, "--layers", layers,
              "--as-of", "2026-11-23", *rules, "--overwrite", "--out")  # fmt: skip
    tables = ("--outputs", "gpkg", "--format", "parquet")
    here = asked.out / "here"
    print(f"{asked.parcels} parcels in partitions of {asked.rows}")
    told("partition", made)
    told("one process", first := run([*screen, here, "--workers", "1", *tables]))
    for workers in (int(n) for n in asked.workers.split(",")):
        there = asked.out / f"dask-{workers}"
        with cluster(asked.out, workers) as (address, processes):
            before = [one.cpu_s() for one in processes]
            cost = run([*screen, there, "--engine", "dask", "--scheduler", address])
            spent = [one.cpu_s() - b for one, b in zip(processes, before, strict=True)]
            peaks = [one.peak_mb() for one in processes]
        told(f"dask, {workers} workers", cost, first)
        print(
            f"{'':20} workers: {sum(spent) / asked.parcels * 1e6:.1f} s of a core a million, "
            f"{max(peaks):.0f} MB peak each; same bytes: {same(here, there)}"
        )


def told(what: str, cost: Cost, first: Cost | None = None) -> None:
    ratio = "" if first is None else f"{first.seconds / cost.seconds:6.2f} × one process"
    print(f"{what:20} {cost.seconds:8.1f} s {cost.peak_mb:8.0f} MB {ratio}", flush=True)


if __name__ == "__main__":
    main()
