"""Which measures concern one subject, and who decides: in words, from stored results."""

from __future__ import annotations

import pyarrow as pa

from geo_urc.results import STATUSES, CatalogueEntry, LayerInfo, Results
from geo_urc.text import Lang, Text
from geo_urc.verdicts import LABELS, reason_text

_HEAD = Text("与本对象有关的措施", "Measures that concern it")
_COMPUTED = Text("计算的规则", "Computed rules")
_FOREIGN = Text("计算而不适用", "Computed, not applicable")
_MATCHED = Text("程序性措施（按属性匹配，不计算）", "Procedural measures (matched, not computed)")
_OPEN = Text("待定的程序性措施（缺少资料或待解释）", "Procedural measures left open")
_AUTHORITY = Text(
    "只对部门提出，不与对象匹配", "Addressed to authorities only, matched with no site"
)
_STATES = {
    "matched": Text("与本对象有关", "concerns it"),
    "open": Text("待定", "left open"),
    "other": Text("与本对象无关", "does not concern it"),
}
_WORDS = {
    "whom": Text("适用对象", "whom"),
    "why": Text("原因", "reasons"),
    "decides": Text("由谁决定", "who decides"),
    "class": Text("政策分类", "policy class"),
    "source": Text("依据", "source"),
}
_GAPS = ("layer_missing", "attribute_missing", "parameter_missing", "value_unrecognised")


def all_concerns(results: Results, info: LayerInfo, row: pa.Table, lang: Lang) -> str:
    """Return which measures concern a subject: computed, matched and left open, each apart.

    Empty where the run matched nothing with the subject's role.

    Parameters
    ----------
    row
        The subject's row of the results, alone.
    """
    if info.concern_column("matched") is None:
        return ""
    judged: dict[bool, list[str]] = {True: [], False: []}
    for rule in info.rules:
        word = row[info.column_of(rule.id, "verdict")][0].as_py()
        concerned = word != "not_applicable"
        judged[concerned].append(f"{rule.id} {LABELS[word].to(lang)}" if concerned else rule.id)
    comma = Text("、", ", ").to(lang)
    lines = [_HEAD.to(lang)]
    lines += [
        f"  {head.to(lang)}: {comma.join(told)}"
        for head, told in ((_COMPUTED, judged[True]), (_FOREIGN, judged[False]))
        if told
    ]
    for head, part in ((_MATCHED, "matched"), (_OPEN, "open")):
        ids = _listed(info, row, part)
        if ids:
            lines.append(f"  {head.to(lang)}:")
        lines += [
            f"  - {_line(results, info, row, entry, part, lang)}"
            for entry in results.catalogue
            if entry.id in ids
        ]
    authority = [e.id for e in results.catalogue if e.status == "authority"]
    if authority:
        lines.append(f"  {_AUTHORITY.to(lang)}: {comma.join(authority)}")
    return "\n".join(lines)


def one_concern(results: Results, info: LayerInfo, row: pa.Table, rule: str, lang: Lang) -> str:
    """Return whether the procedural rules of an id or a measure concern a subject, and why so.

    Empty where nothing procedural has that name.
    """
    words = {key: text.to(lang) for key, text in _WORDS.items()}
    found = []
    for entry in results.catalogue:
        if rule not in (entry.id, entry.measure) or entry.assess != "procedural":
            continue
        part = _part(info, row, entry)
        said = _STATES[part] if part else STATUSES[entry.status]
        lines = [f"{entry.id} {entry.title.to(lang)}: {said.to(lang)}"]
        if part == "open":
            lines.append(f"  {words['why']}: {_reasons(results, info, row, entry, lang)}")
        if entry.concerns:
            lines.append(f"  {words['whom']}: {entry.concerns.to(lang)}")
        lines.append(f"  {entry.explanation.to(lang)}")
        if entry.department:
            lines.append(f"  {words['decides']}: {entry.department}")
        if entry.policy_class:
            lines.append(f"  {words['class']}: {entry.policy_class.to(lang)}")
        lines.append(f"  {words['source']}: {entry.citation.to(lang)}")
        found.append("\n".join(lines))
    return "\n\n".join(found)


def _line(
    results: Results,
    info: LayerInfo,
    row: pa.Table,
    entry: CatalogueEntry,
    part: str,
    lang: Lang,
) -> str:
    parts = [f"{entry.id} {entry.title.to(lang)}"]
    if part == "open":
        parts.append(_reasons(results, info, row, entry, lang))
    if entry.department:
        parts.append(f"{_WORDS['decides'].to(lang)} {entry.department}")
    if entry.policy_class:
        parts.append(entry.policy_class.to(lang))
    return " | ".join(parts)


def _part(info: LayerInfo, row: pa.Table, entry: CatalogueEntry) -> str | None:
    """Return ``matched``, ``open`` or ``other``; None where the run did not match the rule."""
    if entry.status != "matched" or info.concern_column("matched") is None:
        return None
    return next((p for p in ("matched", "open") if entry.id in _listed(info, row, p)), "other")


def _listed(info: LayerInfo, row: pa.Table, part: str) -> list[str]:
    column = info.concern_column(part)
    text = row[column][0].as_py() if column else None
    return [code for code in (text or "").split(";") if code]


def _reasons(
    results: Results, info: LayerInfo, row: pa.Table, entry: CatalogueEntry, lang: Lang
) -> str:
    """Return why a rule is left open for a subject.

    The row holds the reasons of all its open rules, the record those that this rule has in its
    layer: what is in both is this rule's here. So is a layer or a field that was not given at
    all, of which rows are silent. A reason for a person counts where nothing is missing, because
    what is missing comes first.
    """
    counted = results.run.get("concerns", {}).get(info.role, {}).get(entry.id, {})
    sources = results.run.get("inputs", ())
    given = {field for s in sources if s["role"] == info.role for field in s["fields"]}
    everywhere = {
        "layer_missing",
        *(f"attribute_missing:{f}" for f in entry.facts if f not in given),
    }
    told = {*_listed(info, row, "reason"), *everywhere}
    codes = [code for code in counted.get("reasons", {}) if code in told]
    gaps = [c for c in codes if c.split(":")[0] in _GAPS] or codes
    return "; ".join(reason(code, entry).to(lang) for code in gaps)


def reason(code: str, entry: CatalogueEntry) -> Text:
    """Return a reason in words, with the titles of the fields and the names of the layers."""
    head, _, name = code.partition(":")
    if head == "layer_missing" and not name and entry.layers_missing:
        name = ", ".join(entry.layers_missing)
    label, title = reason_text(head), entry.facts.get(name, Text(name, name))
    return Text(f"{label.zh}：{title.zh}", f"{label.en}: {title.en}") if name else label
