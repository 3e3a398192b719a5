"""The floor: the parcels read and written again, nothing computed. Two of them.

python floor.py CITY OUT FORMAT          the parcels' table as it is
python floor.py CITY OUT FORMAT RESULT   with the columns of RESULT, the parcels as geo_urc wrote them

For the second, the columns that RESULT has beyond the parcels' own are read of its first rows, and handed
out over and over again: the table written has the same columns of the same types and as many bytes, and
none of it was computed.
"""

from phases import PHASES  # isort: skip

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyogrio.raw import open_arrow, read_arrow, write_arrow

AT_ONCE = 65_536
GEOMETRY = ("geometry", "geom", "wkb_geometry")


def main() -> None:
    city, out, format_, *result = sys.argv[1:]
    target = Path(out) / f"parcels.{format_}"
    target.unlink(missing_ok=True)
    copy = {"gpkg": copy_gpkg, "parquet": copy_parquet}[format_]
    copy(Path(city) / f"parcels.{format_}", target, Path(result[0]) if result else None)
    PHASES.phase("read and write")
    PHASES.tell()


def copy_gpkg(source: Path, target: Path, result: Path | None) -> None:
    more, key = None, "fid"
    if result is not None:
        told, more = read_arrow(result, layer="parcels", max_features=AT_ONCE, read_geometry=False)
        key = told["fid_column"]
    with open_arrow(source, batch_size=AT_ONCE, use_pyarrow=True) as (info, reader):
        name = info["geometry_name"] or "wkb_geometry"
        write_arrow(
            widened(reader.schema, reader, more),
            target,
            layer="parcels",
            driver="GPKG",
            geometry_name=name,
            geometry_type=info["geometry_type"],
            FID=key,  # a result that keeps the parcels' own fid has another name for its key
            crs=info["crs"],
        )


def copy_parquet(source: Path, target: Path, result: Path | None) -> None:
    more = None
    if result is not None:
        more = next(pq.ParquetFile(result).iter_batches(AT_ONCE))
        more = pa.table(more).drop_columns([n for n in GEOMETRY if n in more.schema.names])
    with pq.ParquetFile(source) as opened:
        wide = widened(opened.schema_arrow, opened.iter_batches(AT_ONCE), more)
        with pq.ParquetWriter(target, wide.schema, compression="zstd") as writer:
            for batch in wide:
                writer.write_batch(batch)


def widened(
    schema: pa.Schema, batches: Iterator[pa.RecordBatch], more: pa.Table | None
) -> pa.RecordBatchReader:
    """Return the batches with the columns of ``more`` that they lack, its rows repeated."""
    if more is None:
        return pa.RecordBatchReader.from_batches(schema, batches)
    more = more.select([n for n in more.column_names if n not in schema.names]).combine_chunks()
    while 0 < len(more) < AT_ONCE:
        more = pa.concat_tables([more, more]).combine_chunks()
    wide = pa.schema([*schema, *more.schema], schema.metadata)

    def rows() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = [c.chunk(0)[: len(batch)] for c in more.columns]
            yield pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=wide)

    return pa.RecordBatchReader.from_batches(wide, rows())


if __name__ == "__main__":
    main()
