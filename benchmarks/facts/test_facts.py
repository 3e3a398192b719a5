"""How long does each fact take? Kept over time with pytest-benchmark: ``nox -s bench-facts``.

No test of the project: nothing here can be right or wrong. Each fact that rules on parcels, greens and
underground projects name is measured on its own, on one batch of subjects, with what is built once for all
batches (indexes, cut-up districts) built before. A fact made from others takes their time too.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import pytest

from geo_urc import describe
from geo_urc.evaluation import Evaluation, Scene
from geo_urc.inputs import read_inputs
from geo_urc.policy import load_rulebook
from geo_urc.policy.rulebook import Rulebook

BENCHMARKS = Path(__file__).parents[1]
sys.path.insert(0, str(BENCHMARKS))
PARCELS, SEED, ROUNDS = 32_768, 1, 5
"""As many parcels as a batch has."""
ROLES = ("parcels", "green_spaces", "underground_projects")


@cache
def book() -> Rulebook:
    return load_rulebook([BENCHMARKS / "shared_work.toml"])


def facts() -> list[tuple[str, str]]:
    """Return role and name of every fact that is asked of the map or worked out."""
    found = dict.fromkeys(
        (role, name)
        for role in ROLES
        for rule in book().of_subject(role)
        for name in describe.facts_of(book(), rule)
        if name in book().facts and book().facts[name].question != "part"
    )
    return sorted(found)


@pytest.fixture(scope="module")
def inputs():
    from city import make_city

    folder = BENCHMARKS / "out" / "facts-city"
    if not (folder / "done.txt").exists():
        make_city(folder, PARCELS, SEED, formats=("parquet",))
        (folder / "done.txt").touch()
    return read_inputs(folder / "parcels.parquet", layers=folder / "all-parquet.toml")


@pytest.fixture(scope="module")
def scene(inputs):
    return Scene(book(), inputs.layers, False, inputs.parcels, inputs.rasters)


@pytest.fixture(scope="module")
def subjects(inputs):
    """Return role → its features; of the parcels one batch."""
    layers = {role: inputs.layers[role].features for role in ROLES if role != "parcels"}
    return {"parcels": next(iter(inputs.parcels.batches())).features, **layers}


@pytest.mark.parametrize(("role", "name"), facts())
def test_fact(benchmark, scene, subjects, role, name):
    def fresh():
        return (Evaluation(subjects[role], scene),), {}

    benchmark.pedantic(
        lambda evaluation: evaluation.fact(name), setup=fresh, rounds=ROUNDS, warmup_rounds=1
    )
