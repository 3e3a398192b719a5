"""A PostgreSQL server with PostGIS for the time of a benchmark, in a folder of its own.

It listens on a socket in that folder only. Nothing that it holds is meant to survive, so nothing is
synchronised with the disk. PostgreSQL refuses to run as root: then the account postgres runs it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "8GB",
    "autovacuum": "off",
    "shared_buffers": "1GB",
    "work_mem": "256MB",
    "maintenance_work_mem": "512MB",
    "max_parallel_workers_per_gather": "2",
    "random_page_cost": "1.1",
    "jit": "off",
}


class NoServerError(Exception):
    """There is no PostGIS here; says what to install."""


@dataclass(frozen=True)
class Server:
    """A running server: its process, and how to reach it."""

    pid: int
    uri: str


@contextmanager
def server() -> Iterator[Server]:
    """Run a server with an empty database that has PostGIS; raise NoServerError if there is none."""
    programs = _programs()
    user = "postgres" if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        if user is not None:
            try:
                shutil.chown(folder, user)
            except LookupError as error:
                raise NoServerError(
                    "PostgreSQL does not run as root: no account postgres"
                ) from error
        data = Path(folder) / "data"
        said = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        initdb = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run([*initdb, "--no-sync"], check=True, user=user, cwd=folder, **said)
        given = [word for key, value in SETTINGS.items() for word in ("-c", f"{key}={value}")]
        process = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", folder, *given], user=user, cwd=folder, **said
        )
        try:
            psql = [programs / "psql", "-h", folder, "-U", "postgres", "-d", "postgres"]
            _wait(psql, process)
            extended = subprocess.run([*psql, "-c", "CREATE EXTENSION postgis"], **said)
            if extended.returncode:
                raise NoServerError("PostgreSQL lacks PostGIS: apt install postgresql-15-postgis-3")
            yield Server(process.pid, f"postgresql:///postgres?host={folder}&user=postgres")
        finally:
            process.terminate()
            process.wait()


def _programs() -> Path:
    """Return the folder of the server's programs, which Debian keeps off the path."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not found and (on_path := shutil.which("initdb")):
        found = [Path(on_path).resolve()]
    if not found:
        raise NoServerError("no PostgreSQL server: apt install postgresql postgresql-15-postgis-3")
    return max(found).parent


def _wait(psql: list[str | Path], process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        ready = subprocess.run([*psql, "-c", "SELECT 1"], capture_output=True, check=False)
        if not ready.returncode:
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise NoServerError("the PostgreSQL server did not start")
