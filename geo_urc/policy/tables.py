"""Tables that the documents do not give: the user states them, with a source of their own."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from geo_urc.policy.model import Form

FORMS: dict[Form, str] = {
    "number": "0.5",
    "words": '["…", "…"]',
    "table": '{ "…" = 0.5 }',
    "matrix": '{ "…" = { "…" = 0.5 } }',
}
"""Form → how a value of it looks in TOML."""
_COLUMNS: dict[Form, int] = {"words": 1, "table": 2, "matrix": 3}


def given(raw: Any, form: Form | None, base: Path) -> tuple[Any, str | None]:
    """Return the value of a setting, and the source that the user states for it.

    Parameters
    ----------
    raw
        The value itself, or a table with ``value`` or ``file``, and perhaps ``source``.
    form
        What the parameter asks for; a file needs to know it.
    base
        Folder that files start from.

    Raises
    ------
    ValueError
        With the offending part: a key that is not known, a file that cannot be read.

    Examples
    --------
    >>> given({"value": 0.5, "source": "GB 50180"}, "number", Path())
    (0.5, 'GB 50180')
    """
    if not isinstance(raw, dict) or not {"value", "file"} & raw.keys():
        return raw, None
    strange = sorted(raw.keys() - {"value", "file", "source"})
    if strange or {"value", "file"} <= raw.keys():
        raise ValueError(f"{', '.join(strange) or 'value, file'}; value | file, source")
    source = raw.get("source")
    if not isinstance(source, str | None):
        raise ValueError(f"source = {source!r}")
    if "value" in raw:
        return raw["value"], source
    if form not in _COLUMNS:
        raise ValueError("file; value")
    return _read(base / str(raw["file"]), form), source


def has_form(value: Any, form: Form) -> bool:
    """Return whether a value is of a form; every figure of a table is at least 0.

    Examples
    --------
    >>> has_form({"R2": {"商业": 0.1}}, "matrix"), has_form({"R2": 0.1}, "matrix")
    (True, False)
    """
    match form:
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        case "words":
            return isinstance(value, list) and all(isinstance(word, str) for word in value)
        case "table":
            return isinstance(value, dict) and all(has_form(v, "number") for v in value.values())
        case "matrix":
            return isinstance(value, dict) and all(has_form(v, "table") for v in value.values())


def _read(path: Path, form: Form) -> Any:
    """Return a CSV as a value: a heading, then one line an entry, the figure last."""
    try:
        text = _decoded(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    width = _COLUMNS[form]
    value: dict[str, Any] = {}
    for number, row in enumerate(csv.reader(text.splitlines()), start=1):
        cells = [cell.strip() for cell in row]
        if number == 1 or not any(cells):
            continue
        if len(cells) < width or not all(cells[:width]):
            raise ValueError(f"{path}:{number}: {','.join(row)!r}")
        *words, figure = cells[:width]
        try:
            number_ = float(figure) if form != "words" else 0.0
        except ValueError:
            raise ValueError(f"{path}:{number}: {figure!r}") from None
        place = value.setdefault(words[0], {}) if form == "matrix" else value
        key = figure if form == "words" else words[-1]
        if key in place:
            raise ValueError(f"{path}:{number}: {key!r} 重复 / twice")
        place[key] = number_
    return list(value) if form == "words" else value


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("gb18030")
