"""Zipped inputs: unpacked into a temporary folder, so that every reader sees plain files."""

from __future__ import annotations

import errno
import os
import shutil
import zipfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

from geo_urc.inputs.sources import Request
from geo_urc.text import Text

_DATA = frozenset(
    {".shp", ".gpkg", ".geojson", ".json", ".fgb", ".csv", ".txt", ".tsv", ".parquet", ".kml"}
)

_ENCRYPTED = 1
"""Bit of a member's flags."""


def unpack(path: Path, request: Request) -> tuple[Path, TemporaryDirectory[str]]:
    """Return the one data file of an archive, and the folder that holds it.

    Names in the archive may be in GBK: members are only told apart by stem and extension.

    Raises
    ------
    LayerError
        If the archive is broken, or holds no data file or several.
    """
    folder = unpack_all(path, request)
    root = Path(folder.name)
    databases = sorted(p for p in root.rglob("*.gdb") if p.is_dir())
    found = databases or [
        p
        for p in sorted(root.rglob("*"))
        if p.suffix.lower() in _DATA and p.is_file() and "__MACOSX" not in p.parts
    ]
    if len(found) > 1:  # what is beside the data is mostly a notice of its source
        found = [p for p in found if p.suffix.lower() != ".txt"] or found
    if request.layer is not None and len(found) > 1:
        found = [p for p in found if p.stem == request.layer]
    if len(found) == 1:
        return found[0], folder
    names = "、".join(str(p.relative_to(root)) for p in found)
    if found:
        what = Text(f"压缩包内有多个数据文件：{names}。", f"holds several data files: {names}.")
        fix = Text("请用 |layername=文件名 指定一个。", "Choose one with |layername=STEM.")
    else:
        what = Text("压缩包内没有可读的数据文件。", "holds no data file that can be read.")
        fix = Text("请检查压缩包。", "Check the archive.")
    raise request.fault(what, fix)


def unpack_all(path: Path, request: Request) -> TemporaryDirectory[str]:
    """Return a folder with everything that an archive holds.

    Raises
    ------
    LayerError
        If the archive is broken, protected by a password or larger than the disk has room for.
    """
    folder = TemporaryDirectory(prefix="geo_urc-")
    root = Path(folder.name)
    try:
        with zipfile.ZipFile(path) as archive:
            if any(member.flag_bits & _ENCRYPTED for member in archive.infolist()):
                what = Text("压缩包设有密码。", "is protected by a password.")
                raise request.fault(what, Text("请先解压。", "Unpack it first."))
            size = sum(member.file_size for member in archive.infolist())
            if size > shutil.disk_usage(root).free:
                raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} ({size:,} bytes)")
            archive.extractall(root)
    except zipfile.BadZipFile as error:
        what = Text("不是完好的 ZIP 文件。", f"is no whole ZIP file ({error}).")
        fix = Text("请重新压缩或解压后使用。", "Zip it anew or unpack it.")
        raise request.fault(what, fix) from error
    except (OSError, RuntimeError, NotImplementedError, EOFError, zlib.error) as error:
        what = Text(f"压缩包无法解开：{error}。", f"cannot be unpacked: {error}.")
        raise request.fault(
            what, Text("请重新压缩或解压后使用。", "Zip it anew or unpack it.")
        ) from error
    return folder
