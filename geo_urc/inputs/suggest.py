"""Did you mean … : the closing half of a message about a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from geo_urc.text import Text

_ALIKE = 0.5
"""One character in two may be wrong: Chinese names are short."""


def suggestion(word: str, known: Iterable[str]) -> Text:
    """Return what to write instead of an unknown word: the nearest, then all there are.

    Examples
    --------
    >>> suggestion("pth", ["path", "where"]).en
    'Did you mean "path"? Known: path, where.'
    """
    names = list(known)
    if not names:
        return Text("没有可用的名称。", "There are none to choose from.")
    everything = Text(f"可用：{'、'.join(names)}。", f"Known: {', '.join(names)}.")
    near = get_close_matches(word, names, n=1, cutoff=_ALIKE)
    if not near:
        return everything
    return Text(
        f"是否应为“{near[0]}”？{everything.zh}", f'Did you mean "{near[0]}"? {everything.en}'
    )
