"""Values and changes as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from geo_urc.changes import Change, Figure
from geo_urc.results import UNITS, FactLine, LayerInfo, RuleInfo
from geo_urc.roles import Field, roles
from geo_urc.text import Lang, Text
from geo_urc.verdicts import reason_text

Amounts = TypeVar("Amounts", float, np.ndarray)

_WHOLE = frozenset({"storeys", "people"})
"""Units of what comes in whole numbers only."""
_WORDS = {"yes": Text("是", "yes"), "no": Text("否", "no")}


def shown(value: object, unit: str | None, lang: Lang, *, signed: bool = False) -> str:
    """Return a value as a person reads it, with its unit; shares as per cent.

    Examples
    --------
    >>> shown(0.30125, "share", "zh"), shown(812.4, "m", "en"), shown(-3.0, "m", "en", signed=True)
    ('30.125%', '812.4 m', '-3 m')
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return _WORDS.get(value, Text(value, value)).to(lang)
    number = float(value)  # type: ignore[arg-type]
    sign = "+" if signed else ""
    if unit == "share":
        return f"{number * 100:{sign}.6g}%"
    text = f"{number:{sign}.3f}".rstrip("0").rstrip(".")
    return f"{text} {UNITS.get(unit or '', Text('', '')).to(lang)}".strip()


def enough(amount: float, unit: str | None) -> Text:
    """Return an amount that suffices: rounded up to millimetres, whole storeys, and so on.

    Examples
    --------
    >>> enough(12.3451, "m").zh, enough(1.0000000001, "storeys").en, enough(0.031, "share").zh
    ('12.346 米', '1 storeys', '3.1 个百分点')
    """
    return _amount(amount, unit, up=True)


def at_hand(amount: float, unit: str | None) -> Text:
    """Return an amount that is there: rounded down.

    Examples
    --------
    >>> at_hand(12.3459, "m").zh
    '12.345 米'
    """
    return _amount(amount, unit, up=False)


def steps(amount: Amounts, unit: str | None, *, up: bool) -> Amounts:
    """Return an amount, or an array of them, as whole steps: millimetres, storeys and the like."""
    scaled = amount * _steps(unit)
    slack = 1e-6  # what floats leave behind a figure is no part of it
    whole = np.ceil(scaled - slack) if up else np.floor(scaled + slack)
    return np.maximum(whole, 0.0)


def written_number(whole: Amounts, unit: str | None) -> Amounts:
    """Return steps as the number that is written before the unit; shares in percentage points."""
    return whole / (1 if unit in _WHOLE else 1000)


def _steps(unit: str | None) -> int:
    return (1 if unit in _WHOLE else 1000) * (100 if unit == "share" else 1)


def _amount(amount: float, unit: str | None, *, up: bool) -> Text:
    if isinstance(amount, Figure):
        number = amount.place(unit, up=up)
    else:
        number = f"{written_number(steps(amount, unit, up=up), unit):.3f}".rstrip("0").rstrip(".")
    if unit == "share":
        return Text(f"{number} 个百分点", f"{number} percentage points")
    sign = UNITS.get(unit or "", Text("", ""))
    return Text(f"{number} {sign.zh}".strip(), f"{number} {sign.en}".strip())


def change_text(change: Change, info: LayerInfo, rule: RuleInfo, record: Mapping[str, Any]) -> Text:
    """Return one change as an instruction."""
    line = change.line
    if change.kind == "supply":
        told = [supply_text(code, info, rule, record, line) for code in change.codes]
        return Text("；".join(t.zh for t in told), "; ".join(t.en for t in told))
    if change.kind == "related":
        return _related(change, rule, record)
    if change.kind == "rule":
        return _other_rule(change)
    if change.kind == "check":
        return _check(change.codes)
    assert line is not None
    match change.kind:
        case "move":
            return _unfigured(line) if change.amount is None else _move(change, line)
        case "answer":
            return _answer(change, line)
        case "near":
            return _near(change, line)
        case "straddle":
            return _straddle(change, line)
        case "decide":
            return _decide(change, line)
        case "room":
            return _room(change, line)
    raise AssertionError(change.kind)


def _phrase(line: FactLine, amount: Text, *, more: bool) -> Text:
    """Return how a value is made larger or smaller by an amount: the fact's words, else its title."""
    words = line.more if more else line.less
    if words is None:
        words = Text(
            f"{line.title.zh}{'增加' if more else '减少'} {{amount}}",
            f"{line.title.en}: {{amount}} {'more' if more else 'less'}",
        )
    return Text(words.zh.format(amount=amount.zh), words.en.format(amount=amount.en))


def _over(amount: Text, line: FactLine) -> Text:
    """Return the amount, with the word that the limit itself does not pass where so."""
    if not line.exclusive:
        return amount
    return Text(f"{amount.zh}以上（不含本数）", f"more than {amount.en}")


def _move(change: Change, line: FactLine) -> Text:
    amount = enough(change.amount or 0.0, change.unit)
    if line.exclusive and not change.amount:  # it is at the limit, which does not pass
        return _asked(line)
    zh, en = _phrase(line, _over(amount, line), more=change.more)
    if line.side == "inside" and not change.against:
        zh, en = f"{zh}，并整体位于范围内", f"{en}, and lie wholly inside"
    if change.against:
        zh, en = f"{zh}以上，例外情形即不成立", f"over that the exception no longer holds: {en}"
    if change.sure is not None:
        sure = enough(change.sure, change.unit)
        zh = f"{zh}（达 {sure.zh}才超出数据精度，可确定）"
        en = f"{en} ({sure.en} to be sure, beyond the data's accuracy)"
    return Text(zh, en)


def _asked(line: FactLine) -> Text:
    asked = line.limit or Text("有数值", "a value")
    return Text(f"{line.title.zh}须{asked.zh}", f"{line.title.en}: must be {asked.en}")


def _unfigured(line: FactLine) -> Text:
    """Return that a condition fails and by how much cannot be said."""
    empty = line.empty or Text("没有数值", "no figure")
    asked = _asked(line)
    return Text(f"{asked.zh}，现为：{empty.zh}", f"{asked.en}, now {empty.en}")


def _answer(change: Change, line: FactLine) -> Text:
    asked = line.limit or Text("", "")
    if change.against:
        return Text(
            f"“{line.title.zh}”须不再是：{asked.zh}", f"{line.title.en}: no longer {asked.en}"
        )
    many = len(line.wanted or ()) > 1
    return Text(
        f"“{line.title.zh}”须为{'以下之一' if many else ''}：{asked.zh}",
        f"{line.title.en}: must be {'one of ' if many else ''}{asked.en}",
    )


def _near(change: Change, line: FactLine) -> Text:
    better = Text("或提供更精确的数据（accuracy_m）", "or give more accurate data (accuracy_m)")
    if change.amount is None:
        return Text(
            f"{line.title.zh}与限值之差小于数据精度，由人工判定，{better.zh}",
            f"{line.title.en}: nearer to the limit than the data's accuracy; decide by hand, {better.en}",
        )
    phrase = _phrase(line, enough(change.amount, change.unit), more=change.more)
    return Text(
        f"与限值之差小于数据精度：{phrase.zh}即可确定，{better.zh}",
        f"nearer to the limit than the data's accuracy: {phrase.en} to be sure, {better.en}",
    )


def _straddle(change: Change, line: FactLine) -> Text:
    if change.amount is None:
        return Text(
            f"{line.title.zh}因部位而异，须核实边界、由人工判定",
            f"{line.title.en} differs between its parts: check the boundary and decide by hand",
        )
    out = enough(change.amount, change.unit)
    phrase = _phrase(line, out, more=True)
    return Text(
        f"有 {out.zh}伸出范围：{phrase.zh}，或核实边界、由人工判定",
        f"sticks out by {out.en}: {phrase.en}, or check the boundary and decide by hand",
    )


def _decide(change: Change, line: FactLine) -> Text:
    why = reason_text(change.codes[0])
    if change.amount is None:
        else_ = _answer(change, line) if line.wanted else _unfigured(line)
    else:
        amount = _over(enough(change.amount, change.unit), line)
        else_ = _phrase(line, amount, more=change.more)
    return Text(
        f"{why.zh}（{line.title.zh}），由主管部门决定；无须其决定的办法：{else_.zh}",
        f"{why.en} ({line.title.en}): for the department to decide; without it: {else_.en}",
    )


def _room(change: Change, line: FactLine) -> Text:
    """Return how far a value may still move."""
    left = change.amount or 0.0
    amount = at_hand(left, change.unit)
    if not steps(left, change.unit, up=False):
        return Text(f"{line.title.zh}已在限值上", f"{line.title.en}: at the limit, nothing left")
    phrase = _phrase(line, amount, more=change.more)
    zh = f"还可{phrase.zh}"
    if (line.more if change.more else line.less) is None:
        zh = f"{line.title.zh}还可{'增加' if change.more else '减少'} {amount.zh}"
    after = (
        Text("超过即须人工研判", "over that a person decides")
        if change.codes
        else Text("超过即不符合", "over that it fails")
    )
    if line.exclusive:
        after = Text(after.zh.replace("超过", "达到"), after.en.replace("over", "from"))
    zh, en = f"{zh}，{after.zh}", f"{phrase.en}; {after.en}"
    if change.sure is not None:
        sure = at_hand(change.sure, change.unit)
        zh = f"{zh}（超过 {sure.zh}即在数据精度以内，须人工研判）"
        en = f"{en} (over {sure.en} within the data's accuracy, for review)"
    return Text(zh, en)


def _check(codes: Iterable[str]) -> Text:
    why = [reason_text(code) for code in codes]
    return Text(
        f"由人工判定：{'、'.join(w.zh for w in why)}",
        f"to be decided by hand: {', '.join(w.en for w in why)}",
    )


def _related(change: Change, rule: RuleInfo, record: Mapping[str, Any]) -> Text:
    role = roles()[change.role or ""].title
    rules = record.get("layers", {}).get(change.role, {}).get("rules", ())
    lines = [fact for r in rules if r["id"] == rule.id for fact in r["facts"]]
    titles = {fact["condition"]: Text(*fact["title"]) for fact in lines if fact["condition"]}
    codes = []
    for code in change.codes:
        head, _, name = code.partition(":")
        why = reason_text(head if name in titles else code)
        title = titles.get(name, Text("", ""))
        codes.append(Text(f"{title.zh}{why.zh}", f"{title.en} {why.en}".strip()))
    return Text(
        f"所含的{role.zh}须各自满足 {rule.id}（见其各自的说明）：{'、'.join(c.zh for c in codes)}",
        f"each of {role.en} must meet {rule.id} itself (explain it by its id): "
        f"{', '.join(c.en for c in codes)}",
    )


def _other_rule(change: Change) -> Text:
    why = [reason_text(code) for code in change.codes if code != f"not_met:{change.rule}"]
    zh, en = "、".join(w.zh for w in why), ", ".join(w.en for w in why)
    return Text(
        f"须符合 {change.rule}（见该条的说明）{'：' if why else ''}{zh}",
        f"{change.rule} must be met (explain it with --rule {change.rule}){': ' if why else ''}{en}",
    )


def supply_text(
    code: str,
    info: LayerInfo,
    rule: RuleInfo,
    record: Mapping[str, Any],
    line: FactLine | None = None,
) -> Text:
    """Return exactly what to supply for a reason that something is missing."""
    head, _, name = code.partition(":")
    match head:
        case "layer_missing":
            own = [r for r in rule.layers_missing if line is None or r in line.layers]
            return _layers(own or rule.layers_missing)
        case "attribute_missing":
            if line is not None and line.supply is not None and name in line.fields:
                return line.supply
            return _field(name, info, rule, line)
        case "parameter_missing":
            return _parameter(name, record)
        case "outside_coverage":
            where = _titles(line.layers if line else rule.layers)
            if line is not None and all(roles()[role].raster for role in line.layers):
                return Text(
                    f"提供在该处有数值的栅格（{where.zh}）",
                    f"give a raster that has values there ({where.en})",
                )
            return Text(
                f"提供覆盖更大范围的图层（{where.zh}），或在 LAYERS.toml 用 coverage 写明其完整范围",
                f"give a layer that reaches further ({where.en}), or declare its coverage in LAYERS.toml",
            )
        case "geometry_unusable":
            return Text("修正图形后重新运行", "correct the geometry and run again")
        case "datum_unknown":
            where = _titles(line.layers if line else rule.layers)
            return Text(
                f"核实坐标基准并在 LAYERS.toml 写明 datum（{where.zh}）",
                f"find out the datum and state it in LAYERS.toml ({where.en})",
            )
        case "value_unrecognised" if name in roles()[info.role].fields:
            return _unrecognised(roles()[info.role].fields[name])
        case "undecided":
            return Text(f"先使 {name} 有确定结论", f"first have {name} decided")
    why = reason_text(code)
    where = _titles(line.layers if line else rule.layers)
    return Text(f"核实数据：{why.zh}（{where.zh}）", f"check the data: {why.en} ({where.en})")


def _layers(missing: Iterable[str]) -> Text:
    found = [(role, roles()[role].title) for role in missing]
    zh = "、".join(f"{title.zh}（geo-urc layers show {role}）" for role, title in found)
    en = ", ".join(f"{title.en} (geo-urc layers show {role})" for role, title in found)
    return Text(f"提供图层：{zh}", f"give the layer: {en}")


_PLACES = {
    "footprint": Text("以面图形提供其投影", "give the footprint as a polygon"),
    "extent": Text("以面图形提供其范围", "give the extent as a polygon"),
}
"""Missing attributes that are no fields but shapes → what to do."""


def _field(name: str, info: LayerInfo, rule: RuleInfo, line: FactLine | None) -> Text:
    layers = line.layers if line else rule.layers
    for role in (info.role, *layers):
        known = roles().get(role)
        if known is not None and name in known.fields and name not in _PLACES:
            title = known.fields[name].title
            return Text(
                f"补充字段“{title.zh}”（{known.title.zh} {role}.{name}，"
                f"在 LAYERS.toml 的 fields 中写明列名）",
                f"give the field {title.en} ({role}.{name}: name its column under fields in LAYERS.toml)",
            )
    where = _titles(layers)
    if name in _PLACES:
        return Text(f"{_PLACES[name].zh}（{where.zh}）", f"{_PLACES[name].en} ({where.en})")
    title = next((f.title for f in rule.facts if f.fact == name), Text(name, name))
    return Text(
        f"{title.zh}没有数值，核实其来源数据",
        f"{title.en} has no value: check what it is made from",
    )


def _unrecognised(field: Field) -> Text:
    return Text(
        f"在 LAYERS.toml 的 values 中说明“{field.title.zh}”的取值：{'、'.join(field.words.values())}",
        f"say under values in LAYERS.toml what the word in {field.title.en} ({field.name}) stands "
        f"for: {', '.join(field.words)}",
    )


def _parameter(name: str, record: Mapping[str, Any]) -> Text:
    spec = record.get("parameters", {}).get(name, {})
    unit = UNITS.get(spec.get("unit") or "", Text("", ""))
    title = Text(spec.get("title_zh", name), spec.get("title_en", name))
    example = spec.get("example")
    value = Text("数值", "VALUE") if example is None else Text(f"{example}", f"{example}")
    return Text(
        f"提供参数“{title.zh}”：--set {name}={value.zh}{f'（单位：{unit.zh}）' if unit.zh else ''}",
        f"give the parameter {title.en}: --set {name}={value.en}{f' ({unit.en})' if unit.en else ''}",
    )


def _titles(layers: Iterable[str]) -> Text:
    titles = [roles()[role].title for role in layers if role in roles()]
    return Text("、".join(t.zh for t in titles), ", ".join(t.en for t in titles))
