"""Why a subject got its verdicts, and what it would take to get another, in words."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.concerns import all_concerns, one_concern
from geo_urc.errors import OutputError, Problem
from geo_urc.evidence import margin_of
from geo_urc.outlook import NOTHING, outlook
from geo_urc.outputs.labels import changed_parameters, reason_words, role_titles
from geo_urc.results import FactLine, FactSaid, LayerInfo, Results, RuleInfo, RuleSaid, SubjectSaid
from geo_urc.text import Lang, Text
from geo_urc.verdicts import GAPS, LABELS
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


def said(results: Results, subject_id: str, lang: Lang = "zh") -> list[SubjectSaid]:
    """Return what :func:`explain` says of a subject as data, one entry for each layer it is in.

    Returns nothing where no subject has this id.
    """
    found = []
    for role, info in results.layers.items():
        table = results.tables[role]
        row = table.filter(pc.equal(table[info.one("id")], subject_id))
        if row.num_rows:
            rules = tuple(_said(row, info, rule, results, lang) for rule in info.rules)
            concerns = all_concerns(results, info, row, lang) or ""
            found.append(SubjectSaid(role, subject_id, rules, concerns))
    return found


def _said(row: pa.Table, info: LayerInfo, rule: RuleInfo, results: Results, lang: Lang) -> RuleSaid:
    verdict = row[info.column_of(rule.id, "verdict")][0].as_py()
    reasons = row[info.column_of(rule.id, "reason")][0].as_py() or ""
    missing = re.search(GAPS, reasons) is not None
    values = {name: row[name][0].as_py() for name in row.column_names}
    found = outlook(values, info, rule, results.run, lang) or NOTHING
    return RuleSaid(
        rule.id,
        rule.title.to(lang),
        verdict,
        tuple(reason_words(code, info, rule, lang) for code in reasons.split(";") if code),
        rule.layers_missing,
        tuple(_fact(row, info, rule, line, missing, lang) for line in rule.facts),
        *found,
        tuple(changed_parameters(rule)),
        rule.policy_class.to(lang) if rule.policy_class else "",
        rule.citation.to(lang),
    )


def _explained(row: pa.Table, info: LayerInfo, rule: RuleInfo, results: Results, lang: Lang) -> str:
    words = {key: text.to(lang) for key, text in _WORDS.items()}
    told = _said(row, info, rule, results, lang)
    lines = [f"{told.id} {told.title}: {LABELS[told.verdict].to(lang)}"]
    if told.reasons:
        stop = Text("；", "; ").to(lang)
        lines.append(f"  {words['why']}: {stop.join(told.reasons)}")
    if told.layers_missing:
        lines.append(f"  {words['missing']}: {role_titles(told.layers_missing, lang, codes=True)}")
    lines += [f"  - {_fact_text(fact, words)}" for fact in told.facts]
    lines += _outlook_text(told)
    if told.changed:
        lines.append(f"  {words['changed']}: {', '.join(told.changed)}")
    if told.policy_class:
        lines.append(f"  {words['class']}: {told.policy_class}")
    lines.append(f"  {words['source']}: {told.source}")
    return "\n".join(lines)


def _outlook_text(told: RuleSaid) -> list[str]:
    """Return the lines on what would change the verdict, or on how much room is left."""
    if not told.ways:
        return []
    heading = f"  {told.outlook}{f' ({told.how})' if told.how else ''}:"
    if len(told.ways) == 1:
        return [heading, *(f"    - {text}" for text in told.ways[0])]
    lines = [heading]
    for number, (first, *more) in enumerate(told.ways, 1):
        lines += [f"    {number}. {first}", *(f"       + {text}" for text in more)]
    return lines + ([f"    … {told.further}"] if told.further else [])


def _fact(
    row: pa.Table, info: LayerInfo, rule: RuleInfo, line: FactLine, missing: bool, lang: Lang
) -> FactSaid:
    value = line.worded(row[line.column][0].as_py(), lang)
    margin, accuracy = (column[0].as_py() for column in margin_of(row, info, rule, line))
    feature = row[line.feature_column][0].as_py() if line.feature_column else None
    empty = _WORDS["none"] if missing or line.empty is None else line.empty
    return FactSaid(
        line.title.to(lang),
        shown(value, line.unit, lang) or empty.to(lang),
        line.asked.to(lang) if line.asked else "",
        "" if margin is None else shown(margin, line.unit, lang, signed=True),
        f"±{shown(accuracy, line.unit, lang)}" if accuracy else "",
        feature or "",
    )


def _fact_text(fact: FactSaid, words: dict[str, str]) -> str:
    parts = [f"{fact.title}: {fact.value}"]
    for key in ("asked", "margin", "accuracy", "feature"):
        if text := getattr(fact, key):
            parts.append(f"{words['limit' if key == 'asked' else key]} {text}")
    return " | ".join(parts)
