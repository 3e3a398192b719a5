"""Everything the map page knows, as plain values for JSON. Nothing here is HTML."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.outputs.labels import (
    changed_parameters,
    layer_order,
    name_column,
    reason_words,
    rule_label,
    unit_text,
)
from geo_urc.outputs.map_geometry import degree_shapes, grid_over, middle_points, quantised
from geo_urc.outputs.palette import LOOKS, OTHER
from geo_urc.results import FactLine, LayerInfo, Results, RuleInfo
from geo_urc.text import Lang, Text
from geo_urc.verdicts import LABELS

MOST_SINGLE = 20_000
"""Subjects of one kind that are drawn one by one; more are drawn as a grid of counts."""

_OTHER_CODE = len(LOOKS)


def map_data(results: Results, lang: Lang) -> dict[str, Any]:
    """Return the page's data: the looks of verdicts and every subject with its geometry once.

    Values are column-wise and dictionary-coded (see :func:`coded`); verdicts are one digit a
    subject, the place of the word among ``verdicts``.
    """
    looks = [
        {"label": LABELS[word].to(lang), "colour": look.colour, "mark": look.mark}
        for word, look in LOOKS.items()
    ]
    looks.append({"label": Text("其他", "other").to(lang), "colour": OTHER, "mark": ""})
    return {
        "verdicts": looks,
        "subjects": [_subject(results, info, lang) for info in layer_order(results) if info.rules],
        "context": [
            {"role": layer.role, "shapes": quantised(degree_shapes(layer.wkb, layer.crs))}
            for layer in results.context
            if len(layer.wkb) <= MOST_SINGLE
        ],
    }


def coded(column: pa.ChunkedArray) -> dict[str, Any]:
    """Return a column in the smallest of three forms.

    ``k``: one value for all. ``d`` and ``c``: different values, and a place among them for
    each row. ``v``: the values as they are. NaN and null are None.

    Examples
    --------
    >>> coded(pa.chunked_array([["a", "b", "a", "a"]]))
    {'d': ['a', 'b'], 'c': [0, 1, 0, 0]}
    >>> coded(pa.chunked_array([[1.5, 1.5]]))
    {'k': 1.5}
    """
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, None)
    elif pa.types.is_nested(column.type) or pa.types.is_temporal(column.type):
        column = pa.chunked_array([[None if v is None else str(v) for v in column.to_pylist()]])
    dictionary = pc.dictionary_encode(column.combine_chunks(), null_encoding="encode")
    values = dictionary.dictionary.to_pylist()
    if len(values) == 1:
        return {"k": values[0]}
    if len(values) <= len(column) // 2:
        return {"d": values, "c": dictionary.indices.to_pylist()}
    return {"v": column.to_pylist()}


def _subject(results: Results, info: LayerInfo, lang: Lang) -> dict[str, Any]:
    table = results.tables[info.role]
    subject: dict[str, Any] = {
        "role": info.role,
        "title": info.title.to(lang),
        "count": table.num_rows,
        "rules": [_rule(info, rule, table, lang) for rule in info.rules],
    }
    if table.num_rows > MOST_SINGLE:
        return subject | {"grid": _grid(info, table)}
    name = name_column(results, info.role)
    facts = dict.fromkeys(fact.column for rule in info.rules for fact in rule.facts)
    for rule in info.rules:
        facts |= dict.fromkeys(info.column_of(rule.id, part) for part in ("margin", "accuracy"))
    worded = {fact.column: fact for rule in info.rules for fact in rule.facts if fact.words}
    shapes = degree_shapes(table[info.one("geometry")], info.crs)
    return subject | {
        "ids": table[info.one("id")].to_pylist(),
        "names": coded(table[name]) if name else {"k": None},
        "facts": {
            column: _worded(coded(_rounded(table[column])), worded.get(column), lang)
            for column in facts
            if column in table.schema.names
        },
        "verdicts": {
            rule.id: "".join(map(str, verdict_codes(table[info.column_of(rule.id, "verdict")])))
            for rule in info.rules
        },
        "reasons": {
            rule.id: _reasons(table[info.column_of(rule.id, "reason")], rule, lang)
            for rule in info.rules
        },
        "shapes": quantised(shapes),
    }


def _rule(info: LayerInfo, rule: RuleInfo, table: pa.Table, lang: Lang) -> dict[str, Any]:
    codes = verdict_codes(table[info.column_of(rule.id, "verdict")])
    units = {column.name: column.unit for column in info.columns}
    margin = info.column_of(rule.id, "margin")
    return {
        "id": rule.id,
        "label": rule_label(rule, lang),
        "explanation": rule.explanation.to(lang),
        "citation": rule.citation.to(lang),
        "policyClass": rule.policy_class.to(lang) if rule.policy_class else "",
        "changed": changed_parameters(rule),
        "layersMissing": list(rule.layers_missing),
        "counts": np.bincount(codes, minlength=_OTHER_CODE + 1).tolist(),
        "headline": rule.headline,
        "margin": margin,
        "accuracy": info.column_of(rule.id, "accuracy"),
        "marginUnit": _unit(units[margin], lang),
        "facts": [
            {
                "column": fact.column,
                "title": fact.title.to(lang),
                "unit": _unit(fact.unit, lang),
                "limit": fact.asked.to(lang) if fact.asked else "",
            }
            for fact in rule.facts
        ],
    }


def verdict_codes(column: pa.ChunkedArray) -> np.ndarray:
    """Return the place of each verdict among the five words, 5 for anything else."""
    return pc.fill_null(pc.index_in(column, pa.array(list(LOOKS))), _OTHER_CODE).to_numpy()


def _unit(unit: str | None, lang: Lang) -> dict[str, str]:
    return {"code": unit or "", "label": unit_text(unit, lang)}


def _rounded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return numbers at the precision of the page: a ten-thousandth, six digits below one."""
    if not pa.types.is_floating(column.type):
        return column
    fine = pc.less(pc.abs(column), 1.0)
    return pc.if_else(fine, pc.round(column, 6), pc.round(column, 4))


def _worded(form: dict[str, Any], fact: FactLine | None, lang: Lang) -> dict[str, Any]:
    """Return a coded column with the words of its vocabulary instead of their codes."""
    if fact is None:
        return form
    key = next(iter(form))
    if key == "k":
        return {"k": fact.worded(form["k"], lang)}
    return form | {key: [fact.worded(value, lang) for value in form[key]]}


def _reasons(column: pa.ChunkedArray, rule: RuleInfo, lang: Lang) -> dict[str, Any]:
    """Return a reason column as :func:`coded`, each entry a list of sentences."""
    form = coded(pc.fill_null(column.cast(pa.string()), ""))
    key = next(iter(form))
    worded = [
        [reason_words(code, rule, lang) for code in codes.split(";") if code]
        for codes in (form[key] if key != "k" else [form[key]])
    ]
    return form | {key: worded if key != "k" else worded[0]}


def _grid(info: LayerInfo, table: pa.Table) -> dict[str, Any]:
    """Return the counts of the six verdict codes for each rule and cell, cell after cell."""
    grid = grid_over(middle_points(table[info.one("geometry")], info.crs))
    drawn = grid.cell_of >= 0
    width = _OTHER_CODE + 1
    counts = {}
    for rule in info.rules:
        codes = verdict_codes(table[info.column_of(rule.id, "verdict")])
        places = grid.cell_of[drawn] * width + codes[drawn]
        counts[rule.id] = np.bincount(places, minlength=len(grid.cells) * width).tolist()
    return {
        "sizeM": grid.size_m,
        "frame": grid.frame,
        "cells": grid.cells.reshape(-1).tolist(),
        "counts": counts,
    }
