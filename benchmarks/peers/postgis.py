"""PostGIS: python postgis.py CITY OUT FORMAT, with POSTGRES_URI set to an empty database.

Tables go in and come out as Arrow over PostgreSQL's binary COPY.
"""

from phases import LAYERS, PHASES  # isort: skip

import os
import sys
from pathlib import Path

import adbc_driver_postgresql.dbapi as postgresql
import pyarrow as pa
import pyarrow.parquet as pq
from pyogrio.raw import open_arrow, write_arrow

STEPS = Path(__file__).with_suffix(".sql")
AT_ONCE = 65_536


def main() -> None:
    city, out, format_ = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    uri = os.environ["POSTGRES_URI"]
    with postgresql.connect(uri, autocommit=True) as connection, connection.cursor() as ask:
        ask.execute("DROP SCHEMA IF EXISTS city CASCADE")
        ask.execute("CREATE SCHEMA city")
        ask.execute("SET search_path TO city, public")
        PHASES.phase("connect")
        for name in LAYERS:
            take_in(ask, name, city / f"{name}.{format_}")
        ask.execute("ANALYZE")
        PHASES.phase("read")
        for block in STEPS.read_text("utf-8").split("-- step: ")[1:]:
            name, _, statements = block.partition("\n")
            for statement in statements.split(";\n"):
                if statement.strip():
                    ask.execute(statement)
            PHASES.step(name)
        PHASES.phase("evaluate")
        for name in ("parcels", "greens", "underground"):
            hand_out(ask, name, out / f"{name}.{format_}")
        PHASES.phase("write")
    PHASES.tell()


def take_in(ask: postgresql.Cursor, name: str, path: Path) -> None:
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow.remove_metadata()
            batches = (batch.cast(schema) for batch in file.iter_batches(AT_ONCE))
            reader = pa.RecordBatchReader.from_batches(schema, batches)
            ask.adbc_ingest(f"{name}_wkb", reader, mode="create")
        column = "geometry"
    else:
        with open_arrow(path, batch_size=AT_ONCE, use_pyarrow=True) as (info, reader):
            column = info["geometry_name"] or "wkb_geometry"
            ask.adbc_ingest(f"{name}_wkb", plain(reader), mode="create")
    ask.execute(
        f"CREATE UNLOGGED TABLE {name} AS SELECT t.*, ST_GeomFromWKB({column}, 4548) AS place "
        f"FROM {name}_wkb t"
    )
    ask.execute(f"ALTER TABLE {name} DROP COLUMN {column}")
    ask.execute(f"ALTER TABLE {name} RENAME COLUMN place TO geometry")
    ask.execute(f"DROP TABLE {name}_wkb")
    ask.execute(f"CREATE INDEX ON {name} USING gist (geometry)")


def plain(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Return the batches without what Arrow's extension types say of the geometry."""
    fields = [
        pa.field(
            f.name, f.type.storage_type if isinstance(f.type, pa.BaseExtensionType) else f.type
        )
        for f in reader.schema
    ]
    schema = pa.schema(fields)

    def batches():
        for batch in reader:
            columns = [c.storage if isinstance(c, pa.ExtensionArray) else c for c in batch.columns]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def hand_out(ask: postgresql.Cursor, name: str, path: Path) -> None:
    path.unlink(missing_ok=True)
    ask.execute(f"SELECT * FROM {name}_out")
    reader = ask.fetch_record_batch()
    if path.suffix == ".parquet":
        with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)
    else:
        write_arrow(
            reader,
            path,
            layer=name,
            driver="GPKG",
            geometry_name="geometry",
            geometry_type="Unknown",
            crs="EPSG:4548",
        )


if __name__ == "__main__":
    main()
