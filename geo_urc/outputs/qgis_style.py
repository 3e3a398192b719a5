"""How QGIS shows a result layer: colours by the verdicts of one rule, labels, map tip, form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, tostring

from geo_urc.outputs import qgis_expressions as ex
from geo_urc.outputs.labels import column_words, reason_titles, rule_label, unit_text
from geo_urc.outputs.palette import LOOKS
from geo_urc.outputs.qgis_form import add_columns, add_form
from geo_urc.outputs.qgis_symbols import Shape, background_symbol, shape_of, verdict_symbol
from geo_urc.outputs.qgis_xml import QGIS_VERSION, rgba
from geo_urc.results import Column, FactLine, LayerInfo, RuleInfo
from geo_urc.text import Lang, Text
from geo_urc.verdicts import LABELS, REASONS

Part = Literal["all", "columns", "look"]
"""How much a style holds: the rest stays as it is where the style is chosen."""
_LOOK = "Symbology|Labeling|MapTips"
_HELD: dict[Part, str] = {"all": "AllStyleCategories", "columns": f"{_LOOK}|Fields", "look": _LOOK}

LABELS_BELOW = 5000
"""Denominator of the scale from which single subjects have labels: a parcel is a centimetre."""
_OTHER_LABEL = Text("其他", "other")
_MARGIN = Text("与限值之差", "Margin")
_REASON = Text("原因", "Why")
_COLON = Text("：", ": ")
_FONT = "Noto Sans CJK SC"
_FONTS = ("Microsoft YaHei", "PingFang SC", "Source Han Sans SC", "WenQuanYi Micro Hei")


def style_qml(
    info: LayerInfo,
    rule: RuleInfo | None,
    lang: Lang,
    *,
    shape: Shape | None = None,
    name: str | None = None,
    part: Part = "all",
) -> str:
    """Return a style as QML text, readable by QGIS 3.x.

    One category a verdict, marked with its symbol and word; a last one without a value
    takes whatever else the column may hold, so that no feature is invisible.

    Parameters
    ----------
    rule
        None for the plain look of a layer without verdicts, or of one in the background.
    shape
        As what it is drawn, where the layer's geometry type leaves that open.
    name
        The user's column that names the subjects, if there is one.
    part
        ``columns`` leaves the form as it is, ``look`` the columns too: such a style changes
        nothing but what is seen on the map.
    """
    qgis = Element("qgis", version=QGIS_VERSION)
    fill_style(qgis, info, rule, lang, shape=shape, name=name, part=part)
    return tostring(qgis, encoding="unicode")


def fill_style(
    qgis: Element,
    info: LayerInfo,
    rule: RuleInfo | None,
    lang: Lang,
    *,
    shape: Shape | None = None,
    name: str | None = None,
    part: Part = "all",
) -> None:
    """Put a style into an element: that of a style, or of a layer in a project."""
    shape = shape or shape_of(info.geometry_type)
    qgis.set("styleCategories", _HELD[part])
    qgis.set("labelsEnabled", str(int(rule is not None)))
    # Outlines finer than a pixel are not drawn to the last corner: a city stays quick.
    for setting, value in (
        ("simplifyDrawingHints", "1" if shape != "point" else "0"),
        ("simplifyDrawingTol", "1"),
        ("simplifyLocal", "1"),
        ("simplifyAlgorithm", "0"),
        ("simplifyMaxScale", "1"),
    ):
        qgis.set(setting, value)
    if rule is None:
        renderer = SubElement(qgis, "renderer-v2", type="singleSymbol", symbollevels="0")
        SubElement(renderer, "symbols").append(background_symbol(info.role, shape))
    else:
        _add_categories(qgis, info, rule, lang, shape)
        _add_labels(qgis, info, rule, shape, name)
    title = ex.field(info.one("id") if name is None else name)
    SubElement(qgis, "mapTip").text = "".join(_map_tip(info, rule, lang, name))
    if part != "look":
        add_columns(qgis, info, lang)
    if part == "all":
        add_form(qgis, info, lang)
        SubElement(qgis, "previewExpression").text = title


def _add_categories(
    qgis: Element, info: LayerInfo, rule: RuleInfo, lang: Lang, shape: Shape
) -> None:
    renderer = SubElement(
        qgis,
        "renderer-v2",
        type="categorizedSymbol",
        attr=info.column_of(rule.id, "verdict"),
        symbollevels="0",
        enableorderby="0",
        forceraster="0",
    )
    categories, symbols = SubElement(renderer, "categories"), SubElement(renderer, "symbols")
    entries = [(word, f"{look.mark} {LABELS[word].to(lang)}") for word, look in LOOKS.items()]
    for place, (value, label) in enumerate([*entries, ("", _OTHER_LABEL.to(lang))]):
        category = SubElement(categories, "category", value=value, label=label, type="string")
        category.set("symbol", str(place))
        category.set("render", "true")
        symbols.append(verdict_symbol(value or None, shape, str(place)))


def _add_labels(
    qgis: Element, info: LayerInfo, rule: RuleInfo, shape: Shape, name: str | None
) -> None:
    """Label subjects with the mark of their verdict and their name, near enough to be read."""
    marks = [(word, f"{look.mark} ") for word, look in LOOKS.items()]
    mark = ex.switch(ex.field(info.column_of(rule.id, "verdict")), marks, "''")
    called = _called(info, name)
    settings = SubElement(SubElement(qgis, "labeling", type="simple"), "settings")
    text = SubElement(
        settings,
        "text-style",
        fieldName=f"{mark} || {called}",
        isExpression="1",
        fontFamily=_FONT,
        fontSize="8",
        fontSizeUnit="Point",
        fontWeight="50",
        textColor=rgba("#1a1a1a"),
        textOpacity="1",
    )
    families = SubElement(text, "families")
    for family in _FONTS:
        SubElement(families, "family", name=family)
    SubElement(
        text,
        "text-buffer",
        bufferDraw="1",
        bufferSize="0.8",
        bufferSizeUnits="MM",
        bufferColor=rgba("#ffffff"),
        bufferOpacity="0.9",
        bufferNoFill="1",
        bufferJoinStyle="128",
    )
    SubElement(settings, "text-format", multilineAlign="1", wrapChar="", autoWrapLength="0")
    # Points: around them; lines: along them; polygons: in the middle, also across the edge.
    placement = {"point": "6", "line": "2", "polygon": "1"}[shape]
    SubElement(
        settings,
        "placement",
        placement=placement,
        predefinedPositionOrder="TR,TL,BR,BL,R,L,TSR,BSR",
        placementFlags="10",
        polygonPlacementFlags="2",
        centroidInside="1",
        priority="5",
        dist="1",
        distUnits="MM",
    )
    SubElement(
        settings,
        "rendering",
        drawLabels="1",
        scaleVisibility="1",
        scaleMin="0",
        scaleMax=str(LABELS_BELOW),
        maxNumLabels="2000",
        obstacle="1",
        obstacleFactor="1",
        fontMinPixelSize="3",
        fontMaxPixelSize="10000",
    )


def _called(info: LayerInfo, name: str | None) -> str:
    """Return the expression for what a subject is called: its name, else its id."""
    subject_id = ex.field(info.one("id"))
    if name is None:
        return f"coalesce({subject_id}, '')"
    return f"coalesce(nullif(to_string({ex.field(name)}), ''), {subject_id}, '')"


def _map_tip(info: LayerInfo, rule: RuleInfo | None, lang: Lang, name: str | None) -> Iterator[str]:
    """Yield the map tip: what a subject is called, its verdict, why, and where that is written."""
    yield '<div style="font-family:sans-serif;max-width:30em">'
    yield f"<b>{ex.html_of(_called(info, name))}</b>"
    if name is not None:
        other = f"nullif({ex.field(info.one('id'))}, {_called(info, name)})"
        subject_id = ex.html_of(f"coalesce({other}, '')")
        yield f' <span style="color:#666">{subject_id}</span>'
    if rule is not None:
        yield from _verdict(info, rule, lang)
    yield "</div>"


def _verdict(info: LayerInfo, rule: RuleInfo, lang: Lang) -> Iterator[str]:
    colon = _COLON.to(lang)
    verdict = ex.field(info.column_of(rule.id, "verdict"))
    words = [(word, f"{look.mark} {LABELS[word].to(lang)}") for word, look in LOOKS.items()]
    colour = ex.switch(verdict, [(w, look.colour) for w, look in LOOKS.items()], "'#ffffff'")
    yield f'<div style="margin:4px 0"><span style="border-left:12px solid [% {colour} %];'
    yield f'padding-left:6px"><b>{ex.html_of(ex.switch(verdict, words, verdict))}</b></span> '
    yield f"{ex.html_text(rule_label(rule, lang))}</div>"
    yield '<table cellspacing="0" cellpadding="2">'
    columns = {column.name: column for column in info.columns}
    for fact in _once(rule.facts):
        if fact.column in columns:
            asked = ex.html_text(fact.asked.to(lang)) if fact.asked else ""
            shown = ex.html_of(_shown(info, columns[fact.column], fact.unit, lang))
            yield f"<tr><td>{ex.html_text(fact.title.to(lang))}</td><td><b>{shown}</b></td>"
            yield f"<td>{asked}</td></tr>"
    if rule.headline is not None:
        margin = columns[info.column_of(rule.id, "margin")]
        band = columns[info.column_of(rule.id, "accuracy")]
        shown = ex.html_of(_shown(info, margin, margin.unit, lang))
        around = ex.html_of(_shown(info, band, band.unit, lang))
        yield f"<tr><td>{_MARGIN.to(lang)}</td><td><b>{shown}</b></td><td>± {around}</td></tr>"
    yield "</table>"
    heads = {code: label.to(lang) for code, label in REASONS.items()}
    details = {name: title.to(lang) for name, title in reason_titles(info, rule).items()}
    why = ex.reasons(ex.field(info.column_of(rule.id, "reason")), heads, details, colon)
    said = ex.html_of(f"nullif({why}, '')")
    yield f"<div>{_REASON.to(lang)}{colon}{said}</div>"
    yield f'<div style="color:#666">{ex.html_text(rule.citation.to(lang))}</div>'


def _once(facts: tuple[FactLine, ...]) -> Iterator[FactLine]:
    """Yield the facts, a column that stands under several conditions once for each limit."""
    seen = set()
    for fact in facts:
        key = (fact.column, fact.asked)
        if key not in seen:
            seen.add(key)
            yield fact


def _shown(info: LayerInfo, column: Column, unit: str | None, lang: Lang) -> str:
    """Return the expression for a value as a reader sees it, with its unit."""
    value = ex.field(column.name)
    words = column_words(info, column, lang)
    if words:
        return ex.switch(value, list(words.items()), value)
    if unit == "share":
        return f"format_number(100 * {value}, 2) || '%'"
    if unit is None or column.origin == "user":
        return value
    return f"format_number({value}, 2) || {ex.literal(' ' + unit_text(unit, lang))}"
