"""A file that appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from geo_urc.errors import OutputError, Problem
from geo_urc.text import Text


@contextmanager
def staged_file(out: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a hidden sibling of `out` that becomes `out` when the block ends without an error.

    Raises
    ------
    OutputError
        `out` exists and may not be replaced, or the disk refuses.
    """
    if out.is_dir() or (out.exists() and not overwrite):
        raise OutputError(
            Problem(
                str(out),
                Text("已有同名文件或文件夹。", "A file or folder of this name exists."),
                Text(
                    "请另选文件名，或加 --overwrite。", "Choose another name, or add --overwrite."
                ),
            )
        )
    partial = out.with_name(f".{out.stem}.{os.getpid()}.partial{out.suffix}")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(out)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            Problem(
                str(out),
                Text(f"无法写入：{reason}。", f"cannot be written: {reason}."),
                Text(
                    "请检查文件夹、权限和剩余空间，并关闭正在使用它的程序。",
                    "Check the folder, permissions and free space, and close programs that use it.",
                ),
            )
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink()
