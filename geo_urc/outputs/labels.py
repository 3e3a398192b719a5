"""Names of columns, units, reasons and subjects as a reader sees them."""

from __future__ import annotations

import json

from geo_urc.results import UNITS, Column, LayerInfo, Results, RuleInfo
from geo_urc.text import Lang, Text
from geo_urc.verdicts import LABELS, reason_text

_SHARE = Text("比例 0–1", "share 0–1")
"""In a heading a share says its range; behind a number it is written as per cent."""

TABLE_TITLES: dict[str, Text] = {
    "rules": Text("规则", "Rules"),
    "set_aside": Text("搁置的记录", "Records set aside"),
}
TABLES: dict[str, dict[str, Text]] = {
    "rules": {
        "id": Text("规则", "Rule"),
        "measure": Text("措施", "Measure"),
        "document": Text("文件", "Document"),
        "number": Text("序号", "Number"),
        "heading": Text("章节", "Heading"),
        "clause": Text("条款", "Clause"),
        "department": Text("牵头部门", "Department"),
        "policy_class": Text("政策类别", "Policy class"),
        "assess": Text("判定方式", "Kind"),
        "subject": Text("对象", "Subject"),
        "status": Text("本次处理", "In this run"),
        "title_zh": Text("名称", "Title (Chinese)"),
        "title_en": Text("英文名称", "Title"),
        "explanation_zh": Text("说明", "Explanation (Chinese)"),
        "explanation_en": Text("英文说明", "Explanation"),
        "concerns_zh": Text("适用对象", "Whom (Chinese)"),
        "concerns_en": Text("适用对象（英文）", "Whom"),
        "source_zh": Text("依据", "Source (Chinese)"),
        "source_en": Text("依据（英文）", "Source"),
        "checked_on": Text("核对日期", "Checked on"),
        "in_force_from": Text("施行自", "In force from"),
        "in_force_until": Text("施行至", "In force until"),
        "parameters": Text("参数", "Parameters"),
        "changed_parameters": Text("改动的参数", "Changed parameters"),
        "layers_missing": Text("未提供图层", "Layers not given"),
    },
    "set_aside": {
        "role": Text("图层角色", "Role"),
        "file": Text("文件", "File"),
        "record": Text("记录", "Record"),
        "reason_zh": Text("原因", "Reason (Chinese)"),
        "reason_en": Text("原因（英文）", "Reason"),
        "content": Text("内容", "Content"),
    },
}
"""Tables without geometry → column → heading."""


def unit_text(unit: str | None, lang: Lang) -> str:
    """Return a unit for readers, empty where there is none.

    Examples
    --------
    >>> unit_text("m2", "zh"), unit_text("dB", "en"), unit_text(None, "zh")
    ('平方米', 'dB', '')
    """
    if not unit:
        return ""
    return (_SHARE if unit == "share" else UNITS.get(unit, Text(unit, unit))).to(lang)


def column_title(column: Column, lang: Lang) -> str:
    """Return a column's heading with its unit.

    Examples
    --------
    >>> column_title(Column("d", Text("距离", "distance"), "fact", unit="m"), "zh")
    '距离（米）'
    """
    title, unit = column.title.to(lang), unit_text(column.unit, lang)
    if not unit:
        return title
    return f"{title}（{unit}）" if lang == "zh" else f"{title} ({unit})"


_YES_NO = {"yes": Text("是", "yes"), "no": Text("否", "no")}


def column_words(info: LayerInfo, column: Column, lang: Lang) -> dict[str, str]:
    """Return code → words of a column with a vocabulary; empty where any text may stand.

    Examples
    --------
    >>> info = LayerInfo("r", Text("", ""), "Point", "", (), ())
    >>> column_words(info, Column("a", Text("", ""), "fact", unit="yes_no"), "zh")
    {'yes': '是', 'no': '否'}
    """
    if column.part == "verdict":
        return {word: label.to(lang) for word, label in LABELS.items()}
    if column.unit == "yes_no":
        return {code: label.to(lang) for code, label in _YES_NO.items()}
    facts = (fact for rule in info.rules for fact in rule.facts if fact.column == column.name)
    fact = next((fact for fact in facts if fact.words), None)
    return {code: str(fact.worded(code, lang)) for code, _ in fact.words} if fact else {}


def reason_words(code: str, rule: RuleInfo, lang: Lang) -> str:
    """Return one reason code in words, with the condition's title where it names one."""
    head, _, detail = code.partition(":")
    titles = {fact.condition: fact.title for fact in rule.facts if fact.condition}
    if detail in titles:
        label = reason_text(head)
        return Text(f"{label.zh}：{titles[detail].zh}", f"{label.en}: {titles[detail].en}").to(lang)
    return reason_text(code).to(lang)


def name_column(results: Results, role: str) -> str | None:
    """Return the user's column that names the subjects of a role; None where there is none."""
    columns = {column.name for column in results.layers[role].columns}
    for source in results.run.get("inputs", []):
        name = source.get("fields", {}).get("name")
        if source.get("role") == role and name in columns:
            return str(name)
    return None


def rule_label(rule: RuleInfo, lang: Lang) -> str:
    """Return id and title of a rule, as menus show it."""
    return f"{rule.id} {rule.title.to(lang)}"


def layer_order(results: Results) -> list[LayerInfo]:
    """Return the result layers, those with rules first, otherwise in their own order."""
    return sorted(results.layers.values(), key=lambda info: not info.rules)


def changed_parameters(rule: RuleInfo) -> list[str]:
    """Return ``name = value`` for every parameter of the rule that differs from the rulebook."""
    return [f"{name} = {_value(rule.parameters.get(name))}" for name in rule.changed_parameters]


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
