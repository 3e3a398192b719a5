"""A PostgreSQL with PostGIS that the tests start themselves, in a folder that goes with them."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PASSWORD = "s3cr3t-Wort"


def _programs() -> Path | None:
    """Return the folder of the server's programs, which Debian keeps out of PATH."""
    found = [Path(p).parent for p in [shutil.which("initdb")] if p]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists()), None)


def _need(there: bool, what: str) -> None:
    """Skip where something is absent, but fail in continuous integration."""
    if not there:
        if os.environ.get("CI"):
            pytest.fail(f"{what} must be installed in CI")
        pytest.skip(f"{what} is not installed")


def _as_server(*command: object) -> list[str]:
    """Return a command as it is run by somebody whom PostgreSQL accepts: not root."""
    given = [str(part) for part in command]
    if os.getuid() != 0:
        return given
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *given]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Server:
    """A running server."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    def address(self, table: str = "", *, user: str = "postgres", more: str = "") -> str:
        """Return the address of a table in the database of the test."""
        base = f"postgresql://{user}@127.0.0.1:{self.port}/{self.database}"
        return f"{base}?table={table}{more}" if table else base

    database = "postgres"

    def end_connections(self) -> None:
        """Have the server end every connection of the program, as a restart would."""
        self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'geo-urc'"
        )

    def sql(self, *statements: str, user: str = "postgres"):
        """Run statements in the database of the test; return the rows of the last one."""
        import psycopg

        words = {"host": "127.0.0.1", "port": self.port, "user": user}
        if user != "postgres":
            words["password"] = PASSWORD
        with psycopg.connect(dbname=self.database, autocommit=True, **words) as connection:
            for statement in statements:
                cursor = connection.execute(statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def running() -> Iterator[Server]:
    pytest.importorskip("psycopg") if not os.environ.get("CI") else None
    programs = _programs()
    _need(programs is not None, "PostgreSQL")
    assert programs is not None
    # pytest's own folders may be closed to the user that the server runs as
    folder = Path(tempfile.mkdtemp(prefix="geo_urc-pg-"))
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
    data, port = folder / "data", _free_port()
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/"}
    try:
        subprocess.run(
            _as_server(
                programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                "--no-locale", "--no-sync",
            ),
            **quiet,
        )  # fmt: skip
        options = f"-k {folder} -p {port} -c listen_addresses=127.0.0.1 -c fsync=off"
        pg_ctl = [programs / "pg_ctl", "-D", data, "-w"]
        subprocess.run(_as_server(*pg_ctl, "-l", folder / "log", "-o", options, "start"), **quiet)
        try:
            server = Server(folder, port)
            postgis = "SELECT name FROM pg_available_extensions WHERE name = 'postgis'"
            _need(bool(server.sql(postgis)), "PostGIS")
            server.sql(
                "CREATE DATABASE pattern",
                f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'",
            )
            server.database = "pattern"
            server.sql("CREATE EXTENSION postgis")
            server.database = "postgres"
            rule = "host all reader 127.0.0.1/32 scram-sha-256\n"
            access = data / "pg_hba.conf"
            access.write_text(rule + access.read_text())
            server.sql("SELECT pg_reload_conf()")
            yield server
        finally:
            subprocess.run(_as_server(*pg_ctl, "-m", "immediate", "stop"), **quiet)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(running, request) -> Iterator[Server]:
    """A database of the test's own, with PostGIS and nothing in it."""
    running.database = "postgres"
    running.sql(
        "DROP DATABASE IF EXISTS trial WITH (FORCE)", "CREATE DATABASE trial TEMPLATE pattern"
    )
    running.database = "trial"
    yield running
    running.database = "postgres"
