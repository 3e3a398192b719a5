"""Why a subject got its verdicts, and what it would take to get another, in words."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.concerns import all_concerns, one_concern
from geo_urc.errors import OutputError, Problem
from geo_urc.evidence import margin_of
from geo_urc.outlook import outlook
from geo_urc.results import FactLine, LayerInfo, Results, RuleInfo
from geo_urc.text import Lang, Text
from geo_urc.verdicts import GAPS, LABELS, reason_text
from geo_urc.wording import shown


def explain(results: Results, subject_id: str, rule: str | None = None, lang: Lang = "zh") -> str:
    """Return why a subject got its verdicts: each fact, limit, margin, source, feature.

    Raises
    ------
    OutputError
        No subject has this id, or none of its rules has this name.
    """
    found = []
    for role, info in results.layers.items():
        table = results.tables[role]
        match = table.filter(pc.equal(table[info.one("id")], subject_id))
        if match.num_rows:
            rules = [r for r in info.rules if rule is None or r.id == rule or r.measure == rule]
            found += [_explained(match, info, r, results, lang) for r in rules]
            told = (
                all_concerns(results, info, match, lang)
                if rule is None
                else one_concern(results, info, match, rule, lang)
            )
            found += [told] if told else []
            if number := len(rules) + bool(told):
                head = f"{info.title.to(lang)} {subject_id}"
                found[-number] = f"{head}\n\n{found[-number]}"
    if not found:
        what = subject_id if rule is None else f"{subject_id} / {rule}"
        raise OutputError(
            Problem(
                what,
                Text("结果中没有这个对象或规则。", "the results hold no such subject or rule."),
                Text("核对编号（subject_id 列）。", "Check the id (column subject_id)."),
            )
        )
    return "\n\n".join(found)


_WORDS = {
    "limit": Text("要求", "asked"),
    "margin": Text("差值", "margin"),
    "accuracy": Text("精度", "accuracy"),
    "feature": Text("对象", "feature"),
    "source": Text("依据", "source"),
    "why": Text("原因", "reasons"),
    "class": Text("政策分类", "policy class"),
    "changed": Text("本次改动的参数", "parameters changed in this run"),
    "missing": Text("缺少图层", "layers missing"),
    "none": Text("无数据", "no data"),
}


def _explained(row: pa.Table, info: LayerInfo, rule: RuleInfo, results: Results, lang: Lang) -> str:
    words = {key: text.to(lang) for key, text in _WORDS.items()}
    verdict = row[info.column_of(rule.id, "verdict")][0].as_py()
    reasons = row[info.column_of(rule.id, "reason")][0].as_py() or ""
    lines = [f"{rule.id} {rule.title.to(lang)}: {LABELS[verdict].to(lang)}"]
    if reasons:
        # a green space gives the reasons of the projects under it: their rule knows the words
        same = [r for other in results.layers.values() for r in other.rules if r.id == rule.id]
        known = [*rule.facts, *(line for r in same for line in r.facts)]
        told = [_reason(code, known, lang) for code in reasons.split(";")]
        lines.append(f"  {words['why']}: {'; '.join(told)}")
    if rule.layers_missing:
        lines.append(f"  {words['missing']}: {', '.join(rule.layers_missing)}")
    missing = re.search(GAPS, reasons) is not None
    for line in rule.facts:
        empty = words["none"] if missing or line.empty is None else line.empty.to(lang)
        lines.append(f"  - {_fact_text(row, info, rule, line, words | {'none': empty}, lang)}")
    lines += _outlook(row, info, rule, results.run, lang)
    if rule.changed_parameters:
        changed = ", ".join(f"{p} = {rule.parameters[p]}" for p in rule.changed_parameters)
        lines.append(f"  {words['changed']}: {changed}")
    if rule.policy_class:
        lines.append(f"  {words['class']}: {rule.policy_class.to(lang)}")
    lines.append(f"  {words['source']}: {rule.citation.to(lang)}")
    return "\n".join(lines)


def _outlook(
    row: pa.Table, info: LayerInfo, rule: RuleInfo, record: dict[str, Any], lang: Lang
) -> list[str]:
    """Return the lines on what would change the verdict, or on how much room is left."""
    values = {name: row[name][0].as_py() for name in row.column_names}
    found = outlook(values, info, rule, record, lang)
    if found is None:
        return []
    heading = f"  {found.aim}{f' ({found.how})' if found.how else ''}:"
    if len(found.ways) == 1:
        return [heading, *(f"    - {text}" for text in found.ways[0])]
    lines = [heading]
    for number, (first, *more) in enumerate(found.ways, 1):
        lines += [f"    {number}. {first}", *(f"       + {text}" for text in more)]
    return lines + ([f"    … {found.further}"] if found.further else [])


def _reason(code: str, known: list[FactLine], lang: Lang) -> str:
    """Return a reason in words; a condition is called what its fact is called."""
    head, _, name = code.partition(":")
    line = next((x for x in known if name and name in (x.condition, x.column)), None)
    if line is None:
        return reason_text(code).to(lang)
    return f"{reason_text(head).to(lang)}: {line.title.to(lang)}"


def _fact_text(
    row: pa.Table,
    info: LayerInfo,
    rule: RuleInfo,
    line: FactLine,
    words: dict[str, str],
    lang: Lang,
) -> str:
    value = line.worded(row[line.column][0].as_py(), lang)
    margin, accuracy = (column[0].as_py() for column in margin_of(row, info, rule, line))
    parts = [f"{line.title.to(lang)}: {shown(value, line.unit, lang) or words['none']}"]
    if line.asked:
        parts.append(f"{words['limit']} {line.asked.to(lang)}")
    if margin is not None:
        parts.append(f"{words['margin']} {shown(margin, line.unit, lang, signed=True)}")
    if accuracy:
        parts.append(f"{words['accuracy']} ±{shown(accuracy, line.unit, lang)}")
    feature = row[line.feature_column][0].as_py() if line.feature_column else None
    if feature:
        parts.append(f"{words['feature']} {feature}")
    return " | ".join(parts)
