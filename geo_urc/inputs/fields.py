"""A user's columns as catalogue fields: numbers in the catalogue's unit, words, yes and no."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.errors import LayerError, Problem
from geo_urc.inputs.settings import ParcelsEntry
from geo_urc.inputs.suggest import suggestion
from geo_urc.inputs.table import Notice
from geo_urc.inputs.units import factor
from geo_urc.roles import Field, Role
from geo_urc.text import Text

_YES = frozenset({"yes", "true", "y", "t", "1", "是", "有", "√"})
_NO = frozenset({"no", "false", "n", "f", "0", "否", "无", "×"})
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_GROUPED = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_SAMPLES = 3


@dataclass(frozen=True)
class Binding:
    """Where one catalogue field is found and how its values are to be understood."""

    spec: Field
    column: str
    factor: float = 1.0
    words: Mapping[str, str | bool] = field(default_factory=dict)
    """The user's words → the catalogue's."""


@dataclass
class Tally:
    """What could not be taken over, counted by field and fault, and what was changed."""

    counts: dict[tuple[str, str], int] = field(default_factory=partial(defaultdict, int))
    samples: dict[tuple[str, str], list[str]] = field(default_factory=partial(defaultdict, list))

    changed: set[str] = field(default_factory=set)
    """Fields of which some value is another than the user's: in other units or words."""

    def add(self, name: str, fault: str, values: Iterable[Any], count: int) -> None:
        """Count one fault of a field and keep its first values as samples."""
        if not count:
            return
        self.counts[name, fault] += count
        kept = self.samples[name, fault]
        for value in values:
            if len(kept) == _SAMPLES:
                break
            if str(value) not in kept:
                kept.append(str(value))

    def include(self, other: Tally) -> None:
        """Take over what was counted of later records of the same file."""
        for (name, fault), count in other.counts.items():
            self.add(name, fault, other.samples[name, fault], count)
        self.changed |= other.changed

    def notices(self, where: str) -> Iterator[Notice]:
        """Yield one notice for each field and fault."""
        for (name, fault), count in self.counts.items():
            shown = self.samples[name, fault]
            zh, en = "、".join(shown), ", ".join(shown)
            yield Notice("warning", where, _FAULTS[fault](name, count, Text(zh, en)), count)


_FAULTS = {
    "unreadable": lambda name, n, s: Text(
        f"{name} 有 {n} 个值无法读作要求的类型，按缺失处理，如：{s.zh}。",
        f"{name}: {n} values cannot be read and count as missing, such as {s.en}.",
    ),
    "below": lambda name, n, s: Text(
        f"{name} 有 {n} 个值小于可能的最小值，按缺失处理，如：{s.zh}。",
        f"{name}: {n} values are below what is possible and count as missing, such as {s.en}.",
    ),
    "unknown_word": lambda name, n, s: Text(
        f"{name} 有 {n} 个值不在目录用词之内，原样保留，如：{s.zh}；可用 values 对应。",
        f"{name}: {n} values are not words of the catalogue and stay as they are, "
        f"such as {s.en}; map them with values.",
    ),
}


def bind(role: Role, entry: ParcelsEntry, columns: Iterable[str], where: str) -> list[Binding]:
    """Return where the role's fields are found among a file's columns.

    A field is taken from the column that LAYERS.toml names, else from a column of its own
    name; a field that the file has not got is left out.

    Raises
    ------
    LayerError
        If a column named in LAYERS.toml is not in the file.
    """
    present = list(columns)
    named = {**entry.fields, **({"id": entry.id} if entry.id is not None else {})}
    problems = [
        Problem(
            where,
            Text(f"没有列“{column}”（{key}）。", f'there is no column "{column}" (for {key}).'),
            suggestion(column, present),
        )
        for key, column in named.items()
        if column not in present
    ]
    if problems:
        raise LayerError(problems)
    return [
        Binding(
            spec=spec,
            column=entry.fields.get(name, name),
            factor=factor(entry.units[name], spec.unit) or 1.0 if name in entry.units else 1.0,
            words=entry.values.get(name, {}),
        )
        for name, spec in role.fields.items()
        if entry.fields.get(name, name) in present
    ]


def read_fields(
    columns: pa.RecordBatch, bindings: Iterable[Binding], tally: Tally | None = None
) -> dict[str, np.ndarray]:
    """Return catalogue field → values, one a row of ``columns``.

    Numbers are float64 in the catalogue's unit, yes/no 1.0 or 0.0, both NaN where missing
    or unreadable; text is an object array of str, None where empty. Words of a vocabulary
    come out as the catalogue's code. What is dropped is counted in ``tally``.
    """
    counted = Tally() if tally is None else tally
    convert = {"number": _numbers, "yes_no": _yes_no, "text": _words}
    return {
        b.spec.name: convert[b.spec.type](columns.column(b.column), b, counted) for b in bindings
    }


def as_text(column: pa.Array) -> pa.Array:
    """Return a column as trimmed text, null where empty; whole numbers without ``.0``.

    Examples
    --------
    >>> as_text(pa.array([110101.0, None])).to_pylist()
    ['110101', None]
    """
    if pa.types.is_floating(column.type):
        whole = pc.and_(pc.is_finite(column), pc.equal(column, pc.round(column)))
        small = pc.and_(whole, pc.less(pc.abs(column), 2.0**53))
        integers = pc.if_else(small, column, None).cast(pa.int64()).cast(pa.string())
        column = pc.coalesce(
            integers, pc.if_else(pc.is_nan(column), None, column).cast(pa.string())
        )
    elif pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        column = pa.nulls(len(column), pa.string())
    column = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.equal(column, ""), None, column)


def to_objects(column: pa.Array) -> npt.NDArray[np.object_]:
    """Return text as an object array of str, None where null."""
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=object)


def parse_numbers(column: pa.Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return a column as float64 and which of its values could not be read.

    Full-width digits and thousands separators are understood; a unit written behind the
    number is not. Empty, NaN and infinite values are NaN and not counted as unreadable.

    Examples
    --------
    >>> parse_numbers(pa.array(["1,200", "３.５", "12 ha", ""]))
    (array([1200. ,    3.5,    nan,    nan]), array([False, False,  True, False]))
    """
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        values = column.cast(pa.float64(), safe=False)
        unreadable = np.zeros(len(column), bool)
    elif pa.types.is_boolean(column.type):
        values, unreadable = column.cast(pa.int8()).cast(pa.float64()), np.zeros(len(column), bool)
    else:
        text = pc.utf8_normalize(as_text(column), form="NFKC")
        grouped = pc.match_substring_regex(text, _GROUPED)
        text = pc.if_else(grouped, pc.replace_substring(text, ",", ""), text)
        number = pc.match_substring_regex(text, _NUMBER)
        # Arrow's cast knows no leading plus sign.
        plain = pc.utf8_ltrim(text, characters="+")
        values = pc.if_else(number, plain, None).cast(pa.float64())
        unreadable = pc.and_(pc.is_valid(text), pc.invert(number)).fill_null(False)
        unreadable = unreadable.to_numpy(zero_copy_only=False)
    floats = values.fill_null(np.nan).to_numpy(zero_copy_only=False).copy()
    floats[~np.isfinite(floats)] = np.nan
    return floats, unreadable


def _numbers(column: pa.Array, binding: Binding, tally: Tally) -> npt.NDArray[np.float64]:
    values, unreadable = parse_numbers(column)
    _count(tally, binding, "unreadable", column, unreadable)
    if binding.factor != 1.0:
        values *= binding.factor
        tally.changed.add(binding.spec.name)
    if binding.spec.minimum is not None:
        below = values < binding.spec.minimum
        _count(tally, binding, "below", column, below)
        values[below] = np.nan
    return values


def _yes_no(column: pa.Array, binding: Binding, tally: Tally) -> npt.NDArray[np.float64]:
    """Return 1.0, 0.0 or NaN; a word is first looked up in the user's own."""

    def meaning(word: str) -> float:
        given = binding.words.get(word, word)
        plain = unicodedata.normalize("NFKC", str(given)).strip().lower()
        return 1.0 if plain in _YES else 0.0 if plain in _NO else np.nan

    uniques, codes = _distinct(column)
    values = np.array([*map(meaning, uniques), np.nan])[codes]
    bad = np.isnan(values) & (codes >= 0)
    _count(tally, binding, "unreadable", column, bad)
    return values


def _words(column: pa.Array, binding: Binding, tally: Tally) -> npt.NDArray[np.object_]:
    """Return text; words of the field's vocabulary, in Chinese or as a code, as the code."""
    vocabulary = binding.spec.words
    if not vocabulary and not binding.words:
        return to_objects(as_text(column))
    codes_of = {label: code for code, label in vocabulary.items()}
    uniques, codes = _distinct(column)
    mapped = [str(binding.words.get(word, word)) for word in uniques]
    final = [codes_of.get(word, word) for word in mapped]
    if final != uniques:
        tally.changed.add(binding.spec.name)
    if vocabulary:
        strange = np.array([*(word not in vocabulary for word in final), False])[codes]
        _count(tally, binding, "unknown_word", column, strange)
    return np.array([*final, None], dtype=object)[codes]


def _distinct(column: pa.Array) -> tuple[list[str], npt.NDArray[np.intp]]:
    """Return the distinct words of a column and the index of each row's; -1 where empty."""
    coded = as_text(column).dictionary_encode()
    indices = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.intp)
    return coded.dictionary.to_pylist(), indices


def _count(
    tally: Tally, binding: Binding, fault: str, column: pa.Array, rows: npt.NDArray[np.bool_]
) -> None:
    where = np.flatnonzero(rows)
    first = column.take(pa.array(where[:64])).to_pylist()
    tally.add(binding.spec.name, fault, first, len(where))
