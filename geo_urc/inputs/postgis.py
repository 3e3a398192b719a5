"""A table or view of a PostGIS database, copied once into a file that is read batch by batch."""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from geo_urc.database import Address, AddressError, address_of, connected, refusal
from geo_urc.inputs.sources import Records, Request, Source
from geo_urc.inputs.suggest import suggestion
from geo_urc.text import Text

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

_ROWS = 32_768
_BYTES = 1 << 27
"""A batch ends here even if it has fewer rows: some outlines are megabytes."""
_LISTED = 40
_SHAPES = ("geometry", "geography")
_TYPES = {
    "bool": pa.bool_(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "oid": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "numeric": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "bytea": pa.binary(),
}
"""PostgreSQL's type → Arrow's; every other type is handed on as the text that it has there."""
_FITS = {
    "numeric": "bool_and({0} IS NULL OR CASE WHEN {0} = 0 OR abs({0}) BETWEEN 1e-300 AND 1e300"
    " THEN {0}::float8::numeric = {0} ELSE {0} = 'NaN' END)",
    "date": "bool_and({0} IS NULL OR {0} BETWEEN '0001-01-01' AND '9999-12-31')",
}
_FITS["timestamp"] = _FITS["timestamptz"] = _FITS["date"]
"""Whether all values of a column survive the type in ``_TYPES``: a numeric in a double, a date
without infinity and years before ours. Where one does not, the column is handed on as text."""
_TABLE = """
SELECT c.oid, n.nspname, c.relname, c.relkind, pg_catalog.row_security_active(c.oid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname = %s
AND CASE WHEN %s::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)
         ELSE n.nspname = %s END
"""
_COLUMNS = """
WITH RECURSIVE base AS (
    SELECT a.attnum, a.attname, a.atttypmod, t.oid, t.typname, t.typbasetype, t.typnamespace,
           t.typtypmod
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT b.attnum, b.attname, b.typtypmod, t.oid, t.typname, t.typbasetype, t.typnamespace,
           t.typtypmod
    FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.typbasetype
)
SELECT b.attname, b.typname, n.nspname, b.atttypmod
FROM base b JOIN pg_catalog.pg_namespace n ON n.oid = b.typnamespace
WHERE b.typbasetype = 0 ORDER BY b.attnum
"""
_KEY = """
SELECT (SELECT array_agg(a.attname::text ORDER BY k.place)
        FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (number, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
        WHERE k.place <= i.indnkeyatts)
FROM pg_catalog.pg_index i
WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
AND i.indexprs IS NULL
AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid
                AND a.attnum = ANY (i.indkey::int2[]) AND NOT a.attnotnull)
ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1
"""
_ALL_TABLES = """
SELECT DISTINCT n.nspname, c.relname, t.typname IS NOT NULL
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid AND t.typname IN ('geometry', 'geography')
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_'
AND n.nspname <> 'information_schema'
AND (t.typname IS NOT NULL OR %s) AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
AND c.relname NOT IN ('geometry_columns', 'geography_columns', 'spatial_ref_sys')
ORDER BY 1, 2
"""


class _Column(NamedTuple):
    name: str
    type: str
    """Of a domain the type below it."""
    home: str
    """Schema of the type; of a geometry that of PostGIS."""
    modifier: int

    @property
    def shaped(self) -> bool:
        return self.type in _SHAPES and self.home != "pg_catalog"

    @property
    def arrow(self) -> pa.DataType:
        known = _TYPES if self.home == "pg_catalog" else {}
        return known.get(self.type, pa.string())


class _Table(NamedTuple):
    """A table as the database describes it."""

    oid: int
    schema: str
    name: str
    kind: str
    guarded: bool
    """Whether a policy hides rows from this user."""
    columns: tuple[_Column, ...]
    shape: _Column | None

    @property
    def identifier(self) -> sql.Identifier:
        from psycopg import sql

        return sql.Identifier(self.schema, self.name)


def open_postgis(request: Request) -> Source:
    """Open a table, a view or the like by its address.

    All rows are copied at once, in one state of the database, into a temporary file: what is
    read from then on cannot change, and the database is not kept waiting. What stands for the
    SHA-256 of a file is that of the names, types and values read, in their order.

    Rows come in the order of the primary key or another key without gaps. Without one those
    of a table come in the order in which they are stored, those of a view ordered by all columns.

    Raises
    ------
    LayerError
        If the database cannot be reached or read, the table is not there, or is not usable
        as described.
    """
    try:
        address = address_of(request.path)
        if request.x is not None or request.y is not None:
            raise AddressError(
                Text("x、y 只用于 CSV 文本。", "is not CSV text, so x and y do not apply."),
                Text("请删去 x 和 y。", "Remove x and y."),
            )
        with connected(address, reading=True) as connection:
            return _copied(connection, address, request)
    except AddressError as error:
        raise request.fault(error.what, error.fix) from error


def _copied(connection: psycopg.Connection[Any], address: Address, request: Request) -> Source:
    table = _table(connection, address, request)
    if request.where is not None:
        _try_condition(connection, table, request.where)
    crs, notes = _system(connection, table, request.where)
    schema, said = _schema(connection, table, request.where)
    notes += said
    if table.guarded:
        notes.append(
            Text(
                "受行级安全策略限制，只读到允许这个用户看的记录。",
                "has row-level security: only the records that this user may see are read.",
            )
        )
    order, said = _order(connection, table)
    notes += said
    folder = TemporaryDirectory(prefix="geo_urc-")
    path = Path(folder.name) / "rows.arrow"
    statement = _statement(table, schema, request.where, order)
    digest = _spool(connection, statement, schema, path)
    names = schema.names

    def records(rows: int, columns: Sequence[str] | None) -> Iterator[Records]:
        wanted = names if columns is None else list(columns)
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as batches:
            for batch in batches:
                yield Records(batch.select(wanted), batch.column(len(names)))

    return Source(
        path=address.shown,
        driver="PostgreSQL",
        crs=crs,
        schema=schema,
        records=records,
        sha256={f"{table.schema}.{table.name}": digest},
        notes=tuple(notes),
        placeless=table.shape is None,
        keep=folder,
    )


def _table(connection: psycopg.Connection[Any], address: Address, request: Request) -> _Table:
    """Return the table that the address names, with its one geometry column."""
    if address.table is None:
        what = Text("地址没有写明表。", "The address names no table.")
        raise AddressError(what, _tables_there(connection, "", request))
    found = connection.execute(_TABLE, (address.table, address.schema, address.schema)).fetchone()
    if found is None:
        name = ".".join(filter(None, (address.schema, address.table)))
        what = Text(f"没有表“{name}”。", f'There is no table "{name}".')
        raise AddressError(what, _tables_there(connection, name, request))
    oid, schema, name, kind, guarded = found
    columns = tuple(_Column(*row) for row in connection.execute(_COLUMNS, (oid,)))
    shapes = {column.name: column for column in columns if column.shaped}
    shape = None
    if address.geometry is not None and address.geometry not in shapes:
        what = Text(
            f"没有图形列“{address.geometry}”。", f'has no geometry column "{address.geometry}".'
        )
        raise AddressError(what, suggestion(address.geometry, shapes))
    if shapes:
        if address.geometry is None and len(shapes) > 1:
            what = Text(
                f"有多个图形列：{'、'.join(shapes)}。",
                f"has several geometry columns: {', '.join(shapes)}.",
            )
            fix = Text("请在地址后加 &geometry=列名。", "Add &geometry=COLUMN to the address.")
            raise AddressError(what, fix)
        shape = shapes[address.geometry or next(iter(shapes))]
    elif not request.table_will_do:
        what = Text("没有图形列。", "has no geometry column.")
        raise AddressError(what, _tables_there(connection, f"{schema}.{name}", request))
    rest = tuple(column for column in columns if column is not shape)
    return _Table(oid, schema, name, kind, guarded, rest, shape)


def _tables_there(connection: psycopg.Connection[Any], name: str, request: Request) -> Text:
    """Return which tables could be meant."""
    rows = connection.execute(_ALL_TABLES, (request.table_will_do,)).fetchall()
    tables = [f"{schema}.{table}" for schema, table, _ in rows]
    if not tables:
        return Text(
            "这个用户看不到有图形的表；请核对数据库和权限。",
            "No table with a geometry can be seen by this user; check database and rights.",
        )
    told = suggestion(name, tables[:_LISTED])
    more = len(tables) - _LISTED
    if more > 0:
        told = Text(f"{told.zh}另有 {more} 个。", f"{told.en} And {more} more.")
    return told


def _filter(where: str | None) -> sql.Composable:
    """Return the user's condition, closed off by a line end in case that it ends in a comment."""
    from psycopg import sql

    if where is None:
        return sql.SQL("")
    return sql.SQL(" WHERE (") + sql.SQL(where) + sql.SQL("\n)")


def _try_condition(connection: psycopg.Connection[Any], table: _Table, where: str) -> None:
    """Refuse a condition that cannot be carried out, or that is more than a condition.

    A prepared statement is a single one, so nothing can follow; the transaction only reads.
    """
    import psycopg
    from psycopg import sql

    query = (
        sql.SQL("SELECT FROM {}").format(table.identifier) + _filter(where) + sql.SQL(" LIMIT 0")
    )
    try:
        with connection.transaction():
            connection.execute(query, prepare=True)
    except psycopg.Error as error:
        if connection.broken or isinstance(error, psycopg.errors.InsufficientPrivilege):
            raise
        why = refusal(error)[0]
        names = [column.name for column in table.columns]
        raise AddressError(
            Text(f"where 无法执行：{why.zh}", f"where cannot be carried out: {why.en}"),
            Text(
                f"请改正条件（可用列：{'、'.join(names)}）。",
                f"Correct the condition (columns: {', '.join(names)}).",
            ),
        ) from error


def _system(
    connection: psycopg.Connection[Any], table: _Table, where: str | None
) -> tuple[str | None, list[Text]]:
    """Return the system of the geometry, None where the database does not know it."""
    from psycopg import sql

    if table.shape is None:
        return None, []
    within = sql.Identifier(table.shape.home)
    declared = connection.execute(
        sql.SQL("SELECT {}.postgis_typmod_srid(%s)").format(within), (table.shape.modifier,)
    ).fetchone()
    found: list[int] = [*(declared or (0,))]
    if not found[0] and table.shape.type == "geography":
        found = [4326]
    elif not found[0]:
        query = sql.SQL("SELECT DISTINCT {0}.ST_SRID({1}) FROM {2}").format(
            within, sql.Identifier(table.shape.name), table.identifier
        )
        rows = connection.execute(query + _filter(where), prepare=True).fetchall()
        found = sorted(srid for (srid,) in rows if srid is not None)
    if len(found) > 1:
        codes = [str(srid) for srid in found]
        raise AddressError(
            Text(f"图形有多个 SRID：{'、'.join(codes)}。", f"mixes SRIDs: {', '.join(codes)}."),
            Text(
                "请用 ST_Transform 统一（可建视图），或用 where 只取一种。",
                "Bring them together with ST_Transform (in a view), or choose one with where.",
            ),
        )
    if not found or not found[0]:
        return None, []
    row = connection.execute(
        sql.SQL(
            "SELECT auth_name, auth_srid, srtext FROM {}.spatial_ref_sys WHERE srid = %s"
        ).format(within),
        (found[0],),
    ).fetchone()
    if row is None:
        text = Text(
            f"SRID {found[0]} 不在 spatial_ref_sys 中，视为没有坐标系。",
            f"has the SRID {found[0]}, which is not in spatial_ref_sys; taken as no system.",
        )
        return None, [text]
    authority, code, wkt = row
    return (f"EPSG:{code}" if authority == "EPSG" and code else wkt), []


def _schema(
    connection: psycopg.Connection[Any], table: _Table, where: str | None
) -> tuple[pa.Schema, list[Text]]:
    """Return the columns' Arrow types: text where a value would not survive a nearer one."""
    from psycopg import sql

    doubtful = [c for c in table.columns if c.type in _FITS and c.arrow != pa.string()]
    fits: tuple[bool | None, ...] = ()
    if doubtful:
        tests = [
            sql.SQL(_FITS[column.type]).format(sql.Identifier(column.name)) for column in doubtful
        ]
        query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(tests), table.identifier)
        row = connection.execute(query + _filter(where), prepare=True).fetchone()
        fits = row or ()
    as_text = {
        column.name for column, all_fit in zip(doubtful, fits, strict=True) if all_fit is False
    }
    fields = [
        pa.field(column.name, pa.string() if column.name in as_text else column.arrow)
        for column in table.columns
    ]
    notes = []
    if as_text:
        names = [column.name for column in table.columns if column.name in as_text]
        notes.append(
            Text(
                f"{'、'.join(names)} 的数值位数或日期超出常用类型，按文字原样保留。",
                f"{', '.join(names)}: numbers or dates that no common type holds are kept as text.",
            )
        )
    return pa.schema(fields), notes


def _order(connection: psycopg.Connection[Any], table: _Table) -> tuple[sql.Composable, list[Text]]:
    """Return what rows are ordered by, so that the same table is read in the same order."""
    from psycopg import sql

    key = connection.execute(_KEY, (table.oid,)).fetchone()
    if key is not None:
        return sql.SQL(", ").join(sql.Identifier(name) for name in key[0]), []
    if table.kind in "rpm":
        text = Text(
            "没有主键，按存放顺序读取；表有改动后顺序可能变化。",
            "has no primary key; read in the order of storage, which may change with the table.",
        )
        return sql.SQL("tableoid, ctid"), [text]
    text = Text(
        "没有主键（视图），按各列的值排序读取。",
        "has no primary key (a view); ordered by its columns.",
    )
    parts: list[sql.Composable] = [
        sql.Identifier(column.name)
        if column.arrow != pa.string()
        else sql.SQL("{}::text").format(sql.Identifier(column.name))
        for column in table.columns
    ]
    if table.shape is not None:
        parts.append(sql.SQL("{}::text").format(sql.Identifier(table.shape.name)))
    return sql.SQL(", ").join(parts), [text]


def _statement(
    table: _Table, schema: pa.Schema, where: str | None, order: sql.Composable
) -> sql.Composable:
    """Return the query for all columns in the order of the schema, and last the WKB."""
    from psycopg import sql

    values: list[sql.Composable] = []
    for field in schema:
        name = sql.Identifier(field.name)
        if pa.types.is_binary(field.type):
            values.append(sql.SQL("pg_catalog.encode({}, 'hex')").format(name))
        elif pa.types.is_string(field.type):
            values.append(sql.SQL("{}::text").format(name))
        else:
            values.append(name)
    if table.shape is None:
        values.append(sql.SQL("NULL::text"))
    else:
        shape = [sql.Identifier(part) for part in (table.shape.home, table.shape.name)]
        values.append(
            sql.SQL("pg_catalog.encode({0}.ST_AsBinary({1}::{0}.geometry, 'NDR'), 'hex')").format(
                *shape
            )
        )
    return (
        sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(values), table.identifier)
        + _filter(where)
        + sql.SQL(" ORDER BY ")
        + order
    )


def _spool(
    connection: psycopg.Connection[Any], query: sql.Composable, schema: pa.Schema, path: Path
) -> str:
    """Copy the rows of a query into an Arrow stream; return the SHA-256 of what came.

    The server sends CSV, which Arrow takes apart by columns; only the cutting into batches is
    done row by row.
    """
    from psycopg import sql

    digest = hashlib.sha256(repr([(f.name, str(f.type)) for f in schema]).encode())
    sent = [f.with_name(str(i)) for i, f in enumerate([*schema, pa.field("", pa.binary())])]
    given = pa.schema([*schema, pa.field("wkb", pa.binary())])
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(query)
    rows = 0
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, given) as writer:
        cursor = connection.cursor()
        with cursor.copy(statement) as copy:
            for lines in _runs(copy.__iter__()):
                digest.update(lines)
                arrays = _parsed(lines, sent)
                rows += len(arrays[-1])
                writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=given))
    if rows != cursor.rowcount:
        raise AddressError(
            Text(
                f"库中有 {cursor.rowcount} 条，读到 {rows} 条。",
                f"has {cursor.rowcount} records, of which {rows} were read.",
            ),
            Text(
                "这是程序错误，请报告此问题。", "This is a fault of the program; please report it."
            ),
        )
    return digest.hexdigest()


def _runs(rows: Iterator[bytes | bytearray | memoryview]) -> Iterator[bytes]:
    """Yield the lines of about a batch at a time."""
    while True:
        taken, size = [], 0
        for row in islice(rows, _ROWS):
            taken.append(row)
            size += len(row)
            if size > _BYTES:
                break
        if not taken:
            return
        yield b"".join(taken)


def _parsed(lines: bytes, fields: Sequence[pa.Field]) -> list[pa.Array]:
    """Return the columns of CSV; what PostgreSQL leaves unquoted and empty is null."""
    import pyarrow.csv as csv

    names = [field.name for field in fields]
    hexes = [pa.types.is_binary(field.type) for field in fields]
    types = {
        field.name: pa.string() if is_hex else field.type
        for field, is_hex in zip(fields, hexes, strict=True)
    }
    table = csv.read_csv(
        pa.BufferReader(lines),
        csv.ReadOptions(column_names=names, block_size=len(lines) + 1, use_threads=False),
        csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    columns = [table.column(name).combine_chunks() for name in names]
    return [
        _from_hex(column) if is_hex else column
        for column, is_hex in zip(columns, hexes, strict=True)
    ]


def _from_hex(text: pa.StringArray) -> pa.BinaryArray:
    r"""Return the bytes that hexadecimal text stands for, null for null.

    Examples
    --------
    >>> _from_hex(pa.array(["00ff", None, "", "41"])).to_pylist()
    [b'\x00\xff', None, b'', b'A']
    """
    if not len(text) or text.null_count == len(text):
        return pa.nulls(len(text), pa.binary())
    validity, offsets, data = text.buffers()
    places = np.frombuffer(offsets, np.int32)[text.offset : text.offset + len(text) + 1]
    raw = binascii.unhexlify(memoryview(data)[places[0] : places[-1]])
    starts = ((places - places[0]) // 2).astype(np.int32)
    if text.offset and validity is not None:
        validity = text.is_valid().buffers()[1]
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(text), [validity, pa.py_buffer(starts), pa.py_buffer(raw)]
    )
