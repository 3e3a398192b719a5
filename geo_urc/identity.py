"""Whether two runs left the same behind: GeoPackages by their rows, the record by what it says."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from geo_urc.text import Text

_SHOWN = 3
"""How many differing rows of a table, or entries of a record, are told."""
_LONGEST = 60
"""Characters of a value that are shown."""
_ENVELOPE_DOUBLES = (0, 4, 6, 6, 8)
"""Numbers in a GeoPackage geometry's envelope, by its kind."""


class Difference(NamedTuple):
    """One thing that is not the same in two folders."""

    file: str
    what: Text


def differences(
    first: Path, second: Path, record: str, told_apart: Collection[str] = ()
) -> Iterator[Difference]:
    """Yield what differs between two output folders, over the files that the second holds.

    Parameters
    ----------
    record
        Name of the run record, whose content is compared and not its bytes.
    told_apart
        Keys of the record that are left out.
    """
    for path in sorted(p for p in second.rglob("*") if p.is_file()):
        name = path.relative_to(second).as_posix()
        other = first / name
        if not other.is_file():
            yield Difference(name, Text("缺失。", "is missing."))
        elif path.suffix == ".gpkg":
            yield from (Difference(name, what) for what in _unlike_tables(other, path))
        elif name == record:
            pair = [json.loads(p.read_text(encoding="utf-8")) for p in (other, path)]
            kept = [{k: v for k, v in data.items() if k not in told_apart} for data in pair]
            yield from (Difference(name, what) for what in _unlike_entries(*kept))
        elif (place := _first_unlike_byte(other, path)) is not None:
            what = Text(f"从第 {place} 字节起不同。", f"differs from byte {place} on.")
            yield Difference(name, what)


def table_hashes(path: Path) -> dict[str, str]:
    """Return table → SHA-256 over its columns and rows in their order; geometry as WKB.

    Spatial indexes are left out: they follow from the rows.

    Raises
    ------
    sqlite3.Error
        The file is no sound SQLite database.
    """
    with closing(_opened(path)) as connection:
        found = {}
        for table in _tables(connection):
            digest = hashlib.sha256(repr(_columns(connection, table)).encode())
            for row in _rows(connection, table):
                digest.update(repr(row).encode())
            found[table] = digest.hexdigest()
        return found


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _tables(connection: sqlite3.Connection) -> list[str]:
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name for (name,) in names if not name.startswith(("rtree_", "sqlite_"))]


def _columns(connection: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    """Return (name, declared type) of every column."""
    found = connection.execute("SELECT name, type FROM pragma_table_info(?)", (table,))
    return list(found.fetchall())


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table in their order."""
    shapes = _geometry_columns(connection, table)
    quoted = table.replace('"', '""')
    for row in connection.execute(f'SELECT * FROM "{quoted}" ORDER BY rowid'):
        if shapes:
            yield tuple(_wkb(v) if i in shapes else v for i, v in enumerate(row))
        else:
            yield row


def _geometry_columns(connection: sqlite3.Connection, table: str) -> set[int]:
    known = {name for name in _tables(connection) if name == "gpkg_geometry_columns"}
    if not known:
        return set()
    rows = connection.execute(
        "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", (table,)
    )
    names = {name for (name,) in rows}
    return {i for i, (name, _) in enumerate(_columns(connection, table)) if name in names}


def _wkb(blob: bytes | None) -> bytes | None:
    """Return the WKB in a GeoPackage geometry: its header is the writer's own choice."""
    if blob is None or blob[:2] != b"GP":
        return blob
    kind = (blob[3] >> 1) & 7
    return blob[8 + 8 * _ENVELOPE_DOUBLES[min(kind, 4)] :]


def _unlike_tables(first: Path, second: Path) -> Iterator[Text]:
    """Yield which tables of two GeoPackages differ, with the first rows that do."""
    try:
        hashes, others = table_hashes(first), table_hashes(second)
        for table in sorted(hashes.keys() | others.keys()):
            if table not in others:
                yield Text(f"多出表 {table}。", f"has a table {table} that a new run does not.")
            elif table not in hashes:
                yield Text(f"缺少表 {table}。", f"lacks the table {table}.")
            elif hashes[table] != others[table]:
                yield _unlike_rows(first, second, table)
    except sqlite3.Error as error:
        yield Text(f"无法读取：{error}。", f"cannot be read: {error}.")


def _unlike_rows(first: Path, second: Path, table: str) -> Text:
    with closing(_opened(first)) as a, closing(_opened(second)) as b:
        columns, others = _columns(a, table), _columns(b, table)
        if columns != others:
            odd = "、".join(sorted({name for name, _ in {*columns} ^ {*others}}))
            return Text(f"表 {table} 的列不同：{odd}。", f"table {table} has other columns: {odd}.")
        told, count = [], 0
        for i, (row, other) in enumerate(zip_longest(_rows(a, table), _rows(b, table)), start=1):
            if repr(row) == repr(other):
                continue
            count += 1
            if count <= _SHOWN:
                told.append(f"#{i} {_unlike_values([n for n, _ in columns], row, other)}")
        shown = "; ".join(told)
        return Text(
            f"表 {table} 有 {count} 行不同：{shown}。",
            f"table {table} differs in {count} rows: {shown}.",
        )


def _unlike_values(
    names: list[str], row: tuple[Any, ...] | None, other: tuple[Any, ...] | None
) -> str:
    if row is None or other is None:
        return "– → +" if row is None else "+ → –"
    return ", ".join(
        f"{name}: {_short(x)} → {_short(y)}"
        for name, x, y in zip(names, row, other, strict=True)
        if repr(x) != repr(y)
    )


def _unlike_entries(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Text]:
    found = list(_entries(first, second, ""))
    for place, x, y in found[:_SHOWN]:
        told = f"{place}: {_short(x)} → {_short(y)}"
        yield Text(f"{told}。", f"{told}.")
    if len(found) > _SHOWN:
        more = len(found) - _SHOWN
        yield Text(f"另有 {more} 项不同。", f"{more} more entries differ.")


_ABSENT = object()


def _entries(x: Any, y: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield the places of a record whose values differ, as deep as both are of one shape."""
    if isinstance(x, dict) and isinstance(y, dict):
        for key in dict.fromkeys([*x, *y]):
            yield from _entries(
                x.get(key, _ABSENT), y.get(key, _ABSENT), f"{place}.{key}"[not place :]
            )
    elif isinstance(x, list) and isinstance(y, list) and len(x) == len(y):
        for i, pair in enumerate(zip(x, y, strict=True)):
            yield from _entries(*pair, f"{place}[{i}]")
    elif repr(x) != repr(y):
        yield place, x, y


def _short(value: object) -> str:
    if value is _ABSENT:
        return "–"
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _first_unlike_byte(first: Path, second: Path) -> int | None:
    """Return the place (from 0) of the first byte in which two files differ; None if none."""
    place = 0
    with first.open("rb") as a, second.open("rb") as b:
        while True:
            x, y = a.read(1 << 20), b.read(1 << 20)
            if x != y:
                shorter = min(len(x), len(y))
                same = next((i for i in range(shorter) if x[i] != y[i]), shorter)
                return place + same
            if not x:
                return None
            place += len(x)
