"""A sheet to print in a QGIS project: a map on A3 with all that an official map has to say.

A subject has one layout. Its atlas runs over the table of rules, so that one export gives a page a
rule; without the atlas it shows the first.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from geo_urc.outputs import qgis_expressions as ex
from geo_urc.outputs.labels import rule_label
from geo_urc.outputs.palette import LOOKS
from geo_urc.outputs.qgis_symbols import BACKGROUNDS
from geo_urc.outputs.qgis_xml import Numbers, SymbolLayer, option, rgba, symbol, system_in
from geo_urc.results import About, LayerInfo, RuleInfo
from geo_urc.safe_text import xml_text
from geo_urc.text import Lang, Text
from geo_urc.verdicts import LABELS

_LABEL, _MAP, _PICTURE, _LEGEND, _SHAPE, _SCALE, _PAGE = (
    "65641", "65639", "65640", "65642", "65643", "65646", "65638",
)  # fmt: skip
_FONT = "Noto Sans CJK SC"
_INK, _GREY, _ACCENT = "#1a1a1a", "#5c5c5c", "#1f4e6b"
_PAGE_MM = (420.0, 297.0)
_MAP_MM = (12.0, 37.0, 304.0, 240.0)
"""From left, from top, width, height."""
_SIDE_MM = (326.0, 82.0)
"""From left, and width, of the column beside the map."""
_NICE = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_BARS = (1.0, 2.0, 5.0, 10.0)
_MOST_VECTORS = 20_000
"""Of more subjects on a sheet a PDF holds a picture of the map at the sheet's resolution."""

TEXTS: dict[str, Text] = {
    "layout": Text("政策适用性图", "policy map"),
    "legend": Text("图例", "Legend"),
    "asked": Text("政策要求", "What is asked"),
    "source": Text("政策依据", "Source"),
    "counts": Text("统计", "Counts"),
    "as_of": Text("政策日期", "Policies as of"),
    "rulebook": Text("规则库版本", "Rulebook version"),
    "crs": Text("坐标系", "Reference system"),
    "scale": Text("比例尺", "Scale"),
    "total": Text("合计", "Total"),
    "north": Text("北", "N"),
    "made_by": Text("编制：　　　　　　　审核：", "Made by:              Checked by:"),
    "disclaimer": Text(
        "“符合”只表示按所给数据满足可计算的条件，不是行政许可；试点、探索类政策不构成权利。",
        "“Eligible” says only that the computable conditions hold on the data given. It is no permit, "
        "and a pilot or exploratory measure gives no entitlement.",
    ),
}


@dataclass(frozen=True)
class Sheet:
    """What one layout shows.

    Attributes
    ----------
    themes
        Page → rule: the map themes of the project, in order.
    layers
        ``(id, name, source)`` of the layers that hold the subjects.
    background
        Role → title of what is drawn plain behind them.
    bounds
        What the map must show, in the system of the sheet.
    coverage
        ``(id, name, source)`` of the table of rules that the atlas runs over, if there is one.
    """

    info: LayerInfo
    themes: Mapping[str, RuleInfo]
    layers: Sequence[tuple[str, str, str]]
    background: Sequence[tuple[str, str]]
    bounds: Numbers
    coverage: tuple[str, str, str] | None

    def name(self, lang: Lang) -> str:
        """Return what the layout is called."""
        gap = Text("", " ").to(lang)
        return f"{self.info.title.to(lang)}{gap}{TEXTS['layout'].to(lang)}"


def add_layout(parent: Element, sheet: Sheet, about: About, lang: Lang) -> None:
    """Add a sheet to the layouts of a project."""
    layout = SubElement(
        parent, "Layout", name=xml_text(sheet.name(lang)), units="mm", printResolution="300"
    )
    # Text stays text in a PDF, to be found in it.
    option(SubElement(layout, "customproperties"), {"singleFile": True, "pdfTextFormat": 1})
    _add_page(layout)
    scale = _scale(sheet.bounds)
    map_id = f"{{geo_urc_map_{sheet.info.role}}}"
    left, (side, side_width) = _MAP_MM[0], _SIDE_MM

    titles = {page: rule_label(rule, lang) for page, rule in sheet.themes.items()}
    _add_text(layout, _by_page(titles), (left, 11, side - left - 4, 13), 22, bold=True)
    subject = f"{about.title.to(lang)} · {sheet.info.title.to(lang)}"
    _add_text(layout, ex.plain_text(subject), (left, 24.5, side - left - 4, 7), 11, colour=_ACCENT)
    dates = f"{TEXTS['as_of'].to(lang)}  {about.as_of.isoformat()}"
    if about.rulebook_version:
        dates += f"\n{TEXTS['rulebook'].to(lang)}  {about.rulebook_version}"
    _add_text(layout, ex.plain_text(dates), (side, 14, side_width, 16), 10.5, right=True)
    _add_box(layout, (left, 33, side + side_width - left, 0.8), fill=_ACCENT, outline=None)

    _add_map(layout, sheet, map_id, scale, about)
    _add_north(layout, map_id, lang)
    _add_scale_bar(layout, map_id, scale, lang)

    _add_legend(layout, sheet, about, lang)
    explained = {page: rule.explanation.to(lang) for page, rule in sheet.themes.items()}
    cited = {page: rule.citation.to(lang) for page, rule in sheet.themes.items()}
    _add_heading(layout, TEXTS["asked"].to(lang), (side, 144, side_width, 6))
    asked = (side, 151, side_width, 63)
    _add_text(layout, _by_page(explained), asked, _fitted(explained.values(), asked, 9.5))
    _add_heading(layout, TEXTS["source"].to(lang), (side, 216, side_width, 6))
    source = (side, 223, side_width, 22)
    size = _fitted(cited.values(), source, 9)
    _add_text(layout, _by_page(cited), source, size, colour=_GREY)
    _add_box(layout, (side, 247, side_width, 0.3), fill="#c8c8c8", outline=None)
    facts = f"{TEXTS['scale'].to(lang)}  1:{scale:,}"
    if system := _system_name(about.crs, lang):
        facts += f"\n{TEXTS['crs'].to(lang)}  {system}"
    _add_text(layout, ex.plain_text(facts), (side, 249, side_width, 14), 8.5, colour=_GREY)
    _add_text(layout, TEXTS["made_by"].to(lang), (side, 268, side_width, 8), 9.5)
    note = (left, 280.5, side + side_width - left, 7.0)
    _add_text(layout, TEXTS["disclaimer"].to(lang), note, 8, colour=_GREY)
    _add_atlas(layout, sheet)


def fitting(bounds: Numbers) -> Numbers:
    """Return the extent that the map shows: the bounds in the middle, at a round scale.

    Examples
    --------
    >>> fitting((0.0, 0.0, 11000.0, 7000.0))
    (-580.0, -1300.0, 11580.0, 8300.0)
    """
    west, south, east, north = bounds
    wide, high = (side / 1000 * _scale(bounds) / 2 for side in _MAP_MM[2:])
    x, y = (west + east) / 2, (south + north) / 2
    return x - wide, y - high, x + wide, y + high


def _fitted(
    texts: Iterable[str], place: tuple[float, float, float, float], largest: float
) -> float:
    """Return the size in points at which the longest of some texts fits into its place.

    Examples
    --------
    >>> place = (0, 0, 82, 70)
    >>> _fitted(["政策" * 100], place, 9.5), _fitted(["政策" * 400], place, 9.5)
    (9.5, 6.0)
    """
    size = largest
    # A letter is as wide as its size, those of the Latin script a bit more than half; a line
    # breaks before it is full.
    units = max(sum(1.0 if ord(sign) > 0x2E7F else 0.52 for sign in text) for text in texts)
    while size > 4.0:
        letter = size * 0.353
        lines = math.ceil(units * letter / (place[2] * 0.94))
        if lines * letter * 1.5 <= place[3]:
            break
        size -= 0.5
    return size


def _scale(bounds: Numbers) -> int:
    """Return the denominator of the largest round scale at which the bounds fit with a margin."""
    west, south, east, north = bounds
    needed = max((east - west) / _MAP_MM[2], (north - south) / _MAP_MM[3]) * 1000 * 1.05
    return round(_round_up(max(needed, 500.0), _NICE))


def _round_up(value: float, steps: Sequence[float]) -> float:
    unit = 10.0 ** math.floor(math.log10(value))
    return next(step * unit for step in steps if step * unit >= value * (1 - 1e-9))


def _by_page(texts: Mapping[str, str]) -> str:
    """Return the template of a text that changes with the page of the atlas."""
    first = ex.literal(next(iter(texts.values())))
    if len(set(texts.values())) == 1:
        return f"[% {first} %]"
    return f"[% {ex.looked_up(texts, '@atlas_pagename', first)} %]"


def _system_name(crs: str, lang: Lang) -> str:
    """Return what a system is called, with its code; empty for one that PROJ does not know."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        system = CRS.from_user_input(crs)
    except CRSError:
        return ""
    authority = system.to_authority(min_confidence=100)
    if authority is None:
        return system.name
    code = ":".join(authority)
    return Text(f"{system.name}（{code}）", f"{system.name} ({code})").to(lang)


def _add_page(layout: Element) -> None:
    pages = SubElement(layout, "PageCollection")
    paper = SymbolLayer(
        "SimpleFill", {"color": rgba("#ffffff"), "style": "solid", "outline_style": "no"}
    )
    pages.append(symbol("fill", [paper]))
    page = _item(pages, _PAGE, (0, 0, *_PAGE_MM))
    page.append(symbol("fill", [paper]))
    SubElement(pages, "GuideCollection", visible="1")


def _item(
    parent: Element,
    kind: str,
    place: tuple[float, float, float, float],
    properties: Mapping[str, str] | None = None,
    **more: str,
) -> Element:
    """Add an item at a place in mm; properties are given as expressions."""
    left, top, width, height = place
    item = SubElement(
        parent,
        "LayoutItem",
        type=kind,
        position=f"{left:g},{top:g},mm",
        positionOnPage=f"{left:g},{top:g},mm",
        size=f"{width:g},{height:g},mm",
        referencePoint="0",
        visibility="1",
        opacity="1",
        zValue=str(len(parent)),
        frame="false",
        background="false",
        excludeFromExports="0",
    )
    for key, value in more.items():
        item.set(key, value)
    if properties:
        table: dict[str, Any] = {
            name: {"active": True, "expression": expression, "type": 3}
            for name, expression in properties.items()
        }
        object_ = SubElement(item, "LayoutObject")
        option(
            SubElement(object_, "dataDefinedProperties"),
            {"name": "", "properties": table, "type": "collection"},
        )
    return item


def _colour(parent: Element, tag: str, colour: str) -> None:
    red, green, blue, _ = rgba(colour).split(",")
    SubElement(parent, tag, red=red, green=green, blue=blue, alpha="255")


def _font(size: float, *, bold: bool = False) -> str:
    return f"{_FONT},{size:g},-1,5,{75 if bold else 50},0,0,0,0,0"


def _add_text(
    layout: Element,
    template: str,
    place: tuple[float, float, float, float],
    size: float,
    *,
    bold: bool = False,
    colour: str = _INK,
    right: bool = False,
) -> None:
    label = _item(
        layout,
        _LABEL,
        place,
        labelText=template,
        htmlState="0",
        halign="2" if right else "1",
        valign="32",
        marginX="0",
        marginY="0",
    )
    SubElement(label, "LabelFont", description=_font(size, bold=bold), style="")
    _colour(label, "FontColor", colour)


def _add_heading(layout: Element, text: str, place: tuple[float, float, float, float]) -> None:
    left, top, _, height = place
    _add_box(layout, (left, top + 0.6, 1.2, height - 1.6), fill=_ACCENT, outline=None)
    _add_text(layout, text, (left + 3, top, place[2] - 3, height), 11, bold=True, colour=_ACCENT)


def _add_box(
    layout: Element,
    place: tuple[float, float, float, float],
    *,
    fill: str,
    outline: str | None,
) -> None:
    box = _item(layout, _SHAPE, place, shapeType="1", cornerRadiusMeasure="0,mm")
    paint = {
        "color": rgba(fill),
        "style": "solid",
        "outline_color": rgba(outline or fill),
        "outline_style": "solid" if outline else "no",
        "outline_width": "0.2",
        "outline_width_unit": "MM",
    }
    box.append(symbol("fill", [SymbolLayer("SimpleFill", paint)]))


def _add_map(layout: Element, sheet: Sheet, map_id: str, scale: int, about: About) -> None:
    first = next(iter(sheet.themes))
    shown = _item(
        layout,
        _MAP,
        _MAP_MM,
        {"dataDefinedMapStylePreset": _page_or(first)},
        uuid=map_id,
        templateUuid=map_id,
        id="map",
        followPreset="true",
        followPresetName=first,
        keepLayerSet="false",
        drawCanvasItems="false",
        mapRotation="0",
        labelMargin="1,mm",
        mapFlags="0",
        outlineWidthM="0.4,mm",
        frameJoinStyle="miter",
    )
    shown.set("frame", "true")
    shown.set("background", "true")
    drawn = {sheet.info.role, *(role for role, _ in sheet.background)}
    rules = (next(iter(about.counts.get(role, {}).values()), {}) for role in drawn)
    if sum(sum(counts.values()) for counts in rules) > _MOST_VECTORS:
        # An item that is multiplied (6) onto the page is exported as a picture; on white paper
        # its colours stay. 100,000 hatched outlines are 265 MB in a PDF, their picture is 1 MB.
        shown.set("blendMode", "6")
    _colour(shown, "FrameColor", _INK)
    _colour(shown, "BackgroundColor", "#ffffff")
    names = ("xmin", "ymin", "xmax", "ymax")
    extent = zip(names, fitting(sheet.bounds), strict=True)
    SubElement(shown, "Extent", {name: repr(value) for name, value in extent})
    system_in(shown, "crs", about.crs)
    SubElement(shown, "LayerSet")
    SubElement(shown, "AtlasMap", atlasDriven="0", scalingMode="2", margin="0.1")


def _page_or(first: str) -> str:
    """Return the expression for the page of the atlas, the first where none is shown."""
    return f"coalesce(nullif(@atlas_pagename, ''), {ex.literal(first)})"


def _add_north(layout: Element, map_id: str, lang: Lang) -> None:
    """Add an arrow to the north, drawn here: those of QGIS lie elsewhere on every machine."""
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 30">'
        f'<path d="M10 1 L17 28 L10 22 Z" fill="{_INK}"/>'
        f'<path d="M10 1 L3 28 L10 22 Z" fill="#ffffff" stroke="{_INK}" stroke-width="0.8" '
        'stroke-linejoin="round"/></svg>'
    )
    left, top, width, _ = _MAP_MM
    middle = left + width - 14
    _add_box(layout, (middle - 2, top + 3, 13, 24), fill="#ffffff", outline="#c8c8c8")
    _add_text(layout, TEXTS["north"].to(lang), (middle + 2.6, top + 3.6, 8, 5), 10, bold=True)
    _item(
        layout,
        _PICTURE,
        (middle - 1, top + 9, 11, 17),
        file="base64:" + base64.b64encode(drawing.encode()).decode(),
        mode="0",
        resizeMode="0",
        anchorPoint="4",
        northMode="0",
        northOffset="0",
        pictureRotation="0",
        mapUuid=map_id,
        svgFillColor=rgba("#ffffff"),
        svgBorderColor=rgba(_INK),
        svgBorderWidth="0.2",
    )


def _add_scale_bar(layout: Element, map_id: str, scale: int, lang: Lang) -> None:
    metres = _round_up(scale * 0.016, _BARS)
    kilo = metres >= 1000
    words = (Text("公里", "km"), "km") if kilo else (Text("米", "m"), "meters")
    left, top, _, height = _MAP_MM
    steps = 3
    long = metres / scale * 1000 * steps
    place = (left + 4, top + height - 15, long + 21, 11)
    _add_box(layout, place, fill="#ffffff", outline="#c8c8c8")
    bar = _item(
        layout,
        _SCALE,
        (left + 5, top + height - 14.5, long + 18, 10),
        style="Single Box",
        mapUuid=map_id,
        unitType=words[1],
        unitLabel=words[0].to(lang),
        numUnitsPerSegment=f"{metres / (1000 if kilo else 1):g}",
        numMapUnitsPerScaleBarUnit="1",
        segmentMillimeters=f"{metres / scale * 1000:g}",
        numSegments=str(steps),
        numSegmentsLeft="0",
        segmentSizeMode="0",
        minBarWidth="50",
        maxBarWidth="150",
        height="2",
        labelBarSpace="1.5",
        boxContentSpace="1",
        alignment="0",
        outlineWidth="0.2",
        lineJoinStyle="miter",
        lineCapStyle="square",
        labelVerticalPlacement="0",
        labelHorizontalPlacement="0",
        subdivisionsHeight="1.5",
        numSubdivisions="1",
    )
    SubElement(
        bar,
        "text-style",
        fontFamily=_FONT,
        fontSize="8.5",
        fontSizeUnit="Point",
        fontWeight="50",
        textColor=rgba(_INK),
        textOpacity="1",
    )
    _colour(bar, "strokeColor", _INK)
    _colour(bar, "fillColor", _INK)
    _colour(bar, "fillColor2", "#ffffff")
    ink = SymbolLayer("SimpleLine", {"line_color": rgba(_INK), "line_width": "0.2"})
    for tag in ("lineSymbol", "divisionLineSymbol", "subdivisionLineSymbol"):
        SubElement(bar, tag).append(symbol("line", [ink]))
    for tag, colour in (("fillSymbol1", _INK), ("fillSymbol2", "#ffffff")):
        paint = {"color": rgba(colour), "style": "solid", "outline_style": "no"}
        SubElement(bar, tag).append(symbol("fill", [SymbolLayer("SimpleFill", paint)]))


def _add_legend(layout: Element, sheet: Sheet, about: About, lang: Lang) -> None:
    """Add the verdicts with the numbers of subjects, and what lies in the background.

    The legend is not tied to the map: QGIS would then write out and read in the styles of all
    layers for every layout that it opens, seconds in all. All rules of a layer look the same.
    """
    side, width = _SIDE_MM
    _add_heading(layout, TEXTS["legend"].to(lang), (side, 37, width, 6))
    legend = _item(
        layout,
        _LEGEND,
        (side, 44, width, 50),
        title="",
        resizeToContents="1",
        columnCount="1",
        splitLayer="0",
        symbolWidth="9",
        symbolHeight="5",
        boxSpace="0",
        lineSpacing="1.2",
        titleAlignment="1",
        symbolAlignment="1",
        wrapChar="",
        fontColor=_INK,
        legendFilterByAtlas="0",
    )
    styles = SubElement(legend, "styles")
    for name, size, bold, above in (
        ("title", 11, True, "0"),
        ("group", 10, True, "0"),
        ("subgroup", 10, True, "1"),
        ("symbol", 9.5, False, "1.6"),
        ("symbolLabel", 9.5, False, "1.6"),
    ):
        style = SubElement(styles, "style", name=name, alignment="1", indent="0", marginTop=above)
        style.set("marginLeft", "3" if name == "symbolLabel" else "0")
        SubElement(style, "styleFont", description=_font(size, bold=bold), style="")
    tree = SubElement(legend, "layer-tree-group")
    for layer, name, source in sheet.layers:
        node = SubElement(
            tree,
            "layer-tree-layer",
            id=layer,
            name=name,
            source=source,
            providerKey="ogr",
            checked="Qt::Checked",
            expanded="1",
            legend_exp=_counted(sheet, about, lang),
        )
        # The verdicts alone: what is none of them has no place in a legend.
        order = ",".join(str(place) for place in range(len(LOOKS)))
        option(SubElement(node, "customproperties"), {"legend/node-order": order})
    top = 48 + len(sheet.layers) * (len(LOOKS) * 6.7 + 5.5)
    for role, title in sheet.background:
        fill, outline = BACKGROUNDS[role]
        _add_box(layout, (side, top, 9, 5), fill=fill, outline=outline)
        _add_text(layout, ex.plain_text(title), (side + 12, top, width - 12, 5), 9.5)
        top += 6.8


def _counted(sheet: Sheet, about: About, lang: Lang) -> str:
    """Return the expression for a legend entry with the number of its subjects on the page."""
    # What is drawn by two layers is counted by neither.
    counts = about.counts.get(sheet.info.role, {}) if len(sheet.layers) == 1 else {}
    numbers = {
        f"{page} {look.mark} {LABELS[word].to(lang)}": f"{counts[rule.id].get(word, 0):,}"
        for page, rule in sheet.themes.items()
        if rule.id in counts
        for word, look in LOOKS.items()
    }
    if not numbers:
        return ""
    key = f"{_page_or(next(iter(sheet.themes)))} || ' ' || @symbol_label"
    return f"@symbol_label || '　' || {ex.looked_up(numbers, key, chr(39) * 2)}"


def _add_atlas(layout: Element, sheet: Sheet) -> None:
    if sheet.coverage is None:
        SubElement(layout, "Atlas", enabled="0")
        return
    layer, name, source = sheet.coverage
    pages = {rule.id: page for page, rule in sheet.themes.items()}
    role = ex.literal(sheet.info.role)
    SubElement(
        layout,
        "Atlas",
        enabled="1",
        coverageLayer=layer,
        coverageLayerName=name,
        coverageLayerSource=source,
        coverageLayerProvider="ogr",
        hideCoverage="1",
        filterFeatures="1",
        featureFilter=f'"subject" = {role} AND "status" = \'evaluated\'',
        sortFeatures="0",
        pageNameExpression=ex.looked_up(pages, '"id"', '"id"'),
        filenamePattern='"id"',
    )
