"""A QGIS style (QML) that colours a layer by the verdicts of one rule."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, tostring

from geo_urc.outputs.labels import column_title
from geo_urc.outputs.palette import LOOKS, OTHER
from geo_urc.results import LayerInfo, RuleInfo
from geo_urc.safe_text import xml_text
from geo_urc.text import Lang, Text
from geo_urc.verdicts import LABELS

_OTHER_LABEL = Text("其他", "other")
_EDGE = "70,70,70,255"


def style_qml(info: LayerInfo, rule: RuleInfo, lang: Lang) -> str:
    """Return the style as QML text, readable by QGIS 3.x.

    One category a verdict, marked with its symbol and word; a last one without a value
    takes whatever else the column may hold, so that no feature is invisible.
    """
    qgis = Element("qgis", version="3.22.0-Białowieża", styleCategories="AllStyleCategories")
    renderer = SubElement(
        qgis,
        "renderer-v2",
        type="categorizedSymbol",
        attr=info.column_of(rule.id, "verdict"),
        symbollevels="0",
        enableorderby="0",
        forceraster="0",
    )
    categories = SubElement(renderer, "categories")
    symbols = SubElement(renderer, "symbols")
    entries = [
        (word, f"{look.mark} {LABELS[word].to(lang)}", look.colour) for word, look in LOOKS.items()
    ]
    for place, (value, label, colour) in enumerate([*entries, ("", _OTHER_LABEL.to(lang), OTHER)]):
        SubElement(
            categories,
            "category",
            value=value,
            label=label,
            symbol=str(place),
            render="true",
            type="string",
        )
        _add_symbol(symbols, str(place), info.geometry_type, colour)
    aliases = SubElement(qgis, "aliases")
    attributes = [column for column in info.columns if column.origin != "geometry"]
    for index, column in enumerate(attributes, start=1):
        SubElement(
            aliases,
            "alias",
            field=xml_text(column.name),
            index=str(index),
            name=xml_text(column_title(column, lang)),
        )
    subject_id = info.one("id").replace('"', '""')
    SubElement(qgis, "previewExpression").text = xml_text(f'"{subject_id}"')
    return tostring(qgis, encoding="unicode")


def _add_symbol(symbols: Element, name: str, geometry_type: str, colour: str) -> None:
    kind, layer_class, options = _drawing(geometry_type, _rgba(colour))
    symbol = SubElement(symbols, "symbol", type=kind, name=name, alpha="1", clip_to_extent="1")
    symbol.set("force_rhr", "0")
    layer = SubElement(
        symbol, "layer", {"class": layer_class, "enabled": "1", "pass": "0", "locked": "0"}
    )
    table = SubElement(layer, "Option", type="Map")
    for key, value in options.items():
        SubElement(table, "Option", name=key, type="QString", value=value)
    # QGIS before 3.22 reads only the older form.
    for key, value in options.items():
        SubElement(layer, "prop", k=key, v=value)


def _drawing(geometry_type: str, rgba: str) -> tuple[str, str, dict[str, str]]:
    """Return symbol type, layer class and properties for a geometry type."""
    if "Point" in geometry_type:
        return (
            "marker",
            "SimpleMarker",
            {
                "color": rgba,
                "name": "circle",
                "outline_color": _EDGE,
                "outline_width": "0.2",
                "outline_width_unit": "MM",
                "size": "2.6",
                "size_unit": "MM",
            },
        )
    if "Line" in geometry_type:
        return (
            "line",
            "SimpleLine",
            {"line_color": rgba, "line_width": "0.8", "line_width_unit": "MM"},
        )
    return (
        "fill",
        "SimpleFill",
        {
            "color": rgba,
            "style": "solid",
            "outline_color": _EDGE,
            "outline_style": "solid",
            "outline_width": "0.15",
            "outline_width_unit": "MM",
        },
    )


def _rgba(colour: str) -> str:
    """Return ``#rrggbb`` as QGIS writes it.

    Examples
    --------
    >>> _rgba("#ff8000")
    '255,128,0,255'
    """
    return ",".join(str(int(colour[place : place + 2], 16)) for place in (1, 3, 5)) + ",255"
