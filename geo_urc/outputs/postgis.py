"""Results in a PostGIS database: all tables in one transaction, the earlier ones until its end."""

from __future__ import annotations

import binascii
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.database import (
    LONGEST_NAME,
    Address,
    AddressError,
    address_of,
    connected,
    postgis_of,
    shown,
)
from geo_urc.errors import OutputError, Problem
from geo_urc.outputs.geopackage import free_name
from geo_urc.outputs.labels import column_title, rule_label
from geo_urc.results import Column, LayerInfo
from geo_urc.text import Text
from geo_urc.verdicts import LABELS
from geo_urc.wkb import promote

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

RUN = "run"
"""The table by which earlier results are known: one row, the run record."""
_ALWAYS = ("", "rules", "set_aside", RUN)
_INDEXES = ("_pkey", "_subj", "_geom")
_KINDS = (
    "Geometry", "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon",
    "GeometryCollection",
)  # fmt: skip
_ROWS = 32_768
_HEADINGS = {
    "id": "规则编号", "measure": "措施编号", "document": "政策文件", "number": "条款序号",
    "heading": "条款标题", "clause": "款项", "department": "牵头部门", "policy_class": "政策分类",
    "assess": "判定方式", "subject": "判定对象", "computed": "是否计算", "status": "本次处理",
    "title_zh": "名称（中文）", "title_en": "名称（英文）", "explanation_zh": "说明（中文）",
    "explanation_en": "说明（英文）", "concerns_zh": "适用于（中文）", "concerns_en": "适用于（英文）",
    "source_zh": "依据（中文）", "source_en": "依据（英文）", "checked_on": "与原文核对日期",
    "in_force": "当日是否施行", "in_force_from": "施行起日", "in_force_until": "施行止日",
    "parameters": "所用参数（JSON）", "changed_parameters": "改过的参数", "layers_missing": "缺少的图层",
    "role": "图层角色", "file": "来源", "record": "记录序号", "reason_zh": "原因（中文）",
    "reason_en": "原因（英文）", "content": "原始内容（JSON）", "run": "运行记录（JSON）",
}  # fmt: skip
"""Comments on the columns of the tables without geometry."""


@dataclass(frozen=True)
class Sheet:
    """A table to be written.

    Attributes
    ----------
    suffix
        What the table has behind the name that the user gave; empty for the main subjects.
    comment
        What the table is, in Chinese.
    info
        The result layer's description; None for a table without geometry.
    """

    suffix: str
    comment: str
    table: pa.Table
    info: LayerInfo | None = None


class Written(NamedTuple):
    """A table in the database, as the record has it."""

    table: str
    rows: int
    sha256: str
    """Of its columns and rows in their order, as the server spells them."""


def layer_sheet(info: LayerInfo, table: pa.Table, *, main: bool) -> Sheet:
    """Return a result layer as a table to be written."""
    rules = "；".join(rule_label(rule, "zh") for rule in info.rules)
    comment = f"{info.title.zh}：geo-urc 判定结果" + (f"（{rules}）" if rules else "")
    return Sheet("" if main else info.role, comment, table, info)


def ready(target: str, *, overwrite: bool) -> None:
    """Raise an OutputError if results could not be written to an address.

    So it is said before the long work, as :func:`geo_urc.outputs.staging.ready` does.
    """
    with _refusals(target), connected(_target(target), reading=True) as connection:
        _earlier(connection, _target(target), overwrite)


@contextmanager
def writing(
    target: str, *, overwrite: bool = False, rehearsal: bool = False
) -> Iterator[Transaction]:
    """Yield a transaction that puts tables in their places when the block ends without an error.

    Until then everybody sees the earlier results; a process that dies leaves them as they are.

    Parameters
    ----------
    target
        ``postgresql://…?table=schema.name``. Other tables have the name and a suffix.
    overwrite
        Whether earlier results under this name are replaced.
    rehearsal
        Write everything and take it back: to learn what would be written.

    Raises
    ------
    OutputError
        The database cannot be reached, is not allowed to be written, or a table is in the way.
    """
    address = _target(target)
    with _refusals(target), connected(address, reading=False) as connection:
        schema = _earlier(connection, address, overwrite or rehearsal, lock=not rehearsal)
        postgis = postgis_of(connection)
        assert postgis is not None and address.table is not None  # _earlier has seen to it
        transaction = Transaction(connection, target, schema, address.table, postgis, rehearsal)
        yield transaction
        if rehearsal:
            connection.rollback()


def digests(target: str, tables: Iterable[str]) -> dict[str, str | None]:
    """Return for tables beside the target what stands for their content now, None if not there.

    Raises
    ------
    OutputError
        The database cannot be reached or read.
    """
    from psycopg import sql

    with _refusals(target), connected(_target(target), reading=True) as connection:
        schema = _schema(connection, _target(target))
        found: dict[str, str | None] = {}
        for table in tables:
            there = _columns(connection, schema, table)
            name = sql.Identifier(schema, table)
            found[table] = _digest(connection, name, there) if there else None
        return found


@dataclass
class Transaction:
    """Tables under way to the database."""

    connection: psycopg.Connection[Any]
    target: str
    schema: str
    name: str
    postgis: str
    rehearsal: bool
    staged: dict[str, str] = field(default_factory=dict)
    """Name that a table has until the end → the one that it gets."""

    def load(self, sheets: Sequence[Sheet]) -> dict[str, Any]:
        """Copy tables, with key, spatial index and comments; return what the record says of them.

        Raises
        ------
        OutputError
            A name is too long, or fewer rows arrived than were sent.
        """
        self._refuse_long_names(sheets)
        written = [self._load(sheet)._asdict() for sheet in sheets]
        return {"address": shown(self.target), "schema": self.schema, "tables": written}

    def finish(self, record: str) -> None:
        """Put the run record beside the tables, and all of them in the places of the earlier."""
        from psycopg import sql

        if self.rehearsal:
            return
        run = pa.table({"run": pa.array([record], pa.string())})
        self._load(Sheet(RUN, "geo-urc 运行记录（run.json）", run))
        granted = self._granted()
        for name in _earlier_tables(self.connection, self.schema, self.name):
            self._execute("DROP TABLE IF EXISTS {}", sql.Identifier(self.schema, name))
        for staged, name in self.staged.items():
            self._execute(
                "ALTER TABLE {} RENAME TO {}",
                sql.Identifier(self.schema, staged),
                sql.Identifier(name),
            )
            for ending in _INDEXES:
                self._execute(
                    "ALTER INDEX IF EXISTS {} RENAME TO {}",
                    sql.Identifier(self.schema, staged + ending),
                    sql.Identifier(name + ending),
                )
        for name, role, privilege in granted:
            if name in self.staged.values():
                grantee = sql.Identifier(role) if role else sql.SQL("PUBLIC")
                self._execute(
                    f"GRANT {privilege} ON {{}} TO {{}}",
                    sql.Identifier(self.schema, name),
                    grantee,
                )

    # --- one table ----------------------------------------------------------------------------

    def _load(self, sheet: Sheet) -> Written:
        from psycopg import sql

        name = _table_name(self.name, sheet.suffix)
        staged = f"geo_urc_{self.connection.info.backend_pid}_{len(self.staged)}"
        self.staged[staged] = name
        place = sql.Identifier(self.schema, staged)
        fid = free_name("fid", sheet.table.column_names)
        geometry = sheet.info.one("geometry") if sheet.info else None
        srid = self._srid(sheet.info.crs) if sheet.info else 0
        shape = _shape_of(sheet, geometry) if geometry else None

        columns = [sql.SQL("{} integer NOT NULL").format(sql.Identifier(fid))]
        for part in sheet.table.schema:
            kind: sql.Composable = sql.SQL(_type(part.type))
            if part.name == geometry:
                kind = sql.SQL("{}.geometry").format(sql.Identifier(self.postgis))
                if shape is not None:
                    kind += sql.SQL(f"({shape}, {srid})")
            columns.append(sql.SQL("{} {}").format(sql.Identifier(part.name), kind))
        self._execute("CREATE TABLE {} ({})", place, sql.SQL(", ").join(columns))

        rows, nulls = self._copy(place, sheet, geometry)
        if geometry and shape is None and srid:  # with and without heights, which no type holds
            self._execute(
                "ALTER TABLE {0} ALTER {1} TYPE {2}.geometry USING {2}.ST_SetSRID({1}, {3}),"
                " ADD CHECK ({2}.ST_SRID({1}) = {3})",
                place,
                sql.Identifier(geometry),
                sql.Identifier(self.postgis),
                sql.Literal(srid),
            )
        self._index(place, staged, sheet, fid, geometry)
        self._comment(place, sheet, fid)
        self._execute("ANALYZE {}", place)
        self._check(place, name, geometry, rows, nulls)
        there = _columns(self.connection, self.schema, staged)
        return Written(name, rows, _digest(self.connection, place, there))

    def _copy(self, place: sql.Composable, sheet: Sheet, geometry: str | None) -> tuple[int, int]:
        """Send the rows as CSV; return how many, and how many without geometry."""
        from psycopg import sql

        multi = sheet.info is not None and sheet.info.geometry_type.startswith("Multi")
        rows = nulls = 0
        statement = sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(place)
        with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            for batch in sheet.table.to_batches(max_chunksize=_ROWS):
                fids = pa.array(np.arange(rows + 1, rows + len(batch) + 1, dtype=np.int32))
                columns = [fids]
                for part, column in zip(batch.schema, batch.columns, strict=True):
                    if part.name == geometry:
                        nulls += column.null_count
                        columns.append(_hex(promote(column) if multi else column))
                    else:
                        columns.append(_sent(column))
                copy.write(_csv(columns))
                rows += len(batch)
        return rows, nulls

    def _index(
        self, place: sql.Composable, staged: str, sheet: Sheet, fid: str, geometry: str | None
    ) -> None:
        from psycopg import sql

        key, subject, spatial = (sql.Identifier(staged + ending) for ending in _INDEXES)
        self._execute(
            "ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY ({})", place, key, sql.Identifier(fid)
        )
        if sheet.info is not None and geometry is not None:
            self._execute(
                "CREATE UNIQUE INDEX {} ON {} ({})",
                subject,
                place,
                sql.Identifier(sheet.info.one("id")),
            )
            self._execute(
                "CREATE INDEX {} ON {} USING gist ({})", spatial, place, sql.Identifier(geometry)
            )

    def _comment(self, place: sql.Composable, sheet: Sheet, fid: str) -> None:
        from psycopg import sql

        self._execute("COMMENT ON TABLE {} IS {}", place, sql.Literal(sheet.comment))
        if sheet.info is not None:
            said = {c.name: _about(c, sheet.info) for c in sheet.info.columns}
        else:
            said = {name: _HEADINGS[name] for name in sheet.table.column_names}
        for name, text in {fid: "序号（与输入顺序一致）", **said}.items():
            self._execute(
                "COMMENT ON COLUMN {}.{} IS {}", place, sql.Identifier(name), sql.Literal(text)
            )

    def _check(
        self, place: sql.Composable, name: str, geometry: str | None, rows: int, nulls: int
    ) -> None:
        from psycopg import sql

        counted = sql.SQL("count({})").format(sql.Identifier(geometry)) if geometry else None
        query = sql.SQL("SELECT count(*), {} FROM {}").format(counted or sql.SQL("count(*)"), place)
        there = self.connection.execute(query).fetchone()
        if there != (rows, rows - nulls):
            raise OutputError(
                Problem(
                    f"{shown(self.target)}, {name}",
                    Text(
                        f"写入 {rows} 条（空图形 {nulls}），库中为 {there}。",
                        f"{rows} records ({nulls} without geometry) were sent, {there} are there.",
                    ),
                    Text(
                        "这是程序错误，请报告此问题。",
                        "This is a fault of the program; please report it.",
                    ),
                )
            )

    # --- around them --------------------------------------------------------------------------

    def _execute(self, statement: str, *parts: sql.Composable) -> None:
        from psycopg import sql

        self.connection.execute(sql.SQL(statement).format(*parts))

    def _refuse_long_names(self, sheets: Sequence[Sheet]) -> None:
        """PostgreSQL would cut them, and two might become one."""
        names = [_table_name(self.name, sheet.suffix) + _INDEXES[0] for sheet in sheets]
        names += [column for sheet in sheets for column in sheet.table.column_names]
        long = [name for name in names if len(name.encode()) > LONGEST_NAME]
        if long:
            raise AddressError(
                Text(f"名称太长：{'、'.join(long)}。", f"Names are too long: {', '.join(long)}."),
                Text(
                    f"PostgreSQL 的名称最多 {LONGEST_NAME} 字节（21 个汉字）；请换短的表名或列名。",
                    f"PostgreSQL's have at most {LONGEST_NAME} bytes; choose shorter ones.",
                ),
            )

    def _srid(self, crs: str) -> int:
        """Return the database's number of a system; 0 where it has none."""
        from psycopg import sql
        from pyproj import CRS

        system = CRS.from_user_input(crs)
        authority, _, code = crs.partition(":")
        if crs == "OGC:CRS84":
            authority, code = "EPSG", "4326"
        elif authority != "EPSG" or not code.isdecimal():
            authority, code = "EPSG", str(system.to_epsg() or 0)
        query = sql.SQL(
            "SELECT srid FROM {}.spatial_ref_sys WHERE auth_name = %s AND auth_srid = %s"
            " OR srtext = %s ORDER BY srid LIMIT 1"
        ).format(sql.Identifier(self.postgis))
        row = self.connection.execute(query, (authority, int(code), crs)).fetchone()
        return 0 if row is None else int(row[0])

    def _granted(self) -> list[tuple[str, str | None, str]]:
        """Return who may do what with the earlier tables: (table, role or None for all, what)."""
        rows = self.connection.execute(
            "SELECT c.relname, r.rolname, a.privilege_type FROM pg_catalog.pg_class c"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,"
            " pg_catalog.aclexplode(c.relacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee"
            " WHERE n.nspname = %s AND c.relname = ANY (%s) AND a.grantee <> c.relowner"
            " ORDER BY 1, 2, 3",
            (self.schema, _earlier_tables(self.connection, self.schema, self.name)),
        )
        return [(str(name), role, str(privilege)) for name, role, privilege in rows.fetchall()]


@contextmanager
def _refusals(target: str) -> Iterator[None]:
    """Turn what a database refuses into an error of the output's."""
    try:
        yield
    except AddressError as error:
        raise OutputError(Problem(shown(target), error.what, error.fix)) from error


def _target(target: str) -> Address:
    try:
        address = address_of(target)
        if address.table is None:
            raise AddressError(
                Text("没有写明结果表的名称。", "does not name the table of the results."),
                Text("请在地址后加 ?table=模式.表名。", "Add ?table=SCHEMA.NAME to the address."),
            )
    except AddressError as error:
        raise OutputError(Problem(shown(target), error.what, error.fix)) from error
    return address


def _schema(connection: psycopg.Connection[Any], address: Address) -> str:
    row = connection.execute(
        "SELECT nspname FROM pg_catalog.pg_namespace"
        " WHERE nspname = coalesce(%s, current_schema()::text)",
        (address.schema,),
    ).fetchone()
    if row is None:
        there = connection.execute(
            "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_'"
            " AND nspname <> 'information_schema' ORDER BY 1"
        ).fetchall()
        names = [str(name) for (name,) in there]
        raise AddressError(
            Text(f"没有模式“{address.schema}”。", f'There is no schema "{address.schema}".'),
            Text(
                f"请先建立（CREATE SCHEMA），或用现有的：{'、'.join(names)}。",
                f"Create it first (CREATE SCHEMA), or use one of: {', '.join(names)}.",
            ),
        )
    return str(row[0])


def _earlier(
    connection: psycopg.Connection[Any], address: Address, overwrite: bool, *, lock: bool = False
) -> str:
    """Return the schema to write into; refuse it if something is in the way or not allowed."""
    if postgis_of(connection) is None:
        raise AddressError(
            Text("数据库没有安装 PostGIS。", "The database has no PostGIS."),
            Text("请运行 CREATE EXTENSION postgis。", "Run CREATE EXTENSION postgis."),
        )
    schema, name = _schema(connection, address), str(address.table)
    if lock:
        alone = connection.execute(
            "SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended(%s, 5))",
            (f"geo-urc {schema}.{name}",),
        ).fetchone()
        if alone != (True,):
            raise AddressError(
                Text("另一次运行正在写入这些表。", "Another run is writing these tables."),
                Text("等它结束，或另选表名。", "Wait until it ends, or choose another name."),
            )
    allowed = connection.execute(
        "SELECT pg_catalog.has_schema_privilege(%s, 'CREATE')", (schema,)
    ).fetchone()
    if allowed != (True,):
        raise AddressError(
            Text(
                f"没有在模式“{schema}”中建表的权限。", f'No right to create in schema "{schema}".'
            ),
            Text("请让管理员授权（GRANT CREATE）。", "Have the administrator GRANT CREATE on it."),
        )
    ours = _earlier_tables(connection, schema, name)
    if ours and not overwrite:
        raise AddressError(
            Text(
                f"表“{schema}.{name}”已有以前的结果。", f'"{schema}.{name}" holds earlier results.'
            ),
            Text(
                "请另选表名，或加 --overwrite 替换。",
                "Choose another name, or replace them with --overwrite.",
            ),
        )
    there = connection.execute(
        "SELECT c.relname FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = ANY (%s) AND c.relname <> ALL (%s)",
        (schema, [_table_name(name, suffix) for suffix in _ALWAYS], ours),
    ).fetchone()
    if there is not None:
        raise AddressError(
            Text(
                f"“{schema}.{there[0]}”不是本程序以前的结果，不予覆盖。",
                f'"{schema}.{there[0]}" is not an earlier result and is kept.',
            ),
            Text("请另选表名。", "Choose another name."),
        )
    return schema


def _earlier_tables(connection: psycopg.Connection[Any], schema: str, name: str) -> list[str]:
    """Return the tables of earlier results of this name, by the run record beside them."""
    from psycopg import sql

    run = _table_name(name, RUN)
    if RUN not in [column for column, _ in _columns(connection, schema, run)]:
        return []
    query = sql.SQL("SELECT run FROM {}").format(sql.Identifier(schema, run))
    row = connection.execute(query).fetchone()
    try:
        tables = json.loads(row[0])["postgis"]["tables"] if row else []
        return [*(str(table["table"]) for table in tables), run]
    except (ValueError, LookupError, TypeError):
        return []


def _table_name(name: str, suffix: str) -> str:
    return f"{name}_{suffix}" if suffix else name


def _columns(connection: psycopg.Connection[Any], schema: str, table: str) -> list[tuple[str, str]]:
    """Return name and type of the columns of a table, nothing if it is not there."""
    rows = connection.execute(
        "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)"
        " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p')"
        " AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        (schema, table),
    )
    return [(str(name), str(type_)) for name, type_ in rows.fetchall()]


def _digest(
    connection: psycopg.Connection[Any], place: sql.Composable, columns: list[tuple[str, str]]
) -> str:
    """Return the SHA-256 of a table: names, types, and rows in the order of the first column."""
    from psycopg import sql

    digest = hashlib.sha256(repr(columns).encode())
    statement = sql.SQL("COPY (SELECT * FROM {} ORDER BY {}) TO STDOUT (FORMAT csv)").format(
        place, sql.Identifier(columns[0][0])
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        lines = iter(copy)
        while taken := list(islice(lines, _ROWS)):
            digest.update(b"".join(taken))
    return digest.hexdigest()


def _about(column: Column, info: LayerInfo) -> str:
    """Return the comment on a column."""
    title = column_title(column, "zh")
    if column.origin == "user":
        return f"输入列：{title}"
    rule = next((rule for rule in info.rules if rule.id == column.rule), None)
    said = title if rule is None else f"{title}：{rule.title.zh}"
    if column.part == "verdict":
        words = "，".join(f"{word} {label.zh}" for word, label in LABELS.items())
        said = f"{said}（{words}）"
    return said


def _shape_of(sheet: Sheet, geometry: str) -> str | None:
    """Return PostGIS's type that holds all geometries of a table; None with mixed dimensions."""
    assert sheet.info is not None
    kinds, dimensions = set[int](), set[str]()
    for wkb in sheet.table.column(geometry).chunks:
        for head in pc.unique(pc.binary_slice(wkb, 0, 5)).drop_null().to_pylist():
            code = int.from_bytes(head[1:], "little" if head[0] else "big")
            thousands, kind = divmod(code & 0xFFFF, 1000)
            z = bool(code & 0x80000000) or thousands in (1, 3)
            m = bool(code & 0x40000000) or thousands in (2, 3)
            kinds.add(kind)
            dimensions.add("Z" * z + "M" * m)
    declared = sheet.info.geometry_type
    multi = declared.startswith("Multi")
    found = {
        _KINDS[k + 3] if multi and k in (1, 2, 3) else _KINDS[k] if k < 8 else "" for k in kinds
    }
    kind_name = declared if declared in _KINDS and found <= {declared} else "Geometry"
    return None if len(dimensions) > 1 else kind_name + "".join(dimensions)


def _type(given: pa.DataType) -> str:
    """Return PostgreSQL's type for a column of an Arrow type."""
    if pa.types.is_dictionary(given):
        return _type(given.value_type)
    if pa.types.is_decimal(given):
        return f"numeric({given.precision}, {max(given.scale, 0)})"
    if pa.types.is_timestamp(given):
        return "timestamp with time zone" if given.tz else "timestamp without time zone"
    if pa.types.is_binary(given) or pa.types.is_large_binary(given):
        return "bytea"
    return _TYPES.get(given, "text")


_TYPES: Mapping[pa.DataType, str] = {
    pa.bool_(): "boolean",
    pa.int8(): "smallint",
    pa.uint8(): "smallint",
    pa.int16(): "smallint",
    pa.uint16(): "integer",
    pa.int32(): "integer",
    pa.uint32(): "bigint",
    pa.int64(): "bigint",
    pa.uint64(): "numeric(20)",
    pa.float16(): "real",
    pa.float32(): "real",
    pa.float64(): "double precision",
    pa.date32(): "date",
    pa.date64(): "date",
    pa.time32("s"): "time",
    pa.time32("ms"): "time",
    pa.time64("us"): "time",
}


def _sent(column: pa.Array) -> pa.Array:
    """Return a column as CSV can hold it."""
    if pa.types.is_dictionary(column.type):
        return _sent(column.dictionary_decode())
    if _type(column.type) == "bytea":
        return pc.binary_join_element_wise(pa.scalar("\\x"), _hex(column), "")
    if pa.types.is_nested(column.type):
        rows = (v and json.dumps(v, ensure_ascii=False, default=str) for v in column.to_pylist())
        return pa.array(rows, pa.string())
    if _type(column.type) == "text":
        return pc.replace_substring(column.cast(pa.string()), "\0", "\u2400")
    return column


def _hex(column: pa.Array) -> pa.StringArray:
    r"""Return bytes as hexadecimal text, null as null.

    Examples
    --------
    >>> _hex(pa.array([b"\x00\xff", None, b"", b"A"])).to_pylist()
    ['00ff', None, '', '41']
    """
    column = column.cast(pa.binary())
    if not len(column) or column.null_count == len(column):
        return pa.nulls(len(column), pa.string())
    _, offsets, data = column.buffers()
    places = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    text = binascii.hexlify(memoryview(data)[places[0] : places[-1]])
    starts = ((places - places[0]).astype(np.int64) * 2).astype(np.int32)
    valid = None if not column.null_count else column.is_valid().buffers()[1]
    return pa.StringArray.from_buffers(len(column), pa.py_buffer(starts), pa.py_buffer(text), valid)


def _csv(columns: Sequence[pa.Array]) -> memoryview:
    """Return columns as CSV in which a null is empty and an empty text is quoted."""
    import pyarrow.csv as csv

    names = [str(i) for i in range(len(columns))]
    sink = io.BytesIO()
    options = csv.WriteOptions(include_header=False, batch_size=_ROWS)
    csv.write_csv(pa.record_batch(columns, names=names), sink, options)
    return sink.getbuffer()
