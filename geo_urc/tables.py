"""One table as a file, by its ending."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from geo_urc.errors import OutputError, Problem
from geo_urc.safe_text import fitting_cell, harmless
from geo_urc.text import Text

EXCEL_ROWS = 1_048_575
_NO_DATE = dt.datetime(1980, 1, 1, tzinfo=dt.UTC)
"""Stands where Excel wants the time of writing, so that the same table gives the same bytes."""
ENDINGS = (".parquet", ".csv", ".xlsx", ".json")


def write_table(table: pa.Table, path: Path, name: str) -> None:
    """Write a table as ``.parquet``, ``.csv`` (UTF-8 with BOM), ``.xlsx`` or ``.json`` by its ending.

    Text is text: in a CSV what a spreadsheet would run as a formula gets an apostrophe, in
    Excel nothing is a formula or a link, and what is longer than a cell holds is cut and says so.

    Parameters
    ----------
    name
        Of the sheet in Excel.

    Raises
    ------
    OutputError
        Another ending, or more rows than a sheet of Excel holds.
    """
    check_ending(path)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        _write(table, partial, name)
        partial.replace(path)  # an earlier file stays whole until then
    finally:
        partial.unlink(missing_ok=True)


def _write(table: pa.Table, path: Path, name: str) -> None:
    match path.suffix.lower():
        case ".parquet":
            import pyarrow.parquet as pq

            pq.write_table(table, path, compression="zstd")
        case ".csv":
            import pyarrow.csv as csv

            with path.open("wb") as file:
                file.write(b"\xef\xbb\xbf")
                csv.write_csv(_harmless(table), file)
        case ".xlsx":
            _write_excel(table, path, name)
        case ".json":
            text = json.dumps(table.to_pylist(), ensure_ascii=False, indent=1)
            path.write_text(text + "\n", encoding="utf-8")


def check_ending(path: Path) -> None:
    """Raise an OutputError if no table is written to a file of this ending."""
    if path.suffix.lower() not in ENDINGS:
        raise OutputError(
            Problem(
                str(path),
                Text(
                    f"不支持的格式 {path.suffix!r}。",
                    f"the ending {path.suffix!r} is not supported.",
                ),
                Text(f"用 {'、'.join(ENDINGS)}。", f"Use one of {', '.join(ENDINGS)}."),
            )
        )


def _harmless(table: pa.Table) -> pa.Table:
    """Return a table whose text no spreadsheet takes for a formula."""
    columns = [
        harmless(column.combine_chunks()) if pa.types.is_string(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)


def _write_excel(table: pa.Table, path: Path, name: str) -> None:
    if table.num_rows > EXCEL_ROWS:
        raise OutputError(
            Problem(
                str(path),
                Text(
                    f"共 {table.num_rows} 行，超过 Excel 工作表的上限。",
                    f"{table.num_rows} rows are more than a sheet of Excel holds.",
                ),
                Text("改用 .parquet 或 .csv。", "Use .parquet or .csv."),
            )
        )
    import xlsxwriter

    options = {"strings_to_formulas": False, "strings_to_urls": False, "constant_memory": True}
    with xlsxwriter.Workbook(path, options) as book:
        book.set_properties({"created": _NO_DATE})
        sheet = book.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        sheet.write_row(0, 0, table.column_names)
        row = 1
        for batch in table.to_batches(max_chunksize=10_000):
            for record in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                for column, value in enumerate(record):
                    if isinstance(value, str):
                        sheet.write_string(row, column, fitting_cell(value))
                    elif value is not None and np.isfinite(value):
                        sheet.write_number(row, column, value)
                row += 1
        sheet.autofilter(0, 0, row - 1, len(table.column_names) - 1)
