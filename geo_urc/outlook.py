"""What would change a verdict, in words: for one row, and for many at a time.

Rows that are judged alike get one wording, in which only the numbers differ. A representative of
each such group is judged with figures that remember how they come from the row
(:class:`geo_urc.changes.Figure`), and its numbers are worked out for all of the group.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.changes import EXACT, Figure, Form, Way, change_needed
from geo_urc.results import FactLine, LayerInfo, RuleInfo
from geo_urc.text import Lang, Text
from geo_urc.wording import change_text, steps, written_number

_WORDS = {
    "eligible": Text("怎样才符合", "what it would take"),
    "settled": Text("怎样才能判定", "what would settle it"),
    "applicable": Text("怎样才适用", "what it would take for the rule to apply"),
    "room": Text("余量", "what is left"),
    "together": Text("以下 {n} 项须同时满足", "all of these {n}"),
    "either": Text("以下 {n} 种办法任选其一", "any one of these {n} ways"),
    "further": Text("另有 {n} 种办法", "{n} further ways"),
}
_PLACE = re.compile("\0(\\d+)\0")
"""Where a number stands in a wording."""

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


class Outlook(NamedTuple):
    """What would change a verdict, or how much room is left.

    Attributes
    ----------
    aim
        What it is about.
    how
        How the ways and their parts go together, empty where there is one part.
    ways
        Each alone is enough; all texts of one belong together.
    further
        That there are more ways, or nothing.
    left_out
        How many more.
    """

    aim: str
    how: str
    ways: tuple[tuple[str, ...], ...]
    further: str = ""
    left_out: int = 0


NOTHING = Outlook("", "", ())
"""Where there is nothing to say."""


class Outlooks(NamedTuple):
    r"""The same for many rows.

    Attributes
    ----------
    wordings
        Different outlooks; in a text ``\0N\0`` stands for the number N of the row. None
        where there is nothing to say.
    of
        The wording of each row.
    numbers
        For each wording, and each of its numbers, the figure of each of its rows in their order.
    """

    wordings: list[Outlook | None]
    of: Ints
    numbers: list[list[Numbers]]

    def at(self, row: int) -> Outlook | None:
        """Return the outlook of one row."""
        wording = self.wordings[self.of[row]]
        if wording is None:
            return None
        place = int((self.of[:row] == self.of[row]).sum())
        mine = [
            f"{column[place]:.3f}".rstrip("0").rstrip(".") for column in self.numbers[self.of[row]]
        ]

        def filled(text: str) -> str:
            return _PLACE.sub(lambda match: mine[int(match[1])], text)

        ways = tuple(tuple(filled(text) for text in way) for way in wording.ways)
        return wording._replace(ways=ways)


def outlook(
    row: Mapping[str, Any], info: LayerInfo, rule: RuleInfo, record: Mapping[str, Any], lang: Lang
) -> Outlook | None:
    """Return what would change the verdict of one row; None where nothing can be said."""
    needed = change_needed(row, info, rule, record)

    def told(way: Way) -> tuple[str, ...]:
        texts = (change_text(change, info, rule, record).to(lang) for change in way)
        return tuple(dict.fromkeys(texts))  # what two conditions lack is given once

    def heading(key: str, **n: int) -> str:
        return _WORDS[key].to(lang).format(**n)

    if needed.room:
        return Outlook(heading("room"), "", (told(needed.room),))
    ways = tuple(dict.fromkeys(told(way) for way in needed.ways))
    if not ways:
        return None
    open_only = {c.kind for way in needed.ways for c in way} <= {"supply", "check"}
    verdict = row[info.column_of(rule.id, "verdict")]
    aim = heading(
        "applicable" if verdict == "not_applicable" else "settled" if open_only else "eligible"
    )
    if len(ways) == 1:
        many = heading("together", n=len(ways[0])) if len(ways[0]) > 1 else ""
        return Outlook(aim, many, ways)
    further = heading("further", n=needed.left_out) if needed.left_out else ""
    how = heading("either", n=len(ways) + needed.left_out)
    return Outlook(aim, how, ways, further, needed.left_out)


def outlooks(
    table: pa.Table, info: LayerInfo, rule: RuleInfo, record: Mapping[str, Any], lang: Lang
) -> Outlooks:
    """Return what would change the verdict of each row of a table.

    Parameters
    ----------
    table
        Finished rows; of the columns at least the rule's own and those of its facts' values,
        limits and wholes.
    """
    read = _columns_read(info, rule)
    columns = {name: table[name] for name in read if name in table.schema.names}
    numbers = {
        name: pc.fill_null(column.cast(pa.float64()), math.nan).to_numpy()
        for name, column in columns.items()
        if pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
    }
    alike = _alike(columns, numbers, info, rule, record)
    found = Outlooks([], np.zeros(table.num_rows, np.int64), [])
    known: dict[Outlook | None, int] = {}
    todo = _groups(alike, np.arange(table.num_rows))
    places: list[tuple[int, Ints, list[Numbers]]] = []
    while todo:
        rows = todo.pop()
        used: list[tuple[Form, str | None, bool]] = []
        row = {
            name: Figure(value, name, used) if name in numbers and value is not None else value
            for name, column in columns.items()
            for value in [column[int(rows[0])].as_py()]
        }
        said, kept = _in_order(outlook(row, info, rule, record, lang))
        whole = [steps(_worked_out(form, numbers, rows), unit, up=up) for form, unit, up in used]
        zero = _packed([(count > 0).astype(np.int64) for count in whole], len(rows))
        if (zero != zero[0]).any():  # nothing left is worded otherwise than a little
            todo += [rows[part] for part in _groups(zero, np.arange(len(rows)))]
            continue
        figures = [written_number(whole[place], used[place][1]) for place in kept]
        places.append((known.setdefault(said, len(known)), rows, figures))
    for wording, rows, _ in places:
        found.of[rows] = wording
    found.wordings.extend(known)
    for wording in range(len(known)):
        parts = [(rows, figures) for which, rows, figures in places if which == wording]
        order = np.argsort(np.concatenate([rows for rows, _ in parts]), kind="stable")
        columns_of = zip(*(figures for _, figures in parts), strict=True)
        found.numbers.append([np.concatenate(column)[order] for column in columns_of])
    return found


def _in_order(said: Outlook | None) -> tuple[Outlook | None, list[int]]:
    """Return an outlook with its numbers counted as they come in it, and which they were.

    What was worked out on the way and is not said would tell like wordings apart.
    """
    if said is None:
        return None, []
    found: dict[int, int] = {}

    def renumbered(match: re.Match[str]) -> str:
        return f"\0{found.setdefault(int(match[1]), len(found))}\0"

    ways = tuple(tuple(_PLACE.sub(renumbered, text) for text in way) for way in said.ways)
    return said._replace(ways=ways), list(found)


def _columns_read(info: LayerInfo, rule: RuleInfo) -> list[str]:
    """Return the columns that say what would change the verdict of a rule."""
    names = [info.column_of(rule.id, p) for p in ("verdict", "reason", "margin", "accuracy")]
    for line in rule.facts:
        names += [name for name in (line.column, line.limit_column, line.share_of) if name]
    return list(dict.fromkeys(names))


def _alike(
    columns: Mapping[str, pa.ChunkedArray],
    numbers: Mapping[str, Numbers],
    info: LayerInfo,
    rule: RuleInfo,
    record: Mapping[str, Any],
) -> Ints:
    """Return a number for each row; rows with the same are judged alike.

    They have the same verdict and reasons, lack the same values, and each of their values is on the
    same side of its limit, within its accuracy or not.
    """
    verdict, reason, margin, accuracy = (
        info.column_of(rule.id, part) for part in ("verdict", "reason", "margin", "accuracy")
    )
    count = len(columns[verdict])
    told: list[np.ndarray] = [
        pc.dictionary_encode(columns[name].combine_chunks(), null_encoding="encode")
        .indices.to_numpy()
        .astype(np.int64)
        for name in (verdict, reason)
    ]
    told += [np.isnan(numbers[accuracy]), numbers[accuracy] == 0]
    for line in rule.facts:
        if line.column not in columns:
            continue
        told.append(pc.is_null(columns[line.column]).to_numpy())
        for name in (line.limit_column, line.share_of):
            if name is not None and name in columns:
                told.append(pc.is_null(columns[name]).to_numpy())
        if line.wanted is not None:
            wanted = pa.array(line.wanted, columns[line.column].type)
            told.append(pc.is_in(columns[line.column], wanted).to_numpy())
        told += _sides(line, numbers, numbers[margin], numbers[accuracy], info, record)
    return _packed(told, count)


def _sides(
    line: FactLine,
    numbers: Mapping[str, Numbers],
    margin: Numbers,
    accuracy: Numbers,
    info: LayerInfo,
    record: Mapping[str, Any],
) -> Iterator[np.ndarray]:
    """Yield on which side of its limit each value lies, and how near."""
    limit = numbers[line.limit_column] if line.limit_column else line.limit_value
    if line.side is None or limit is None or line.column not in numbers:
        return
    value = numbers[line.column]
    mine = limit - value if line.side == "at_most" else value - limit
    slack = np.maximum(np.abs(limit), 1.0) * EXACT
    yield mine >= slack
    yield mine >= -slack
    yield mine > 0
    yield mine == 0
    headline = mine == margin
    yield headline
    known = {source["role"]: source["accuracy_m"] for source in record.get("inputs", ())}
    both = [known[role] for role in (info.role, *line.layers) if role in known]
    band = np.where(headline, accuracy, math.hypot(*both) if both else 0.0)
    yield np.abs(mine) < band
    yield mine < band


def _packed(columns: list[np.ndarray], count: int) -> Ints:
    """Return one number for each row of small whole numbers: the same for the same row."""
    packed = np.zeros(count, np.int64)
    for column in columns:
        packed = packed * (int(column.max(initial=0)) + 1) + column
        if packed.max(initial=0) > 2**31:
            packed = np.unique(packed, return_inverse=True)[1].reshape(-1)
    return packed


def _groups(keys: Ints, rows: Ints) -> list[Ints]:
    """Return the rows of each key, ascending."""
    order = np.argsort(keys, kind="stable")
    cuts = np.flatnonzero(np.diff(keys[order])) + 1
    return [rows[part] for part in np.split(order, cuts)] if len(rows) else []


def _worked_out(form: Form, numbers: Mapping[str, Numbers], rows: Ints) -> Numbers:
    """Return the value of a form for each of the rows."""
    if isinstance(form, str):
        return numbers[form][rows]
    if not isinstance(form, tuple):
        return np.full(len(rows), float(form))
    sign, first, second = form
    a, b = _worked_out(first, numbers, rows), _worked_out(second, numbers, rows)
    return a + b if sign == "+" else a - b if sign == "-" else a * b
