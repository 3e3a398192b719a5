"""A report as PDF, set by typst in a font that comes with the program; and drawings as pictures."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

from geo_urc.errors import OutputError, Problem
from geo_urc.outputs.fonts import font_files, settable
from geo_urc.outputs.palette import LOOKS
from geo_urc.outputs.report.model import (
    WORDS,
    Block,
    Cell,
    Document,
    Facts,
    Figure,
    Group,
    Heading,
    Paragraph,
    Signature,
    Table,
)
from geo_urc.safe_text import one_line
from geo_urc.text import Text
from geo_urc.verdicts import LABELS

_LONG_WORD, _PIECE = 15, 6
"""A word of so many Latin letters or digits may break after each so many of them."""
_DOTS = 150
"""Dots per inch of a drawing in a Word file: sharp on paper."""


def write_pdf(document: Document, path: Path) -> None:
    """Write a report as PDF on A4; the same document gives the same bytes.

    The fonts are those of :mod:`geo_urc.outputs.fonts`, whatever the machine has, and go into
    the file. A character that they lack is named, as 〔U+20BB7〕.

    Raises
    ------
    OutputError
        The typesetter warns, of a font that is not found above all: nothing is written.
    """
    template = (files("geo_urc.outputs") / "assets" / "report.typ").read_bytes()
    data = json.dumps(_shown(_plain(document)), ensure_ascii=False)
    sources = {"main": template, "report.json": settable(data).encode()}
    for number, figure in enumerate(document.figures):
        sources[f"figure-{number}.svg"] = settable(figure.svg()).encode()
    day = document.as_of
    midnight = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
    (pdf,) = _compiled(sources, str(path), format="pdf", timestamp=midnight)
    path.write_bytes(pdf)


def pictures(figures: Sequence[Figure], where: str) -> list[bytes]:
    """Return drawings as PNG, each as large as it is drawn."""
    if not figures:
        return []
    pages = "\n".join(
        f'#page(width: {f.width:g}mm, height: {f.height:g}mm, margin: 0mm, image("{n}.svg", width: 100%))'
        for n, f in enumerate(figures)
    )
    sources = {"main": pages.encode()}
    sources |= {f"{n}.svg": settable(f.svg()).encode() for n, f in enumerate(figures)}
    return _compiled(sources, where, format="png", ppi=_DOTS)


def _compiled(sources: dict[str, bytes], where: str, **options: Any) -> list[bytes]:
    import typst

    fonts = typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=sorted({path.parent for path in font_files()}),
    )
    try:
        done, warnings = typst.compile_with_warnings(sources, font_paths=fonts, **options)
        told = [warning.message for warning in warnings]
    except typst.TypstError as error:
        done, told = None, [error.message]
    if told or done is None:
        raise OutputError(
            Problem(
                where,
                Text(f"排版失败：{'；'.join(told)}。", f"cannot be set: {'; '.join(told)}."),
                Text(
                    "这是程序错误或字体包不完整：请重新安装 pylopdf-fonts-zh-cn，仍有则报告。",
                    "The package of fonts is damaged, or this is a fault of the program: install "
                    "pylopdf-fonts-zh-cn again, else report it.",
                ),
            )
        )
    return [done] if isinstance(done, bytes) else done


def _plain(document: Document) -> dict[str, Any]:
    """Return a document as the typesetter's template reads it."""
    day, lang = document.as_of, document.lang
    numbers = iter(range(len(document.figures)))
    return {
        "title": document.title,
        "lang": lang,
        "date": {"year": day.year, "month": day.month, "day": day.day},
        "words": {key: text.to(lang) for key, text in WORDS.items()},
        "looks": {word: look._asdict() for word, look in LOOKS.items()},
        "labels": {word: text.to(lang) for word, text in LABELS.items()},
        "foot": document.foot,
        "cover": document.cover,
        "facts": _block(document.facts, numbers),
        "note": document.note,
        "sections": [
            {
                "title": section.title,
                "new_page": section.new_page,
                "blocks": [_block(block, numbers) for block in section.blocks],
            }
            for section in document.sections
        ],
    }


def _shown(told: Any) -> Any:
    """Return data in which every text is one line, not endless, with nothing unseen in it."""
    if isinstance(told, str):
        return one_line(told)
    if isinstance(told, dict):
        return {key: _shown(value) for key, value in told.items()}
    return [*map(_shown, told)] if isinstance(told, list | tuple) else told


def _block(block: Block, numbers: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": type(block).__name__}
    match block:
        case Heading(text):
            told |= {"text": text}
        case Paragraph(text, note):
            told |= {"text": text, "note": note}
        case Facts(pairs):
            told |= {"pairs": [[name, _line(value)] for name, value in pairs]}
        case Figure():
            told |= {"file": f"figure-{next(numbers)}.svg", "title": block.title}
        case Signature(labels):
            told |= {"labels": labels}
        case Table(heads, rows):
            told |= {
                "heads": [head._asdict() for head in heads],
                "rows": [
                    {"group": row.text, "quiet": row.quiet}
                    if isinstance(row, Group)
                    else {"cells": [*map(_cell, row)]}
                    for row in rows
                ],
            }
    return told


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        **_line(cell.text),
        "small": [*map(_line, cell.small)],
        "warnings": [*map(_line, cell.warnings)],
        "verdict": cell.verdict,
    }


def _line(text: str) -> dict[str, Any]:
    r"""Return text, and the pieces between which a line may break within a long word.

    A break that were a character of its own would be in the way of a search.

    Examples
    --------
    >>> _line("文件 a1b2c3d4e5f6a7b8c9")["pieces"]
    ['文件 a1b2c3', 'd4e5f6', 'a7b8c9']
    >>> _line("a b")["pieces"]
    ['a b']
    """
    shown = one_line(text)
    cuts = [
        place
        for word in re.finditer(rf"[!-~]{{{_LONG_WORD},}}", shown)
        for place in range(word.start() + _PIECE, word.end(), _PIECE)
    ]
    edges = [0, *cuts, len(shown)]
    pieces = [shown[start:end] for start, end in pairwise(edges)]
    return {"text": shown, "pieces": pieces}
