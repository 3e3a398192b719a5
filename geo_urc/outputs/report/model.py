"""What a report says, as plain data: every writer renders the same blocks."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from geo_urc.text import Lang, Text


class Head(NamedTuple):
    """The heading of a table's column.

    Attributes
    ----------
    width
        Share of the table's width, against the other columns'.
    kind
        How its cells are set: numbers to the right, code in a narrow face.
    verdict
        One of the five words, of a column that counts them.
    """

    text: str
    width: float
    kind: Literal["text", "number", "code"] = "text"
    verdict: str | None = None


class Cell(NamedTuple):
    """One cell of a table: what it says, and what stands small below."""

    text: str
    small: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    verdict: str | None = None
    """One of the five words: the cell is marked and coloured as it is everywhere."""


class Group(NamedTuple):
    """A row across the whole table: it says what the rows below it are of, or more of those above."""

    text: str
    quiet: bool = False
    """Whether it belongs to the rows above, and is set as they are."""


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text; a note is set smaller."""

    text: str
    note: bool = False


@dataclass(frozen=True)
class Facts:
    """Names and what they are, two by two."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table; its heading is repeated on every page."""

    heads: tuple[Head, ...]
    rows: tuple[tuple[Cell, ...] | Group, ...]


@dataclass(frozen=True)
class Figure:
    """A drawing, as the inside of an SVG element whose user unit is a millimetre."""

    drawing: str
    width: float
    height: float
    title: str
    """What it shows; stands below it, and is read out where it cannot be seen."""

    def svg(self, *, alone: bool = True) -> str:
        """Return the drawing as an SVG element; `alone`, as a file of its own."""
        space = ' xmlns="http://www.w3.org/2000/svg"' if alone else ' role="img"'
        return (
            f'<svg{space} width="{self.width:g}mm" height="{self.height:g}mm" '
            f'viewBox="0 0 {self.width:g} {self.height:g}">{self.drawing}</svg>'
        )


@dataclass(frozen=True)
class Signature:
    """Lines to be filled in by hand."""

    labels: tuple[str, ...]


Block = Heading | Paragraph | Facts | Table | Figure | Signature


@dataclass(frozen=True)
class Section:
    """A chapter.

    Attributes
    ----------
    key
        Name by which a template of Word places it.
    folded
        Whether a screen shows it only on demand; paper shows it always.
    new_page
        Whether it begins on a page of its own.
    """

    key: str
    title: str
    blocks: tuple[Block, ...]
    folded: bool = False
    new_page: bool = False


@dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes
    ----------
    facts
        What the cover says below the title.
    note
        What a reader has to bear in mind, on the cover.
    foot
        What stands at the foot of every page, beside its number.
    as_of
        Date that the report speaks for; it stands in the file instead of the clock's.
    """

    title: str
    facts: Facts
    note: str
    sections: tuple[Section, ...]
    foot: tuple[str, ...]
    as_of: dt.date
    lang: Lang
    cover: bool = True
    """Whether title and facts stand on a page of their own."""

    @property
    def figures(self) -> list[Figure]:
        """Every figure, in the order of the pages."""
        return [b for s in self.sections for b in s.blocks if isinstance(b, Figure)]


WORDS: dict[str, Text] = {
    "page": Text("第 {page} 页 / 共 {pages} 页", "Page {page} of {pages}"),
    "contents": Text("目录", "Contents"),
}
"""What writers themselves have to say."""

EARLIEST = dt.date(1980, 1, 1)
"""The date of a run without one: the first that a ZIP file can hold."""


def date_of(run: dict[str, Any]) -> dt.date:
    """Return the date that a run speaks for.

    Examples
    --------
    >>> date_of({"as_of": "2026-11-23"}), date_of({})
    (datetime.date(2026, 11, 23), datetime.date(1980, 1, 1))
    """
    return dt.date.fromisoformat(run["as_of"]) if run.get("as_of") else EARLIEST


def numbered(sections: list[Section], lang: Lang) -> tuple[Section, ...]:
    """Return the sections with numbers before their titles, as papers of an office have them.

    Examples
    --------
    >>> [s.title for s in numbered([Section("a", "方法", ()), Section("b", "结果", ())], "zh")]
    ['一、方法', '二、结果']
    """
    from dataclasses import replace

    return tuple(
        replace(
            section,
            title=f"{_numeral(n)}、{section.title}" if lang == "zh" else f"{n}. {section.title}",
        )
        for n, section in enumerate(sections, 1)
    )


def _numeral(number: int) -> str:
    """Return a number below a hundred in Chinese."""
    tens, ones = divmod(number, 10)
    digits = "零一二三四五六七八九"
    head = "" if not tens else "十" if tens == 1 else f"{digits[tens]}十"
    return head + (digits[ones] if ones or not tens else "")
