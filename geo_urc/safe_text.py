"""What text out of a file becomes before it stands where text can do something.

In a terminal (control characters, text that runs backwards), in a spreadsheet (formulas), in XML
(characters that it cannot hold). Pages of HTML escape by themselves.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_ACTIVE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters, marks of direction, other ends of line, halves of characters."""
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"
_NUMBER = r"^[+\-]?(\d+(\.\d*)?|\.\d+)([eE][+\-]?\d+)?%?$"
_SECRET = re.compile(
    r"(postgres(?:ql)?:[/\\]{1,2}[^\s:@/?]*:)(?!\d{1,5}[/?])\S*@|(password\s*=\s*)(?:'[^']*'|[^\s&]+)",
    re.IGNORECASE,
)
_LINE = 4_000
_CELL = 32_767
"""What a cell of Excel holds, counted as UTF-16 does: 𠮷 is two."""


def printable(text: str) -> str:
    r"""Return text in which what a terminal would obey is written out; line ends and tabs stay.

    Examples
    --------
    >>> printable("\x1b[2J甲\u202e乙\n")
    '\\x1b[2J甲\\u202e乙\n'
    """
    return _ACTIVE.sub(_spelled, text)


def one_line(text: str) -> str:
    r"""Return :func:`printable` text on one line, cut where it is too long to be read.

    Examples
    --------
    >>> one_line("a\nb"), len(one_line("x" * 1_000_000))
    ('a\\nb', 4011)
    """
    cut = text if len(text) <= _LINE else f"{text[:_LINE]}… ({len(text)})"
    return printable(cut).replace("\n", "\\n").replace("\t", "\\t")


def without_password(text: str) -> str:
    """Return text in which the password of a database's address is ``***``.

    Examples
    --------
    >>> without_password("cannot open postgresql://gis:se/cr@et@db/city.")
    'cannot open postgresql://gis:***@db/city.'
    >>> without_password("PG:host=db password='a b' dbname=x")
    'PG:host=db password=*** dbname=x'
    """
    return _SECRET.sub(lambda found: f"{found[1]}***@" if found[1] else f"{found[2]}***", text)


def escaped(text: str) -> str:
    r"""Return a string in quotes, for TOML and JSON, with nothing in it that is not seen.

    Examples
    --------
    >>> escaped('a"\n\u202e\x7f')
    '"a\\"\\n\\u202e\\u007f"'
    """
    quoted = json.dumps(text, ensure_ascii=False)
    return _ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def xml_text(text: str) -> str:
    r"""Return text with a replacement character for each that XML cannot hold.

    Examples
    --------
    >>> xml_text("a\x01<b>")
    'a�<b>'
    """
    return _NOT_XML.sub("\ufffd", text)


def harmless(text: pa.Array) -> pa.Array:
    """Return text with an apostrophe before what a spreadsheet would take for a formula.

    Examples
    --------
    >>> import pyarrow as pa
    >>> harmless(pa.array(["=1+1", "-5.2", "-5*2", "宗地", None])).to_pylist()
    ["'=1+1", '-5.2', "'-5*2", '宗地', None]
    """
    import pyarrow.compute as pc

    formula = pc.and_not(
        pc.match_substring_regex(text, _FORMULA), pc.match_substring_regex(text, _NUMBER)
    )
    return pc.if_else(formula, pc.binary_join_element_wise("'", text, ""), text)


def fitting_cell(text: str) -> str:
    """Return text that a cell of Excel holds: a longer one is cut and says how long it was.

    Examples
    --------
    >>> fitting_cell("x" * 40_000)[-13:], len(fitting_cell("x" * 40_000))
    ('xxxx… (40000)', 32767)
    """
    if 2 * len(text) <= _CELL:
        return text
    units = text.encode("utf-16-le", "replace")
    if len(units) <= 2 * _CELL:
        return text
    tail = f"… ({len(text)})"
    return units[: 2 * (_CELL - len(tail))].decode("utf-16-le", "ignore") + tail


def _spelled(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
