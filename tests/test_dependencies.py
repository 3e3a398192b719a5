"""What is installed beside the package is pinned, hashed, and under a licence we can live with.

Known holes are looked for by ``nox -s audit``, which needs the advisories of the network.
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = ("run", "dev", "bench")
ALLOWED = frozenset(
    {
        "0BSD", "Apache Software License", "Apache-2.0", "BSD", "BSD License", "BSD-2-Clause",
        "BSD-3-Clause", "CC0-1.0", "ISC License (ISCL)", "MIT", "MIT License", "MIT-CMU", "MPL-2.0",
        "Mozilla Public License 2.0 (MPL 2.0)", "PSF-2.0", "Python Software Foundation License",
        "SIL Open Font License 1.1 (OFL-1.1)",  # of fonts; what is set in them is free of it
        "Zlib",
    }
)  # fmt: skip
"""All of them let an Apache-2.0 program be run and passed on with the package as it is."""
READ_BY_HAND = {
    "exactextract": "Apache-2.0",  # its LICENSE file; GEOS inside is LGPL-2.1, as in shapely
    "xstatic-leaflet": "BSD-2-Clause",  # "same as Leaflet"
}


def locked(name: str) -> dict[str, list[str]]:
    """Return package==version → its hashes, for every requirement of a lock."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8").replace("\\\n", " ")
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    return {line.split()[0]: re.findall(r"--hash=(\S+)", line) for line in lines if line}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!;\[ ~]", name, maxsplit=1)[0]).lower()


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_and_hashed(name):
    found = locked(name)
    assert len(found) > 20
    for requirement, hashes in found.items():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][\w.+!]*", requirement), requirement
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", h) for h in hashes), requirement


@pytest.mark.parametrize("name", LOCKS)
def test_the_locks_hold_what_the_project_asks_for(name):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = project["dependency-groups"]
    wanted = [*project["project"]["dependencies"], *groups["build"]]
    beyond = {"run": (), "dev": ("dev", "notebooks", "docs"), "bench": ("bench",)}[name]
    wanted += [w for group in beyond for w in groups[group] if isinstance(w, str)]
    assert {plain(w) for w in wanted} <= {plain(requirement) for requirement in locked(name)}


@pytest.mark.parametrize("requirement", sorted(locked("run")))
def test_the_licence_of_what_users_get_is_known(requirement):
    name = plain(requirement)
    try:
        told = metadata(name)
    except PackageNotFoundError:
        pytest.skip("for another platform")
    # dask brings another reader of metadata along, which raises where the standard's gives None.
    expression = told.get("License-Expression")
    licences = [expression] if expression else []
    licences += [
        line.rpartition("::")[2].strip()
        for line in told.get_all("Classifier") or []
        if line.startswith("License ::") and not line.endswith("OSI Approved")
    ]
    if not licences:
        licences = [READ_BY_HAND.get(name) or (told.get("License") or "").splitlines()[0].strip()]
    parts = [p for licence in licences for p in re.split(r" (?:AND|OR) |; ", licence)]
    assert set(parts) <= ALLOWED, (name, parts)
