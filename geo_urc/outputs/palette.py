"""How the five verdicts look, the same in QGIS, on the map and in the report."""

from __future__ import annotations

from typing import NamedTuple


class Look(NamedTuple):
    """Fill colour (``#rrggbb``) and a mark that does not need colour."""

    colour: str
    mark: str


LOOKS: dict[str, Look] = {
    "eligible": Look("#009e73", "✓"),
    "ineligible": Look("#d55e00", "✗"),
    "review": Look("#f0e442", "!"),
    "unknown": Look("#8c8c8c", "?"),
    "not_applicable": Look("#e6e6e6", "–"),
}
"""Verdict → look, in the order of the legend.

The first three are of the Okabe-Ito set, which people with any of the common colour
deficiencies can tell apart; the last two are greys of clearly different lightness.
"""

OTHER = "#ffffff"
"""Colour of a value that is none of the five words."""
