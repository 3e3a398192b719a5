"""Faults of LAYERS.toml and of rule files in Chinese are Chinese: no sentence of pydantic's."""

from __future__ import annotations

import re
import tomllib

import pytest

from geo_urc.errors import GeoUrcError
from geo_urc.inputs import load_settings
from geo_urc.policy.rulebook import load_rulebook

LAYERS = [
    ("parcels = 3", "的值“3”不合要求，应为表（键 = 值）。", "a table of key = value is needed"),
    ("[parcels]\nid = 5", "应为文字（加引号）。", "text, in quotes is needed"),
    ('[parcels]\naccuracy_m = "近"', "的值“近”不合要求，应为数。", "a number is needed"),
    ("[parcels]\naccuracy_m = -1", "应为不小于 0 的数。", "at least 0"),
    ("[parcels]\naccuracy_m = nan", "应为有限的数。", "a finite number"),
    ("[parcels]\nfields = ['a']", "应为表（键 = 值）。", "a table"),
    ("[layers.hubs]", "缺少此键。", "is missing"),
    ('[parcels]\ndatum = "gcj"', "可用的值：'wgs84'、'cgcs2000'、", "It can be 'wgs84',"),
    ("[parcels]\nidd = 1", "不是已知的键。", "not a known key"),
]
RULES = [
    ("[measure]\nid = 3", "应为文字", "text"),
    ("[[rules]]\nid = 'T08a'\nsurprise = 1", "缺少此键。", "is missing"),
    ("facts = 3", "应为表", "a table"),
    ("[facts.a_m]\nquestion = 'distance'\ntitle_zh = 1", "应为文字", "text"),
]
ENGLISH = re.compile(r"[Ii]nput should|[Ff]ield required|[Vv]alue error|valid (string|number)")


def told(given: GeoUrcError, zh: str, en: str) -> None:
    assert zh in given.to("zh"), given.to("zh")
    assert en in given.to("en"), given.to("en")
    assert not ENGLISH.search(given.to("zh") + given.to("en"))


@pytest.mark.parametrize(("text", "zh", "en"), LAYERS)
def test_faults_of_layers_toml(tmp_path, text, zh, en):
    (tmp_path / "layers.toml").write_text(text, "utf-8")
    with pytest.raises(GeoUrcError) as caught:
        load_settings(tmp_path / "layers.toml")
    told(caught.value, zh, en)


@pytest.mark.parametrize(("text", "zh", "en"), RULES)
def test_faults_of_an_overlay(tmp_path, text, zh, en):
    tomllib.loads(text)
    (tmp_path / "own.toml").write_text(text, "utf-8")
    with pytest.raises(GeoUrcError) as caught:
        load_rulebook([tmp_path / "own.toml"])
    told(caught.value, zh, en)
