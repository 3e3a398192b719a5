"""A report as a Word file, made from a template that an office can replace."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import accumulate
from pathlib import Path
from typing import Any

from geo_urc.errors import OutputError, Problem
from geo_urc.outputs.palette import LOOKS
from geo_urc.outputs.report import word_template as styles
from geo_urc.outputs.report.model import (
    EARLIEST,
    Block,
    Cell,
    Document,
    Facts,
    Figure,
    Group,
    Heading,
    Paragraph,
    Section,
    Signature,
    Table,
)
from geo_urc.outputs.report.pdf import pictures
from geo_urc.safe_text import one_line, xml_text
from geo_urc.text import Lang, Text
from geo_urc.verdicts import LABELS

BODY, COVER, FACTS = "body", "cover", "facts"
"""Names by which a template places all chapters, title with facts and note, and the facts alone."""
_WIDTH = 9638
"""Of the text on A4, in twentieths of a point: 170 mm."""
_FITS = 0.985
"""A drawing as wide as the text is a little smaller, else programs push it over the edge."""
_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_SPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def write_word(document: Document, path: Path, template: Path | None = None) -> None:
    """Write a report as Word file; the same document and template give the same bytes.

    Parameters
    ----------
    template
        A .docx with placeholders, see :func:`places`. None takes the built-in one.

    Raises
    ------
    OutputError
        The template is no Word file, its placeholders are not understood, or none of them
        places a chapter.
    """
    import docx
    from docx.opc.exceptions import PackageNotFoundError

    named = "" if template is None else str(template)
    content = styles.built_in(document.lang) if template is None else template.read_bytes()
    try:
        file = docx.Document(io.BytesIO(content))
    except (PackageNotFoundError, zipfile.BadZipFile, KeyError, ValueError) as error:
        what = Text("不是 Word 文件（.docx）。", f"is no Word file (.docx): {error}.")
        fix = Text(
            "用 geo-urc report-template 取得内置模板，用 Word 修改后另存为 .docx。",
            "Get the built-in one with geo-urc report-template, and change it in Word.",
        )
        raise OutputError(Problem(named, what, fix)) from error
    styles.add_missing_styles(file)
    blocks = _fill(file, document, named)
    _put_blocks(file, document, blocks, str(path))
    _date(file, document)
    whole = io.BytesIO()
    file.save(whole)
    path.write_bytes(_dated(whole.getvalue(), document.as_of))


def write_template(path: Path, lang: Lang = "zh") -> None:
    """Write the built-in template, for an office to change; always the same bytes."""
    path.write_bytes(_dated(styles.built_in(lang), EARLIEST))


def places(document: Document) -> tuple[dict[str, str], list[str]]:
    """Return what a template may name: text within a line, and blocks in the place of a paragraph.

    A block is all chapters, one of them by its key, the cover, or the cover's facts.
    """
    inline = {
        "title": document.title,
        "note": document.note,
        "foot": "  ·  ".join(document.foot),
        "as_of": document.as_of.isoformat(),
    }
    return inline, [BODY, COVER, FACTS, *(section.key for section in document.sections)]


def _fill(file: Any, document: Document, named: str) -> list[tuple[Any, str]]:
    """Put text where a template names it; return the paragraphs that are to become blocks."""
    from docx.oxml.ns import qn
    from docx.parts.hdrftr import FooterPart, HeaderPart

    inline, known = places(document)
    found: list[tuple[Any, str]] = []
    around = (p for p in file.part.package.iter_parts() if isinstance(p, HeaderPart | FooterPart))
    for root in (file.element.body, *(part.element for part in around)):
        for paragraph in list(root.iter(qn("w:p"))):
            runs = list(paragraph.iter(qn("w:t")))
            text = "".join(run.text or "" for run in runs)
            if "{{" not in text and "{%" not in text:
                continue
            names = _PLACE.findall(text)
            if len(names) == 1 and names[0] in known and _PLACE.fullmatch(text.strip()):
                found.append((paragraph, names[0]))
                continue
            if wrong := [n for n in names if n not in inline] or _odd(text):
                raise OutputError(_misplaced(named, wrong[0], known, inline))
            _substitute(runs, text, inline)
    if not any(name not in (COVER, FACTS) for _, name in found):
        what = Text("模板没有放置任何章节的占位符。", "places no chapter of the report.")
        fix = Text(
            "在模板正文中单独一段写 {{ body }}。", "Write {{ body }} as a paragraph of its own."
        )
        raise OutputError(Problem(named, what, fix))
    return found


def _odd(text: str) -> list[str]:
    """Return what stands like a placeholder and is none."""
    left = _PLACE.sub("", text)
    return [left.strip()] if "{{" in left or "{%" in left else []


def _misplaced(named: str, wrong: str, known: Iterable[str], inline: Iterable[str]) -> Problem:
    alone = wrong in known
    what = Text(
        f"占位符有误：{wrong}{'须独占一段' if alone else ''}。",
        f"has a wrong placeholder: {wrong}{' must stand in a paragraph of its own' if alone else ''}.",
    )
    one, many = "、".join(inline), "、".join(known)
    fix = Text(
        f"行内可用 {one}；独占一段可用 {many}。",
        f"Within a line: {', '.join(inline)}; in a paragraph of its own: {', '.join(known)}.",
    )
    return Problem(named, what, fix)


def _substitute(runs: Sequence[Any], text: str, inline: Mapping[str, str]) -> None:
    """Put text in the place of placeholders, in the look of the run in which each begins.

    Word cuts a line into runs where it likes, within a placeholder too.
    """
    starts = [0, *accumulate(len(run.text or "") for run in runs)]
    pieces = [""] * len(runs)
    whole = {found.start(): found for found in _PLACE.finditer(text)}
    place = 0
    while place < len(text):
        run = bisect_right(starts, place) - 1
        if found := whole.get(place):
            pieces[run] += xml_text(one_line(inline[found[1]]))
            place = found.end()
        else:
            pieces[run] += text[place]
            place += 1
    for run, piece in zip(runs, pieces, strict=True):
        run.text = piece
        run.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")


def _put_blocks(
    file: Any, document: Document, blocks: Sequence[tuple[Any, str]], where: str
) -> None:
    """Put what paragraphs stand for in their place."""
    wanted = [
        (paragraph, name, [s for s in document.sections if name in (s.key, BODY)])
        for paragraph, name in blocks
    ]
    figures = [
        block for _, _, sections in wanted for section in sections for block in section.blocks
        if isinstance(block, Figure)
    ]  # fmt: skip
    writer = _Writer(file, document, iter(pictures(figures, where)))
    for paragraph, name, sections in wanted:
        elements = writer.cover(document) if name == COVER else iter(())
        if name == FACTS:
            elements = writer.block(document.facts)
        for element in elements:
            paragraph.addprevious(element)
        for place, section in enumerate(sections):
            for element in writer.section(section, first=place == 0):
                paragraph.addprevious(element)
        before, after = paragraph.getprevious(), paragraph.getnext()
        table = before is not None and before.tag.endswith("}tbl")
        if table and (after is None or after.tag != paragraph.tag):
            # Nothing but a paragraph may end a cell, or keep two tables apart.
            paragraph.addprevious(_parsed(writer.gap()))
        paragraph.getparent().remove(paragraph)


class _Writer:
    """Makes the elements of blocks in the styles of one file."""

    def __init__(self, file: Any, document: Document, images: Iterator[bytes]) -> None:
        self.file, self.images = file, images
        self.labels = {word: text.to(document.lang) for word, text in LABELS.items()}
        self.colon = Text("：", ": ").to(document.lang)
        self.style = {s.name: s.style_id for s in file.styles}

    def section(self, section: Section, *, first: bool) -> Iterator[Any]:
        page = "<w:pageBreakBefore/>" if section.new_page and not first else ""
        yield _parsed(self._paragraph("Heading 1", section.title, page))
        for place, block in enumerate(section.blocks):
            if place and isinstance(section.blocks[place - 1], Table):
                # Not after the last: the line may fall on a page of its own, which stays empty.
                yield _parsed(self.gap())
            yield from self.block(block)

    def cover(self, document: Document) -> Iterator[Any]:
        """Yield title, facts and note; on a page of their own if the document has one."""
        yield _parsed(self._paragraph(styles.COVER if document.cover else "Title", document.title))
        yield from self.block(document.facts)
        yield _parsed(self._paragraph(styles.NOTE, document.note))
        if document.cover:
            page = '<w:p><w:r><w:br w:type="page"/></w:r></w:p>'
            yield _parsed(page)

    def block(self, block: Block) -> Iterator[Any]:
        match block:
            case Heading(text):
                yield _parsed(self._paragraph("Heading 2", text))
            case Paragraph(text, note):
                yield _parsed(self._paragraph(styles.NOTE if note else styles.TEXT, text))
            case Facts(pairs):
                for name, value in pairs:
                    yield _parsed(self._paragraph(styles.FACT, f"{name}{self.colon}{value}"))
            case Figure():
                yield self._figure(block)
                yield _parsed(self._paragraph(styles.CAPTION, block.title))
            case Signature(labels):
                yield _parsed(self._signature(labels))
            case Table():
                yield _parsed(self._table(block))

    def gap(self) -> str:
        """Return an empty line as it stands between two blocks."""
        return self._paragraph(styles.SMALL, "")

    def _paragraph(self, style: str, text: str, more: str = "") -> str:
        return (
            f'<w:p><w:pPr><w:pStyle w:val="{self.style[style]}"/>{more}</w:pPr>{_run(text)}</w:p>'
        )

    def _figure(self, figure: Figure) -> Any:
        from docx.shared import Mm

        picture = io.BytesIO(next(self.images))
        inline = self.file.part.new_pic_inline(
            picture, Mm(_FITS * figure.width), Mm(_FITS * figure.height)
        )
        inline.docPr.set("descr", xml_text(one_line(figure.title)))
        paragraph = _parsed(self._paragraph(styles.FIGURE, ""))
        run = paragraph.makeelement(f"{{{paragraph.nsmap['w']}}}r")
        drawing = run.makeelement(f"{{{paragraph.nsmap['w']}}}drawing")
        drawing.append(inline)
        run.append(drawing)
        paragraph.append(run)
        return paragraph

    def _signature(self, labels: tuple[str, ...]) -> str:
        """Return a table without borders, two names a row with a line to write on."""
        rows = ""
        for place in range(0, len(labels), 2):
            cells = ""
            for label in (*labels[place : place + 2], "")[:2]:
                line = '<w:tcBorders><w:bottom w:val="single" w:sz="6"/></w:tcBorders>'
                cells += (
                    f'<w:tc><w:tcPr><w:tcW w:w="4400" w:type="dxa"/>{line if label else ""}</w:tcPr>'
                    f"{self._paragraph(styles.SIGN, label)}</w:tc>"
                    '<w:tc><w:tcPr><w:tcW w:w="419" w:type="dxa"/></w:tcPr><w:p/></w:tc>'
                )
            rows += f"<w:tr><w:trPr><w:cantSplit/></w:trPr>{cells}</w:tr>"
        grid = '<w:gridCol w:w="4400"/><w:gridCol w:w="419"/>' * 2
        return (
            f'<w:tbl><w:tblPr><w:tblW w:w="{_WIDTH}" w:type="dxa"/><w:tblLayout w:type="fixed"/>'
            f"</w:tblPr><w:tblGrid>{grid}</w:tblGrid>{rows}</w:tbl>"
        )

    def _table(self, table: Table) -> str:
        whole = sum(head.width for head in table.heads)
        widths = [round(_WIDTH * head.width / whole) for head in table.heads]
        edges = "".join(
            f'<w:{side} w:val="single" w:sz="4" w:color="BBBBBB"/>'
            for side in ("top", "left", "bottom", "right", "insideH", "insideV")
        )
        heads = "".join(
            _cell(width, self._head(head), "F1F1EE")
            for head, width in zip(table.heads, widths, strict=True)
        )
        rows = [f"<w:tr><w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>{heads}</w:tr>"]
        for row in table.rows:
            if isinstance(row, Group):
                style = styles.SMALL if row.quiet else styles.TABLE_HEAD
                fill = "" if row.quiet else "F6F6F2"
                inside = self._paragraph(style, row.text)
                cells = _cell(sum(widths), inside, fill, span=len(widths))
            else:
                cells = "".join(
                    _cell(width, self._inside(cell, head.kind == "number"), _colour(cell))
                    for cell, head, width in zip(row, table.heads, widths, strict=True)
                )
            rows.append(f"<w:tr><w:trPr><w:cantSplit/></w:trPr>{cells}</w:tr>")
        grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
        return (
            f'<w:tbl><w:tblPr><w:tblW w:w="{_WIDTH}" w:type="dxa"/><w:tblBorders>{edges}</w:tblBorders>'
            '<w:tblLayout w:type="fixed"/><w:tblCellMar><w:left w:w="70" w:type="dxa"/>'
            f'<w:right w:w="70" w:type="dxa"/></w:tblCellMar></w:tblPr><w:tblGrid>{grid}</w:tblGrid>'
            f"{''.join(rows)}</w:tbl>"
        )

    def _head(self, head: Any) -> str:
        right = '<w:jc w:val="right"/>' if head.kind == "number" else ""
        lines = [LOOKS[head.verdict].mark] if head.verdict else []
        return "".join(
            self._paragraph(styles.TABLE_HEAD, line, right) for line in (*lines, head.text)
        )

    def _inside(self, cell: Cell, number: bool) -> str:
        said = cell.text
        if cell.verdict:
            said = f"{LOOKS[cell.verdict].mark} {self.labels[cell.verdict]} {said}".rstrip()
        right = '<w:jc w:val="right"/>' if number else ""
        lines = [self._paragraph(styles.TABLE, said, right)] if said or not cell.small else []
        lines += [self._paragraph(styles.SMALL, text) for text in cell.small]
        lines += [self._paragraph(styles.WARNING, text) for text in cell.warnings]
        return "".join(lines)


def _colour(cell: Cell) -> str:
    return LOOKS[cell.verdict].colour.lstrip("#") if cell.verdict else ""


def _cell(width: int, inside: str, fill: str = "", span: int = 1) -> str:
    many = f'<w:gridSpan w:val="{span}"/>' if span > 1 else ""
    shade = f'<w:shd w:val="clear" w:color="auto" w:fill="{fill.upper()}"/>' if fill else ""
    return f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>{many}{shade}</w:tcPr>{inside}</w:tc>'


def _run(text: str) -> str:
    shown = escape(xml_text(one_line(text)), quote=False)
    return f'<w:r><w:t xml:space="preserve">{shown}</w:t></w:r>' if shown else ""


def _parsed(xml: str) -> Any:
    """Return the element of a piece of XML that has the prefix w."""
    from docx.oxml import parse_xml

    end = xml.index(">")
    return parse_xml(f"{xml[:end]} {_SPACE}{xml[end:]}")


def _date(file: Any, document: Document) -> None:
    """Let the file speak of the report's date and of no one's name."""
    day = document.as_of
    told = file.core_properties
    told.title, told.author, told.last_modified_by, told.comments = (
        one_line(document.title),
        "",
        "",
        "",
    )
    told.created = told.modified = dt.datetime(day.year, day.month, day.day)  # noqa: DTZ001
    told.revision = 1


def _dated(content: bytes, day: dt.date) -> bytes:
    """Return a ZIP file whose parts are all of one date, so that the clock is not in it."""
    whole = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(whole, "w") as new:
        for name in old.namelist():
            entry = zipfile.ZipInfo(name, (day.year, day.month, day.day, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, old.read(name))
    return whole.getvalue()
