"""Districts by the names and codes that people use for them."""

from __future__ import annotations

import pytest

from geo_urc.facts.districts import CODES, recognise


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        ("朝阳区", None, "朝阳区"),
        ("朝阳", None, "朝阳区"),
        (" 北京市朝阳区 ", None, "朝阳区"),
        ("密云县", None, "密云区"),
        ("延庆", "110229", "延庆区"),
        (None, "110108", "海淀区"),
        ("Haidian", "110108", "海淀区"),
        ("Haidian", "110108.0", "海淀区"),
        (None, "110108000000", "海淀区"),
        ("海淀区", "110105", None),
        ("仙乡区", None, None),
        (None, None, None),
        ("", "", None),
        ("宣武区", "110104", None),
        ("天津市和平区", "120101", None),
    ],
)
def test_recognised(name, code, expected):
    assert recognise([name], [code]) == [expected]


def test_there_are_sixteen_with_codes_of_their_own():
    assert len(CODES) == len(set(CODES.values())) == 16
    assert all(code.startswith("1101") and len(code) == 6 for code in CODES.values())
    assert recognise(list(CODES), list(CODES.values())) == list(CODES)
    assert recognise([name[:-1] for name in CODES], [None] * 16) == list(CODES)
