"""The project's routine. ``nox`` runs everything that a change must pass; ``nox -l`` lists all.

Sessions use the environment that nox itself runs in (requirements/dev.txt): nothing is
downloaded behind one's back, and what passes here is what was installed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["test"]

SITE, PICTURES = "build/site", "build/pictures"

_LOCK = (
    "uv",
    "pip",
    "compile",
    "pyproject.toml",
    "--universal",
    "--python-version=3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-header",
    "--no-annotate",
)


def _python(
    session: nox.Session, *arguments: str, env: Mapping[str, str | None] | None = None
) -> None:
    session.run(sys.executable, *arguments, external=True, env=env)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and layout."""
    _python(session, "-m", "ruff", "check")
    _python(session, "-m", "ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Type hints."""
    _python(session, "-m", "mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site into build/site; any warning and any broken link is an error."""
    _python(session, "docs/generate.py", "--check")
    made = ["--pictures", PICTURES] if Path(PICTURES).exists() else []
    _python(session, "docs/site/build.py", "--out", SITE, *made)


@nox.session(name="docs-pictures")
def docs_pictures(session: nox.Session) -> None:
    """Take the site's pictures in Chromium and QGIS, and build the site with them."""
    _python(session, "docs/site/screenshots.py", "--out", PICTURES)
    docs(session)


@nox.session
def test(session: nox.Session) -> None:
    """Everything that a change must pass; arguments after ``--`` go to pytest."""
    lint(session)
    types(session)
    docs(session)
    built = {"GEO_URC_SITE": SITE}
    _python(session, "-m", "pytest", "-n", "2", *session.posargs, env=built)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Damage small inputs at random and read them: ``nox -s fuzz -- --seconds 600 --seed 7``."""
    _python(session, "tests/fuzz/fuzz_files.py", *session.posargs)


@nox.session
def audit(session: nox.Session) -> None:
    """Look for known holes in what is installed (needs uv and the advisories of the network)."""
    for name in ("run", "dev"):
        lock = f"--requirement=requirements/{name}.txt"
        # strict: else what the advisories do not know passes as sound
        session.run(
            "uvx", "pip-audit", "--strict", "--disable-pip", "--require-hashes", lock, external=True
        )


@nox.session
def bench(session: nox.Session) -> None:
    """Compare with the floor and with other tools: ``nox -s bench -- --parcels 100000``."""
    session.run(_bench_python(), "benchmarks/compare.py", *session.posargs, external=True)


@nox.session(name="bench-facts")
def bench_facts(session: nox.Session) -> None:
    """Time each fact, keep the figures, and compare them with those kept before."""
    kept = Path("benchmarks/history")
    earlier = ["--benchmark-compare"] if [*kept.rglob("*.json")] else []
    session.run(
        *(_bench_python(), "-m", "pytest", "benchmarks/facts", "--override-ini=addopts="),
        *("--import-mode=importlib", "-q", "--benchmark-autosave", *earlier),
        *(f"--benchmark-storage={kept}", "--benchmark-columns=median,iqr,rounds"),
        *("--benchmark-sort=fullname", "--benchmark-group-by=param:role", *session.posargs),
        external=True,
    )


def _bench_python() -> str:
    """Return the benchmark's own environment if there is one, see benchmarks/README.md."""
    for own in ("benchmarks/.venv/bin/python", "benchmarks/.venv/Scripts/python.exe"):
        if Path(own).exists():
            return own
    return sys.executable


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel into dist/."""
    _python(session, "-m", "build", "--wheel", "--no-isolation")


@nox.session
def lock(session: nox.Session) -> None:
    """Write requirements/ from pyproject.toml (needs uv); ``-- --upgrade`` for newest versions."""
    for name, group in {"run": "build", "dev": "dev", "bench": "bench"}.items():
        target = f"--output-file=requirements/{name}.txt"
        session.run(*_LOCK, f"--group={group}", target, *session.posargs, external=True)
