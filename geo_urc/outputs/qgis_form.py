"""Columns in QGIS: headings, words for codes, and a form that groups facts by rule."""

from __future__ import annotations

import html
from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement

from geo_urc.outputs.labels import column_title, column_words, role_titles, rule_label
from geo_urc.outputs.palette import LOOKS
from geo_urc.outputs.qgis_expressions import field, literal
from geo_urc.outputs.qgis_xml import option
from geo_urc.results import Column, LayerInfo, RuleInfo
from geo_urc.safe_text import xml_text
from geo_urc.text import Lang, Text

_SUBJECT = Text("对象", "Subject")
_OWN = Text("原有属性", "Your columns")
_RULES = Text("政策结论", "Verdicts by rule")
_SUMMARY = Text("综合", "Summary")
_MORE = Text("其他指标", "Other facts")
_BASIS = Text("要求与依据", "Requirement and source")
_ASKED = Text("条件", "Conditions")
_SOURCE = Text("依据", "Source")
_MISSING = Text("未提供图层", "Layers not given")


def add_columns(qgis: Element, info: LayerInfo, lang: Lang) -> None:
    """Add headings of columns, and words for codes; what is stored are still the codes."""
    columns = [column for column in info.columns if column.origin != "geometry"]
    configuration = SubElement(qgis, "fieldConfiguration")
    aliases = SubElement(qgis, "aliases")
    for index, column in enumerate(columns, start=1):
        name, title = xml_text(column.name), xml_text(column_title(column, lang))
        SubElement(aliases, "alias", field=name, index=str(index), name=title)
        widget = SubElement(SubElement(configuration, "field", name=name), "editWidget")
        words = column_words(info, column, lang)
        config = SubElement(widget, "config")
        if column.origin == "raw":
            widget.set("type", "Hidden")
            option(config, {})
        elif words:
            widget.set("type", "ValueMap")
            option(config, {"map": [{xml_text(w): xml_text(c)} for c, w in words.items()]})
        else:
            widget.set("type", "TextEdit")
            option(config, {"IsMultiline": False, "UseHtml": False})


def add_form(qgis: Element, info: LayerInfo, lang: Lang) -> None:
    """Add form and attribute table. Columns of ours are not to be edited, the user's are."""
    editable = SubElement(qgis, "editable")
    for column in info.columns:
        if column.origin != "geometry":
            free = str(int(column.origin == "user"))
            SubElement(editable, "field", name=xml_text(column.name), editable=free)
    _add_table(qgis, info)
    _add_pages(qgis, info, lang)


def _add_table(qgis: Element, info: LayerInfo) -> None:
    """Add how the attribute table looks: raw bytes hidden, verdicts in their colours."""
    table = SubElement(qgis, "attributetableconfig", actionWidgetStyle="dropDown", sortOrder="0")
    columns = SubElement(table, "columns")
    for column in info.columns:
        if column.origin != "geometry":
            hidden = str(int(column.origin == "raw"))
            name = xml_text(column.name)
            SubElement(columns, "column", type="field", name=name, hidden=hidden, width="-1")
    styles = SubElement(SubElement(qgis, "conditionalstyles"), "fieldstyles")
    for column in info.columns:
        if column.part != "verdict":
            continue
        cells = SubElement(styles, "fieldstyle", fieldname=xml_text(column.name))
        for word, look in LOOKS.items():
            SubElement(
                cells,
                "style",
                name=word,
                rule=f"@value = {literal(word)}",
                background_color=look.colour,
                background_color_alpha="255",
            )


def _add_pages(qgis: Element, info: LayerInfo, lang: Lang) -> None:
    """Add the pages of the form: one on the subject, one with a box for each rule."""
    SubElement(qgis, "editorlayout").text = "tablayout"
    form = SubElement(qgis, "attributeEditorForm")
    named = {name for rule in info.rules for name in _facts(rule)}
    page = _container(form, _SUBJECT.to(lang), columns=1)
    boxes: tuple[tuple[Text, list[Column]], ...] = (
        (_SUMMARY, [c for c in info.columns if c.rule is None and c.origin in _SUMMED]),
        (_OWN, [c for c in info.columns if c.origin == "user"]),
        (_MORE, [c for c in info.columns if c.origin == "fact" and c.name not in named]),
    )
    for title, columns in boxes:
        if columns:
            box = _container(page, title.to(lang), columns=2, box=True)
            _add_fields(box, info, [column.name for column in columns])
    if info.rules:
        page = _container(form, _RULES.to(lang), columns=1)
        for rule in info.rules:
            _add_rule(page, info, rule, lang)


_SUMMED = ("id", "verdict", "concern")


def _add_rule(page: Element, info: LayerInfo, rule: RuleInfo, lang: Lang) -> None:
    box = _container(page, xml_text(rule_label(rule, lang)), columns=2, box=True)
    # Newer versions fold away what is not for the subject; older ones show it.
    verdict = info.column_of(rule.id, "verdict")
    box.set("collapsedExpressionEnabled", "1")
    box.set("collapsedExpression", f"{field(verdict)} = 'not_applicable'")
    own = [column.name for column in info.columns if column.rule == rule.id]
    _add_fields(box, info, [*own, *_facts(rule)])
    source = SubElement(box, "attributeEditorHtmlElement", showLabel="1", name=_BASIS.to(lang))
    source.text = "".join(_basis(rule, lang))


def _basis(rule: RuleInfo, lang: Lang) -> Iterator[str]:
    """Yield what a rule asks for and where that is written, as HTML without script."""

    def paragraph(title: str, text: str) -> str:
        colon = Text("：", ": ").to(lang)
        return f"<p><b>{html.escape(title)}{colon}</b>{html.escape(xml_text(text))}</p>"

    yield f"<p>{html.escape(xml_text(rule.explanation.to(lang)))}</p>"
    asked = [f"{f.title.to(lang)} {f.asked.to(lang)}" for f in rule.facts if f.asked]
    if asked:
        yield paragraph(_ASKED.to(lang), "；".join(asked))
    if rule.layers_missing:
        yield paragraph(_MISSING.to(lang), role_titles(rule.layers_missing, lang))
    yield paragraph(_SOURCE.to(lang), rule.citation.to(lang))


def _facts(rule: RuleInfo) -> list[str]:
    """Return the columns that a rule rests on, each once."""
    found: dict[str, None] = {}
    for fact in rule.facts:
        for name in (fact.column, fact.limit_column, fact.feature_column):
            if name is not None:
                found[name] = None
    return list(found)


def _container(parent: Element, name: str, *, columns: int, box: bool = False) -> Element:
    return SubElement(
        parent,
        "attributeEditorContainer",
        name=name,
        groupBox=str(int(box)),
        columnCount=str(columns),
        showLabel="1",
        visibilityExpressionEnabled="0",
        visibilityExpression="",
    )


def _add_fields(box: Element, info: LayerInfo, names: list[str]) -> None:
    places = {c.name: i for i, c in enumerate(info.columns, start=1) if c.origin != "geometry"}
    for name in names:
        if name in places:
            index = str(places[name])
            SubElement(box, "attributeEditorField", name=xml_text(name), index=index, showLabel="1")
