"""The long form of results: one row for each subject, rule and fact."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.results import FactLine, LayerInfo, Results, RuleInfo
from geo_urc.text import Lang
from geo_urc.verdicts import GAPS

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
    margin, accuracy = margin_of(table, info, rule, line)
    reasons = table[info.column_of(rule.id, "reason")]
    columns = [
        same(info.role),
        table[info.one("id")],
        same(rule.id),
        table[info.column_of(rule.id, "verdict")],
        same(line.column),
        pc.cast(value, pa.string()),
        same(line.unit),
        same(line.asked.to(lang) if line.asked else None),
        margin,
        accuracy,
        table[line.feature_column] if line.feature_column else same(None),
        _gaps(reasons, rule),
        same(rule.citation.to(lang)),
    ]
    return pa.table(columns, schema=SCHEMA)


def margin_of(
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
        codes = [c for c in (text or "").split(";") if pc.match_substring_regex(c, GAPS).as_py()]
        named.append(";".join(_named(code, rule) for code in codes) or None)
    place = pc.index_in(reasons, distinct)
    return pa.array(named, pa.string()).take(place.combine_chunks())


def _named(code: str, rule: RuleInfo) -> str:
    layers = ";".join(f"layer_missing:{role}" for role in rule.layers_missing)
    return layers if code == "layer_missing" and layers else code
