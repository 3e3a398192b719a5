"""The long form of results: one row for each subject, rule and fact; and why, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.errors import OutputError, Problem
from geo_urc.results import UNITS, FactLine, LayerInfo, Results, RuleInfo
from geo_urc.text import Lang, Text
from geo_urc.verdicts import LABELS, reason_text

SCHEMA = pa.schema(
    [
        ("subject", pa.string()),
        ("subject_id", pa.string()),
        ("rule", pa.string()),
        ("verdict", pa.string()),
        ("fact", pa.string()),
        ("value", pa.string()),
        ("unit", pa.string()),
        ("limit", pa.string()),
        ("margin", pa.float64()),
        ("accuracy", pa.float64()),
        ("feature", pa.string()),
        ("missing", pa.string()),
        ("source", pa.string()),
    ]
)
_GAPS = (
    r"(?:layer|attribute|parameter)_missing[^;]*|outside_coverage|geometry_unusable|datum_unknown"
)
EXCEL_ROWS = 1_048_575


def evidence(results: Results, lang: Lang = "zh") -> pa.Table:
    """Return the long form of all results, by subject role, then rule, then fact.

    ``value`` is text, because facts are numbers, words and names; numbers keep all their
    digits. ``missing`` names what was lacking, layers by their role.
    """
    return pa.concat_tables([SCHEMA.empty_table(), *_blocks(results, lang)])


def _blocks(results: Results, lang: Lang) -> Iterator[pa.Table]:
    for role, info in results.layers.items():
        table = results.tables[role]
        for rule in info.rules:
            for line in rule.facts:
                yield _block(table, info, rule, line, lang)


def _block(
    table: pa.Table, info: LayerInfo, rule: RuleInfo, line: FactLine, lang: Lang
) -> pa.Table:
    n = table.num_rows

    def same(text: str | None) -> pa.Array:
        return (
            pa.array([text] * n, pa.string())
            if n < 2
            else pa.repeat(pa.scalar(text, pa.string()), n)
        )

    value = table[line.column]
    margin, accuracy = _margin(table, info, rule, line)
    reasons = table[info.column_of(rule.id, "reason")]
    columns = [
        same(info.role),
        table[info.one("id")],
        same(rule.id),
        table[info.column_of(rule.id, "verdict")],
        same(line.column),
        pc.cast(value, pa.string()),
        same(line.unit),
        same(line.limit.to(lang) if line.limit else None),
        margin,
        accuracy,
        table[line.feature_column] if line.feature_column else same(None),
        _gaps(reasons, rule),
        same(rule.citation.to(lang)),
    ]
    return pa.table(columns, schema=SCHEMA)


def _margin(
    table: pa.Table, info: LayerInfo, rule: RuleInfo, line: FactLine
) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Return margin and accuracy of a condition; the band where it gives the rule's margin."""
    if line.side is None or (line.limit_value is None and line.limit_column is None):
        nothing = pa.chunked_array([pa.nulls(table.num_rows, pa.float64())])
        return nothing, nothing
    value = pc.cast(table[line.column], pa.float64())
    limit = table[line.limit_column] if line.limit_column else pa.scalar(line.limit_value)
    margin = pc.subtract(limit, value) if line.side == "at_most" else pc.subtract(value, limit)
    whole = table[info.column_of(rule.id, "margin")]
    accuracy = table[info.column_of(rule.id, "accuracy")]
    same = pc.fill_null(pc.equal(margin, whole), False)
    return margin, pc.if_else(same, accuracy, pa.scalar(None, pa.float64()))


def _gaps(reasons: pa.ChunkedArray, rule: RuleInfo) -> pa.Array:
    """Return the reasons that speak of something missing; a layer is named by its role."""
    distinct = reasons.unique()
    named = []
    for text in distinct.to_pylist():
        codes = [c for c in (text or "").split(";") if pc.match_substring_regex(c, _GAPS).as_py()]
        named.append(";".join(_named(code, rule) for code in codes) or None)
    place = pc.index_in(reasons, distinct)
    return pa.array(named, pa.string()).take(place.combine_chunks())


def _named(code: str, rule: RuleInfo) -> str:
    layers = ";".join(f"layer_missing:{role}" for role in rule.layers_missing)
    return layers if code == "layer_missing" and layers else code


def write_evidence(table: pa.Table, path: Path) -> None:
    """Write the long form as ``.parquet``, ``.csv`` (UTF-8 with BOM) or ``.xlsx``.

    Raises
    ------
    OutputError
        Another ending, or more rows than a sheet of Excel holds.
    """
    match path.suffix.lower():
        case ".parquet":
            import pyarrow.parquet as pq

            pq.write_table(table, path, compression="zstd")
        case ".csv":
            import pyarrow.csv as csv

            with path.open("wb") as file:
                file.write(b"\xef\xbb\xbf")
                csv.write_csv(table, file)
        case ".xlsx":
            _write_excel(table, path)
        case other:
            raise OutputError(
                Problem(
                    str(path),
                    Text(f"不支持的格式 {other!r}。", f"the ending {other!r} is not supported."),
                    Text("用 .parquet、.csv 或 .xlsx。", "Use .parquet, .csv or .xlsx."),
                )
            )


def _write_excel(table: pa.Table, path: Path) -> None:
    if table.num_rows > EXCEL_ROWS:
        raise OutputError(
            Problem(
                str(path),
                Text(
                    f"共 {table.num_rows} 行，超过 Excel 工作表的上限。",
                    f"{table.num_rows} rows are more than a sheet of Excel holds.",
                ),
                Text("改用 .parquet 或 .csv。", "Use .parquet or .csv."),
            )
        )
    import xlsxwriter

    options = {"strings_to_formulas": False, "strings_to_urls": False, "constant_memory": True}
    with xlsxwriter.Workbook(path, options) as book:
        sheet = book.add_worksheet("evidence")
        sheet.freeze_panes(1, 0)
        sheet.write_row(0, 0, table.column_names)
        row = 1
        for batch in table.to_batches(max_chunksize=10_000):
            for record in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                for column, value in enumerate(record):
                    if isinstance(value, str):
                        sheet.write_string(row, column, value)
                    elif value is not None and np.isfinite(value):
                        sheet.write_number(row, column, value)
                row += 1
        sheet.autofilter(0, 0, row - 1, len(table.column_names) - 1)


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
            if rules:
                head = f"{info.title.to(lang)} {subject_id}"
                found[-len(rules)] = f"{head}\n\n{found[-len(rules)]}"
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
    missing = re.search(_GAPS, reasons) is not None
    for line in rule.facts:
        empty = words["none"] if missing or line.empty is None else line.empty.to(lang)
        lines.append(f"  - {_fact_text(row, info, rule, line, words | {'none': empty}, lang)}")
    if rule.changed_parameters:
        changed = ", ".join(f"{p} = {rule.parameters[p]}" for p in rule.changed_parameters)
        lines.append(f"  {words['changed']}: {changed}")
    if rule.policy_class:
        lines.append(f"  {words['class']}: {rule.policy_class.to(lang)}")
    lines.append(f"  {words['source']}: {rule.citation.to(lang)}")
    return "\n".join(lines)


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
    value = row[line.column][0].as_py()
    margin, accuracy = (column[0].as_py() for column in _margin(row, info, rule, line))
    parts = [f"{line.title.to(lang)}: {shown(value, line.unit, lang) or words['none']}"]
    if line.limit:
        parts.append(f"{words['limit']} {line.limit.to(lang)}")
    if margin is not None:
        parts.append(f"{words['margin']} {shown(margin, line.unit, lang, signed=True)}")
    if accuracy:
        parts.append(f"{words['accuracy']} ±{shown(accuracy, line.unit, lang)}")
    feature = row[line.feature_column][0].as_py() if line.feature_column else None
    if feature:
        parts.append(f"{words['feature']} {feature}")
    return " | ".join(parts)


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
        return {"yes": Text("是", "yes"), "no": Text("否", "no")}.get(value, Text(value, value)).to(
            lang
        )
    number = float(value)  # type: ignore[arg-type]
    sign = "+" if signed else ""
    if unit == "share":
        return f"{number * 100:{sign}.6g}%"
    text = f"{number:{sign}.3f}".rstrip("0").rstrip(".")
    return f"{text} {UNITS.get(unit or '', Text('', '')).to(lang)}".strip()
