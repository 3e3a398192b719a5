"""A table of prices as one file: CSV, Excel or Parquet, with the decimals that were worked out."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from geo_urc.errors import OutputError, Problem
from geo_urc.safe_text import fitting_cell, harmless
from geo_urc.text import Text

_SHEET_ROWS = 1_048_575


def ready(path: Path) -> None:
    """Raise an OutputError if a table cannot become this file: another ending, no folder."""
    if path.suffix.lower() not in _WRITERS:
        endings = "、".join(_WRITERS)
        what = Text(
            f"不支持的格式 {path.suffix!r}。", f"the ending {path.suffix!r} is not supported."
        )
        fix = Text(f"用 {endings}。", f"Use {', '.join(_WRITERS)}.")
        raise OutputError(Problem(str(path), what, fix))
    if not path.parent.is_dir():
        what = Text("文件夹不存在。", "its folder does not exist.")
        raise OutputError(
            Problem(str(path), what, Text("请先建立文件夹。", "Make the folder first."))
        )


def write_prices(table: pa.Table, path: Path, *, as_of: dt.date) -> None:
    """Write a table whole or not at all; an earlier file of the name is replaced at the end.

    CSV is UTF-8 with a byte order mark, yuan with two places; Excel holds numbers shown with
    two places; Parquet holds decimals. Text that a spreadsheet would run gets an apostrophe.

    Parameters
    ----------
    as_of
        Goes into the workbook instead of the clock.

    Raises
    ------
    OutputError
        Another ending, more rows than a sheet holds, or the disk refuses.
    """
    ready(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        _WRITERS[path.suffix.lower()](table, partial, as_of)
        os.replace(partial, path)
    except OSError as error:
        reason = error.strerror or str(error)
        what = Text(f"无法写入：{reason}。", f"cannot be written: {reason}.")
        fix = Text(
            "请检查权限，并关闭正在使用它的程序。", "Check permissions; close programs that use it."
        )
        raise OutputError(Problem(str(path), what, fix)) from error
    finally:
        partial.unlink(missing_ok=True)


def _write_csv(table: pa.Table, path: Path, as_of: dt.date) -> None:
    import csv

    columns = [
        [None if value is None else _written(value) for value in column.to_pylist()]
        if pa.types.is_decimal(column.type)
        else harmless(column.combine_chunks()).to_pylist()
        for column in table.columns
    ]
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(table.column_names)
        lines.writerows(zip(*columns, strict=True))


def _written(value: Decimal) -> str:
    """Return a decimal with the two places of money, or with those places that it needs.

    Examples
    --------
    >>> _written(Decimal("630000.00")), _written(Decimal("0.900000")), _written(Decimal("0"))
    ('630000.00', '0.9', '0')
    """
    _, _, exponent = value.as_tuple()
    text = f"{value:f}"
    return text if exponent == -2 or "." not in text else text.rstrip("0").rstrip(".")


def _write_parquet(table: pa.Table, path: Path, as_of: dt.date) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, path, compression="zstd")


def _write_excel(table: pa.Table, path: Path, as_of: dt.date) -> None:
    if table.num_rows > _SHEET_ROWS:
        what = Text(
            f"共 {table.num_rows} 行，超过 Excel 工作表的上限。",
            f"{table.num_rows} rows are more than a sheet of Excel holds.",
        )
        fix = Text("改用 .parquet 或 .csv。", "Use .parquet or .csv.")
        raise OutputError(Problem(str(path), what, fix))
    import xlsxwriter

    options = {"strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(path, options) as book:
        book.set_properties({"created": _midnight(as_of)})
        sheet = book.add_worksheet("price")
        money, plain = book.add_format({"num_format": "0.00"}), book.add_format()
        sheet.freeze_panes(1, 0)
        sheet.write_row(0, 0, table.column_names)
        for place, name in enumerate(table.column_names):
            style = money if name.endswith("_yuan") else plain
            for row, value in enumerate(table[name].to_pylist(), start=1):
                if isinstance(value, str):
                    sheet.write_string(row, place, fitting_cell(value))
                elif value is not None:
                    sheet.write_number(row, place, value, style)
        sheet.autofilter(0, 0, table.num_rows, table.num_columns - 1)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


_WRITERS: dict[str, Callable[[pa.Table, Path, dt.date], None]] = {
    ".csv": _write_csv,
    ".xlsx": _write_excel,
    ".parquet": _write_parquet,
}
