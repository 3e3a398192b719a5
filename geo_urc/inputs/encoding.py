"""Which encoding a text is in, decided by its bytes and not by what is said of them."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_BLOCK = 1 << 20
_NAMES = {
    **dict.fromkeys(("utf-8", "utf8", "65001", "cp65001"), "utf-8"),
    **dict.fromkeys(
        ("gbk", "gb2312", "gb18030", "936", "cp936", "ansi 936", "54936", "oem 936"), "gb18030"
    ),
    **dict.fromkeys(("big5", "950", "cp950", "ansi 950"), "big5"),
}
"""What people write → Python's codec. GB18030 holds all of GBK and GB2312."""
_NO_CHARSETS = ("idna", "punycode", "unicode_escape", "raw_unicode_escape", "utf-7")
"""Python calls them encodings; no file of attributes is written in one."""


class Decoded(NamedTuple):
    """The encoding of a text file."""

    codec: str
    declared: bool
    """Whether the file itself says so (a byte-order mark)."""


def codec_of(name: str) -> str | None:
    """Return Python's codec for an encoding's name, None if there is no such encoding.

    Examples
    --------
    >>> codec_of("GBK"), codec_of("65001"), codec_of("nonsense"), codec_of("hex")
    ('gb18030', 'utf-8', None, None)
    """
    plain = name.strip().lower()
    if plain in _NAMES:
        return _NAMES[plain]
    try:
        found = codecs.lookup(plain.replace("ansi ", "cp")).name
        return None if found in _NO_CHARSETS or b"a".decode(found) != "a" else found
    except (LookupError, UnicodeError, ValueError):
        return None


def text_file_encoding(path: Path) -> Decoded | None:
    """Return the encoding of a text file: its mark, strict UTF-8, else strict GB18030.

    None where the text is neither.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(codecs.BOM_UTF8):
        return Decoded("utf-8-sig", True)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Decoded("utf-16", True)
    return next((Decoded(c, False) for c in ("utf-8", "gb18030") if _reads(path, c)), None)


def _reads(path: Path, codec: str) -> bool:
    """Return whether a file decodes; it may end in the middle of a character."""
    decoder = codecs.getincrementaldecoder(codec)("strict")
    with path.open("rb") as file:
        try:
            while block := file.read(_BLOCK):
                decoder.decode(block)
        except UnicodeDecodeError:
            return False
    return True


def transcode(source: Path, target: Path, codec: str) -> None:
    """Write a text file again as UTF-8 without a byte-order mark."""
    with (
        source.open(encoding=codec, newline="") as given,
        target.open("w", encoding="utf-8", newline="") as written,
    ):
        while block := given.read(_BLOCK):
            written.write(block)


def cut_tail(raw: bytes, codec: str) -> int:
    """Return how many bytes at the end of a value are a character cut in two.

    Raises UnicodeDecodeError if the rest is not text of this encoding.

    Examples
    --------
    >>> cut_tail("北京".encode()[:-1], "utf-8")
    2
    """
    decoder = codecs.getincrementaldecoder(codec)("strict")
    decoder.decode(raw)
    return len(decoder.getstate()[0])


def cut_tails(values: Iterable[bytes], codec: str) -> list[int] | None:
    """Return :func:`cut_tail` of each value, None if one is not text of this encoding."""
    try:
        return [cut_tail(value, codec) for value in values]
    except UnicodeDecodeError:
        return None


def undecodable(raw: bytes, codec: str) -> list[tuple[int, int]]:
    r"""Return (start, end) of the bytes that are no text of this encoding.

    Examples
    --------
    >>> undecodable(b"ab\xffc\xe5", "utf-8")
    [(2, 3), (4, 5)]
    """
    spans = []
    at = 0
    while at < len(raw):
        try:
            raw[at:].decode(codec)
            break
        except UnicodeDecodeError as error:
            spans.append((at + error.start, at + error.end))
            at += error.end
    return spans
