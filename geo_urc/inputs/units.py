"""Units that a user's numbers may be in, and what they are worth in the catalogue's."""

from __future__ import annotations

import unicodedata

_FACTORS: dict[str, dict[str, float]] = {
    "m2": {
        **dict.fromkeys(("m2", "平方米", "平米"), 1.0),
        **dict.fromkeys(("ha", "公顷", "万m2", "万平方米", "万平米"), 1e4),
        **dict.fromkeys(("km2", "平方公里", "平方千米"), 1e6),
        "亩": 2000 / 3,
    },
    "m": {
        **dict.fromkeys(("m", "米", "metre", "meter"), 1.0),
        **dict.fromkeys(("cm", "厘米"), 0.01),
        **dict.fromkeys(("km", "公里", "千米"), 1000.0),
    },
    "yuan": {
        **dict.fromkeys(("yuan", "元"), 1.0),
        "万元": 1e4,
        "亿元": 1e8,
    },
    "years": dict.fromkeys(("years", "年"), 1.0),
    "people": {**dict.fromkeys(("people", "人"), 1.0), "万人": 1e4},
}
"""Unit of the catalogue → unit of the user → factor."""


def units_for(unit: str | None) -> list[str]:
    """Return the units that a field of the catalogue may be given in; empty if it has none."""
    return list(_FACTORS.get(unit or "", ()))


def factor(given: str, unit: str | None) -> float | None:
    """Return what one unit of the user's is worth in the catalogue's; None if unknown.

    Signs such as ``㎡`` and ``m²`` count as ``m2``.

    Examples
    --------
    >>> factor("万㎡", "m2"), factor("公顷", "m2"), factor("kg", "m2")
    (10000.0, 10000.0, None)
    """
    plain = unicodedata.normalize("NFKC", given).strip()
    known = _FACTORS.get(unit or "", {})
    return known.get(plain, known.get(plain.lower()))
