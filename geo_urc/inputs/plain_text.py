"""Text files handed to GDAL as UTF-8: it would take any bytes for that."""

from __future__ import annotations

import mmap
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from geo_urc.inputs.encoding import Decoded, text_file_encoding, transcode
from geo_urc.inputs.sources import Request
from geo_urc.text import Text


class Utf8(NamedTuple):
    """A text file in UTF-8: the given one, or a temporary copy."""

    path: Path
    codec: str
    """Encoding of the given file."""
    notes: tuple[Text, ...]
    keep: TemporaryDirectory[str] | None
    """Holds the copy."""


def as_utf8(path: Path, request: Request) -> Utf8:
    """Return a text file in UTF-8, with or without a byte-order mark.

    Raises
    ------
    LayerError
        If it is not in the encoding the user named, or in none that can be told.
    """
    named = request.encoding
    found = Decoded(named, True) if named is not None else text_file_encoding(path)
    if found is None:
        what = Text("既非 UTF-8 也非 GB18030 文本。", "is neither UTF-8 nor GB18030 text.")
        fix = Text("请用 encoding 注明编码。", "Name the encoding with encoding.")
        raise request.fault(what, fix)
    if found.codec in ("utf-8", "utf-8-sig"):
        return Utf8(path, found.codec, (), None)
    folder = TemporaryDirectory(prefix="geo_urc-")
    copy = Path(folder.name) / f"text{path.suffix}"
    try:
        transcode(path, copy, found.codec)
    except UnicodeError as error:
        what = Text(f"不是 {found.codec} 文本。", f"is not {found.codec} text.")
        fix = Text("请改正或删去 encoding。", "Correct or remove encoding.")
        raise request.fault(what, fix) from error
    text = Text(
        f"编码未注明，按 {found.codec} 读取。", f"encoding not declared, read as {found.codec}."
    )
    return Utf8(copy, found.codec, () if found.declared else (text,), folder)


def visible_nul(text: Utf8) -> Utf8:
    """Return a JSON text with the sign ␀ for escaped NULs, where GDAL would end a value unseen."""
    if not text.path.stat().st_size:
        return text
    with (
        text.path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole,
    ):
        if whole.find(_NUL) < 0:
            return text
    folder = TemporaryDirectory(prefix="geo_urc-")
    copy = Path(folder.name) / f"text{text.path.suffix}"
    copy.write_bytes(_ESCAPED_NUL.sub(rb"\1\\u2400", text.path.read_bytes()))
    note = Text("值中的 NUL 字符改以 ␀ 表示。", "NUL characters in values are shown as ␀.")
    return Utf8(copy, text.codec, (*text.notes, note), folder)


_NUL = rb"\u0000"
_ESCAPED_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
