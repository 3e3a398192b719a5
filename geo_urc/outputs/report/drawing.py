"""Shapes and words of a drawing in millimetres, as the inside of an SVG element.

Drawn by hand rather than by a plotting library: a sheet for each of hundreds of parcels costs
milliseconds, the same numbers give the same text everywhere, and words stay words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from geo_urc.outputs.fonts import SANS
from geo_urc.outputs.palette import LOOKS
from geo_urc.safe_text import one_line, xml_text
from geo_urc.text import Lang
from geo_urc.verdicts import LABELS

WIDTH = 170.0
"""What fits between the margins of A4."""
INK, PALE = "#222222", "#bbbbbb"
_FAMILIES = f"'{SANS}', 'Noto Sans CJK SC', 'Microsoft YaHei', 'PingFang SC', sans-serif"
_BARS = (1, 2, 5)
"""First digits of a length that a scale bar may have."""

Points = npt.NDArray[np.float64]


def drawing(parts: Iterable[str]) -> str:
    """Return the parts as one drawing, with the font that its words are set in."""
    return f'<g font-family="{_FAMILIES}" fill="{INK}">{"".join(parts)}</g>'


def words(
    x: float, y: float, text: str, size: float = 2.9, *, anchor: str = "start", fill: str = INK
) -> str:
    """Return one line of text; what it holds is shown and is never markup."""
    at = f'x="{x:.2f}" y="{y:.2f}" font-size="{size:g}"'
    inked = "" if fill == INK else f' fill="{fill}"'
    placed = "" if anchor == "start" else f' text-anchor="{anchor}"'
    shown = escape(xml_text(one_line(text)))
    return f"<text {at}{placed}{inked}>{shown}</text>"


def box(x: float, y: float, width: float, height: float, fill: str, stroke: str = "none") -> str:
    """Return a rectangle."""
    edge = "" if stroke == "none" else f' stroke="{stroke}" stroke-width="0.15"'
    return (
        f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" '
        f'fill="{fill}"{edge}/>'
    )


def path(rings: Sequence[Points], style: str, *, closed: bool = True) -> str:
    """Return rings, or lines, as one shape; of rings, those inside others are holes."""
    end = "Z" if closed else ""
    steps = [
        "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in (ring[:-1] if closed else ring)) + end
        for ring in rings
    ]
    return f'<path d="{"".join(steps)}" fill-rule="evenodd" {style}/>' if steps else ""


def clipped(text: str, most: float) -> str:
    """Return text that is no wider than so many Chinese characters.

    Examples
    --------
    >>> clipped("轨道站点周边用地", 5), clipped("near a station", 5)
    ('轨道站点…', 'near a …')
    """
    width = 0.0
    for place, character in enumerate(text):
        width += 0.55 if ord(character) < 0x2E80 else 1.0
        if width > most:
            kept = text[:place]
            while kept and _width(kept) > most - 1:
                kept = kept[:-1]
            return f"{kept}…"
    return text


def _width(text: str) -> float:
    return sum(0.55 if ord(character) < 0x2E80 else 1.0 for character in text)


def legend(y: float, lang: Lang) -> list[str]:
    """Return the five verdicts with their colours and marks, in a line."""
    parts, x = [], 0.0
    for word, look in LOOKS.items():
        label = LABELS[word].to(lang)
        parts.append(box(x, y, 4.2, 4.2, look.colour, "#555555"))
        parts.append(words(x + 2.1, y + 3.2, look.mark, 3.0, anchor="middle"))
        parts.append(words(x + 5.4, y + 3.3, label, 3.0))
        x += 11.0 + 3.0 * _width(label)
    return parts


def scale_bar(x: float, y: float, metres_a_mm: float, longest: float) -> list[str]:
    """Return a bar of a round length, no longer than so many millimetres."""
    most = longest * metres_a_mm
    tens = 10.0 ** np.floor(np.log10(most))
    metres = max(tens * first for first in _BARS if tens * first <= most)
    length = metres / metres_a_mm
    told = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
    half = length / 2
    return [
        box(x, y, half, 1.2, INK, INK),
        box(x + half, y, half, 1.2, "#ffffff", INK),
        words(x, y - 0.8, "0", 2.4),
        words(x + length, y - 0.8, told, 2.4, anchor="middle"),
    ]


def north_arrow(x: float, y: float) -> list[str]:
    """Return an arrow to the north of the grid, which is up."""
    left = np.array([(x, y), (x - 2.2, y + 7), (x, y + 5.4), (x, y)])
    right = np.array([(x, y), (x + 2.2, y + 7), (x, y + 5.4), (x, y)])
    edge = f'stroke="{INK}" stroke-width="0.2"'
    return [
        path([left], f'fill="#ffffff" {edge}'),
        path([right], f'fill="{INK}" {edge}'),
        words(x, y - 0.8, "N", 3.2, anchor="middle"),
    ]
