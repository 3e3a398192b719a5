"""A PostgreSQL database by its address: what it says, a connection, and what went wrong in words.

The password of an address is in nothing that is shown, recorded or raised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from geo_urc.safe_text import without_password
from geo_urc.text import Text

if TYPE_CHECKING:
    import psycopg

LONGEST_NAME = 63
"""Bytes of a name; PostgreSQL cuts longer ones without an error."""

_SCHEME = re.compile(r"^(postgres(?:ql)?://|PG:)", re.IGNORECASE)
_ADDRESS = re.compile(
    r"postgres(?:ql)?://(?:(?P<user>[^:/?#]*?)(?::(?P<password>[^/?#]*))?@)?"
    r"(?P<host>\[[^\]]*\]|[^@:/?#\s]*)(?::(?P<port>\d*))?(?:/(?P<database>[^?#]*))?"
    r"(?:\?(?P<query>[^#]*))?",
    re.IGNORECASE | re.DOTALL,
)
_NAME = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')
_OPTIONS = ("host", "port", "user", "password", "dbname", "sslmode", "sslrootcert", "service")
"""Of libpq's own words those that say where a database is; none names a file to be sent."""
_PATIENCE_S = 15
_TOO_OLD = 120_000
"""A server before PostgreSQL 12 rounds numbers on their way."""
_SETTINGS = {
    "client_encoding": "UTF8",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lock_timeout": "60s",
}
"""So that a value has one form, whatever the server or the user has set."""


class AddressError(Exception):
    """An address cannot be used; carries what is wrong and what to do."""

    def __init__(self, what: Text, fix: Text) -> None:
        self.what, self.fix = what, fix
        super().__init__(what.en)


@dataclass(frozen=True)
class Address:
    """Where a table is.

    Attributes
    ----------
    connection
        libpq's words for the server, database and user, without a password.
    schema, table
        Exactly as they are in the database; None where the address does not say.
    geometry
        The column, where the address names one.
    shown
        The address as it may be seen by everyone.
    """

    connection: Mapping[str, str]
    schema: str | None
    table: str | None
    geometry: str | None
    shown: str
    password: str | None = field(default=None, repr=False, compare=False)


def is_address(text: str) -> bool:
    """Return whether a path is the address of a database and not a file.

    Examples
    --------
    >>> is_address("postgresql://gis@db/city?table=plan.parcels"), is_address("parcels.gpkg")
    (True, False)
    """
    return _SCHEME.match(text) is not None


def shown(path: str) -> str:
    """Return a path as it may be seen by everyone: an address without its password.

    Examples
    --------
    >>> shown("postgresql://gis:se%40cret@db:5432/city?table=plan.parcels")
    'postgresql://gis@db:5432/city?table=plan.parcels'
    """
    if not is_address(path):
        return path
    try:
        return address_of(path).shown
    except AddressError:
        return without_password(path)


def address_of(text: str) -> Address:
    """Return what an address says: ``postgresql://user@host:port/database?table=schema.name``.

    Names in ``table`` are taken as they are, capitals too; one with a dot in it goes in double
    quotes. ``%20`` and the like stand for characters that an address cannot hold.

    Raises
    ------
    AddressError
        If it cannot be understood; the message has no part that could be the password.

    Examples
    --------
    >>> found = address_of('postgresql://gis:x@/city?host=/run/pg&table="a.b".宗地')
    >>> found.schema, found.table, found.connection["host"], found.password
    ('a.b', '宗地', '/run/pg', 'x')
    """
    found = _ADDRESS.fullmatch(text.strip())
    if found is None:
        raise AddressError(
            Text("数据库地址无法理解。", "is no address of a database that can be understood."),
            Text(
                "写作 postgresql://用户@主机:端口/数据库?table=模式.表；密码中的 @ : / ? # 写成 "
                "%40 %3A %2F %3F %23。",
                "Write postgresql://USER@HOST:PORT/DATABASE?table=SCHEMA.NAME; in a password "
                "@ : / ? # are %40 %3A %2F %3F %23.",
            ),
        )
    given = {key: _decoded(value) for key, value in found.groupdict().items() if value}
    query = given.pop("query", "") and found["query"]
    words = {
        "host": given.get("host", "").strip("[]"),
        "port": given.get("port", ""),
        "user": given.get("user", ""),
        "password": given.get("password", ""),
        "dbname": given.get("database", ""),
    }
    table = geometry = None
    for pair in filter(None, (query or "").split("&")):
        key, _, value = (_decoded(part) for part in pair.partition("="))
        if key == "table":
            table = value
        elif key == "geometry":
            geometry = value
        elif key in _OPTIONS:
            words[key] = value
        else:
            raise AddressError(
                Text(f"地址中的“{key}”不认识。", f'The address has the unknown key "{key}".'),
                Text(
                    f"可用：table、geometry、{'、'.join(_OPTIONS)}。",
                    f"Known: table, geometry, {', '.join(_OPTIONS)}.",
                ),
            )
    password = words.pop("password") or None
    schema, name = _names(table)
    return Address(
        {key: value for key, value in words.items() if value},
        schema,
        name,
        geometry,
        _shown(found, query or ""),
        password,
    )


def _decoded(text: str) -> str:
    """Return text with ``%41`` as the character that it stands for."""
    raw = re.sub(
        rb"%([0-9a-fA-F]{2})",
        lambda code: bytes.fromhex(code[1].decode()),
        text.encode("utf-8", "surrogateescape"),
    )
    return raw.decode("utf-8", "replace")


def _shown(found: re.Match[str], query: str) -> str:
    user = f"{found['user']}@" if found["user"] else ""
    port = f":{found['port']}" if found["port"] else ""
    database = f"/{found['database']}" if found["database"] is not None else ""
    kept = [p for p in query.split("&") if p and _decoded(p.partition("=")[0]) != "password"]
    return f"postgresql://{user}{found['host']}{port}{database}" + (
        f"?{'&'.join(kept)}" if kept else ""
    )


def _names(table: str | None) -> tuple[str | None, str | None]:
    """Return schema and name of ``schema.name``, either of them in quotes or not."""
    if not table:
        return None, None
    parts = [(q.replace('""', '"') or plain) for q, plain in _NAME.findall(table)]
    if _NAME.sub("", table) != "." * (len(parts) - 1) or not 1 <= len(parts) <= 2:
        raise AddressError(
            Text(f"表名“{table}”无法理解。", f'The table "{table}" cannot be understood.'),
            Text(
                "写作 table=模式.表；名称含点的加双引号。",
                "Write table=SCHEMA.NAME, with double quotes around a name that has a dot.",
            ),
        )
    schema = parts[0] if len(parts) == 2 else None
    return schema, parts[-1]


@contextmanager
def connected(address: Address, *, reading: bool) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection in one transaction, committed if the block ends without an error.

    A reader sees one state of the database throughout and can change nothing.

    Raises
    ------
    AddressError
        If psycopg is not installed, the server does not answer, or it refuses something
        within the block.
    """
    try:
        import psycopg
    except ImportError as error:
        raise AddressError(
            Text(
                "读写 PostgreSQL 需要 psycopg，尚未安装。",
                "needs psycopg, which is not installed, to be read or written.",
            ),
            Text('请运行 pip install "geo-urc[postgis]"。', 'Run pip install "geo-urc[postgis]".'),
        ) from error
    words: dict[str, Any] = {"connect_timeout": _PATIENCE_S, **address.connection}
    if address.password is not None:
        words["password"] = address.password
    try:
        connection = psycopg.connect(application_name="geo-urc", **words)
    except psycopg.Error as error:
        raise AddressError(*_no_connection(str(error), address)) from None
    try:
        with connection:
            if connection.info.server_version < _TOO_OLD:
                raise AddressError(
                    Text("PostgreSQL 版本太旧。", "is a PostgreSQL that is too old."),
                    Text("需要 12 或更新的版本。", "It must be 12 or newer."),
                )
            if reading:
                connection.read_only = True
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            for name, value in _SETTINGS.items():
                connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))
            yield connection
    except psycopg.Error as error:
        raise AddressError(*refusal(error)) from error


def refusal(error: Exception) -> tuple[Text, Text]:
    """Return in words what a database has refused, and what to do."""
    from psycopg import OperationalError, errors

    reason = _first_line(error)
    match error:
        case errors.InsufficientPrivilege():
            what = Text(f"没有权限：{reason}。", f"may not be used: {reason}.")
            fix = Text("请让管理员授权（GRANT）。", "Have the administrator GRANT it.")
        case errors.LockNotAvailable():
            what = Text("表被其他会话锁定。", "is locked by another session.")
            fix = Text("等它结束后再试。", "Try again when that has ended.")
        case errors.DiskFull() | errors.OutOfMemory():
            what = Text(f"数据库空间不足：{reason}。", f"The database is full: {reason}.")
            fix = Text("请清理数据库所在的磁盘。", "Make room on the disk of the database.")
        case errors.DependentObjectsStillExist():
            detail = (getattr(error.diag, "message_detail", None) or reason).replace("\n", "; ")
            what = Text(
                f"以前的结果表还被引用：{detail}。", f"Earlier results are in use: {detail}."
            )
            fix = Text(
                "请先删去这些视图或约束，或另选表名。",
                "Drop these views or constraints first, or choose another table.",
            )
        case OperationalError() if (error.sqlstate or "08")[:2] in ("08", "57"):
            what = Text(f"与数据库的连接中断：{reason}。", f"The connection was lost: {reason}.")
            fix = Text("请检查网络和数据库后再试。", "Check network and database, and try again.")
        case _:
            what = Text(f"数据库拒绝：{reason}。", f"The database refuses: {reason}.")
            fix = Text("请核对地址、表和权限。", "Check the address, the table and the rights.")
    return what, fix


def postgis_of(connection: psycopg.Connection[Any]) -> str | None:
    """Return the schema in which PostGIS is installed, None where it is not."""
    row = connection.execute(
        "SELECT n.nspname FROM pg_catalog.pg_extension e"
        " JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'postgis'"
    ).fetchone()
    return None if row is None else str(row[0])


def _no_connection(reason: str, address: Address) -> tuple[Text, Text]:
    """Return in words why there is no connection, and what to do."""
    told = _first_line(reason)
    if address.password:
        told = told.replace(address.password, "***")
    low = reason.lower()
    if "password" in low or "authentication" in low or "pg_hba" in low:
        return (
            Text(f"数据库不接受这个用户：{told}。", f"The database refuses the user: {told}."),
            Text(
                "请核对用户；密码写在 ~/.pgpass 或环境变量 PGPASSWORD 里。",
                "Check the user; the password goes into ~/.pgpass or the variable PGPASSWORD.",
            ),
        )
    if "does not exist" in low and ("database" in low or "role" in low):
        return (
            Text(f"数据库或用户不存在：{told}。", f"There is no such database or user: {told}."),
            Text("请核对地址。", "Check the address."),
        )
    return (
        Text(f"连接不上数据库：{told}。", f"The database does not answer: {told}."),
        Text(
            "请核对主机和端口，并确认数据库已启动、网络可达。",
            "Check host and port, and that the server runs and can be reached.",
        ),
    )


def _first_line(reason: object) -> str:
    """Return what libpq or the server says, without hints, positions and the statement."""
    lines = [line.strip() for line in str(reason).strip().splitlines() if line.strip()]
    return (lines[0] if lines else "?").rstrip(".")
