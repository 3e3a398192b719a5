"""The sixteen districts of Beijing: how a layer's own names and codes are recognised."""

from __future__ import annotations

from collections.abc import Sequence

CODES: dict[str, str] = {
    "东城区": "110101",
    "西城区": "110102",
    "朝阳区": "110105",
    "丰台区": "110106",
    "石景山区": "110107",
    "海淀区": "110108",
    "门头沟区": "110109",
    "房山区": "110111",
    "通州区": "110112",
    "顺义区": "110113",
    "昌平区": "110114",
    "大兴区": "110115",
    "怀柔区": "110116",
    "平谷区": "110117",
    "密云区": "110118",
    "延庆区": "110119",
}
"""District → code of GB/T 2260."""

_BY_CODE = {code: name for name, code in CODES.items()}
_BY_STEM = {name[:-1]: name for name in CODES}


def recognise(names: Sequence[str | None], codes: Sequence[str | None]) -> list[str | None]:
    """Return the full name of each district; None where it is not one of the sixteen.

    A name counts with or without 区 or 县; the code is used where there is no such name.
    Where both are given and name different districts, neither is believed.

    Examples
    --------
    >>> recognise(["朝阳", "密云县", "Haidian", "西城区"], [None, None, "110108", "110101"])
    ['朝阳区', '密云区', '海淀区', None]
    """
    found = []
    for name, code in zip(names, codes, strict=True):
        stem = (name or "").strip().removeprefix("北京市").rstrip("区县")
        by_name = _BY_STEM.get(stem)
        by_code = _BY_CODE.get((code or "").strip().removesuffix(".0")[:6])
        agree = by_name is None or by_code is None or by_name == by_code
        found.append((by_name or by_code) if agree else None)
    return found
