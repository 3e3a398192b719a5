"""What GDAL does not check of a Shapefile: encoding of the attributes, and missing bytes.

GDAL believes the ``.cpg`` and hands on whatever bytes it finds, ends quietly where a ``.dbf``
ends, and turns records beyond the end of a ``.shp`` into null geometries.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from geo_urc.inputs.encoding import codec_of, cut_tails, undecodable
from geo_urc.text import Text

_LEAST_DBF = 33
"""Bytes of a heading that describes no column."""
_CHUNK_ROWS = 1 << 15
_SAMPLES = 3
_MOST_BYTES = 64
_LDID = {0x4D: "gb18030", 0x7A: "gb18030", 0x4F: "big5", 0x78: "big5", 0x03: "cp1252"}
"""Language byte of a DBF → codec; 0x57 ("ANSI") says nothing, so it is not here."""
_CJK_LEAD = 0xE3
_MAGIC = (9994).to_bytes(4, "big")
"""How a ``.shp`` and a ``.shx`` begin."""
_MULTIBYTE = ("utf-8", "gb18030", "big5")
_GDAL_NAMES = {"utf-8": "UTF-8", "gb18030": "GB18030", "big5": "BIG5", "cp1252": "CP1252"}


class _Column(NamedTuple):
    name: bytes
    name_at: int
    offset: int
    length: int
    is_text: bool


@dataclass(frozen=True)
class _Dbf:
    path: Path
    count: int
    header: int
    record: int
    ldid: int
    columns: tuple[_Column, ...]

    @property
    def records_present(self) -> int:
        return min(self.count, (self.path.stat().st_size - self.header) // max(self.record, 1))


class _Cut(NamedTuple):
    """Bytes that are no character, by place in the file, and what stands there instead."""

    at: int
    length: int
    fill: bytes
    where: Text
    raw: bytes


@dataclass(frozen=True)
class Attributes:
    """What the attribute table of a Shapefile turned out to be.

    Attributes
    ----------
    codec
        Encoding of names and values.
    notes
        What a user should know of it; nothing where the declared one holds everywhere.
    cuts
        Bytes that are no characters: halves at the end of names and values, or plain damage.
    missing
        Records that the header promises and the file has not got.
    """

    codec: str
    notes: tuple[Text, ...]
    cuts: tuple[_Cut, ...]
    missing: int
    count: int = 0
    """Records that the file holds."""
    deleted: int = 0
    """Of them, those marked as deleted: GDAL passes over them."""

    @property
    def gdal_name(self) -> str:
        """The encoding's name as GDAL knows it."""
        return _GDAL_NAMES.get(self.codec, self.codec.upper())


def sidecars(shp: Path) -> dict[str, Path]:
    """Return the files of a Shapefile by lower-case extension, ``.shp`` first."""
    found = {
        p.suffix.lower(): p
        for p in sorted(shp.parent.iterdir())
        if p.stem == shp.stem and p.suffix.lower() in (".shp", ".shx", ".dbf", ".prj", ".cpg")
    }
    return {".shp": shp, **{ext: p for ext, p in found.items() if ext != ".shp"}}


def found_by_gdal(files: dict[str, Path]) -> bool:
    """Return whether GDAL sees every file: it looks for extensions in small or capital letters."""
    return all(p.suffix[1:].islower() or p.suffix[1:].isupper() for p in files.values())


def check_attributes(dbf: Path, cpg: Path | None, forced: str | None) -> Attributes:
    """Return the encoding in which every name and value of a DBF can be read.

    Strict UTF-8 is tried first: Chinese text in another encoding hardly ever passes, while
    UTF-8 often passes for GB18030. Then come what is declared (``.cpg``, else the language
    byte) and GB18030; single-byte encodings decode anything, so they come last. A character
    cut off at the end of a field is left out. Where no encoding fits every value, the one that
    fits most is taken and each byte that is no text becomes a question mark; the notes give
    the bytes. ``forced`` is the user's own word and is not questioned, but held to.
    """
    table = _header(dbf)
    missing = table.count - table.records_present
    declared = _declared(table, cpg)
    for codec in [forced] if forced is not None else _candidates(table, declared):
        cuts = _cuts(table, codec)
        if cuts is not None:
            said = None if forced is not None else _note(table, declared, codec)
            notes = [note for note in (said, _cut_note(cuts)) if note is not None]
            return Attributes(codec, tuple(notes), tuple(cuts), missing, *_counted(table))
    tried = [forced] if forced is not None else ["utf-8", "gb18030"]
    marred = {codec: _marred(table, codec) for codec in tried}
    codec = min(tried, key=lambda codec: len(marred[codec]))
    note = _marred_note(codec, marred[codec])
    return Attributes(codec, (note,), tuple(marred[codec]), missing, *_counted(table))


def as_many(attributes: Attributes, shapes: int) -> Attributes:
    """Return attributes of a table that promises a record for every shape.

    GDAL ends where the shorter of the two files does; the shapes beyond lack attributes.
    """
    if attributes.count + attributes.missing >= shapes:
        return attributes
    promise = _Cut(4, 1, shapes.to_bytes(4, "little"), Text("", ""), b"")
    missing = shapes - attributes.count
    return replace(attributes, cuts=(*attributes.cuts, promise), missing=missing)


def shapes_in(files: dict[str, Path]) -> int | None:
    """Return how many records the index of a Shapefile lists; None without a usable index."""
    if index_unusable(files):
        return None
    return (files[".shx"].stat().st_size - 100) // 8


def _counted(table: _Dbf) -> tuple[int, int]:
    """Return how many records a table holds, and how many of them are marked as deleted."""
    rows = max(table.records_present, 0)
    if not rows:
        return 0, 0
    mapped = np.memmap(table.path, np.uint8, "r", offset=table.header, shape=(rows, table.record))
    return rows, int((mapped[:, 0] == ord("*")).sum())


def table_readable(dbf: Path) -> bool:
    """Return whether a DBF begins as one: with a whole heading and records of some length."""
    if dbf.stat().st_size < _LEAST_DBF:
        return False
    table = _header(dbf)
    whole = _LEAST_DBF <= table.header <= dbf.stat().st_size
    return whole and table.record > sum(column.length for column in table.columns)


def missing_shapes(shp: Path) -> bool:
    """Return whether a .shp is shorter than its own header says."""
    with shp.open("rb") as file:
        head = file.read(28)
    promised = 2 * int.from_bytes(head[24:28], "big")
    return len(head) == 28 and shp.stat().st_size < promised


def index_unusable(files: dict[str, Path]) -> bool:
    """Return whether the ``.shx`` is missing, of another kind, or shorter than it says."""
    if ".shx" not in files or missing_shapes(files[".shx"]):
        return True
    with files[".shx"].open("rb") as file:
        return file.read(4) != _MAGIC


def stage(files: dict[str, Path], folder: Path, cuts: tuple[_Cut, ...]) -> Path:
    """Return a working copy of a Shapefile without half characters or a bad index.

    Files that need no change are linked, not copied; an unusable ``.shx`` is left out, for
    GDAL to make anew.
    """
    for extension, path in files.items():
        target = folder / f"staged{extension}"
        if extension == ".shx" and index_unusable(files):
            continue
        if extension == ".dbf" and cuts:
            shutil.copyfile(path, target)
            with target.open("r+b") as file:
                for cut in cuts:
                    file.seek(cut.at)
                    file.write(cut.fill * cut.length)
        else:
            linked(path, target)
    return folder / "staged.shp"


def linked(path: Path, target: Path) -> Path:
    """Return another name of a file: a link, or a copy where links are not allowed."""
    try:
        target.symlink_to(path.resolve())
    except OSError:  # Windows without the privilege
        shutil.copyfile(path, target)
    return target


def _header(path: Path) -> _Dbf:
    with path.open("rb") as file:
        head = file.read(32)
        size = int.from_bytes(head[8:10], "little")
        described = file.read(max(size - 32, 0))
    columns = []
    offset = 1
    for at in range(0, len(described) - 31, 32):
        raw = described[at : at + 32]
        if raw[0] == 0x0D:
            break
        name = raw[:11].split(b"\0")[0]
        columns.append(_Column(name, 32 + at, offset, raw[16], raw[11:12] == b"C"))
        offset += raw[16]
    return _Dbf(
        path=path,
        count=int.from_bytes(head[4:8], "little"),
        header=size,
        record=int.from_bytes(head[10:12], "little"),
        ldid=head[29] if len(head) > 29 else 0,
        columns=tuple(columns),
    )


def _declared(table: _Dbf, cpg: Path | None) -> str | None:
    if cpg is not None:
        named = codec_of(cpg.read_bytes().decode("ascii", "replace").strip("\0\r\n \ufeff"))
        if named is not None:
            return named
    return _LDID.get(table.ldid)


def _candidates(table: _Dbf, declared: str | None) -> list[str]:
    """Return the encodings to try, in order."""
    if declared not in _MULTIBYTE:
        return [c for c in ("utf-8", "gb18030", declared) if c]
    order = ["utf-8", declared, "gb18030"]
    if declared != "utf-8" and not _has_three_byte_leads(table):
        # A few words of GBK may happen to be valid UTF-8, but then of two-byte letters.
        order.remove("utf-8")
    return list(dict.fromkeys(order))


def _note(table: _Dbf, declared: str | None, codec: str) -> Text | None:
    if codec == declared or (declared is None and _is_ascii(table)):
        return None
    if declared is None:
        return Text(
            f"属性编码未注明，按 {codec} 读取。", f"encoding not declared, read as {codec}."
        )
    return Text(
        f"注明的属性编码 {declared} 与内容不符，按 {codec} 读取。",
        f"the declared encoding {declared} does not fit the text, read as {codec}.",
    )


def _has_three_byte_leads(table: _Dbf) -> bool:
    """Return whether any byte could begin a Chinese character in UTF-8."""
    return any(max(c.name, default=0) >= _CJK_LEAD for c in table.columns) or any(
        (block >= _CJK_LEAD).any() for _, _, block in _text_blocks(table)
    )


def _is_ascii(table: _Dbf) -> bool:
    return all(c.name.isascii() for c in table.columns) and not any(
        (block & 0x80).any() for _, _, block in _text_blocks(table)
    )


def _text_blocks(table: _Dbf) -> Iterator[tuple[int, _Column, np.ndarray]]:
    """Yield (first row, text column, bytes by row and place) in runs of rows."""
    rows = table.records_present
    if rows <= 0:
        return
    shape = (rows, table.record)
    mapped = np.memmap(table.path, np.uint8, "r", offset=table.header, shape=shape)
    for first in range(0, rows, _CHUNK_ROWS):
        chunk = mapped[first : first + _CHUNK_ROWS]
        for column in table.columns:
            if column.is_text and column.length:
                yield first, column, chunk[:, column.offset : column.offset + column.length]


def _cuts(table: _Dbf, codec: str) -> list[_Cut] | None:
    """Return the half characters of a table read in ``codec``; None if it does not fit."""
    cuts = []
    tails = cut_tails([c.name for c in table.columns], codec)
    if tails is None:
        return None
    for column, tail in zip(table.columns, tails, strict=True):
        if tail:
            cuts.append(_in_name(column, len(column.name) - tail, len(column.name), codec, b"\0"))
    for first, column, block in _text_blocks(table):
        rows, values = _beyond_ascii(block)
        try:
            b"\n".join(values).decode(codec)
            continue
        except UnicodeDecodeError:
            tails = cut_tails(values, codec)
        if tails is None:
            return None
        for row, value, tail in zip(rows, values, tails, strict=True):
            if tail:
                span = (len(value) - tail, len(value))
                cuts.append(_in_value(table, first + row, column, value, span, codec, b" "))
    return cuts


def _marred(table: _Dbf, codec: str) -> list[_Cut]:
    """Return all bytes of names and values that are no text in ``codec``."""
    return [
        _in_name(column, start, end, codec, b"?")
        for column in table.columns
        for start, end in undecodable(column.name, codec)
    ] + [
        _in_value(table, first + row, column, value, span, codec, b"?")
        for first, column, block in _text_blocks(table)
        for row, value in zip(*_beyond_ascii(block), strict=True)
        for span in undecodable(value, codec)
    ]


def _beyond_ascii(block: np.ndarray) -> tuple[list[int], list[bytes]]:
    """Return the rows of a column that hold more than ASCII, and their values."""
    rows = np.flatnonzero((block & 0x80).any(axis=1)).tolist()
    return rows, [block[row].tobytes().rstrip(b" \0") for row in rows]


def _in_name(column: _Column, start: int, end: int, codec: str, fill: bytes) -> _Cut:
    name = column.name.decode(codec, "replace").replace("\ufffd", "?")
    where = Text(f"列名“{name}”", f'in the column name "{name}"')
    return _Cut(column.name_at + start, end - start, fill, where, column.name)


def _in_value(
    table: _Dbf,
    row: int,
    column: _Column,
    value: bytes,
    span: tuple[int, int],
    codec: str,
    fill: bytes,
) -> _Cut:
    start, end = span
    name = column.name.decode(codec, "replace").replace("\ufffd", "?")
    where = Text(f"第 {row + 1} 条的“{name}”", f'in "{name}" of record {row + 1}')
    at = table.header + row * table.record + column.offset
    return _Cut(at + start, end - start, fill, where, value)


def _cut_note(cuts: list[_Cut]) -> Text | None:
    """Return what to say of half characters left out, the first with its bytes."""
    if not cuts:
        return None
    zh, en = _places(cuts)
    return Text(
        f"有 {len(cuts)} 处文字在字段长度处截断，末尾半个字已舍去：{zh}。",
        f"{len(cuts)} texts end in half a character, cut off by the field's length, which was "
        f"left out: {en}.",
    )


def _marred_note(codec: str, marred: list[_Cut]) -> Text:
    zh, en = _places(marred)
    return Text(
        f"属性按 {codec} 读取；{len(marred)} 处字节不是文字，以 ? 代替：{zh}。"
        "若编码不对，请用 encoding 注明。",
        f"the attributes are read as {codec}; at {len(marred)} places the bytes are no text and "
        f"became ?: {en}. If the encoding is another, name it with encoding.",
    )


def _places(cuts: list[_Cut]) -> Text:
    """Return the first few places with the bytes that stand there."""
    shown = [(cut.where, cut.raw[:_MOST_BYTES].hex(" ")) for cut in cuts[:_SAMPLES]]
    return Text(
        "；".join(f"{where.zh}（字节 {raw}）" for where, raw in shown),
        "; ".join(f"{where.en} (bytes {raw})" for where, raw in shown),
    )
