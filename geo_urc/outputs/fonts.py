"""The one place that finds a font for Chinese, in a file, whatever the machine has installed."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

SANS, SERIF = "Noto Sans SC", "Noto Serif SC"
"""Families in the files: 黑体 for headings and drawings, 宋体 for running text."""

_STAND_INS = {"✗": "×"}
"""Characters that the fonts lack and that another one says as well."""


def font_files() -> tuple[Path, Path]:
    """Return the files of :data:`SANS` and :data:`SERIF`.

    They come with a package that we depend on, so a machine without Chinese fonts sets the same
    pages as every other.

    Examples
    --------
    >>> [path.suffix for path in font_files()]
    ['.otf', '.otf']
    """
    import pylopdf_fonts_zh_cn

    return pylopdf_fonts_zh_cn.sans_path(), pylopdf_fonts_zh_cn.serif_path()


def settable(text: str) -> str:
    """Return text in which characters that the fonts lack are named instead of left out.

    Examples
    --------
    >>> settable("东城区 䶮 𠮷 ✗")
    '东城区 䶮 〔U+20BB7〕 ×'
    """
    known = _characters()
    if all(map(known.__contains__, set(text))):
        return text
    return re.sub(r"[^\n\t]", lambda found: _named(found[0], known), text)


def _named(character: str, known: frozenset[str]) -> str:
    if character in known:
        return character
    return _STAND_INS.get(character, f"〔U+{ord(character):04X}〕")


@cache
def _characters() -> frozenset[str]:
    """Return what both fonts can set."""
    from fontTools.ttLib import TTFont

    sans, serif = (set(TTFont(path, lazy=True).getBestCmap()) for path in font_files())
    return frozenset(map(chr, sans & serif)) | {"\n", "\t"}
