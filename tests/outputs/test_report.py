from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pyarrow as pa
import pytest

from geo_urc.outputs.labels import reason_words
from geo_urc.outputs.report import write_report
from geo_urc.outputs.report.counting import district_counts, open_reasons, verdict_counts
from geo_urc.results import CatalogueEntry
from geo_urc.text import Text
from tests.outputs.conftest import CITATION, HOSTILE, RUN, make_results


def column(*values) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string())])


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.fixture
def page(results, tmp_path) -> str:
    write_report(results, tmp_path / "report.html")
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_counts_are_in_the_order_of_the_legend():
    words = column("review", "eligible", "eligible", "not_applicable", "unknown", "ineligible")
    assert verdict_counts(words) == [2, 1, 1, 1, 1]


def test_a_subject_without_district_is_counted_last():
    counts = district_counts(
        column("西城区", None, "东城区", "西城区"),
        column("eligible", "review", "eligible", "unknown"),
    )
    assert counts == [
        ("东城区", [1, 0, 0, 0, 0]),
        ("西城区", [1, 0, 0, 1, 0]),
        (None, [0, 0, 1, 0, 0]),
    ]


def test_each_reason_of_an_open_verdict_is_counted():
    lines = open_reasons(
        column("review", "review", "unknown", "ineligible", "eligible"),
        column("straddles;within_accuracy", "straddles", "layer_missing", "not_met:x", None),
        column("a", "b", "c", "d", "e"),
        1,
    )
    assert lines == [
        ("review", "straddles", 2, ["a"]),
        ("review", "within_accuracy", 1, ["a"]),
        ("unknown", "layer_missing", 1, ["c"]),
    ]


def test_the_page_needs_nothing_else(page):
    assert "<script" not in page
    assert not re.findall(r"<[^>]*(?:src|href)=|https?://|url\(", page)


def test_the_page_says_what_an_official_asks(page):
    text = text_of(page)
    for said in (
        "政策日期 2026-11-22",
        "规则库版本 2026.11",
        "T08a 轨道站点周边 6 6 5 7 6 30",
        "T20 绿地地下空间 1 1 0 0 0 2",
        "东城区 4 4 3 5 4 20",
        "T08a.radius_m 1000.0 米",
        "ab" * 32,
        "31 / 30 / 1",
        "EPSG:4490 (cgcs2000, 假定)",
        "不是面图形",
        "北京市城市更新激励政策工具箱 第8条",
        "在 LAYERS.toml 中提供该图层：蓝线（blue_lines）",
    ):
        assert said in text
    assert "T20.max_share" not in text


def test_data_are_text_and_not_markup(page):
    assert "<img" not in page
    assert "&lt;img src=x" in page
    assert "{{7*7}}" in page


def test_english_has_no_chinese_headings(results, tmp_path):
    write_report(results, tmp_path / "r.html", "en")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    headings = re.findall(r"<h[12]>(.*?)</h[12]>", page)
    assert headings
    assert not re.search(r"[\u4e00-\u9fff]", "".join(headings))


def test_a_long_list_of_records_is_cut_and_said(results, tmp_path):
    record = RUN["set_aside"][0]
    results.run = {**RUN, "set_aside": [{**record, "record": n} for n in range(1, 251)]}
    write_report(results, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "共 250 条，此处列出前 200 条" in page
    assert page.count("不是面图形") == 200


def test_an_empty_run_record_is_still_a_report(results, tmp_path):
    results.run = {}
    write_report(results, tmp_path / "r.html")
    assert "未采用的记录" in (tmp_path / "r.html").read_text(encoding="utf-8")


# --- the catalogue, and what is matched ------------------------------------------------------------


def entry(name: str, status: str, **changes) -> CatalogueEntry:
    title, policy = Text("减税", "Relief"), Text("试点推进", "pilot")
    told = {"assess": "procedural", "subject": None, "department": "市税务局"} | changes
    return CatalogueEntry(
        name, name, title, title, CITATION, policy_class=policy, status=status, **told
    )


@pytest.fixture
def with_catalogue(results):
    results.catalogue = (
        entry("T08a", "evaluated", assess="spatial", subject="parcels"),
        entry("T23", "evaluated", assess="spatial", subject="parcels"),
        entry(
            "T37", "matched",
            concerns=Text("类型：老旧小区", "type: old_estate"),
            facts={"project_type": Text("更新项目类型", "type of project")},
            department=HOSTILE,
        ),
        entry("T44", "matched", layers_missing=("key_areas",), concerns=Text("重点区域", "areas")),
        entry("T72", "authority"),
        entry("P0", "not_in_force"),
    )  # fmt: skip
    results.run = RUN | {
        "counts": {"parcels": {"T08a": {"review": 5, "eligible": 6}}},
        "concerns": {
            "parcels": {
                "T37": {"matched": 3, "open": 2, "reasons": {"attribute_missing:project_type": 2}},
                "T44": {"matched": 0, "open": 30, "reasons": {"layer_missing": 30}},
            }
        },
    }
    return results


def test_what_is_matched_is_counted_apart(with_catalogue, tmp_path):
    write_report(with_catalogue, tmp_path / "r.html")
    text = text_of((tmp_path / "r.html").read_text("utf-8"))
    assert "T37 减税 适用对象: 类型：老旧小区" in text
    assert "试点推进 3 2 缺少属性：更新项目类型 (2)" in text
    assert "试点推进 0 30 缺少所需图层：key_areas (30)" in text


def test_the_catalogue_says_what_became_of_each(with_catalogue, tmp_path):
    write_report(with_catalogue, tmp_path / "r.html", "en")
    page = (tmp_path / "r.html").read_text("utf-8")
    text = text_of(page[page.index("<details>") :])
    assert "All measures and clauses, and this run (6)" in text
    assert "T08a Relief pilot 市税务局 spatial evaluated parcels: eligible 6 · review 5" in text
    assert "T23 Relief pilot 市税务局 spatial evaluated" in text
    assert "Layers not given: Blue lines" in text
    assert "parcels: Concerned 3 · Left open 2" in text
    assert "T72 Relief pilot 市税务局 procedural addressed to authorities only" in text
    assert "procedural not in force on the day" in text
    assert "Toolbox, measure 8" in text
    assert "<img" not in page


def test_without_a_catalogue_nothing_is_said_of_it(page):
    assert "<details" not in page
    assert "程序性措施" not in page


def test_codes_are_told_in_the_words_of_the_catalogue():
    """Fields of the subject and of layers, conditions of related subjects; what is unknown stays."""
    results = make_results()
    info = results.layers["parcels"]
    rule = replace(
        info.rules[0], layers=("ancient_trees",), related={"soil": Text("覆土厚度", "Soil cover")}
    )

    def words(code: str) -> str:
        return reason_words(code, info, rule, "zh")

    assert words("attribute_missing:swap_parcel_id") == "缺少属性：置换地块编号"
    assert words("attribute_missing:protection_m") == "缺少属性：保护距离"
    assert words("attribute_missing:footprint") == "缺少属性：面图形"
    assert words("not_met:soil") == "未满足条件：覆土厚度"
    assert words("not_met:P0") == "未满足条件：P0"
    assert words("layer_missing") == "缺少所需图层"
