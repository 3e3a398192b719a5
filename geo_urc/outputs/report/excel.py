"""A report as a workbook: every subject in rows, and the numbers of the summary to filter."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.outputs.labels import (
    column_title,
    column_words,
    name_column,
    operation_text,
    reason_words,
    role_titles,
    unit_text,
)
from geo_urc.outputs.palette import LOOKS
from geo_urc.outputs.report.counting import OPEN
from geo_urc.outputs.report.model import Document
from geo_urc.outputs.report.summary import DISTRICT, LayerFigures, supply_advice
from geo_urc.outputs.report.texts import MEANINGS, TEXTS
from geo_urc.results import ASSESS, STATUSES, Column, LayerInfo, Results, RuleInfo
from geo_urc.safe_text import fitting_cell
from geo_urc.text import Lang, Text
from geo_urc.verdicts import LABELS

MOST_ROWS = 100_000
"""Of a subject with more rows the workbook has what is left open, instead of every row."""
MOST_OPEN = 1_048_574
"""What a sheet holds below its heading and the line that says what is left out."""
_FEW_ROWS = 20_000
_NAME = 31
"""Characters of a sheet's name."""
_FORMATS = {
    "m": "0.00", "m2": "#,##0.00", "m3": "#,##0.00", "yuan": "#,##0.00", "share": "0.0000",
    "factor": "0.0000", "storeys": "0", "people": "#,##0", "dwellings": "#,##0",
}  # fmt: skip
"""Unit → how Excel shows a number; the number itself is kept."""
_EXACT = 2**53
"""Beyond it whole numbers are no longer exact in Excel, and are written as text."""

_T: dict[str, Text] = {
    "overview": Text("概况", "Overview"),
    "rules": Text("政策结果", "Results by rule"),
    "districts": Text("分区结果", "Results by district"),
    "reasons": Text("研判与不足的原因", "Reasons of open verdicts"),
    "openOf": Text("{subject}-研判与不足", "{subject} open"),
    "sources": Text("政策依据", "Sources"),
    "parameters": Text("参数", "Parameters"),
    "inputs": Text("数据", "Data"),
    "columns": Text("列说明", "Columns"),
    "aside": Text("未采用的记录", "Set aside"),
    "sheet": Text("工作表", "Sheet"),
    "column": Text("列", "Column"),
    "inFile": Text("结果表中的列名", "Name in the result tables"),
    "ruleName": Text("名称", "Title"),
    "code": Text("代码", "Code"),
    "id": Text("编号", "Id"),
    "margin": Text("与限值之差", "Margin"),
    "accuracy": Text("精度", "Accuracy"),
    "basis": Text("性质", "Basis"),
    "changed": Text("本次改动", "Changed"),
    "yes": Text("是", "yes"),
    "read": Text("读入", "Read"),
    "used": Text("采用", "Used"),
    "setAside": Text("未采用", "Set aside"),
    "whole": Text(
        "{subject}：全部 {n} 行，见表“{sheet}”。", "{subject}: all {n} rows, in the sheet {sheet}."
    ),
    "cut": Text(
        "{subject}共 {n} 行，超过 {most} 行：本工作簿不列全部对象，只列需人工研判和资料不足的，"
        "见表“{sheet}”；全部对象见 eligibility.gpkg。",
        "{subject}: {n} rows are more than {most}. This workbook lists not all of them but those "
        "for review or unknown, in the sheet {sheet}; all are in eligibility.gpkg.",
    ),
    "openAll": Text(
        "一行一个对象和政策，共 {n} 行。全部对象都因同一原因未定的政策不在此列，见表“{reasons}”。",
        "A row for each subject and rule, {n} in all. Rules left open for all subjects alike are "
        "not listed here: see the sheet {reasons}.",
    ),
    "openCut": Text(
        "一行一个对象和政策，共 {n} 行，超出 Excel 上限：此处列前 {listed} 行，其余 {left} 行见 "
        "eligibility.gpkg。全部对象都因同一原因未定的政策不在此列，见表“{reasons}”。",
        "A row for each subject and rule, {n} in all, more than a sheet holds: the first {listed} "
        "are here, the other {left} in eligibility.gpkg. Rules left open for all subjects alike "
        "are not listed: see the sheet {reasons}.",
    ),
}


class _Head(NamedTuple):
    """The heading of a column, its width in characters, and how its numbers are shown."""

    text: str
    width: float = 12
    number: str = ""


Put = Callable[[int, int, Any], None]
"""Writes a value into a row and a column."""


def write_excel(
    results: Results, document: Document, layers: Sequence[LayerFigures], path: Path
) -> None:
    """Write the workbook of a run, row by row; the same run gives the same bytes.

    Text is written as text whatever it begins with, and no address becomes a link. Numbers keep
    16 significant digits; formats only say how many are shown. A missing value is an empty cell.
    """
    import xlsxwriter

    options = {
        # quicker and smaller with a table of strings, which grows with the rows
        "constant_memory": any(layer.total > _FEW_ROWS for layer in layers),
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    day = document.as_of
    with xlsxwriter.Workbook(path, options) as book:
        book.set_properties(
            {"title": document.title, "created": dt.datetime(day.year, day.month, day.day)}  # noqa: DTZ001
        )
        _Workbook(book, results, document, layers).write()


@dataclass
class _Workbook:
    book: Any
    results: Results
    document: Document
    layers: Sequence[LayerFigures]

    def __post_init__(self) -> None:
        self.lang: Lang = self.document.lang
        self.t = {key: text.to(self.lang) for key, text in (TEXTS | _T).items()}
        self.head = self.book.add_format(
            {"bold": True, "bg_color": "#F1F1EE", "border": 1, "border_color": "#BBBBBB",
             "text_wrap": True, "valign": "top"}
        )  # fmt: skip
        self.note = self.book.add_format({"italic": True, "font_color": "#A34700"})
        self.title = self.book.add_format({"bold": True, "font_size": 16})
        self.wrapped = self.book.add_format({"text_wrap": True, "valign": "top"})
        self.formats: dict[str, Any] = {}
        self.verdicts = {
            word: self.book.add_format(
                {"bg_color": look.colour, "border": 1, "border_color": "#BBBBBB"}
            )
            for word, look in LOOKS.items()
        }
        self.labels = {word: text.to(self.lang) for word, text in LABELS.items()}
        self.names: set[str] = set()

    def write(self) -> None:
        first = self._sheet("overview")
        self._flat("rules", self._rule_heads(), self._rule_rows())
        self._flat("districts", self._district_heads(), self._district_rows())
        self._flat("reasons", self._reason_heads(), self._reason_rows())
        told = [self._subject(layer) for layer in self.layers]
        self._flat("sources", self._source_heads(), self._source_rows())
        self._flat("parameters", self._parameter_heads(), self._parameter_rows())
        self._flat("inputs", self._input_heads(), self._input_rows())
        if self.results.run.get("set_aside"):
            self._flat("aside", self._aside_heads(), self._aside_rows())
        self._flat("columns", self._column_heads(), self._column_rows())
        self._overview(first, told)

    # --- sheets -----------------------------------------------------------------------------------

    def _sheet(self, key: str, name: str = "") -> Any:
        """Add a sheet; a name too long for Excel, or taken, is changed."""
        plain = "".join("-" if c in "[]:*?/\\'" else c for c in name or self.t[key])[:_NAME]
        free, number = plain, 2
        while free.lower() in self.names:
            free, number = f"{plain[: _NAME - 3]} {number}", number + 1
        self.names.add(free.lower())
        sheet = self.book.add_worksheet(free)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.set_footer(f"&L{self._foot()}&R{self._page()}")
        return sheet

    def _foot(self) -> str:
        return "  ".join(self.document.foot).replace("&", "&&")[:200]

    def _page(self) -> str:
        return "第 &P 页 / 共 &N 页" if self.lang == "zh" else "Page &P of &N"

    def _headed(self, sheet: Any, heads: Sequence[_Head], *, note: str = "") -> int:
        """Write the headings and keep them in view; return the first row below them."""
        top = 1 if note else 0
        for place, head in enumerate(heads):
            sheet.set_column(place, place, head.width, self._format(head.number))
        sheet.freeze_panes(top + 1, 0)
        sheet.repeat_rows(top)
        if note:
            sheet.write_string(0, 0, note, self.note)
        for place, head in enumerate(heads):
            sheet.write_string(top, place, fitting_cell(head.text), self.head)
        return top + 1

    def _flat(self, key: str, heads: Sequence[_Head], rows: Iterable[Sequence[Any]]) -> None:
        sheet = self._sheet(key)
        first = last = self._headed(sheet, heads)
        for last, row in enumerate(rows, first + 1):
            for place, value in enumerate(row):
                self._put(sheet, last - 1, place, value)
        sheet.autofilter(first - 1, 0, max(last - 1, first - 1), len(heads) - 1)

    def _format(self, number: str) -> Any:
        if not number:
            return None
        if number not in self.formats:
            self.formats[number] = self.book.add_format({"num_format": number})
        return self.formats[number]

    def _put(self, sheet: Any, row: int, place: int, value: Any, style: Any = None) -> None:
        """Write a value as what it is; nothing where there is none."""
        if isinstance(value, str):
            if value:
                sheet.write_string(row, place, fitting_cell(value), style)
        elif value is None:
            return
        elif isinstance(value, bool):
            sheet.write_boolean(row, place, value, style)
        elif isinstance(value, int | float | Decimal) and _is_exact(value):
            sheet.write_number(row, place, float(value), style)
        elif not (isinstance(value, float) and math.isnan(value)):
            sheet.write_string(row, place, fitting_cell(_written(value)), style)

    # --- what the sheets hold ----------------------------------------------------------------------

    def _overview(self, sheet: Any, told: Sequence[str]) -> None:
        sheet.set_column(0, 0, 24)
        sheet.set_column(1, 1, 110)
        sheet.write_string(0, 0, self.document.title, self.title)
        row = 2
        for name, text in self.document.facts.pairs:
            sheet.write_string(row, 0, name)
            sheet.write_string(row, 1, fitting_cell(text), self.wrapped)
            row += 1
        sheet.write_string(row + 1, 1, self.document.note, self.wrapped)
        row += 3
        for word, label in self.labels.items():
            sheet.write_string(row, 0, f"{LOOKS[word].mark} {label}", self.verdicts[word])
            sheet.write_string(row, 1, MEANINGS[word].to(self.lang), self.wrapped)
            row += 1
        for line in told:
            row += 1
            sheet.write_string(row, 1, line, self.wrapped)
        for key in ("prepared", "checked", "approved", "dataDate", "day"):
            row += 2
            sheet.write_string(row, 0, f"{self.t[key]}：")

    def _counts(self) -> tuple[_Head, ...]:
        return (
            *(_Head(label, 11, "#,##0") for label in self.labels.values()),
            _Head(self.t["total"], 9, "#,##0"),
        )

    def _rule_heads(self) -> tuple[_Head, ...]:
        t = self.t
        return (
            _Head(t["subject"], 16), _Head(t["rule"], 8), _Head(t["ruleName"], 34), *self._counts(),
            _Head(t["layersMissing"], 20), _Head(t["policyClass"], 12),
        )  # fmt: skip

    def _rule_rows(self) -> Iterator[Sequence[Any]]:
        for layer in self.layers:
            for figures in layer.rules:
                rule = figures.rule
                kind = rule.policy_class.to(self.lang) if rule.policy_class else None
                missing = role_titles(rule.layers_missing, self.lang)
                title = rule.title.to(self.lang)
                yield layer.title, rule.id, title, *figures.counts, layer.total, missing, kind

    def _district_heads(self) -> tuple[_Head, ...]:
        t = self.t
        return (
            _Head(t["subject"], 16), _Head(t["rule"], 8), _Head(t["ruleName"], 34),
            _Head(t["district"], 12), *self._counts(),
        )  # fmt: skip

    def _district_rows(self) -> Iterator[Sequence[Any]]:
        for layer in self.layers:
            for figures in layer.rules:
                title = figures.rule.title.to(self.lang)
                for district, counts in figures.districts:
                    name = self.t["noDistrict"] if district is None else district
                    yield layer.title, figures.rule.id, title, name, *counts, sum(counts)

    def _reason_heads(self) -> tuple[_Head, ...]:
        t = self.t
        return (
            _Head(t["subject"], 16), _Head(t["rule"], 8), _Head(t["ruleName"], 34),
            _Head(t["verdict"], 12), _Head(t["reason"], 40), _Head(t["count"], 9, "#,##0"),
            _Head(t["total"], 9, "#,##0"), _Head(t["supply"], 60), _Head(t["code"], 30),
        )  # fmt: skip

    def _reason_rows(self) -> Iterator[Sequence[Any]]:
        for layer in self.layers:
            for figures in layer.rules:
                rule = figures.rule
                for line in figures.open:
                    yield (
                        layer.title, rule.id, rule.title.to(self.lang), self.labels[line.verdict],
                        reason_words(line.code, layer.info, rule, self.lang), line.number, layer.total,
                        supply_advice(line.code, rule, self.lang), line.code,
                    )  # fmt: skip

    def _source_heads(self) -> tuple[_Head, ...]:
        t = self.t
        return (
            _Head(t["rule"], 8), _Head(t["ruleName"], 34), _Head(t["policyClass"], 12),
            _Head(t["department"], 24), _Head(t["assess"], 10), _Head(t["status"], 22),
            _Head(t["source"], 60), _Head(t["text"], 80),
        )  # fmt: skip

    def _source_rows(self) -> Iterator[Sequence[Any]]:
        lang = self.lang
        for entry in self.results.catalogue:
            assess = ASSESS[entry.assess].to(lang) if entry.assess in ASSESS else entry.assess
            yield (
                entry.id, entry.title.to(lang),
                entry.policy_class.to(lang) if entry.policy_class else None, entry.department,
                assess, STATUSES[entry.status].to(lang), entry.citation.to(lang),
                entry.explanation.to(lang),
            )  # fmt: skip
        if not self.results.catalogue:
            for layer in self.layers:
                for rule in (figures.rule for figures in layer.rules):
                    kind = rule.policy_class.to(lang) if rule.policy_class else None
                    yield (
                        rule.id, rule.title.to(lang), kind, None, None, None,
                        rule.citation.to(lang), rule.explanation.to(lang),
                    )  # fmt: skip

    def _parameter_heads(self) -> tuple[_Head, ...]:
        t = self.t
        return (
            _Head(t["name"], 30), _Head(t["text"], 40), _Head(t["value"], 20), _Head(t["unit"], 10),
            _Head(t["changed"], 9), _Head(t["source"], 80),
        )  # fmt: skip

    def _parameter_rows(self) -> Iterator[Sequence[Any]]:
        for name, told in self.results.run.get("parameters", {}).items():
            yield (
                name, told.get(f"title_{self.lang}"), _plain(told.get("value")),
                unit_text(told.get("unit"), self.lang), self.t["yes"] if told.get("changed") else None,
                told.get("stated_source") or told.get(f"source_{self.lang}"),
            )  # fmt: skip

    def _input_heads(self) -> tuple[_Head, ...]:
        t = self.t
        return (
            _Head(t["role"], 22), _Head(t["file"], 40), _Head(t["read"], 9, "#,##0"),
            _Head(t["used"], 9, "#,##0"), _Head(t["setAside"], 9, "#,##0"), _Head(t["declared"], 24),
            _Head(t["operation"], 40), _Head(t["accuracy"], 10), _Head(t["hash"], 70),
        )  # fmt: skip

    def _input_rows(self) -> Iterator[Sequence[Any]]:
        run = self.results.run
        for s in [*run.get("inputs", []), *run.get("rasters", [])]:
            assumed = f", {self.t['assumed']}" if s.get("datum_assumed") else ""
            yield (
                role_titles([s["role"]], self.lang, codes=True), s["path"], s.get("records_in"), s.get("records_used"),
                s.get("records_set_aside"), f"{s['crs']} ({s['datum']}{assumed})", operation_text(s["operation"], self.lang),
                s["operation_accuracy_m"], "; ".join(f"{f}: {h}" for f, h in s["sha256"].items()),
            )  # fmt: skip

    def _aside_heads(self) -> tuple[_Head, ...]:
        t = self.t
        return (
            _Head(t["role"], 22),
            _Head(t["file"], 40),
            _Head(t["record"], 9),
            _Head(t["reason"], 80),
        )

    def _aside_rows(self) -> Iterator[Sequence[Any]]:
        for record in self.results.run["set_aside"]:
            role = role_titles([record["role"]], self.lang, codes=True)
            yield role, record["file"], record["record"], record[f"reason_{self.lang}"]

    def _column_heads(self) -> tuple[_Head, ...]:
        t = self.t
        return (
            _Head(t["subject"], 16), _Head(t["column"], 40), _Head(t["inFile"], 34),
            _Head(t["unit"], 12), _Head(t["rule"], 8),
        )  # fmt: skip

    def _column_rows(self) -> Iterator[Sequence[Any]]:
        for layer in self.layers:
            for column in _shown(layer.info):
                unit = unit_text(column.unit, self.lang)
                yield layer.title, column_title(column, self.lang), column.name, unit, column.rule

    # --- subjects ----------------------------------------------------------------------------------

    def _subject(self, layer: LayerFigures) -> str:
        """Write the rows of a subject, or those left open; return what the overview says of it."""
        if layer.total > MOST_ROWS:
            name = self.t["openOf"].format(subject=layer.title)
            sheet = self._sheet("", name)
            self._open_rows(sheet, layer)
            return self.t["cut"].format(
                subject=layer.title, n=layer.total, most=MOST_ROWS, sheet=sheet.get_name()
            )
        sheet = self._sheet("", layer.title)
        columns = _shown(layer.info)
        heads = [
            _Head(column_title(c, self.lang), 22 if c.part == "reason" else 13, _number(c))
            for c in columns
        ]
        row = self._headed(sheet, heads)
        table = self.results.tables[layer.info.role].select([c.name for c in columns])
        writers = [self._writer(sheet, layer.info, column) for column in columns]
        for batch in table.to_batches():
            values = [column.to_pylist() for column in batch.columns]
            for place in range(batch.num_rows):
                for at, (write, column) in enumerate(zip(writers, values, strict=True)):
                    value = column[place]
                    if value is not None:
                        write(row, at, value)
                row += 1
        sheet.autofilter(0, 0, max(row - 1, 0), len(columns) - 1)
        sheet.freeze_panes(1, next((i for i, c in enumerate(columns) if c.origin == "id"), 0) + 1)
        return self.t["whole"].format(subject=layer.title, n=layer.total, sheet=sheet.get_name())

    def _writer(self, sheet: Any, info: LayerInfo, column: Column) -> Put:
        """Return how the values of a column are written."""
        if column.part == "verdict":
            styles, labels = self.verdicts, self.labels

            def verdict(row: int, place: int, value: str) -> None:
                sheet.write_string(row, place, labels.get(value, value), styles.get(value))

            return verdict
        if column.part == "reason" and column.rule is not None:
            rule = next(r for r in info.rules if r.id == column.rule)
            told: dict[str, str] = {}

            def reason(row: int, place: int, value: str) -> None:
                if value not in told:
                    told[value] = fitting_cell(self._reasons(value, info, rule))
                if value:
                    sheet.write_string(row, place, told[value])

            return reason
        # the user's own columns stay as they are, whatever theirs are called
        words = {} if column.origin == "user" else column_words(info, column, self.lang)
        style = self._format(_number(column))

        def plain(row: int, place: int, value: Any) -> None:
            self._put(sheet, row, place, words.get(value, value) if words else value, style)

        return plain

    def _reasons(self, codes: str, info: LayerInfo, rule: RuleInfo) -> str:
        words = (reason_words(code, info, rule, self.lang) for code in codes.split(";") if code)
        return Text("；", "; ").to(self.lang).join(words)

    def _open_rows(self, sheet: Any, layer: LayerFigures) -> None:
        """Write a row for each subject and rule that is left open, as far as the sheet goes."""
        t, info = self.t, layer.info
        rules = [f.rule for f in layer.rules if not any(r.number == layer.total for r in f.open)]
        counted = sum(
            f.counts[i] for f in layer.rules if f.rule in rules
            for i, word in enumerate(LOOKS) if word in OPEN
        )  # fmt: skip
        note = t["openAll" if counted <= MOST_OPEN else "openCut"].format(
            n=counted, listed=MOST_OPEN, left=counted - MOST_OPEN, reasons=t["reasons"]
        )
        name = name_column(self.results, info.role)
        columns = self.results.tables[info.role].column_names
        known = [(1, name), (2, DISTRICT if DISTRICT in columns else None)]
        places = [0, *(place for place, column in known if column)]
        named = [column for _, column in known if column]
        heads = (
            _Head(t["id"], 20), _Head(t["name"], 24), _Head(t["district"], 12), _Head(t["rule"], 8),
            _Head(t["ruleName"], 30), _Head(t["verdict"], 12), _Head(t["margin"], 12),
            _Head(t["accuracy"], 10), _Head(t["unit"], 10), _Head(t["reason"], 40), _Head(t["supply"], 60),
        )  # fmt: skip
        first = row = self._headed(sheet, heads, note=note)
        told: dict[tuple[int, str], tuple[str, str]] = {}
        units = [
            unit_text(unit, self.lang)
            for unit in (_unit_of(info, info.column_of(rule.id, "margin")) for rule in rules)
        ]
        titles = [rule.title.to(self.lang) for rule in rules]
        write, number = sheet.write_string, sheet.write_number
        for batch in self.results.tables[info.role].to_batches():
            rows, of = _left_open(batch, info, rules)
            rows, of = rows[: MOST_OPEN - (row - first)], of[: MOST_OPEN - (row - first)]
            same = [batch[c].take(pa.array(rows)).to_pylist() for c in (info.one("id"), *named)]
            parts = _gathered(batch, info, rules, rows, of)
            for rule, called, word, margin, accuracy, codes in zip(
                of.tolist(), zip(*same, strict=True), *parts, strict=True
            ):
                if (rule, codes) not in told:
                    told[rule, codes] = self._reason_and_advice(codes or "", info, rules[rule])
                for place, text in zip(places, called, strict=True):
                    if text is not None:
                        write(row, place, fitting_cell(str(text)))
                write(row, 3, rules[rule].id)
                write(row, 4, titles[rule])
                write(row, 5, self.labels[word], self.verdicts[word])
                for place, value in ((6, margin), (7, accuracy)):
                    if value is not None and math.isfinite(value):
                        number(row, place, value)
                write(row, 8, units[rule])
                for place, text in enumerate(told[rule, codes], 9):
                    write(row, place, text)
                row += 1
        sheet.autofilter(first - 1, 0, max(row - 1, first - 1), len(heads) - 1)

    def _reason_and_advice(self, codes: str, info: LayerInfo, rule: RuleInfo) -> tuple[str, str]:
        advice = (supply_advice(code, rule, self.lang) for code in codes.split(";") if code)
        supply = Text("；", "; ").to(self.lang).join(dict.fromkeys(filter(None, advice)))
        return fitting_cell(self._reasons(codes, info, rule)), fitting_cell(supply)


def _unit_of(info: LayerInfo, name: str) -> str | None:
    return next(column.unit for column in info.columns if column.name == name)


def _gathered(
    batch: pa.RecordBatch,
    info: LayerInfo,
    rules: Sequence[RuleInfo],
    rows: np.ndarray,
    of: np.ndarray,
) -> list[list[Any]]:
    """Return verdict, margin, accuracy and reason of rows, each under its rule."""
    found = []
    for part in ("verdict", "margin", "accuracy", "reason"):
        values = np.empty(len(rows), dtype=object)
        for number, rule in enumerate(rules):
            mine = np.flatnonzero(of == number)
            column = batch[info.column_of(rule.id, part)].take(pa.array(rows[mine]))
            values[mine] = column.to_pylist()
        found.append(values.tolist())
    return found


def _left_open(
    batch: pa.RecordBatch, info: LayerInfo, rules: Sequence[RuleInfo]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and rules that are left open, subject by subject."""
    words = pa.array(OPEN)
    found = [
        pc.is_in(batch[info.column_of(rule.id, "verdict")], words).to_numpy(zero_copy_only=False)
        for rule in rules
    ]
    rows, of = np.nonzero(np.column_stack(found)) if found else np.empty((2, 0), np.int64)
    return rows, of


def _shown(info: LayerInfo) -> list[Column]:
    return [c for c in info.columns if c.origin not in ("geometry", "raw")]


def _number(column: Column) -> str:
    return _FORMATS.get(column.unit or "", "")


def _is_exact(value: float | Decimal) -> bool:
    if isinstance(value, int):
        return abs(value) <= _EXACT
    return math.isfinite(value)


def _written(value: Any) -> str:
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _plain(value: Any) -> Any:
    return (
        value
        if isinstance(value, str | int | float)
        else _written(value)
        if value is not None
        else None
    )
