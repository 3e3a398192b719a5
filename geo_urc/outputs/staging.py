"""A folder that appears whole or not at all."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from geo_urc.errors import OutputError, Problem
from geo_urc.text import Text

RECORD = "run.json"
"""The file by which a folder is known to be an earlier output."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_BUSY = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


@contextmanager
def staged(out: Path, *, overwrite: bool = False, mark: str = RECORD) -> Iterator[Path]:
    """Yield a folder beside `out` that becomes `out` when the block ends without an error.

    Parameters
    ----------
    out
        The folder to make. It may exist if it is empty.
    overwrite
        Replace an earlier output at the very end.
    mark
        The file by which a folder is known to be one.

    Yields
    ------
    Path
        A hidden sibling of `out`, on the same disk. It is removed, and `out` left as it
        was, when the block raises anything, an interruption included. What a killed
        process leaves behind is removed by the next one that writes to `out`.

    Raises
    ------
    OutputError
        `out` is in the way and may not be replaced, another process is writing to it, or
        the disk refuses or is full.
    """
    out = Path(out).resolve()
    ready(out, overwrite=overwrite, mark=mark)
    partial = _beside(out, "partial")
    with _refusals(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with _alone(out) as alone:
        if alone:
            _tidy(out)
        try:
            ready(out, overwrite=overwrite, mark=mark)
            with _refusals(out):
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
            with _refusals(out, *_FULL):
                yield partial
            ready(out, overwrite=overwrite, mark=mark)
            with _refusals(out):
                _flush(partial)
                with _undisturbed():
                    _swap(partial, out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def recover(out: Path) -> None:
    """Put a result back that a killed process left beside its place.

    That can happen where two folders cannot change places in one step, see :func:`_swap`.
    """
    out = Path(out).resolve()
    if not out.exists() and _left_over(out, "old"):
        with suppress(OutputError), _alone(out) as alone:
            if alone:
                _tidy(out)


def ready(out: Path, *, overwrite: bool, mark: str = RECORD) -> None:
    """Raise an OutputError if `out` is in the way (not empty, not ours to replace) or unwritable."""
    with _refusals(out):
        _refuse_unwritable(out.absolute().parent)
        _refuse_if_in_the_way(out, overwrite, mark)


def _refuse_unwritable(folder: Path) -> None:
    while not folder.exists():
        folder = folder.parent
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def _refuse_if_in_the_way(out: Path, overwrite: bool, mark: str) -> None:
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
    if not (out / mark).is_file():
        raise OutputError(
            Problem(
                str(out),
                Text(
                    f"文件夹里没有 {mark}，不是本程序以前的结果，不予覆盖。",
                    f"The folder holds no {mark}: it is not an earlier output and is kept.",
                ),
                Text("请另选输出文件夹。", "Choose another output folder."),
            )
        )


def _beside(out: Path, what: str) -> Path:
    return out.parent / f".{out.name}.{os.getpid()}.{what}"


def _left_over(out: Path, what: str) -> list[Path]:
    """Return the folders of a kind beside `out`, whichever process has made them."""
    form = re.compile(rf"\.{re.escape(out.name)}\.\d+\.{what}")
    with suppress(OSError):
        return sorted(path for path in out.parent.iterdir() if form.fullmatch(path.name))
    return []


def _tidy(out: Path) -> None:
    """Remove what killed processes left beside `out`; the caller is alone with it."""
    for old in _left_over(out, "old"):
        if not out.exists():
            with suppress(OSError):
                old.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    for partial in _left_over(out, "partial"):
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _alone(out: Path) -> Iterator[bool]:
    """Keep other processes from writing to `out`; yield False where the disk has no locks.

    The system drops the lock with the process, however that ends.
    """
    path = out.parent / f".{out.name}.lock"
    while True:
        with _refusals(out):
            file = path.open("ab")
        try:
            held = _lock(file)
        except BlockingIOError as error:
            file.close()
            raise OutputError(
                Problem(
                    str(out),
                    Text(
                        "另一次运行正在写入这个文件夹。", "Another run is writing to this folder."
                    ),
                    Text(
                        "等它结束，或另选输出文件夹。",
                        "Wait until it ends, or choose another output folder.",
                    ),
                )
            ) from error
        if _is_at(file, path):
            break
        file.close()  # its owner has removed it meanwhile
    try:
        yield held
    finally:
        if os.name == "nt":  # an open file cannot be removed there
            file.close()
        with suppress(OSError):
            path.unlink()
        file.close()


def _lock(file: IO[bytes]) -> bool:
    """Lock a file; return False where that cannot be done at all.

    Raises
    ------
    BlockingIOError
        Another process has it.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            raise BlockingIOError(error.errno, error.strerror) from error
        return False
    return True


def _is_at(file: IO[bytes], path: Path) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


def _flush(folder: Path) -> None:
    """Have the disk hold every file before the rename makes them the result."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        else:
            _flush_names(path)
    _flush_names(folder)


def _flush_names(folder: Path) -> None:
    if os.name != "nt":  # which has no such thing
        opened = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):  # some network disks have no such thing either
                os.fsync(opened)
        finally:
            os.close(opened)


def _swap(partial: Path, out: Path) -> None:
    """Put `partial` in the place of `out`, which is whole at every moment.

    Where the system cannot let two folders change places, there is a moment between two
    renames; a process killed in it leaves the old folder beside its place, and
    :func:`_tidy` puts it back.
    """
    if not out.exists():
        partial.rename(out)
    elif not _change_places(partial, out):
        old = _beside(out, "old")
        out.rename(old)
        try:
            partial.rename(out)
        except BaseException:
            with suppress(OSError):
                old.rename(out)
            raise
        shutil.rmtree(old, ignore_errors=True)
    _flush_names(out.parent)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Take no notice of interruptions: once the swap begins, the result is there to stay."""
    if threading.current_thread() is not threading.main_thread():  # which alone gets them
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}
    heard = [number for number in signals if callable(before[number])]
    for number in heard:
        signal.signal(number, lambda number, frame: None)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def _change_places(a: Path, b: Path) -> bool:
    """Let two folders change places in one step; return False where that cannot be done."""
    here, swap = -100, 2  # AT_FDCWD, and RENAME_EXCHANGE of Linux or RENAME_SWAP of macOS
    try:
        library = ctypes.CDLL(None)
        if sys.platform == "darwin":
            return bool(library.renamex_np(os.fsencode(a), os.fsencode(b), swap) == 0)
        return bool(library.renameat2(here, os.fsencode(a), here, os.fsencode(b), swap) == 0)
    except (AttributeError, OSError, TypeError):
        return False


@contextmanager
def _refusals(out: Path, *numbers: int) -> Iterator[None]:
    """Turn what the disk refuses into an OutputError; only these error numbers, if any."""
    try:
        yield
    except OSError as error:
        if numbers and error.errno not in numbers:
            raise
        raise _disk_refused(out, error) from error


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
