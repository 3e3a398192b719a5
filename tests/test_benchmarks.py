"""The benchmark's own pieces still run, and agree, on a small city. Nothing is timed here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PARCELS = 500


def process(*arguments: object, **environment: str) -> None:
    command = [sys.executable, *arguments]
    env = {**os.environ, "PYTHONPATH": str(BENCHMARKS.parent), **environment}
    done = subprocess.run(
        [*map(str, command)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def answers():
    """Return the module that compares answers."""
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(BENCHMARKS)
    import answers

    yield answers
    patch.undo()


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """Return a small city with the parcels' two forms in it: holes and several parts."""
    folder = tmp_path_factory.mktemp("bench") / "city"
    layers = ("--formats", "gpkg", "--multi", 0.05, "--thinned", 5)
    process(BENCHMARKS / "city.py", "--parcels", PARCELS, "--seed", 5, "--out", folder, *layers)
    return folder


@pytest.fixture(scope="module")
def ours(city):
    """Return the folder with geo_urc's answers to the shared work."""
    out = city.parent / "ours"
    rules = ("--rules", BENCHMARKS / "shared_work.toml", "--only", "X90a,X90b,X90c,X90d")
    process(
        BENCHMARKS / "peers/screen.py", city / "parcels.gpkg", "--layers", city / "shared-gpkg.toml",
        "--outputs", "gpkg", "--as-of", "2026-11-24", "--out", out, *rules,
    )  # fmt: skip
    return out


def test_the_city_has_what_was_asked_for(city):
    info = pyogrio.read_info(city / "parcels.gpkg")
    assert (info["features"], info["geometry_type"], info["crs"]) == (
        PARCELS,
        "MultiPolygon",
        "EPSG:4548",
    )
    plots = np.asarray(pyogrio.read_dataframe(city / "parcels.gpkg").geometry)
    assert shapely.is_valid(plots).all()
    assert 5 <= (shapely.get_num_geometries(plots) == 2).sum() <= 60
    districts = np.asarray(pyogrio.read_dataframe(city / "districts.gpkg").geometry)
    assert len(districts) == 16 and shapely.is_valid(districts).all()
    assert not shapely.STRtree(plots).query(plots, "overlaps").size


def test_the_city_is_the_same_for_the_same_seed(city, tmp_path):
    process(
        BENCHMARKS / "city.py", "--parcels", PARCELS, "--seed", 5, "--out", tmp_path,
        "--formats", "parquet", "--multi", 0.05, "--thinned", 5,
    )  # fmt: skip
    again = pq.read_table(tmp_path / "parcels.parquet")
    first = pyogrio.read_dataframe(city / "parcels.gpkg")
    assert again["planned_gfa_m2"].to_pylist() == first["planned_gfa_m2"].to_list()
    same = shapely.from_wkb(again["geometry"].to_numpy())
    assert shapely.equals(same, np.asarray(first.geometry)).all()


def test_geo_urc_and_the_expert_agree_on_every_answer(city, ours, answers):
    theirs = city.parent / "expert"
    theirs.mkdir()
    process(
        BENCHMARKS / "peers/expert.py",
        city,
        theirs,
        "gpkg",
        PHASES_FILE=str(theirs / "phases.json"),
    )
    slack = answers.outlines_of(city, "gpkg").circle_slack
    mine, other = answers.of_geo_urc(ours, "gpkg"), answers.of_peer(theirs, "gpkg")
    assert set(answers.differences(mine, other, slack).values()) == {0}
    assert 0 < mine["rail_near"].sum() < PARCELS
    assert mine["facilities"].max() > 0 and mine["green_share"].max() > 0
    assert mine["blue_share"].max() > 0 and 0 < mine["over_cap"].sum() < len(mine["over_cap"])
    assert 0 < mine["tree_near"].sum() < len(mine["tree_near"])
    other["facilities"] = other["facilities"] + (np.arange(PARCELS) == 7)
    other["rail_near"] = ~other["rail_near"]
    counts = answers.differences(mine, other, slack)
    assert (counts["facilities"], counts["rail_near"], counts["district"]) == (1, PARCELS, 0)


def test_the_floor_writes_the_table_that_geo_urc_writes(city, ours):
    out = city.parent / "floor"
    out.mkdir()
    result = ours / "eligibility.gpkg"
    small = f"import sys; sys.path.insert(0, {str(BENCHMARKS / 'peers')!r}); import floor; "
    small += "floor.AT_ONCE = 200; floor.main()"  # several batches, as a city has
    process("-c", small, city, out, "gpkg", result, PHASES_FILE=str(out / "phases.json"))
    floor = pyogrio.read_info(out / "parcels.gpkg", layer="parcels")
    wanted = pyogrio.read_info(result, layer="parcels")
    assert floor["features"] == PARCELS
    assert floor["fid_column"] == wanted["fid_column"]
    assert columns(floor) == columns(wanted)


def columns(info):
    """Return column → type of a layer."""
    return dict(zip(info["fields"], info["dtypes"], strict=True))
