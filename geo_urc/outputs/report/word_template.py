"""The built-in template of Word reports, and the styles that every report needs.

Fonts are named, not embedded: 仿宋, 黑体 and 小标宋 are on the machines of offices. Every style
names its font for Chinese by itself, else Word takes another for half of the characters.
"""

from __future__ import annotations

import io
import re
from typing import Any, NamedTuple

from geo_urc.outputs.report.model import WORDS
from geo_urc.text import Lang

TEXT, NOTE, FACT, FIGURE, CAPTION = "URC Text", "URC Note", "URC Fact", "URC Figure", "URC Caption"
TABLE, TABLE_HEAD, SMALL = "URC Table", "URC Table Head", "URC Small"
WARNING, SIGN, COVER = "URC Warning", "URC Sign", "URC Cover"

_LATIN = "Times New Roman"
_FANGSONG, _HEITI, _TITLE = "仿宋_GB2312", "黑体", "方正小标宋简体"
_FIELDS = {"{page}": "PAGE", "{pages}": "NUMPAGES"}
_MARGINS = {"top_margin": 25, "bottom_margin": 25, "left_margin": 20, "right_margin": 20}
"""Millimetres; 170 are left for the text."""


class _Look(NamedTuple):
    font: str
    points: float
    before: float = 0
    after: float = 0
    centred: bool = False
    indent: float = 0
    """Of the first line, in points."""
    keep: bool = False
    """Whether it stays with what follows."""
    colour: str = "222222"
    spacing: float = 1.0


_LOOKS: dict[str, _Look] = {
    TEXT: _Look(_FANGSONG, 12, after=4, indent=24, spacing=1.4),
    NOTE: _Look(_FANGSONG, 10, after=4, colour="444444"),
    FACT: _Look(_FANGSONG, 12, after=4, spacing=1.2),
    FIGURE: _Look(_FANGSONG, 10, before=6, centred=True, keep=True),
    CAPTION: _Look(_HEITI, 9, after=8, centred=True, colour="444444"),
    TABLE: _Look(_FANGSONG, 9),
    TABLE_HEAD: _Look(_HEITI, 8.5, keep=True),
    SMALL: _Look(_FANGSONG, 8, colour="444444"),
    WARNING: _Look(_FANGSONG, 8, colour="A34700"),
    SIGN: _Look(_HEITI, 12, before=26, after=3),
    COVER: _Look(_TITLE, 26, before=150, after=90, centred=True),
}
_KNOWN: dict[str, _Look] = {
    "Normal": _Look(_FANGSONG, 12),
    "Title": _Look(_TITLE, 20, before=12, after=12, centred=True),
    "Heading 1": _Look(_HEITI, 16, before=16, after=8, keep=True),
    "Heading 2": _Look(_HEITI, 13, before=10, after=5, keep=True),
    "Footer": _Look(_FANGSONG, 8, colour="444444"),
}
"""Word's own styles as the built-in template has them."""


def built_in(lang: Lang = "zh") -> bytes:
    """Return the built-in template as a .docx, with its placeholders."""
    import docx
    from docx.enum.text import WD_TAB_ALIGNMENT
    from docx.shared import Mm

    file = docx.Document()
    for style in file.styles:
        if style.element.find(_w("rPr")) is not None or style.name in _KNOWN:
            _set_font(style, _FANGSONG)
    _set_defaults(file)
    for name, look in _KNOWN.items():
        _apply(file.styles[name], look)
    add_missing_styles(file)
    page = file.sections[0]
    page.page_width, page.page_height = Mm(210), Mm(297)
    for side, millimetres in _MARGINS.items():
        setattr(page, side, Mm(millimetres))
    page.footer_distance = Mm(13)

    file.add_paragraph("{{ cover }}", TEXT)
    file.add_paragraph("{{ body }}", TEXT)
    foot = page.footer.paragraphs[0]
    foot.paragraph_format.tab_stops.clear_all()
    foot.paragraph_format.tab_stops.add_tab_stop(Mm(170), WD_TAB_ALIGNMENT.RIGHT)
    foot.add_run("{{ foot }}\t")
    for piece in re.split(r"(\{pages?\})", WORDS["page"].to(lang)):
        if piece in _FIELDS:
            _field(foot, _FIELDS[piece])
        elif piece:
            foot.add_run(piece)
    whole = io.BytesIO()
    file.save(whole)
    return whole.getvalue()


def add_missing_styles(file: Any) -> None:
    """Add to a file the styles of reports that it lacks; those it has stay as they are."""
    from docx.enum.style import WD_STYLE_TYPE

    have = {style.name for style in file.styles}
    for name, look in _LOOKS.items():
        if name not in have:
            style = file.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
            style.base_style = file.styles["Normal"] if "Normal" in have else None
            _apply(style, look)
    for name in ("Heading 1", "Heading 2"):
        if name not in have:
            _apply(file.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH, builtin=True), _KNOWN[name])


def _apply(style: Any, look: _Look) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt, RGBColor

    _set_font(style, look.font)
    for border in style.element.xpath(".//w:pBdr"):
        border.getparent().remove(border)
    style.font.size, style.font.bold, style.font.italic = Pt(look.points), False, False
    style.font.color.rgb = RGBColor.from_string(look.colour)
    layout = style.paragraph_format
    layout.space_before, layout.space_after = Pt(look.before), Pt(look.after)
    layout.line_spacing, layout.keep_with_next = look.spacing, look.keep
    layout.first_line_indent = Pt(look.indent)
    layout.alignment = WD_ALIGN_PARAGRAPH.CENTER if look.centred else WD_ALIGN_PARAGRAPH.LEFT


def _set_font(style: Any, font: str) -> None:
    _name_fonts(style.element.get_or_add_rPr(), font)


def _name_fonts(properties: Any, font: str) -> None:
    """Name the fonts of a style, and take those away that its theme would put before them."""
    fonts = properties.get_or_add_rFonts()
    for name in list(fonts.attrib):
        del fonts.attrib[name]
    for part, named in (("ascii", _LATIN), ("hAnsi", _LATIN), ("cs", _LATIN), ("eastAsia", font)):
        fonts.set(_w(part), named)


def _set_defaults(file: Any) -> None:
    """Name fonts and language where no style does."""
    properties = file.styles.element.find(f".//{_w('rPrDefault')}/{_w('rPr')}")
    _name_fonts(properties, _FANGSONG)
    language = properties.find(_w("lang"))
    if language is not None:
        language.set(_w("eastAsia"), "zh-CN")


def _field(paragraph: Any, code: str) -> None:
    """Add a number that Word works out."""
    from docx.oxml import OxmlElement

    field = OxmlElement("w:fldSimple")
    field.set(_w("instr"), code)
    run, text = OxmlElement("w:r"), OxmlElement("w:t")
    text.text = "1"
    run.append(text)
    field.append(run)
    paragraph._p.append(field)


def _w(name: str) -> str:
    from docx.oxml.ns import qn

    return qn(f"w:{name}")
