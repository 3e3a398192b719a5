"""Verdicts as QGIS draws them: colour, and a pattern, outline or shape for those who see none."""

from __future__ import annotations

from typing import Literal, NamedTuple
from xml.etree.ElementTree import Element

from geo_urc.outputs.palette import LOOKS, OTHER
from geo_urc.outputs.qgis_xml import SymbolLayer, rgba, symbol

Shape = Literal["point", "line", "polygon"]


class Pattern(NamedTuple):
    """What tells a verdict apart without its colour."""

    hatch: int | None
    """Angle of the hatching of a polygon in degrees; None for a plain one."""
    outline: str
    dash: str
    """Style of a line."""
    marker: str
    """Shape of a point."""


PATTERNS: dict[str, Pattern] = {
    "eligible": Pattern(None, "solid", "solid", "circle"),
    "ineligible": Pattern(45, "solid", "dash", "cross_fill"),
    "review": Pattern(135, "solid", "dash dot", "triangle"),
    "unknown": Pattern(0, "dash", "dot", "square"),
    "not_applicable": Pattern(None, "dot", "solid", "circle"),
}
"""Verdict → pattern, for print without colour and for eyes that see few of them."""
_PLAIN = Pattern(None, "solid", "solid", "diamond")

BACKGROUNDS: dict[str, tuple[str, str]] = {
    "parcels": ("#f3f1ec", "#c9c4b8"),
    "green_spaces": ("#d9ead0", "#a9c99a"),
}
"""Role → fill and outline where a layer only shows where others lie."""
_NEUTRAL = ("#e9edf2", "#8496a9")


def shape_of(geometry_type: str) -> Shape:
    """Return what a geometry type is drawn as.

    Examples
    --------
    >>> shape_of("MultiPolygon Z"), shape_of("Point")
    ('polygon', 'point')
    """
    if "Point" in geometry_type:
        return "point"
    return "line" if "Line" in geometry_type else "polygon"


def verdict_symbol(word: str | None, shape: Shape, name: str) -> Element:
    """Return the symbol of a verdict, or of whatever is none."""
    colour = LOOKS[word].colour if word in LOOKS else OTHER
    return _symbol(colour, darker(colour), PATTERNS.get(word or "", _PLAIN), shape, name)


def background_symbol(role: str, shape: Shape) -> Element:
    """Return the symbol of a layer that carries no verdict."""
    fill, outline = BACKGROUNDS.get(role, _NEUTRAL)
    return _symbol(fill, outline, Pattern(None, "solid", "solid", "circle"), shape, "0")


def darker(colour: str) -> str:
    """Return a colour for outline and hatching: of the same hue, at less than half the light.

    Examples
    --------
    >>> darker("#f0e442")
    '#6c661d'
    """
    return "#" + "".join(f"{int(colour[i : i + 2], 16) * 45 // 100:02x}" for i in (1, 3, 5))


def _symbol(colour: str, edge: str, pattern: Pattern, shape: Shape, name: str) -> Element:
    if shape == "point":
        point = {
            "color": rgba(colour),
            "name": pattern.marker,
            "outline_color": rgba(edge),
            "outline_width": "0.25",
            "outline_width_unit": "MM",
            "size": "3",
            "size_unit": "MM",
        }
        return symbol("marker", [SymbolLayer("SimpleMarker", point)], name)
    if shape == "line":
        return symbol("line", [_line(colour, "0.8", pattern.dash)], name)
    fill = {
        "color": rgba(colour),
        "style": "solid",
        "outline_color": rgba(edge),
        "outline_style": pattern.outline,
        "outline_width": "0.1",
        "outline_width_unit": "MM",
        "joinstyle": "round",
    }
    layers = [SymbolLayer("SimpleFill", fill)]
    if pattern.hatch is not None:
        hatch = {
            "angle": str(pattern.hatch),
            "distance": "1.6",
            "distance_unit": "MM",
            "line_width": "0.12",
            "line_width_unit": "MM",
            "color": rgba(edge),
        }
        lines = symbol("line", [_line(edge, "0.12", "solid")], f"@{name}@1")
        layers.append(SymbolLayer("LinePatternFill", hatch, lines))
    return symbol("fill", layers, name)


def _line(colour: str, width_mm: str, dash: str) -> SymbolLayer:
    line = {
        "line_color": rgba(colour),
        "line_width": width_mm,
        "line_width_unit": "MM",
        "line_style": dash,
        "capstyle": "flat",
    }
    return SymbolLayer("SimpleLine", line)
