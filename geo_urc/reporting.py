"""Reports of a finished run, in memory or in its folder: of the whole, or of single subjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.errors import OutputError, Problem
from geo_urc.explaining import said
from geo_urc.outputs.report import write_report
from geo_urc.outputs.report.excel import MOST_ROWS
from geo_urc.outputs.report.model import Document
from geo_urc.outputs.report.sheets import subject_sheets
from geo_urc.outputs.report.site_plan import circles
from geo_urc.outputs.report.summary import DISTRICT
from geo_urc.outputs.report.writing import ready, write_document
from geo_urc.outputs.staged_file import staged_file
from geo_urc.results import Column, ContextLayer, LayerInfo, Results
from geo_urc.screening import CONTEXT
from geo_urc.stored import context_of, load_results, neighbours
from geo_urc.text import Lang, Text

_REACH_M = 3_000.0
"""How far around subjects their maps may look."""


def report(
    results: Results,
    path: Path,
    lang: Lang = "zh",
    *,
    subjects: Sequence[str] = (),
    template: Path | None = None,
) -> None:
    """Write the report of results in memory; see :meth:`geo_urc.api.Result.report`."""
    ready(path, template, sheets=bool(subjects))
    with staged_file(path, overwrite=True) as partial:
        if subjects:
            document = _sheets(_with_neighbours(_only(results, subjects), results), subjects, lang)
            write_document(document, partial, template)
        else:
            write_report(results, partial, lang, template)


def report_of(
    folder: Path,
    path: Path,
    lang: Lang = "zh",
    *,
    subjects: Sequence[str] = (),
    template: Path | None = None,
    start: Path = Path(),
) -> None:
    """Write a report from the folder of a finished run, which is only read.

    Parameters
    ----------
    subjects
        Ids of subjects to write a sheet of each; none writes the summary report.
    template
        A Word file that a ``.docx`` is made from.
    start
        Folder that the run's relative paths start from: maps show stations and green again
        where the layers are still there and unchanged.

    Raises
    ------
    OutputError
        The folder is no run's, a subject is not in it, or the file cannot be written.
    """
    ready(path, template, sheets=bool(subjects))
    if subjects:
        results = load_results(folder, subject_id=list(dict.fromkeys(subjects)))
        near = neighbours(folder, results, _REACH_M)
    else:
        workbook = path.suffix.lower() == ".xlsx"
        results = load_results(folder, wanted=_workbook if workbook else _pages)
        near = ()
    circled = {circle.role for info in results.layers.values() for circle in circles(info)}
    context = context_of(results.run, {*CONTEXT, *circled}, start)
    shown = {layer.role for layer in context.layers}
    results.context = (*(n for n in near if n.role not in shown), *context.layers)
    with staged_file(path, overwrite=True) as partial:
        if subjects:
            document = _sheets(results, subjects, lang, context.why_not)
            write_document(document, partial, template)
        else:
            write_report(results, partial, lang, template)


def _pages(run: dict[str, Any], info: LayerInfo, column: Column) -> bool:
    """Tell whether the pages of a summary need a column: of a million rows few."""
    return (
        column.origin in ("id", "geometry")
        or column.part in ("verdict", "reason")
        or column.name == DISTRICT
    )


def _workbook(run: dict[str, Any], info: LayerInfo, column: Column) -> bool:
    """Tell whether a workbook needs a column: all where it lists every row."""
    counts = run.get("counts", {}).get(info.role, {})
    if max((sum(words.values()) for words in counts.values()), default=0) <= MOST_ROWS:
        return column.origin not in ("geometry", "raw")
    names = [s["fields"].get("name") for s in run.get("inputs", []) if s["role"] == info.role]
    return (
        column.origin == "id"
        or column.part in ("verdict", "reason", "margin", "accuracy")
        or column.name in (DISTRICT, *names)
    )


def _only(results: Results, subjects: Sequence[str]) -> Results:
    """Return results with the rows of some subjects alone."""
    ids = pa.array(list(subjects), pa.string())
    tables = {
        role: table.filter(pc.is_in(table[results.layers[role].one("id")].cast(pa.string()), ids))
        for role, table in results.tables.items()
    }
    return replace(results, tables=tables)


def _with_neighbours(chosen: Results, whole: Results) -> Results:
    """Return results whose maps show the other subjects too."""
    shown = {layer.role for layer in whole.context}
    near = (
        ContextLayer(
            role, info.title, info.crs, whole.tables[role][info.one("geometry")].combine_chunks()
        )
        for role, info in whole.layers.items()
        if role not in shown
    )
    return replace(chosen, context=(*near, *whole.context))


def _sheets(
    results: Results, subjects: Sequence[str], lang: Lang, why_not: Text | None = None
) -> Document:
    """Return the sheets of subjects in the order asked for; of an id in two layers, both."""
    found = {name: said(results, name, lang) for name in dict.fromkeys(subjects)}
    problems = [
        Problem(
            name,
            Text("结果中没有这个对象。", "the results hold no such subject."),
            Text("核对编号（subject_id 列）。", "Check the id (column subject_id)."),
        )
        for name, told in found.items()
        if not told
    ]
    if problems:
        raise OutputError(problems)
    told = [sheet for sheets in found.values() for sheet in sheets]
    return subject_sheets(results, told, lang, without_context=why_not)
