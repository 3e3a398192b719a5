"""A report as a Word file, made from a template that an office can replace."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Iterator
from html import escape
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
from geo_urc.text import Text
from geo_urc.verdicts import LABELS

BODY = "body"
"""Name by which a template places all chapters."""
_WIDTH = 9638
"""Of the text on A4, in twentieths of a point: 170 mm."""
_FITS = 0.985
"""A drawing as wide as the text is a little smaller, else programs push it over the edge."""
_OPEN, _CLOSE = "\ue000", "\ue001"
"""Around the name of a chapter, between rendering the template and putting the chapter there."""
_SPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def write_word(document: Document, path: Path, template: Path | None = None) -> None:
    """Write a report as Word file; the same document and template give the same bytes.

    Parameters
    ----------
    template
        A .docx with placeholders: ``{{ title }}``, ``{{ note }}``, ``{{ foot }}``, ``{{ as_of }}``,
        ``facts`` (pairs), ``{{ body }}`` for all chapters or the chapters one by one by their
        keys. None takes the built-in one.

    Raises
    ------
    OutputError
        The template is no Word file, its placeholders are not understood, or none of them
        places a chapter.
    """
    from docx.opc.exceptions import PackageNotFoundError
    from docxtpl import DocxTemplate
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    named = "" if template is None else str(template)
    try:
        source: Any = (
            io.BytesIO(styles.built_in()) if template is None else io.BytesIO(template.read_bytes())
        )
        word = DocxTemplate(source)
        environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=True)
        word.render(_context(document), environment, autoescape=True)
    except (PackageNotFoundError, zipfile.BadZipFile, KeyError, ValueError) as error:
        what = Text("不是 Word 文件（.docx）。", f"is no Word file (.docx): {error}.")
        fix = Text(
            "用 geo-urc report-template 取得内置模板，用 Word 修改后另存为 .docx。",
            "Get the built-in one with geo-urc report-template, and change it in Word.",
        )
        raise OutputError(Problem(named, what, fix)) from error
    except TemplateError as error:
        what = Text(
            f"模板中的占位符有误：{error.message}。", f"has a wrong placeholder: {error.message}."
        )
        fix = Text(
            f"可用：{'、'.join(_context(document))}。", f"Known: {', '.join(_context(document))}."
        )
        raise OutputError(Problem(named, what, fix)) from error
    file: Any = word.docx
    styles.add_missing_styles(file)
    if not _put_chapters(file, document, str(path)):
        what = Text("模板没有放置任何章节的占位符。", "places no chapter of the report.")
        fix = Text(
            "在模板正文中单独一段写 {{ body }}。", "Write {{ body }} as a paragraph of its own."
        )
        raise OutputError(Problem(named, what, fix))
    _date(file, document)
    whole = io.BytesIO()
    file.save(whole)
    path.write_bytes(_dated(whole.getvalue(), document.as_of))


def write_template(path: Path) -> None:
    """Write the built-in template, for an office to change; always the same bytes."""
    path.write_bytes(_dated(styles.built_in(), EARLIEST))


def _context(document: Document) -> dict[str, Any]:
    """Return what a template may name."""
    chapters = {s.key: f"{_OPEN}{s.key}{_CLOSE}" for s in document.sections}
    return {
        "title": one_line(document.title),
        "facts": [tuple(map(one_line, pair)) for pair in document.facts.pairs],
        "note": one_line(document.note),
        "foot": one_line("  ·  ".join(document.foot)),
        "as_of": document.as_of.isoformat(),
        "lang": document.lang,
        "cover": document.cover,
        BODY: f"{_OPEN}{BODY}{_CLOSE}",
        **chapters,
    }


def _put_chapters(file: Any, document: Document, where: str) -> bool:
    """Put the chapters where the template wants them; return whether it wants any."""
    from docx.oxml.ns import qn

    places = []
    for paragraph in file.element.body.iter(qn("w:p")):
        text = "".join(t.text or "" for t in paragraph.iter(qn("w:t")))
        if _OPEN in text and _CLOSE in text:
            key = text[text.index(_OPEN) + 1 : text.index(_CLOSE)]
            wanted = [s for s in document.sections if key in (s.key, BODY)]
            places.append((paragraph, wanted))
    if not places:
        return False
    drawn = [s for _, wanted in places for s in wanted]
    figures = [b for s in drawn for b in s.blocks if isinstance(b, Figure)]
    images = iter(pictures(figures, where))
    writer = _Writer(file, document, images)
    for paragraph, wanted in places:
        for place, section in enumerate(wanted):
            for element in writer.section(section, first=place == 0):
                paragraph.addprevious(element)
        paragraph.getparent().remove(paragraph)
    return True


class _Writer:
    """Makes the elements of blocks in the styles of one file."""

    def __init__(self, file: Any, document: Document, images: Iterator[bytes]) -> None:
        self.file, self.images = file, images
        self.labels = {word: text.to(document.lang) for word, text in LABELS.items()}
        self.style = {s.name: s.style_id for s in file.styles}

    def section(self, section: Section, *, first: bool) -> Iterator[Any]:
        page = "<w:pageBreakBefore/>" if section.new_page and not first else ""
        yield _parsed(self._paragraph("Heading 1", section.title, page))
        for block in section.blocks:
            yield from self._block(block)

    def _block(self, block: Block) -> Iterator[Any]:
        match block:
            case Heading(text):
                yield _parsed(self._paragraph("Heading 2", text))
            case Paragraph(text, note):
                yield _parsed(self._paragraph(styles.NOTE if note else styles.TEXT, text))
            case Facts(pairs):
                for name, value in pairs:
                    yield _parsed(self._paragraph(styles.FACT, f"{name}：{value}"))
            case Figure():
                yield self._figure(block)
                yield _parsed(self._paragraph(styles.CAPTION, block.title))
            case Signature(labels):
                yield _parsed(self._signature(labels))
            case Table():
                yield _parsed(self._table(block))
                yield _parsed(self._paragraph(styles.SMALL, ""))

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
