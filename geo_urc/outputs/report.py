"""The report: one HTML page to read, print and file, without script or network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.concerns import reason
from geo_urc.outputs.labels import (
    changed_parameters,
    layer_order,
    reason_words,
    rule_label,
    unit_text,
)
from geo_urc.outputs.palette import LOOKS
from geo_urc.results import ASSESS, STATUSES, CatalogueEntry, LayerInfo, Results, RuleInfo
from geo_urc.text import Lang, Text
from geo_urc.verdicts import LABELS

DISTRICT = "district"
_RECORDS_LISTED = 200

TEXTS: dict[str, Text] = {
    "title": Text("城市更新政策适用性筛查报告", "Urban renewal policy screening report"),
    "asOf": Text("政策日期", "Policies as of"),
    "rulebook": Text("规则库版本", "Rulebook version"),
    "software": Text("软件版本", "Software version"),
    "crs": Text("计算坐标系", "Evaluation system"),
    "inputs": Text("输入文件", "Inputs"),
    "results": Text("各政策结果", "Results by rule"),
    "districts": Text("分区结果", "Results by district"),
    "open": Text("需人工研判与资料不足", "Reviews and unknowns"),
    "parameters": Text("与内置规则库不同的参数", "Parameters that differ from the rulebook"),
    "notices": Text("假定与提示", "Assumptions and notices"),
    "aside": Text("未采用的记录", "Records set aside"),
    "operations": Text("坐标转换", "Coordinate operations"),
    "sources": Text("政策依据", "Sources"),
    "rule": Text("政策", "Rule"),
    "subject": Text("对象", "Subject"),
    "total": Text("合计", "Total"),
    "district": Text("区", "District"),
    "verdict": Text("结论", "Verdict"),
    "reason": Text("原因", "Reason"),
    "count": Text("数量", "Count"),
    "supply": Text("如何补充", "What to supply"),
    "name": Text("名称", "Name"),
    "value": Text("取值", "Value"),
    "unit": Text("单位", "Unit"),
    "kind": Text("类型", "Kind"),
    "where": Text("位置", "Where"),
    "text": Text("内容", "Text"),
    "role": Text("角色", "Role"),
    "file": Text("文件", "File"),
    "record": Text("记录", "Record"),
    "records": Text("记录数（读入／采用／未采用）", "Records (read / used / set aside)"),
    "cells": Text("格", "cells"),
    "repaired": Text("修复／无法使用", "Repaired / unusable"),
    "hash": Text("SHA-256", "SHA-256"),
    "declared": Text("坐标系（基准）", "System (datum)"),
    "assumed": Text("假定", "assumed"),
    "operation": Text("转换", "Operation"),
    "accuracy": Text("精度（米）", "Accuracy (m)"),
    "policyClass": Text("政策类别", "Policy class"),
    "layersMissing": Text("缺少图层", "Layers not given"),
    "notInForce": Text("判定日期未施行、未判定的政策", "Not in force on the date, not evaluated"),
    "from": Text("自", "From"),
    "until": Text("至", "Until"),
    "none": Text("无。", "None."),
    "concerns": Text(
        "程序性措施（按属性匹配，不计算）", "Procedural measures (matched, not computed)"
    ),
    "concernsNote": Text(
        "送来筛查的对象视为更新项目；此处的数目不是结论，也不计入结论。",
        "The sites handed in are taken to be renewal sites. These numbers are no verdicts and are "
        "counted with none.",
    ),
    "matched": Text("有关", "Concerned"),
    "undecided": Text("待定", "Left open"),
    "department": Text("由谁决定", "Who decides"),
    "catalogue": Text("政策目录", "Catalogue of measures"),
    "catalogueShow": Text(
        "全部措施和条款，及本次如何处理", "All measures and clauses, and this run"
    ),
    "assess": Text("判定方式", "Kind"),
    "status": Text("本次处理", "In this run"),
    "source": Text("依据", "Source"),
    "whom": Text("适用对象", "Whom"),
    "noDistrict": Text("（不明）", "(not known)"),
    "perDistrict": Text(
        "（宗地可跨区，按面积较大的一区统计）", "(by the district of the larger share)"
    ),
    "disclaimer": Text(
        "“符合”只表示按所给数据满足可计算的条件，不是行政许可；试点、探索类政策不构成权利。",
        "“Eligible” says only that the computable conditions hold on the data given. It is no permit, "
        "and a pilot or exploratory measure gives no entitlement.",
    ),
}

KINDS: dict[str, Text] = {
    "assumption": Text("假定", "assumption"),
    "repair": Text("修复", "repair"),
    "warning": Text("警告", "warning"),
}

SUPPLY: dict[str, Text] = {
    "layer_missing": Text("在 LAYERS.toml 中提供该图层", "give the layer in LAYERS.toml"),
    "attribute_missing": Text(
        "在数据中补充该属性，并在 LAYERS.toml 的 fields 中对应列名",
        "add the attribute and name its column under fields in LAYERS.toml",
    ),
    "outside_coverage": Text(
        "提供覆盖更大范围的图层，或用 coverage 声明其完整范围",
        "give a layer that reaches further, or declare its coverage",
    ),
    "geometry_unusable": Text("修正图形后重新运行", "correct the geometry and run again"),
    "datum_unknown": Text(
        "向数据提供方核实坐标基准，并在 LAYERS.toml 中写明 datum",
        "ask the keeper for the datum and state it in LAYERS.toml",
    ),
    "value_unrecognised": Text(
        "在 LAYERS.toml 的 values 中说明该取值", "explain the value under values in LAYERS.toml"
    ),
    "within_accuracy": Text(
        "提供更精确的测量数据（accuracy_m），或由人工判定",
        "give more accurate data (accuracy_m), or decide by hand",
    ),
    "soft_limit": Text("由主管部门论证决定", "for the department to decide"),
    "straddles": Text("核实边界，由人工判定", "check the boundary and decide by hand"),
    "reading_open": Text("由主管部门解释", "for the department to interpret"),
    "not_met": Text("由人工核实该条件", "check the condition by hand"),
}
"""Reason → what would settle it."""


def write_report(results: Results, path: Path, lang: Lang = "zh") -> None:
    """Write the report of a run as one HTML file for reading and for printing on A4."""
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = (files("geo_urc.outputs") / "assets" / "report.html.j2").read_text(encoding="utf-8")
    page = environment.from_string(template).render(
        lang=lang,
        texts={key: text.to(lang) for key, text in TEXTS.items()},
        run=results.run,
        verdicts=[
            {"label": LABELS[word].to(lang), "colour": look.colour, "mark": look.mark}
            for word, look in LOOKS.items()
        ],
        concerns=[_concerns(results, info, lang) for info in results.layers.values()],
        catalogue=[_entry(results, entry, lang) for entry in results.catalogue],
        layers=[_layer(results, info, lang) for info in layer_order(results) if info.rules],
        parameters=_parameters(results, lang),
        notices=_notices(results, lang),
        set_aside=results.run.get("set_aside", [])[:_RECORDS_LISTED],
        set_aside_more=_more(len(results.run.get("set_aside", [])), lang),
    )
    path.write_text(page, encoding="utf-8", newline="\n")


def verdict_counts(verdicts: pa.ChunkedArray) -> list[int]:
    """Return how many subjects have each of the five words, in the order of the legend."""
    counts = Counter({e["values"]: e["counts"] for e in pc.value_counts(verdicts).to_pylist()})
    return [counts[word] for word in LOOKS]


def district_counts(
    districts: pa.ChunkedArray, verdicts: pa.ChunkedArray
) -> list[tuple[str | None, list[int]]]:
    """Return :func:`verdict_counts` for each district, by name, those without one last."""
    table = pa.table({"district": districts, "verdict": verdicts})
    grouped = table.group_by(["district", "verdict"]).aggregate([([], "count_all")])
    counts: dict[str | None, Counter[str]] = {}
    for row in grouped.to_pylist():
        counts.setdefault(row["district"], Counter())[row["verdict"]] += row["count_all"]
    ordered = sorted(counts, key=lambda name: (name is None, name or ""))
    return [(name, [counts[name][word] for word in LOOKS]) for name in ordered]


def open_reasons(verdicts: pa.ChunkedArray, reasons: pa.ChunkedArray) -> list[tuple[str, str, int]]:
    """Return verdict, reason code and number of subjects for every review and unknown.

    A subject with two reasons counts under both; most frequent first.
    """
    found: list[tuple[str, str, int]] = []
    for word in ("review", "unknown"):
        codes = pc.fill_null(reasons.filter(pc.equal(verdicts, word)).cast(pa.string()), "")
        counts: Counter[str] = Counter()
        for entry in pc.value_counts(codes).to_pylist():
            for code in entry["values"].split(";"):
                counts[code] += entry["counts"]
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        found += [(word, code, count) for code, count in ordered]
    return found


def _layer(results: Results, info: LayerInfo, lang: Lang) -> dict[str, Any]:
    table = results.tables[info.role]
    has_district = DISTRICT in table.column_names
    return {
        "title": info.title.to(lang),
        "total": table.num_rows,
        "has_district": has_district,
        "rules": [
            {
                "label": rule_label(rule, lang),
                "explanation": rule.explanation.to(lang),
                "citation": rule.citation.to(lang),
                "policy_class": rule.policy_class.to(lang) if rule.policy_class else "–",
                "layers_missing": ", ".join(rule.layers_missing),
                "changed": changed_parameters(rule),
                "counts": verdict_counts(_column(table, info, rule, "verdict")),
                "districts": district_counts(table[DISTRICT], _column(table, info, rule, "verdict"))
                if has_district
                else [],
                "open": _open(table, info, rule, lang),
            }
            for rule in info.rules
        ],
    }


def _column(table: pa.Table, info: LayerInfo, rule: RuleInfo, part: str) -> pa.ChunkedArray:
    return table[info.column_of(rule.id, part)]


def _open(table: pa.Table, info: LayerInfo, rule: RuleInfo, lang: Lang) -> list[dict[str, Any]]:
    lines = open_reasons(
        _column(table, info, rule, "verdict"), _column(table, info, rule, "reason")
    )
    return [
        {
            "verdict": LABELS[word].to(lang),
            "reason": reason_words(code, rule, lang),
            "count": count,
            "supply": _supply(code, rule, lang),
        }
        for word, code, count in lines
    ]


def _supply(code: str, rule: RuleInfo, lang: Lang) -> str:
    head, _, detail = code.partition(":")
    advice = SUPPLY.get(head, Text("", "")).to(lang)
    if head == "layer_missing" and not detail and rule.layers_missing:
        return f"{advice}：{', '.join(rule.layers_missing)}"
    return advice


def _concerns(results: Results, info: LayerInfo, lang: Lang) -> dict[str, Any]:
    """Return the procedural measures matched with the subjects of a layer, and those left open."""
    counted = results.run.get("concerns", {}).get(info.role, {})
    return {
        "title": info.title.to(lang),
        "measures": [
            {
                "label": f"{entry.id} {entry.title.to(lang)}",
                "whom": entry.concerns.to(lang) if entry.concerns else "",
                "department": entry.department or "–",
                "policy_class": entry.policy_class.to(lang) if entry.policy_class else "–",
                "matched": counted[entry.id]["matched"],
                "open": counted[entry.id]["open"],
                "reasons": [
                    f"{reason(code, entry).to(lang)} ({number})"
                    for code, number in counted[entry.id]["reasons"].items()
                ],
            }
            for entry in results.catalogue
            if entry.id in counted
        ],
    }


def _entry(results: Results, entry: CatalogueEntry, lang: Lang) -> dict[str, Any]:
    return {
        "label": f"{entry.id} {entry.title.to(lang)}",
        "policy_class": entry.policy_class.to(lang) if entry.policy_class else "–",
        "department": entry.department or "–",
        "assess": ASSESS[entry.assess].to(lang) if entry.assess in ASSESS else entry.assess,
        "status": list(_status(results, entry, lang)),
        "source": entry.citation.to(lang),
    }


def _status(results: Results, entry: CatalogueEntry, lang: Lang) -> Iterator[str]:
    """Yield what this run did with a rule, with its numbers, subject by subject."""
    yield STATUSES[entry.status].to(lang)
    colon = Text("：", ": ").to(lang)
    for role, info in results.layers.items():
        title = info.title.to(lang)
        if entry.status == "evaluated" and role == entry.subject:
            counts = results.run.get("counts", {}).get(role, {}).get(entry.id, {})
            told = [f"{LABELS[w].to(lang)} {counts[w]}" for w in LABELS if counts.get(w)]
            yield f"{title}{colon}{' · '.join(told) or '0'}"
            rule = next((r for r in info.rules if r.id == entry.id), None)
            if rule and rule.layers_missing:
                missing = ", ".join(rule.layers_missing)
                yield f"{TEXTS['layersMissing'].to(lang)}{colon}{missing}"
        counted = results.run.get("concerns", {}).get(role, {}).get(entry.id)
        if counted:
            words = (TEXTS["matched"].to(lang), TEXTS["undecided"].to(lang))
            yield f"{title}{colon}{words[0]} {counted['matched']} · {words[1]} {counted['open']}"


def _parameters(results: Results, lang: Lang) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "value": parameter.get("value"),
            "unit": unit_text(parameter.get("unit"), lang),
        }
        for name, parameter in results.run.get("parameters", {}).items()
        if parameter.get("changed")
    ]


def _notices(results: Results, lang: Lang) -> Sequence[dict[str, Any]]:
    unnamed = Text("", "")
    return [
        {
            "kind": KINDS.get(notice.get("kind", ""), unnamed).to(lang) or notice.get("kind", ""),
            "where": notice.get("where", ""),
            "text": notice.get(f"text_{lang}", ""),
            "count": notice.get("count", 1),
        }
        for notice in results.run.get("notices", [])
    ]


def _more(count: int, lang: Lang) -> str:
    if count <= _RECORDS_LISTED:
        return ""
    return Text(
        f"共 {count} 条，此处列出前 {_RECORDS_LISTED} 条，其余见 eligibility.gpkg 的表 set_aside。",
        f"{count} in all; the first {_RECORDS_LISTED} are listed here, "
        "the rest in the table set_aside of eligibility.gpkg.",
    ).to(lang)
