"""Expressions in QGIS's language, in which text from files is only ever text.

All of them may stand in a template (``[% … %]``): none holds the two characters that end it.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

from geo_urc.safe_text import xml_text


def literal(text: str) -> str:
    r"""Return text as an expression.

    Examples
    --------
    >>> print(literal("it's\\"), literal("a%]b"))
    'it''s\\' ('a%' || ']b')
    """
    quoted = "'" + xml_text(text).replace("\\", "\\\\").replace("'", "''") + "'"
    return "(" + quoted.replace("%]", "%' || ']") + ")" if "%]" in quoted else quoted


def field(name: str) -> str:
    """Return the value of a column.

    Examples
    --------
    >>> print(field('a"b'), field("a%]"))
    "a""b" attribute(('a%' || ']'))
    """
    if "%]" in name:
        return f"attribute({literal(name)})"
    return '"' + xml_text(name).replace('"', '""') + '"'


def switch(value: str, words: Iterable[tuple[str, str]], otherwise: str) -> str:
    """Return words for the values that have some, else another expression.

    Examples
    --------
    >>> print(switch('"a"', [("yes", "是")], "'–'"))
    CASE WHEN "a" = 'yes' THEN '是' ELSE '–' END
    """
    cases = " ".join(f"WHEN {value} = {literal(code)} THEN {literal(word)}" for code, word in words)
    return f"CASE {cases} ELSE {otherwise} END" if cases else otherwise


def table(words: Mapping[str, str]) -> str:
    """Return a table of words for :func:`looked_up`."""
    return f"map({', '.join(literal(text) for pair in words.items() for text in pair)})"


def looked_up(words: Mapping[str, str], key: str, otherwise: str) -> str:
    """Return the words for a key that is an expression itself, else another expression."""
    return f"coalesce(map_get({table(words)}, {key}), {otherwise})" if words else otherwise


def reasons(value: str, heads: Mapping[str, str], details: Mapping[str, str], colon: str) -> str:
    """Return the codes of a reason column in words.

    Parameters
    ----------
    heads
        Code (the part before ``:``) → words.
    details
        What stands after ``:`` → words; what has none stays as it is.
    colon
        Between both.
    """
    detail = "regexp_substr(@element, ':(.*)')"
    said = looked_up(heads, "regexp_replace(@element, ':.*', '')", "@element")
    more = f"{literal(colon)} || {looked_up(details, detail, detail)}"
    word = f"{said} || if(@element ~ ':', {more}, '')"
    return f"array_to_string(array_foreach(string_to_array({value}, ';'), {word}), '；')"


def html_of(expression: str) -> str:
    """Return an expression as a part of an HTML template; no markup comes of its value."""
    safe = f"to_string({expression})"
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        safe = f"replace({safe}, '{sign}', '{entity}')"
    return f"[% coalesce({safe}, '–') %]"


def html_text(text: str) -> str:
    """Return fixed text as a part of an HTML template.

    Examples
    --------
    >>> html_text("<b> [% 1 %]")
    '&lt;b&gt; [&#37; 1 %]'
    """
    return html.escape(xml_text(text)).replace("[%", "[&#37;")


def plain_text(text: str) -> str:
    """Return fixed text as a part of a template that is not HTML.

    Examples
    --------
    >>> plain_text("[% 1 %]")
    "[% '[' %]% 1 %]"
    """
    return xml_text(text).replace("[%", "[% '[' %]%")
