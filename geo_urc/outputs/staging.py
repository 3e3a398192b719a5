"""A folder that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from geo_urc.errors import OutputError, Problem
from geo_urc.text import Text

RECORD = "run.json"
"""The file by which a folder is known to be an earlier output."""


@contextmanager
def staged(out: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a folder beside `out` that becomes `out` when the block ends without an error.

    Parameters
    ----------
    out
        The folder to make. It may exist if it is empty.
    overwrite
        Replace an earlier output (a folder that holds ``run.json``) at the very end.

    Yields
    ------
    Path
        A hidden sibling of `out`, on the same disk. It is removed, and `out` left as it
        was, when the block raises anything, an interruption included.

    Raises
    ------
    OutputError
        `out` is in the way and may not be replaced, or the disk refuses.
    """
    out = Path(out).resolve()
    ready(out, overwrite=overwrite)
    partial = out.parent / f".{out.name}.{os.getpid()}.partial"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    except OSError as error:
        raise _disk_refused(out, error) from error
    try:
        yield partial
        ready(out, overwrite=overwrite)
        try:
            _flush(partial)
            _swap(partial, out)
        except OSError as error:
            raise _disk_refused(out, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def ready(out: Path, *, overwrite: bool) -> None:
    """Raise an OutputError if `out` is in the way: not empty, and not ours to replace."""
    if not out.exists():
        return
    if not out.is_dir():
        raise OutputError(
            Problem(
                str(out),
                Text("已有同名文件。", "A file of this name exists."),
                Text("请另选输出文件夹。", "Choose another output folder."),
            )
        )
    if not any(out.iterdir()):
        return
    if not overwrite:
        raise OutputError(
            Problem(
                str(out),
                Text("文件夹不是空的。", "The folder is not empty."),
                Text(
                    "请另选文件夹，或加 --overwrite 替换以前的结果。",
                    "Choose another folder, or replace earlier results with --overwrite.",
                ),
            )
        )
    if not (out / RECORD).is_file():
        raise OutputError(
            Problem(
                str(out),
                Text(
                    f"文件夹里没有 {RECORD}，不是本程序以前的结果，不予覆盖。",
                    f"The folder holds no {RECORD}: it is not an earlier output and is kept.",
                ),
                Text("请另选输出文件夹。", "Choose another output folder."),
            )
        )


def _flush(folder: Path) -> None:
    """Have the disk hold every file before the rename makes them the result."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())


def _swap(partial: Path, out: Path) -> None:
    """Put `partial` in the place of `out`; the old folder goes only when the new one stands."""
    if not out.exists():
        partial.rename(out)
        return
    old = out.parent / f".{out.name}.{os.getpid()}.old"
    out.rename(old)
    try:
        partial.rename(out)
    except BaseException:
        with suppress(OSError):
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _disk_refused(out: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(
        Problem(
            str(out),
            Text(f"无法写入文件夹：{reason}。", f"The folder cannot be written: {reason}."),
            Text(
                "请检查权限和剩余空间，并关闭正在使用其中文件的程序（如 QGIS）。",
                "Check permissions and free space, and close programs (such as QGIS) that use it.",
            ),
        )
    )
