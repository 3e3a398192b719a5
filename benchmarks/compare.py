"""How long does a screening take, next to the floor and to other tools on the same work?

python benchmarks/compare.py --parcels 100000 --seed 2 --rounds 3

Makes a city, then runs the contestants as whole processes, one after another and round by round, so that
all see the same machine; compares their answers; prints ratios and writes everything as JSON. What counts
are the ratios: seconds belong to a machine. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import answers
from processes import Cost, FailedError, run
from server import NoServerError, Server, server

HERE = Path(__file__).parent
GEO_URC = ("-c", "from geo_urc.cli.main import main; main()")
SHARED_RULES = ("X90a", "X90b", "X90c", "X90d")
AS_OF = "2026-11-24"
NEEDS = {
    "expert": ("geopandas",),
    "duckdb": ("duckdb", "duckdb_extension_spatial"),
    "sedonadb": ("sedonadb", "geoarrow.pyarrow"),
    "postgis": ("adbc_driver_postgresql",),
    "naive": ("geopandas",),
}
"""Peer → the packages that its script imports."""
SCRIPTS = {
    "expert": "expert.py",
    "duckdb": "duckdb_spatial.py",
    "sedonadb": "sedona.py",
    "postgis": "postgis.py",
    "naive": "naive.py",
}
EXACT = tuple(peer for peer in SCRIPTS if peer != "naive")
MOST_PARCELS_NAIVE = 100_000
INSTALL = """\
python -m venv benchmarks/.venv
    benchmarks/.venv/bin/pip install --require-hashes -r requirements/bench.txt
    benchmarks/.venv/bin/pip install --no-deps --no-build-isolation -e ."""
COLD_PARCELS, COLD_ROUNDS = 10_000, 5
TOLD = (
    *("geopandas", "shapely", "pyogrio", "pyarrow", "numpy", "scipy"),
    *("duckdb", "sedonadb", "adbc-driver-postgresql"),
)


@dataclass(frozen=True)
class Contestant:
    """One process of each round."""

    name: str
    format: str
    command: tuple[str | Path, ...]
    out: Path
    rounds: int
    server: Server | None = None

    @property
    def key(self) -> str:
        """Name and format."""
        return f"{self.name} ({self.format})"

    def run(self) -> Cost:
        """Run it into an empty folder."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        if not self.name.startswith("geo_urc"):
            self.out.mkdir()
        return run(
            (sys.executable, *self.command),
            environment=_environment(self.server),
            with_processes=() if self.server is None else (self.server.pid,),
        )


def main() -> None:
    asked = _options()
    unavailable = dict(_unavailable(asked.peers, asked.parcels))
    for why in unavailable.values():
        print(why)
    peers = [peer for peer in asked.peers if peer not in unavailable]
    city = _city(asked.out, asked.parcels, asked.seed, asked.multi, asked.formats)
    costs: dict[str, list[Cost]] = {}
    failures: dict[str, str] = {}
    entered: list[Contestant] = []
    for number in range(asked.rounds):
        with ExitStack() as stack:
            database = None
            if "postgis" in peers:
                try:
                    database = stack.enter_context(server())
                except NoServerError as error:
                    print(f"PostGIS is left out: {error}")
                    peers.remove("postgis")
            entered = list(_contestants(asked, city, peers, database))
            for one in entered:
                if number >= one.rounds or one.key in failures:
                    continue
                _say(f"round {number + 1} of {asked.rounds}: {one.key}")
                try:
                    cost = one.run()
                except FailedError as error:
                    failures[one.key] = str(error)
                    _say(f"  {error}")
                else:
                    costs.setdefault(one.key, []).append(cost)
                    _say(f"  {cost.seconds:.2f} s")
    _say("comparing the answers")
    agreement = {format_: _agreement(city, format_, entered, costs) for format_ in asked.formats}
    cold = _cold_start(asked) if asked.cold else {}
    report = {
        "parcels": asked.parcels,
        "seed": asked.seed,
        "multi": asked.multi,
        "rounds": asked.rounds,
        "machine": _machine(),
        "costs": {key: [cost.told() for cost in all_] for key, all_ in costs.items()},
        "failures": failures,
        "unavailable": unavailable,
        "agreement": agreement,
        "cold_start": cold,
    }
    where = asked.json or asked.out / f"compare-{asked.parcels}-{asked.seed}.json"
    where.write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")
    for line in _table(asked, costs, agreement, cold):
        print(line)
    for key, why in failures.items():
        print(f"{key} {why}")
    print(f"\nAll figures: {where}")
    wrong = any(sum(counts.values()) for found in agreement.values() for counts in found.values())
    sys.exit(1 if failures or wrong else 0)


# --- who takes part -----------------------------------------------------------------------------


def _contestants(
    asked: argparse.Namespace, city: Path, peers: Sequence[str], database: Server | None
) -> Iterator[Contestant]:
    """Yield the contestants in the order of a round; geo_urc first, whose table the floor copies."""
    for format_ in asked.formats:
        ours = asked.out / f"geo_urc-{format_}"
        rules = ("--rules", HERE / "shared_work.toml", "--only", ",".join(SHARED_RULES))
        command = _screen(city, "shared", format_, ours, rules)
        yield Contestant("geo_urc", format_, command, ours, asked.rounds)
        if asked.all_rules:
            ours_all = asked.out / f"geo_urc-all-{format_}"
            command = _screen(city, "all", format_, ours_all, ("--only", _parcel_rules()))
            yield Contestant("geo_urc, all rules", format_, command, ours_all, asked.rounds)
        table = ours / ("parcels.parquet" if format_ == "parquet" else "eligibility.gpkg")
        for name, more in (("floor", (table,)), ("copy", ())):
            out = asked.out / f"{name}-{format_}"
            command = (HERE / "peers" / "floor.py", city, out, format_, *more)
            yield Contestant(name, format_, command, out, asked.rounds)
        for peer in peers:
            out = asked.out / f"{peer}-{format_}"
            command = (HERE / "peers" / SCRIPTS[peer], city, out, format_)
            rounds = 1 if peer == "naive" else asked.rounds
            with_server = database if peer == "postgis" else None
            yield Contestant(peer, format_, command, out, rounds, with_server)


def _screen(
    city: Path, layers: str, format_: str, out: Path, more: Sequence[str | Path]
) -> tuple[str | Path, ...]:
    return (
        HERE / "peers" / "screen.py",
        city / f"parcels.{format_}",
        *("--layers", city / f"{layers}-{format_}.toml", "--outputs", "gpkg"),
        *("--format", format_, "--as-of", AS_OF, "--out", out, *more),
    )


def _parcel_rules() -> str:
    """Return the ids of all rules of the rulebook that judge parcels."""
    from geo_urc.policy import load_rulebook

    return ",".join(rule.id for rule in load_rulebook().of_subject("parcels"))


def _unavailable(peers: Sequence[str], parcels: int) -> Iterator[tuple[str, str]]:
    """Yield peers that cannot run, and a sentence why."""
    for peer in peers:
        missing = [name for name in NEEDS[peer] if not _installed(name)]
        if missing:
            names = ", ".join(missing)
            yield (
                peer,
                f"{peer} is left out: {names} not installed here. To install:\n    {INSTALL}",
            )
        elif peer == "naive" and parcels > MOST_PARCELS_NAIVE:
            yield (
                peer,
                f"naive is left out: more than {MOST_PARCELS_NAIVE:,} parcels take too long.",
            )


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # of a package's parent
        return False


def _environment(database: Server | None) -> dict[str, str]:
    return {} if database is None else {"POSTGRES_URI": database.uri}


def _city(out: Path, parcels: int, seed: int, multi: float, formats: Sequence[str]) -> Path:
    """Return the folder of a city, made now if it is not there."""
    folder = out / f"city-{parcels}-{seed}-{multi:g}"
    done = folder / "done.txt"
    have = set(done.read_text().split()) if done.exists() else set()
    if not set(formats) <= have:
        _say(f"making a city of {parcels:,} parcels")
        wanted = ",".join(sorted({*formats, *have}))
        command = (HERE / "city.py", "--parcels", str(parcels), "--seed", str(seed))
        more = ("--multi", str(multi), "--formats", wanted, "--out", folder)
        run((sys.executable, *command, *more))
        done.write_text(wanted.replace(",", " "))
    return folder


# --- what comes out -----------------------------------------------------------------------------


def _agreement(
    city: Path, format_: str, entered: Sequence[Contestant], costs: dict[str, list[Cost]]
) -> dict[str, dict[str, int]]:
    """Return peer → question → number of subjects on which it and geo_urc differ."""
    done = {one.name: one for one in entered if one.format == format_ and one.key in costs}
    exact = [peer for peer in EXACT if peer in done]
    if "geo_urc" not in done or not exact:
        return {}
    slack = answers.outlines_of(city, format_).circle_slack
    ours = answers.of_geo_urc(done["geo_urc"].out, format_)
    return {
        peer: answers.differences(ours, answers.of_peer(done[peer].out, format_), slack)
        for peer in exact
    }


def _cold_start(asked: argparse.Namespace) -> dict[str, list[float]]:
    """Return seconds from nothing to the end of small things, round by round."""
    city = _city(asked.out, COLD_PARCELS, asked.seed, asked.multi, ("gpkg",))
    out = asked.out / "cold"
    screen = ("screen", city / "parcels.gpkg", "--layers", city / "shared-gpkg.toml")
    more = ("--outputs", "gpkg", "--as-of", AS_OF, "--out", out)
    commands = {
        "import geopandas": ("-c", "import geopandas"),
        "geo-urc --help": (*GEO_URC, "--help"),
        f"geo-urc screen, {COLD_PARCELS:,} parcels": (*GEO_URC, *screen, *more),
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(COLD_ROUNDS + 1):  # the first fills the caches and does not count
        for name, command in commands.items():
            shutil.rmtree(out, ignore_errors=True)
            _say(f"cold start {number} of {COLD_ROUNDS}: {name}")
            cost = run((sys.executable, *command), environment=_environment(None))
            if number:
                found[name].append(cost.seconds)
    return found


def _table(
    asked: argparse.Namespace,
    costs: dict[str, list[Cost]],
    agreement: dict[str, dict[str, dict[str, int]]],
    cold: dict[str, list[float]],
) -> Iterator[str]:
    """Yield the lines that a reader wants: medians and their ratios."""
    yield f"\n{asked.parcels:,} parcels, seed {asked.seed}, medians of {asked.rounds} rounds"
    for format_ in asked.formats:
        yield f"\n{format_:24}  total s  import s    less imports: s  × floor  × copy  × geo_urc  peak MB"
        rows = {key: all_ for key, all_ in costs.items() if key.endswith(f"({format_})")}
        work = {key.rsplit(" (", 1)[0]: _median(all_, "working") for key, all_ in rows.items()}
        for key, all_ in rows.items():
            name = key.rsplit(" (", 1)[0]
            ratios = [
                f"{work[name] / work[base]:.2f}" if work.get(base) else "–"
                for base in ("floor", "copy", "geo_urc")
            ]
            yield (
                f"{name:24} {_median(all_, 'seconds'):8.2f} {_median(all_, 'importing'):9.2f}"
                f"    {work[name]:15.2f} {ratios[0]:>8} {ratios[1]:>7} {ratios[2]:>10}"
                f" {_median(all_, 'peak_mb'):8.0f}"
            )
        for key, all_ in rows.items():
            parts = {**_medians(all_, "phases"), **_medians(all_, "steps")}
            if len(parts) > 1:
                told = ", ".join(f"{part} {seconds:.2f}" for part, seconds in parts.items())
                yield f"  {key.rsplit(' (', 1)[0]}: {told}"
        for peer, counts in agreement[format_].items():
            wrong = {question: n for question, n in counts.items() if n}
            yield f"  {peer} and geo_urc differ: " + (
                ", ".join(f"{question} {n}" for question, n in wrong.items()) or "nowhere"
            )
    if cold:
        yield "\nfrom a cold start, imports included"
        base = statistics.median(cold["import geopandas"])
        for name, seconds in cold.items():
            middle = statistics.median(seconds)
            yield f"{name:34} {middle:6.2f} s {middle / base:6.2f} × import geopandas"


def _median(costs: Sequence[Cost], figure: str) -> float:
    return statistics.median(getattr(cost, figure) for cost in costs)


def _medians(costs: Sequence[Cost], figure: str) -> dict[str, float]:
    names = getattr(costs[0], figure)
    return {n: statistics.median(getattr(cost, figure).get(n, 0) for cost in costs) for n in names}


def _machine() -> dict[str, Any]:
    versions = {"python": platform.python_version()}
    for package in TOLD:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"system": platform.platform(), "cpus": os.cpu_count(), "versions": versions}


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--parcels", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument(
        "--multi", type=float, default=0.01, help="share of parcels in two parts; 0: plain polygons"
    )
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--peers", default="expert,duckdb,sedonadb,postgis,naive", help="or none")
    options.add_argument("--formats", default="gpkg", help="of gpkg and parquet")
    options.add_argument(
        "--all-rules", action="store_true", help="geo_urc with all rules on parcels too"
    )
    options.add_argument(
        "--no-cold", dest="cold", action="store_false", help="leave the cold starts out"
    )
    options.add_argument("--out", type=Path, default=HERE / "out", help="for cities and results")
    options.add_argument("--json", type=Path, help="for the figures; by default in the out folder")
    asked = options.parse_args()
    asked.peers = [] if asked.peers == "none" else asked.peers.split(",")
    asked.formats = asked.formats.split(",")
    if unknown := [*({*asked.peers} - {*SCRIPTS}), *({*asked.formats} - {"gpkg", "parquet"})]:
        options.error(f"not known: {', '.join(unknown)}")
    asked.out.mkdir(parents=True, exist_ok=True)
    return asked


if __name__ == "__main__":
    main()
