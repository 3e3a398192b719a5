from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import unicodedata
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import shapely

from geo_urc.outputs.geopackage import (
    finish_geopackage,
    stored_project,
    write_attribute_table,
    write_geopackage_layer,
)
from geo_urc.results import Column, FactLine, LayerInfo
from geo_urc.text import Text
from tests.outputs.conftest import (
    ABOUT,
    COUNT,
    HOSTILE,
    T08A,
    T23,
    greens_info,
    greens_table,
    need,
    parcels_info,
    parcels_table,
)

PYTHON = "/usr/bin/python3"
EVIL = "[% 60*70 %]<img src=x onerror=alert(1)>'\"\\ %] [%"
"""A title that would be worked out, or become markup, if it were not only text."""
EVIL_COLUMN = 'a"%] [% 60*70 %]'
RULES = {
    "id": ["T08a", "T23", "T20", "T99"],
    "subject": ["parcels", "parcels", "green_spaces", "parcels"],
    "status": ["evaluated", "evaluated", "evaluated", "not_asked"],
}


def opened(path: Path, layers: list[str], file: str = "") -> dict:
    """Return what the real QGIS makes of a GeoPackage, its layers and its project."""
    need(shutil.which("qgis") if Path(PYTHON).exists() else None, "QGIS")
    probe = Path(__file__).with_name("qgis_probe.py")
    done = subprocess.run(
        [PYTHON, str(probe), str(path), *layers, *([file] if file else [])],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("SEEN")]
    assert lines, done.stderr
    return json.loads(lines[0][4:])


def text_of(pdf: Path) -> str:
    """Return the text of a PDF. Qt names some Chinese signs by the radicals that look the same."""
    need(shutil.which("pdftotext"), "poppler-utils")
    done = subprocess.run(
        ["pdftotext", "-layout", str(pdf), "-"], capture_output=True, text=True, check=True
    )
    return unicodedata.normalize("NFKC", done.stdout)


def mixed_layer(path: Path) -> LayerInfo:
    """Write a layer of points and polygons, the first of them a point; return its description."""
    info = replace(greens_info(), role="facilities", geometry_type="Unknown")
    info = replace(info, title=Text("设施", "facilities"))
    table = pa.concat_tables([greens_table(), greens_table()])
    shapes = [shapely.Point(116.41, 39.9), *shapely.from_wkb(table["geom"].to_pylist())[1:]]
    place = table.schema.get_field_index("geom")
    table = table.set_column(place, "geom", pa.array(shapely.to_wkb(shapes), pa.binary()))
    write_geopackage_layer(path, info, table.schema, table.to_batches())
    return info


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("成果") / "eligibility.gpkg"
    for info, table in ((parcels_info(), parcels_table()), (greens_info(), greens_table())):
        write_geopackage_layer(path, info, table.schema, table.to_batches())
    mixed = mixed_layer(path)
    write_attribute_table(path, "rules", pa.table(RULES))
    finish_geopackage(path, [parcels_info(), greens_info(), mixed], ABOUT)
    return path


@pytest.fixture(scope="module")
def seen(path) -> dict:
    return opened(path, ["parcels", "green_spaces", "facilities"])


@pytest.fixture(scope="module")
def project(seen) -> dict:
    return seen["project"]


def test_both_layers_open_whole(seen):
    assert seen["parcels"]["valid"]
    assert seen["parcels"]["features"] == COUNT
    assert seen["parcels"]["crs"] == "EPSG:4490"
    assert seen["green_spaces"]["features"] == 2


def test_layers_open_coloured_by_their_first_rule(seen):
    assert seen["parcels"]["renderer"] == "categorizedSymbol"
    assert seen["parcels"]["attribute"] == "t08a_verdict"
    assert seen["green_spaces"]["attribute"] == "t20_verdict"
    assert seen["parcels"]["labels"] == [
        "✓ 符合",
        "✗ 不符合",
        "! 需人工研判",
        "? 资料不足",
        "– 不适用",
        "其他",
    ]


def test_no_feature_is_invisible_and_each_word_has_its_own_colour(seen):
    assert seen["parcels"]["hidden"] == 0
    assert seen["parcels"]["colours"] == {
        "eligible": "#009e73",
        "ineligible": "#d55e00",
        "review": "#f0e442",
        "unknown": "#8c8c8c",
        "not_applicable": "#e6e6e6",
    }


def test_verdicts_differ_in_pattern_or_outline_too(seen):
    def without_colour(layers):
        told = []
        for kind, properties in layers:
            pairs = re.findall(r"\('(\w+)', '([^']*)'\)", properties)
            told.append((kind, tuple(p for p in pairs if "color" not in p[0])))
        return tuple(told)

    patterns = seen["parcels"]["patterns"]
    assert len({without_colour(layers) for layers in patterns.values()}) == len(patterns) == 5


def test_headings_are_chinese(seen):
    aliases = seen["parcels"]["aliases"]
    assert aliases["rail_distance_m"] == "到车站的距离（米）"
    assert aliases["t08a_verdict"] == "T08a 结论"
    assert seen["parcels"]["display"] == '"名称"'
    assert seen["green_spaces"]["display"] == '"subject_id"'


def test_codes_show_as_words(seen):
    words = seen["parcels"]["words"]["t08a_verdict"]
    assert {"需人工研判": "review"} in words and len(words) == 5


def test_every_rule_can_be_chosen_as_a_style(seen):
    assert {"T08a 轨道站点周边", "T23 蓝线内便民设施"} <= set(seen["parcels"]["styles"])


def test_the_form_has_a_box_for_each_rule_with_its_source(seen):
    form = seen["parcels"]["form"]
    assert list(form) == ["对象", "政策结论"]
    assert form["政策结论"] == {
        "T08a 轨道站点周边": [
            "t08a_verdict",
            "t08a_margin",
            "t08a_accuracy",
            "t08a_reason",
            "rail_distance_m",
            "rail_nearest",
            "要求与依据",
        ],
        "T23 蓝线内便民设施": [
            "t23_verdict",
            "t23_margin",
            "t23_accuracy",
            "t23_reason",
            "blue_share",
            "要求与依据",
        ],
    }
    assert "北京市城市更新激励政策工具箱 第8条" in seen["parcels"]["basis"][0]
    assert "≤ 1000 米" in seen["parcels"]["basis"][0]


def test_every_column_is_in_the_form_but_raw_bytes(seen):
    boxes = [fields for page in seen["parcels"]["form"].values() for fields in page.values()]
    there = {name for fields in boxes for name in fields} - {"要求与依据"}
    assert there == set(seen["parcels"]["aliases"]) - {"urc_fid", "raw_wkb"}


def test_only_the_users_columns_can_be_edited(seen):
    free = set(seen["parcels"]["aliases"]) - set(seen["parcels"]["locked"])
    assert free == {"urc_fid", "名称", "FID"}


def test_labels_say_mark_and_name_from_a_scale_on(seen):
    assert seen["parcels"]["called_from"] == 5000
    assert seen["parcels"]["called_first"] == f"✓ {HOSTILE}"
    assert seen["green_spaces"]["called_first"] == "✓ green_spaces-1"


def test_the_map_tip_tells_verdict_facts_reason_and_source(seen):
    tip = re.sub(r"<[^>]+>", " ", seen["parcels"]["tips"][2])
    for words in (
        "110101-0002",
        "! 需人工研判",
        "T08a 轨道站点周边",
        "200.00 米",
        "≤ 1000 米",
        "800.00 米",
        "± 1.41 米",
        "与限值之差小于数据精度；跨越边界",
        "北京市城市更新激励政策工具箱 第8条",
    ):
        assert words in tip, words
    assert "未满足条件：到车站的距离" in seen["parcels"]["tips"][1]
    assert "[%" not in seen["parcels"]["tips"][1]


def test_text_in_a_map_tip_is_only_text(seen):
    tip = seen["parcels"]["tips"][0]
    assert "&lt;img src=x" in tip and "<img" not in tip and "</script>" not in tip


def test_the_project_is_in_the_file(project):
    assert project["names"] == ["北京市城市更新政策适用性筛查"]
    assert project["read"]
    assert project["title"] == "北京市城市更新政策适用性筛查"
    assert project["crs"] == "EPSG:4548"


def test_every_layer_of_the_project_is_whole(project):
    assert project["layers"].keys() == {
        "geo_urc_parcels",
        "geo_urc_green_spaces",
        "geo_urc_facilities_point",
        "geo_urc_facilities_polygon",
    }
    for layer in project["layers"].values():
        assert layer["valid"] and layer["hidden"] == 0
        assert layer["renderer"] == "categorizedSymbol"
        assert layer["crs"] == "EPSG:4490"
        assert list(layer["form"]) == ["对象", "政策结论"]
    assert project["layers"]["geo_urc_parcels"]["words"]["t08a_verdict"]
    assert project["tables"] == {"规则": [True, 4, "规则"]}


def test_mixed_geometry_is_two_layers_of_which_nothing_is_lost(project, seen):
    layers = project["layers"]
    assert layers["geo_urc_facilities_point"]["features"] == 1
    assert layers["geo_urc_facilities_polygon"]["features"] == 3
    # Opened by itself it is drawn as its first geometry.
    assert seen["facilities"]["kind"] == "Point"
    assert "SimpleMarker" in str(seen["facilities"]["patterns"])


def test_layers_stand_in_groups_and_a_theme_shows_each_rule(project):
    assert list(project["groups"]) == ["政策结论", "表"]
    assert project["groups"]["政策结论"] == ["设施（点）", "绿地", "设施（面）", "宗地"]
    assert project["themes"]["宗地 · T23 蓝线内便民设施"] == {
        "geo_urc_parcels": "T23 蓝线内便民设施",
        "geo_urc_green_spaces": "底图",
    }
    assert len(project["themes"]) == 4


def test_another_style_leaves_form_and_headings(project):
    assert project["others"] == {
        "T08a 轨道站点周边": ["t08a_verdict", 2, "T08a 结论"],
        "T23 蓝线内便民设施": ["t23_verdict", 2, "T08a 结论"],
        "底图": [None, 2, "T08a 结论"],
    }


def test_a_sheet_says_all_that_a_map_has_to(project, path):
    assert project["layouts"] == [
        "宗地政策适用性图",
        "绿地政策适用性图",
        "设施政策适用性图",
    ]
    assert project["exported"] == 0
    text = text_of(Path(f"{path}.pdf"))
    for words in (
        "轨道站点周边",
        "北京市城市更新政策适用性筛查 · 宗地",
        "2026-11-22",
        "2026.11",
        "图例",
        "符合",
        "1,206",
        "政策要求",
        "中心的距离不超过限值。",
        "政策依据",
        "比例尺",
        "EPSG",
        "北",
    ):
        assert words in text, (words, text)
    ((style, unit, step, width),) = project["bars"]
    assert (style, unit, step) == ("Single Box", "米", 100) and width > 45


def test_the_album_has_a_page_for_each_rule(project, path):
    assert project["pages"] == 2
    assert project["album"] == 0
    pages = text_of(Path(f"{path}.album.pdf")).split("\f")
    assert "轨道站点周边" in pages[0] and "蓝线内便" in pages[1]
    # Where the numbers of subjects are not known none are told.
    assert "1,206" in pages[0] and "1,206" not in pages[1]


def test_the_project_beside_the_file_is_the_same(path, project):
    file = path.with_suffix(".qgz")
    file.write_bytes(stored_project(path))
    again = opened(path, [], str(file))["project"]
    assert again["read"]
    assert again["layers"] == project["layers"]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> dict:
    evil = Text(EVIL, EVIL)
    fact = FactLine(EVIL_COLUMN, evil, "m", evil, "c", words=())
    rule = replace(T08A, title=evil, explanation=evil, citation=evil, facts=(fact,))
    info = parcels_info()
    info = replace(
        info,
        title=evil,
        rules=(rule, replace(T23, title=evil)),
        columns=(Column(EVIL_COLUMN, evil, "user"), *info.columns),
    )
    table = parcels_table().add_column(0, EVIL_COLUMN, pa.array([EVIL] * COUNT))
    path = tmp_path_factory.mktemp("hostile") / "a'%]b.gpkg"
    write_geopackage_layer(path, info, table.schema, table.to_batches())
    about = replace(ABOUT, title=evil, sources=(evil,), names={"parcels": EVIL_COLUMN})
    finish_geopackage(path, [info], about)
    file = path.with_suffix(".qgz")
    file.write_bytes(stored_project(path))
    return opened(path, ["parcels"], str(file))


def test_names_and_titles_are_not_worked_out(hostile):
    layer, project = hostile["parcels"], hostile["project"]
    assert layer["valid"] and layer["hidden"] == 0
    assert layer["called_first"] == f"✓ {EVIL}"
    for tip in layer["tips"]:
        assert "4200" not in tip and "<img" not in tip
        assert tip.count("&lt;img src=x") >= 3
    for basis in layer["basis"]:
        assert "<img" not in basis
    assert project["read"] and project["exported"] == 0
    assert project["layers"]["geo_urc_parcels"]["valid"]
    assert not any("4200" in text for text in project["texts"])
    assert f"T08a {EVIL}" in project["texts"]


def test_a_sheet_of_very_many_subjects_is_a_picture_and_its_words_are_text(tmp_path):
    """As outlines a hundred thousand parcels would make a PDF of hundreds of megabytes."""
    file, info, table = tmp_path / "eligibility.gpkg", parcels_info(), parcels_table()
    write_geopackage_layer(file, info, table.schema, table.to_batches())
    write_attribute_table(file, "rules", pa.table(RULES))
    counts = {"parcels": {"T08a": {"eligible": 15_000, "unknown": 5_001}}}
    finish_geopackage(file, [info], replace(ABOUT, counts=counts))
    assert opened(file, ["parcels"])["project"]["exported"] == 0
    pictures = subprocess.run(
        ["pdfimages", "-list", f"{file}.pdf"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[2:]
    widths = [int(line.split()[3]) for line in pictures]
    assert max(widths, default=0) > 1000  # the map, at 96 dots an inch
    assert "政策要求" in text_of(Path(f"{file}.pdf"))
