"""What pydantic finds wrong with a TOML table, in the program's own words and both languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_core import ErrorDetails

from geo_urc.text import Text


class UnfitError(ValueError):
    """A value that a model refuses; its arguments say why, in Chinese and in English."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(zh, en)


_TYPES = {
    "string_type": Text("文字（加引号）", "text, in quotes"),
    "bool_type": Text("true 或 false", "true or false"),
    "bool_parsing": Text("true 或 false", "true or false"),
    "float_type": Text("数", "a number"),
    "float_parsing": Text("数", "a number"),
    "finite_number": Text("有限的数", "a finite number"),
    "int_type": Text("整数", "a whole number"),
    "int_parsing": Text("整数", "a whole number"),
    "int_from_float": Text("整数", "a whole number"),
    "date_type": Text("日期，如 2026-11-23", "a date, such as 2026-11-23"),
    "date_from_datetime_parsing": Text("日期，如 2026-11-23", "a date, such as 2026-11-23"),
    "date_from_datetime_inexact": Text("不带时刻的日期", "a date without a time"),
    "dict_type": Text("表（键 = 值）", "a table of key = value"),
    "model_type": Text("表（键 = 值）", "a table of key = value"),
    "model_attributes_type": Text("表（键 = 值）", "a table of key = value"),
    "list_type": Text("数组（方括号）", "an array, in square brackets"),
    "tuple_type": Text("数组（方括号）", "an array, in square brackets"),
}
"""Kind of finding → what belongs there."""

_LIMITS: dict[str, Callable[[dict[str, Any]], Text]] = {
    "greater_than": lambda c: Text(f"大于 {c['gt']:g} 的数", f"a number greater than {c['gt']:g}"),
    "greater_than_equal": lambda c: Text(
        f"不小于 {c['ge']:g} 的数", f"a number of at least {c['ge']:g}"
    ),
    "less_than": lambda c: Text(f"小于 {c['lt']:g} 的数", f"a number less than {c['lt']:g}"),
    "less_than_equal": lambda c: Text(
        f"不大于 {c['le']:g} 的数", f"a number of at most {c['le']:g}"
    ),
    "too_short": lambda c: Text(f"至少 {c['min_length']} 项", f"{c['min_length']} items or more"),
    "too_long": lambda c: Text(f"至多 {c['max_length']} 项", f"{c['max_length']} items or fewer"),
    "string_too_short": lambda c: Text(
        f"至少 {c['min_length']} 个字符", f"{c['min_length']} characters or more"
    ),
    "string_too_long": lambda c: Text(
        f"至多 {c['max_length']} 个字符", f"{c['max_length']} characters or fewer"
    ),
    "string_pattern_mismatch": lambda c: Text(
        f"符合 {c['pattern']} 的文字", f"text that matches {c['pattern']}"
    ),
}
"""Kind of finding → what belongs there, from the limits it names."""


def wanted(detail: ErrorDetails) -> Text | None:
    """Return what belongs where a value is unfit; None of a finding of another kind."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _TYPES:
        return _TYPES[kind]
    if kind in _LIMITS:
        return _LIMITS[kind](context)
    if kind == "literal_error":
        words = context["expected"]
        return Text(words.replace("' or '", "'、'").replace("', '", "'、'"), words)
    return None


def finding(detail: ErrorDetails) -> Text:
    r"""Return what is wrong, as a sentence that begins with its place.

    Examples
    --------
    >>> from pydantic import TypeAdapter, ValidationError
    >>> try:
    ...     TypeAdapter(int).validate_python("many")
    ... except ValidationError as error:
    ...     print(*finding(error.errors()[0]), sep="\n")
    的值“many”不合要求，应为整数。
    has the value "many"; a whole number is needed.
    """
    kind = detail["type"]
    if kind == "missing":
        return Text("缺少此键。", "is missing.")
    if kind == "extra_forbidden":
        return Text("不是已知的键。", "is not a known key.")
    if kind.startswith("union_tag"):
        return Text("不是已知的写法。", "is of no known form.")
    if kind == "value_error":
        told = detail["ctx"]["error"]
        zh, en = told.args if isinstance(told, UnfitError) else (told, told)
        return Text(f"不合要求：{zh}。", f"is unfit: {en}.")
    given, needed = _short(detail["input"]), wanted(detail)
    if needed is None:
        return Text(f"的值“{given}”不合要求（{detail['msg']}）。", f"{detail['msg']}.")
    return Text(
        f"的值“{given}”不合要求，应为{needed.zh}。",
        f'has the value "{given}"; {needed.en} is needed.',
    )


_LONGEST = 80


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
