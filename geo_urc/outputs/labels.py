"""Names of columns, units, reasons and subjects as a reader sees them."""

from __future__ import annotations

import json

from geo_urc.results import UNITS, Column, LayerInfo, Results, RuleInfo
from geo_urc.text import Lang, Text
from geo_urc.verdicts import reason_text

_SHARE = Text("比例 0–1", "share 0–1")
"""In a heading a share says its range; behind a number it is written as per cent."""


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
