"""Names of columns, units, reasons and subjects as a reader sees them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from geo_urc.results import UNITS, Column, LayerInfo, Results, RuleInfo
from geo_urc.roles import roles
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


_SHAPES = {
    "footprint": Text("面图形", "a polygon"),
    "extent": Text("范围面", "a polygon of its extent"),
    "levels": Text("高程", "levels"),
}
"""What may be missing and is no field of the catalogue."""


def reason_titles(info: LayerInfo, rule: RuleInfo) -> dict[str, Text]:
    """Return what stands behind the colon of the rule's reason codes → what a reader sees.

    Conditions are called what their facts are called, fields what the catalogue of layers calls
    them: the subject's own before those of the layers that the rule looks at.
    """
    found = dict(_SHAPES)
    for role in (*reversed(rule.layers), info.role):
        if role in roles():
            found |= {field.name: field.title for field in roles()[role].fields.values()}
    found |= {fact.column: fact.title for fact in rule.facts}
    found |= rule.related
    return found | {fact.condition: fact.title for fact in rule.facts if fact.condition}


def reason_words(code: str, info: LayerInfo, rule: RuleInfo, lang: Lang) -> str:
    """Return one reason code in words, with the title of the condition or field that it names.

    Examples
    --------
    >>> info = LayerInfo("parcels", Text("", ""), "Polygon", "", (), ())
    >>> rule = RuleInfo("R", "R", *[Text("", "")] * 4, "spatial", {}, (), None, (), (), ())
    >>> reason_words("attribute_missing:swap_parcel_id", info, rule, "zh")
    '缺少属性：置换地块编号'
    """
    head, _, detail = code.partition(":")
    title = reason_titles(info, rule).get(detail)
    if title is None:
        return reason_text(code).to(lang)
    label = reason_text(head)
    return Text(f"{label.zh}：{title.zh}", f"{label.en}: {title.en}").to(lang)


def role_titles(roles_named: Iterable[str], lang: Lang, *, codes: bool = False) -> str:
    """Return layer roles by their titles; with ``codes`` also as they are written in LAYERS.toml.

    Examples
    --------
    >>> role_titles(["green_spaces", "roads"], "zh"), role_titles(["roads"], "zh", codes=True)
    ('绿地、道路', '道路（roads）')
    """
    told = []
    for role in roles_named:
        title = roles()[role].title.to(lang) if role in roles() else role
        code = Text(f"（{role}）", f" ({role})").to(lang)
        told.append(f"{title}{code}" if codes and title != role else title)
    return Text("、", ", ").to(lang).join(told)


def place_text(where: str, lang: Lang) -> str:
    """Return where a notice is from, ``ROLE (FILE)``, with the layer's title; else as it stands.

    Examples
    --------
    >>> place_text("parcels (parcels.shp)", "zh"), place_text("parcels.shp", "zh")
    ('宗地 (parcels.shp)', 'parcels.shp')
    """
    role, bracket, file = where.partition(" (")
    return f"{role_titles([role], lang)}{bracket}{file}"


def operation_text(operation: str, lang: Lang) -> str:
    """Return a coordinate operation as a reader sees it: PROJ's own names stay."""
    return Text("无需转换", operation).to(lang) if operation == "no operation" else operation


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
    return [f"{name} = {value_text(rule.parameters.get(name))}" for name in rule.changed_parameters]


def value_text(value: object) -> str:
    """Return a parameter's value as ``--set`` and rule files take it.

    Examples
    --------
    >>> value_text(["仓储"]), value_text(0.5), value_text("walking")
    ('["仓储"]', '0.5', 'walking')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
