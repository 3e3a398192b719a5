"""A report as one HTML page: to read, print and file, without script or network."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from geo_urc.outputs.palette import LOOKS
from geo_urc.outputs.report.model import WORDS, Document
from geo_urc.verdicts import LABELS


def write_html(document: Document, path: Path) -> None:
    """Write a report as one HTML file for reading and for printing on A4."""
    from jinja2 import Environment
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = (files("geo_urc.outputs") / "assets" / "report.html.j2").read_text(encoding="utf-8")
    page = environment.from_string(template).render(
        document=document,
        looks=LOOKS,
        labels={word: text.to(document.lang) for word, text in LABELS.items()},
        foot=Markup(_in_style(" · ".join(document.foot))),
        page_number=Markup(_page_number(WORDS["page"].to(document.lang))),
    )
    path.write_text(page, encoding="utf-8", newline="\n")


def _page_number(pattern: str) -> str:
    """Return the words of a page's number as CSS has them.

    Examples
    --------
    >>> _page_number("第 {page} 页 / 共 {pages} 页")
    '"第 " counter(page) " 页 / 共 " counter(pages) " 页"'
    """
    first, second, third = re.split(r"\{pages?\}", pattern)
    said = f'"{first}" counter(page) "{second}" counter(pages) "{third}"'
    return said.removesuffix(' ""')


def _in_style(text: str) -> str:
    """Return text as it may stand in a string of CSS, and end neither that nor the style."""
    return re.sub(r"[^\w .·：:_-]", lambda found: f"\\{ord(found[0]):x} ", text)
