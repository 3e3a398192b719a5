"""``geo-urc partition``: a file as partitions in spatial order, however many records it has.

Records lie along a Hilbert curve, so that those of a partition are near each other. They are
sorted on disk: runs as long as memory allows, each sorted by itself, then merged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from geo_urc.errors import LayerError, OutputError, Problem
from geo_urc.inputs.encoding import codec_of
from geo_urc.inputs.partitions import MANIFEST, Manifest, Partition
from geo_urc.inputs.sources import READ_ERRORS, Request, Source, open_source, sha256_of
from geo_urc.inputs.systems import read_system
from geo_urc.inputs.table import Geometries
from geo_urc.outputs.flat_files import write_geoparquet
from geo_urc.outputs.staging import staged
from geo_urc.text import Text
from geo_urc.wkb import parse

ROWS = 131_072
"""Records of a partition: small enough to be lost with a worker, large enough to be worth a task."""
ORDER = "input_record"
GEOMETRY = "geometry"
RUN_ROWS, RUN_BYTES = 524_288, 512 << 20
"""How much is sorted in memory at once."""
MERGED_AT_ONCE = 256
_BATCH_ROWS = 32_768
_BLOCK_ROWS = 4_096
"""What is held of each run while runs are merged."""
_LEVEL = 16
_ROW_BITS = 31
"""A place on the curve has 32 bits; one more is for what has no place."""
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_KEY = "\0key"
_WKB = "\0wkb"


def partition(
    given: str,
    out: Path,
    *,
    rows: int = ROWS,
    encoding: str | None = None,
    overwrite: bool = False,
    run_rows: int = RUN_ROWS,
) -> Manifest:
    """Write a file's records as a dataset of partitions in spatial order; return its manifest.

    Values and geometry bytes are those of the input. A column ``input_record`` holds each
    record's place in it, from 1.

    Parameters
    ----------
    rows
        Records of a partition, at most.
    run_rows
        Records that are sorted in memory at once; it changes nothing in the result.

    Raises
    ------
    GeoUrcError
        The input cannot be read, or the output is in the way or cannot be written.
    """
    request = Request(given, encoding=codec_of(encoding) if encoding else None)
    source = open_source(request)
    if out.exists() and out.resolve() == request.file.resolve():
        what = Text("输出与输入是同一个文件夹。", "The output is the input itself.")
        raise OutputError(Problem(str(out), what, Text("请另选文件夹。", "Choose another folder.")))
    if source.parts:
        what = Text("已经分区。", "is partitioned already.")
        fix = Text("请直接用于 geo-urc screen。", "Give it to geo-urc screen as it is.")
        raise LayerError(Problem(given, what, fix))
    if source.crs is not None:
        read_system(given, source.crs)
    with staged(out, overwrite=overwrite, mark=MANIFEST) as folder:
        return _partitioned(source, folder, rows, run_rows)


def _partitioned(source: Source, folder: Path, rows: int, run_rows: int) -> Manifest:
    """Sort the records of a file and write them into a folder."""
    source, count, extent = _looked_over(source)
    names = [f.name for f in source.schema]
    order, geometry = _free(ORDER, names), _free(GEOMETRY, names)
    schema = pa.schema(
        [*source.schema, pa.field(order, pa.int64()), pa.field(geometry, pa.binary())]
    )
    runs = [
        _write_run(folder / f".run-{k}", [table])
        for k, table in enumerate(_sorted_runs(source, extent, run_rows))
    ]
    while len(runs) > MERGED_AT_ONCE:
        some, rest = runs[:MERGED_AT_ONCE], runs[MERGED_AT_ONCE:]
        runs = [*rest, _write_run(some[0].with_suffix(".merged"), _merged(some))]
        _remove(some)
    parts = max(1, -(-count // rows))
    ends = [count * (k + 1) // parts for k in range(parts)]
    batches = _cut(_merged(runs), schema, ends)
    found = []
    for k, size in enumerate(np.diff([0, *ends]).tolist()):
        file = folder / f"part-{k:05}.parquet"
        pieces = -(-size // _BATCH_ROWS)
        done = write_geoparquet(file, schema, geometry, source.crs, islice(batches, pieces))
        found.append(Partition(file.name, done.rows, done.bbox, sha256_of(file)))
    _remove(runs)
    manifest = Manifest(
        rows=sum(one.rows for one in found),
        order=order,
        partitions=tuple(found),
        made_of={
            "path": source.path,
            "driver": source.driver,
            "encoding": source.encoding,
            "sha256": source.sha256,
        },
        from_text=source.from_text,
        bad=tuple((bad.record, bad.reason) for bad in source.bad),
        notes=source.notes,
    )
    if manifest.rows != count:
        what = Text("读取期间文件有变化。", "changed while it was being read.")
        raise LayerError(Problem(source.path, what, Text("请重新运行。", "Run again.")))
    manifest.write(folder)
    return manifest


def _free(name: str, taken: Sequence[str]) -> str:
    folded = {other.casefold() for other in taken}
    while name.casefold() in folded:
        name = f"urc_{name}"
    return name


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink()


def _looked_over(source: Source) -> tuple[Source, int, Floats]:
    """Return how many records there are and the box about their middles.

    If the file breaks off, it is that of what can be saved of it.
    """
    try:
        return source, *_extent(source)
    except READ_ERRORS as error:
        if source.salvage is None:
            what = Text(f"文件已损坏：{error}。", f"is damaged: {error}.")
            fix = Text("请换用完好的文件。", "Use a whole copy.")
            raise LayerError(Problem(source.path, what, fix)) from error
        saved = source.salvage(source)
        return saved, *_extent(saved)


def _extent(source: Source) -> tuple[int, Floats]:
    """Return how many records there are, and the box about their middles that are finite."""
    count = 0
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for records in source.records(_BATCH_ROWS, None):
        count += len(records.wkb)
        middle, there = _middles(parse(records.wkb))
        low = np.minimum(low, middle[there].min(axis=0, initial=np.inf))
        high = np.maximum(high, middle[there].max(axis=0, initial=-np.inf))
    return count, np.concatenate([low, high])


def _middles(geometry: Geometries) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the middle of each box, and which are finite."""
    box = shapely.bounds(geometry)
    middle = (box[:, :2] + box[:, 2:]) / 2
    return middle, np.asarray(np.isfinite(middle).all(axis=1))


def _keys(geometry: Geometries, places: Ints, extent: Floats) -> npt.NDArray[np.uint64]:
    """Return what records are sorted by: place on the curve, then in the file; no two are alike.

    What has no place comes last.
    """
    from geopandas import GeoSeries

    middle, there = _middles(geometry)
    curve = np.full(len(geometry), 1 << (2 * _LEVEL), np.uint64)
    points = GeoSeries(shapely.points(middle[there]))
    curve[there] = points.hilbert_distance(total_bounds=extent, level=_LEVEL).to_numpy(np.uint64)
    return (curve << np.uint64(_ROW_BITS)) | places.astype(np.uint64)


def _sorted_runs(source: Source, extent: Floats, run_rows: int) -> Iterator[pa.Table]:
    """Yield the records in runs that are sorted each by itself."""
    bad = np.array(sorted(record.record for record in source.bad), np.int64) - 1
    ahead = bad - np.arange(len(bad))
    schema = pa.schema([*source.schema, (_WKB, pa.binary()), (_KEY, pa.uint64())])
    held: list[pa.RecordBatch] = []
    first = 0
    rows = size = 0
    for records in source.records(min(_BATCH_ROWS, run_rows), None):
        read = np.arange(first, first + len(records.wkb))
        first += len(read)
        if first >> _ROW_BITS:
            what = Text("记录过多。", f"has more than {1 << _ROW_BITS} records.")
            raise LayerError(Problem(source.path, what, Text("请分成几个文件。", "Divide it.")))
        places = read + np.searchsorted(ahead, read, side="right") + 1
        key = pa.array(_keys(parse(records.wkb), places, extent))
        columns = [*records.columns.columns, records.wkb, key]
        held.append(pa.RecordBatch.from_arrays(columns, schema=schema))
        rows, size = rows + len(held[-1]), size + held[-1].nbytes
        if rows >= run_rows or size >= RUN_BYTES:
            yield _sorted(pa.Table.from_batches(held, schema))
            held, rows, size = [], 0, 0
    if held or not first:
        yield _sorted(pa.Table.from_batches(held, schema))


def _sorted(table: pa.Table) -> pa.Table:
    return table.take(pa.array(np.argsort(table[_KEY].to_numpy())))


def _write_run(path: Path, tables: Iterable[pa.Table]) -> Path:
    """Keep sorted records on disk, in blocks of which one at a time can be read."""
    writer = None
    try:
        for table in tables:
            writer = writer or pa.ipc.new_file(str(path), table.schema)
            writer.write_table(table, max_chunksize=_BLOCK_ROWS)
    finally:
        if writer is not None:
            writer.close()
    return path


class _Run:
    """A sorted run while it is merged with others: the block that is next."""

    def __init__(self, path: Path) -> None:
        self.file = pa.ipc.open_file(pa.OSFile(str(path)))
        self.next = 0
        self.block = self.file.schema.empty_table()
        self.keys = np.empty(0, np.uint64)

    def filled(self) -> bool:
        """Return whether there is a block, after reading on if there is need to."""
        while not len(self.keys) and self.next < self.file.num_record_batches:
            self.block = pa.Table.from_batches([self.file.get_batch(self.next)])
            self.keys = self.block[_KEY].to_numpy()
            self.next += 1
        return len(self.keys) > 0

    def up_to(self, last: np.uint64) -> pa.Table:
        """Take what lies up to a key out of the block."""
        count = int(np.searchsorted(self.keys, last, side="right"))
        taken, self.block = self.block.slice(0, count), self.block.slice(count)
        self.keys = self.keys[count:]
        return taken


def _merged(paths: Sequence[Path]) -> Iterator[pa.Table]:
    """Yield the records of sorted runs in the order of all, a few at a time."""
    runs = [_Run(path) for path in paths]
    schema = runs[0].file.schema
    yield schema.empty_table()
    while runs := [run for run in runs if run.filled()]:
        last = min(run.keys[-1] for run in runs)
        yield _sorted(pa.concat_tables([run.up_to(last) for run in runs]))


def _cut(
    tables: Iterable[pa.Table], schema: pa.Schema, ends: Sequence[int]
) -> Iterator[pa.RecordBatch]:
    """Yield records in batches as the dataset holds them: cut at the ends of its partitions."""
    starts = [0, *ends[:-1]]
    sizes = [
        min(_BATCH_ROWS, end - row)
        for start, end in zip(starts, ends, strict=True)
        for row in range(start, end, _BATCH_ROWS)
    ]
    held: list[pa.Table] = []
    rows = 0
    wanted = iter(sizes)
    size = next(wanted, 0)
    for table in tables:
        held.append(table)
        rows += len(table)
        while size and rows >= size:
            whole = pa.concat_tables(held)
            yield _finished(whole.slice(0, size), schema)
            held, rows = [whole.slice(size)], rows - size
            size = next(wanted, 0)


def _finished(table: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    """Return records with their place in the input in place of the key."""
    places = table[_KEY].to_numpy() & np.uint64((1 << _ROW_BITS) - 1)
    *columns, wkb, _ = table.columns
    columns += [pa.chunked_array([places.astype(np.int64)]), wkb]
    return pa.Table.from_arrays(columns, schema=schema).combine_chunks().to_batches()[0]
