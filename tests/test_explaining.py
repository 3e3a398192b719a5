"""What would flip a verdict, worked out by hand from the figures of a tiny city."""

from __future__ import annotations

import geopandas as gpd
import pytest

import geo_urc
from geo_urc.changes import change_needed
from geo_urc.results import UNITS
from geo_urc.wording import at_hand, enough


@pytest.fixture(scope="module")
def frame(make_shape):
    """Return a function from features and columns to a GeoDataFrame."""

    def build(*features, **columns):
        shapes = [make_shape(f) for f in features]
        return gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4548")

    return build


@pytest.fixture(scope="module")
def result(frame):
    """Screen six parcels, two greens, three projects and four facilities."""
    parcels = frame(
        {"box": [0, 0, 100, 100]},  # 400.25 m from the station, 30 m outside the hub
        {"box": [2000, 0, 2100, 100]},  # 1499.75 m
        {"box": [-401, 0, -300.75, 100]},  # 801 m
        {"box": [5000, 0, 5100, 100]},  # 40 m of it stick out of the hub
        {"box": [5200, 0, 5260, 100]},  # inside the hub by 50 m, nothing asked for
        {"wkt": "POLYGON ((0 0, 10 10, 10 0, 0 10, 0 0))"},  # not to be repaired
        existing_above_gfa_m2=[1000.0, 2000.0, None, 100.0, 100.0, 1.0],
        special_quota_m2=[150.5, 100.0, 1.0, None, None, None],
        rail_integration=["是", "否", "是", "否", "否", "否"],
    )
    layers = {
        "rail_stations": frame({"point": [500.25, 50]}, name=["柳堤"]),
        "hubs": frame({"box": [130, 0, 230, 100]}, {"box": [5040, -100, 5310, 150]}),
        "green_spaces": frame({"box": [3000, 0, 3100, 100]}, {"box": [3200, 0, 3300, 100]}),
        "underground_projects": frame(
            {"box": [3000, 0, 3040, 100]},
            {"box": [3200, 0, 3220, 100]},
            {"box": [9000, 0, 9010, 10]},
            soil_cover_m=[1.5, 2.75, 1.0],
            use=["public_parking", "public_parking", "warehouse"],
        ),
        "ancient_trees": frame(
            {"point": [3225, 50]}, {"point": [0, 9000]}, protection_m=[8.0, 5.0]
        ),
        "memorial_cores": frame({"box": [0, 8000, 10, 8010]}),
        "street_corner_spaces": frame({"box": [0, 500, 100, 600]}),
        "facilities": frame(
            {"box": [40, 540, 50, 550]},
            {"box": [40, 540, 50, 550]},
            {"box": [300, 540, 310, 550]},
            {"box": [95, 540, 105, 550]},
            height_m=[3.5, 3.5, 4.0, 4.0],
            gfa_m2=[310.0, 290.0, 300.0, 300.0],
            service_radius_m=[900.0, 1200.0, 700.0, 1000.0],
            storeys=[1.0, 1.0, 3.0, 1.0],
        ),
        "projects": frame(
            {"box": [0, 0, 10, 10]},
            new_underground_commercial_m2=[0.0],
            former_total_gfa_m2=[100.0],
            former_above_gfa_m2=[50.0],
            planned_above_gfa_m2=[60.0],
        ),
    }
    return geo_urc.screen(parcels, layers=layers)


def test_the_sources_that_would_do_are_named(frame):
    """Nothing says how much soil there is: three things would, and one is enough."""
    layers = {
        "green_spaces": frame({"box": [0, 0, 100, 100]}),
        "underground_projects": frame({"box": [0, 0, 10, 10]}, use=["commerce"], name=["甲"]),
        "ancient_trees": frame({"point": [900, 0]}),
        "memorial_cores": frame({"box": [900, 0, 910, 10]}),
    }
    result = geo_urc.screen(frame({"box": [0, 0, 9, 9]}), layers=layers, only=["T20"])
    assert result["underground_projects"].t20_reason.tolist() == ["attribute_missing:soil_cover_m"]
    assert told(result, "underground_projects-1", "T20") == [
        "怎样才能判定:",
        "- 补充覆土厚度（soil_cover_m），或地面高程栅格（dem）与顶板标高（roof_level_m），"
        "或覆土厚度栅格（soil_depth）",
    ]


def test_where_heights_end_a_raster_is_asked_for(frame, make_raster, tmp_path):
    make_raster("dem", [[50]])
    layers = {
        "green_spaces": frame({"box": [0, 0, 100, 100]}),
        "underground_projects": frame(
            {"box": [0, 0, 20, 10]}, use=["commerce"], roof_level_m=[45.0]
        ),
        "ancient_trees": frame({"point": [900, 0]}),
        "memorial_cores": frame({"box": [900, 0, 910, 10]}),
        "dem": tmp_path / "dem.tif",
    }
    result = geo_urc.screen(frame({"box": [0, 0, 9, 9]}), layers=layers, only=["T20"])
    assert result["underground_projects"].t20_reason.tolist() == ["outside_coverage"]
    assert told(result, "underground_projects-1", "T20") == [
        "怎样才能判定:",
        "- 提供在该处有数值的栅格（地面高程、覆土厚度栅格）",
    ]
    assert "planting_soil_source" in result["underground_projects"]
    info = result.run["layers"]["underground_projects"]["rules"][0]
    assert ("dem" in info["layers"], "soil_depth" in info["layers"]) == (True, False)


def told(result, subject_id, rule, lang="zh"):
    """Return the lines about change or room, without their marks."""
    result._lang = lang
    lines = result.explain(subject_id, rule).splitlines()
    start = [i for i, line in enumerate(lines) if line.startswith(("  怎样", "  余量", "  what "))]
    if not start:
        return []
    found = [lines[start[0]].strip()]
    for line in lines[start[0] + 1 :]:
        if not line.startswith("    "):
            break
        found.append(line.strip())
    return found


def test_metres_to_the_circle(result):
    """1499.75 − 800 = 699.75 m; and √2 m more, 701.1642… m, to be out of the accuracy band."""
    assert told(result, "parcels-2", "T08a") == [
        "怎样才符合:",
        "- 移近站点 699.75 米（达 701.165 米才超出数据精度，可确定）",
    ]
    assert told(result, "parcels-2", "T08a", "en") == [
        "what it would take:",
        "- move 699.75 m nearer to the station (701.165 m to be sure, beyond the data's accuracy)",
    ]


def test_room_before_it_flips(result):
    """800 − 400.25 = 399.75 m; less √2 m: 398.3357… m, rounded down."""
    assert told(result, "parcels-1", "T08a") == [
        "余量:",
        "- 还可移远 399.75 米，超过即不符合（超过 398.335 米即在数据精度以内，须人工研判）",
    ]


def test_within_accuracy_says_what_would_be_sure(result):
    """1 m too far; surely inside after 1 + √2 = 2.4142… m."""
    (line,) = told(result, "parcels-3", "T08a")[1:]
    assert "移近站点 2.415 米即可确定" in line
    assert "accuracy_m" in line


def test_square_metres_instead_of_a_share_and_every_condition_of_all(result):
    """40 of 100 m are undermined: 10 % of 10,000 m² too much; and a project fails as well."""
    lines = told(result, "green_spaces-1", "T20")
    assert lines[0] == "怎样才符合 (以下 2 项须同时满足):"
    assert lines[1].startswith("- 减少地下投影 1000 平方米（达 ")
    # the band: an outline of 280 m, each metre of it good to √2 m, but only as far as inside
    assert "覆土厚度未满足条件" in lines[2]
    assert "地下空间项目" in lines[2]


def test_room_in_square_metres(result):
    """20 of 100 m: 10 % of 10,000 m² are left; but the tree concerns the project beneath."""
    assert told(result, "green_spaces-2", "T20")[0] == "怎样才符合:"
    (line,) = told(result, "underground_projects-2", "T20")[1:]
    # 5 m from the tree, which is protected for 8 m: 3 m too near
    assert line == "- 远离古树 3 米（达 4.415 米才超出数据精度，可确定）"


def test_an_attribute_needs_no_band(result):
    assert told(result, "underground_projects-1", "T20")[1:] == ["- 覆土厚度增加 0.5 米"]


def test_each_failing_condition_counts_and_a_soft_one_is_for_a_person(result):
    """310 m² is 10 too many; a radius of 900 m lies between 800 and 1000."""
    lines = told(result, "facilities-1", "T07b")
    assert lines[0] == "怎样才符合 (以下 2 项须同时满足):"
    assert lines[1] == "- 建筑面积减少 10 平方米"
    assert "由主管部门决定" in lines[2]
    assert lines[2].endswith("服务半径增加 100 米")


def test_outside_an_area(result):
    """200 m east of it; two storeys too many; 100 m of radius short, and 300 to be undisputed."""
    lines = told(result, "facilities-3", "T07b")
    assert lines[0] == "怎样才符合 (以下 4 项须同时满足):"
    assert lines[1] == (
        "- 向沿街转角空间内移 200 米，并整体位于范围内（达 201.415 米才超出数据精度，可确定）"
    )
    assert lines[2] == "- 层数减少 2"
    assert lines[3] == "- 服务半径增加 100 米"
    assert lines[4].endswith("服务半径增加 300 米")


def test_straddling_says_how_far_it_sticks_out(result):
    lines = told(result, "facilities-4", "T07b")
    assert lines[1].startswith("- 有 5 米伸出范围：向沿街转角空间内移 5 米")


def test_room_of_every_deciding_condition(result):
    """40 m inside; 1 of 1 storey; 0.5 m of height; 10 m²; 400 m to failing, 200 m to review."""
    assert told(result, "facilities-2", "T07b", "en") == [
        "what is left:",
        "- move 40 m out of the street-corner space; over that it fails "
        "(over 38.585 m within the data's accuracy, for review)",
        "- Storeys: at the limit, nothing left",
        "- Height: 0.5 m more; over that it fails",
        "- Floor area: 10 m² more; over that it fails",
        "- Service radius: 400 m less; over that it fails",
        "- Service radius: 200 m less; over that a person decides",
    ]


def test_any_is_told_as_several_ways(result):
    """Outside the hub by 30 m; the two other kinds of area are not given."""
    lines = told(result, "parcels-1", "T12")
    assert lines[0] == "怎样才符合 (以下 3 种办法任选其一):"
    ways = {line.split(". ", 1)[1] for line in lines[1:]}
    assert any(w.startswith("向枢纽范围内移 30 米，并整体位于范围内") for w in ways)
    assert any("geo-urc layers show integration_areas" in w for w in ways)
    assert any("geo-urc layers show key_areas" in w for w in ways)


def test_a_layer_to_supply(result):
    (head, line) = told(result, "parcels-1", "T23")
    assert head == "怎样才能判定:"
    assert line.startswith("- 提供图层：")
    assert line.endswith("（geo-urc layers show blue_lines）")
    assert told(result, "parcels-1", "T23", "en")[0] == "what would settle it:"


def test_a_field_to_supply_is_told_once(result):
    """The limit and the base both lack it."""
    lines = told(result, "parcels-3", "T08b")
    assert lines[0] == "怎样才能判定:"
    assert lines[1:] == [
        "- 补充字段“合法现状地上建筑面积”（宗地 parcels.existing_above_gfa_m2，"
        "在 LAYERS.toml 的 fields 中写明列名）"
    ]


def test_a_soft_limit_that_is_computed(result):
    """15 % of 1000 m² is 150 m²; 150.5 are asked for."""
    (line,) = told(result, "parcels-1", "T08b")[1:]
    assert "超出原则性限值" in line
    assert line.endswith("拟用专项指标建筑面积减少 0.5 平方米")


def test_to_whom_the_rule_would_apply(result):
    lines = told(result, "parcels-2", "T08b")
    assert lines[0] == "怎样才适用 (以下 2 种办法任选其一):"
    assert "1. “轨道交通一体化项目”须为：是" in lines
    assert "相距 200 米以上" in lines[2]
    lines = told(result, "projects-1", "P5a")  # 0 m² is not more than 0 m²
    assert lines == ["怎样才适用:", "- 新增地下商业建筑面积须> 0 平方米"]


def test_a_word_that_must_be_another(result):
    assert told(result, "underground_projects-3", "T20") == [
        "怎样才适用:",
        "- “位于绿地之下”须为：是",
    ]


def test_one_answer_settles_both_places_of_a_condition(result):
    """At a hub but no integration project: say yes, or have it decided; partly in: both."""
    lines = told(result, "parcels-4", "T08b")
    assert lines[0] == "怎样才符合 (以下 2 种办法任选其一):"
    assert lines[1] == "1. “轨道交通一体化项目”须为：是"
    assert lines[2].startswith("2. 有 40 米伸出范围")
    assert lines[3].startswith("+ 政策文字有待解释")


def test_a_shape_that_cannot_be_used(result):
    assert told(result, "parcels-6", "T08a") == ["怎样才能判定:", "- 修正图形后重新运行"]


def test_amounts_suffice_and_are_there():
    assert enough(1.0004, "m").zh == "1.001 米"
    assert enough(1.0000000001, "m").zh == "1 米"  # what floats leave is no part of it
    assert at_hand(1.9999999999, "m2").en == "2 m²"
    assert at_hand(1.9996, "m2").en == "1.999 m²"
    assert enough(1.2, "storeys").en == "2 storeys"
    assert enough(0.0315, "share").zh == "3.15 个百分点"
    for unit in UNITS:
        assert enough(0.5, unit).zh


OVERLAY = """
[measure]
id = "X02"
document = "toolbox-1.0"
number = "0"
heading = "试行"
title_zh = "试行"
title_en = "Trial"
checked_on = 2026-11-23

[facts.green_distance_m]
question = "distance"
arguments = { layer = "green_spaces" }
unit = "m"
title_zh = "至绿地距离"
title_en = "Distance to green"

[[rules]]
id = "X02"
assess = "spatial"
subject = "parcels"
title_zh = "试行"
title_en = "Trial"
explanation_zh = "试"
explanation_en = "Try"
headline = "green"

[rules.parameters.near_m]
value = 1000
unit = "m"
basis = "reading"
title_zh = "近"
title_en = "Near"
source_zh = "试行"
source_en = "Trial"

[rules.parameters.least_m2]
unit = "m2"
basis = "reading"
title_zh = "最小面积"
title_en = "Least area"
source_zh = "试行"
source_en = "Trial"

[rules.test]
all = [
  { id = "green", fact = "green_distance_m", at_most = "near_m" },
  { id = "size", fact = "area_m2", at_least = "least_m2" },
]
unless = [{ id = "station", fact = "rail_distance_m", at_most = "near_m" }]
"""


def test_a_fact_of_the_users_own_has_words_without_asking(frame, tmp_path):
    """1500 m from the green's centre; the station's circle is an exception: 300.25 m of it left."""
    path = tmp_path / "x02.toml"
    path.write_text(OVERLAY, "utf-8")
    result = geo_urc.screen(
        frame({"box": [0, 0, 100, 100]}),
        layers={
            "green_spaces": frame({"box": [1550, 0, 1650, 100]}),
            "rail_stations": frame({"point": [799.75, 50]}),
        },
        rules=[path],
        only=["X02"],
    )
    lines = told(result, "parcels-1", "X02")
    assert lines[0] == "怎样才符合 (以下 3 项须同时满足):"
    assert lines[1] == ("- 至绿地距离减少 500 米（达 501.415 米才超出数据精度，可确定）")
    assert lines[2] == "- 提供参数“最小面积”：--set X02.least_m2=数值（单位：平方米）"
    assert lines[3].startswith("- 移远 300.25 米以上，例外情形即不成立")


def test_the_changes_as_data(result):
    """For other outputs: the figures, without words."""
    results = result._results
    info = results.layers["facilities"]
    (rule,) = [r for r in info.rules if r.id == "T07b"]
    row = results.tables["facilities"].to_pylist()[0]
    needed = change_needed(row, info, rule, results.run)
    assert [[(c.kind, c.amount, c.unit, c.more) for c in way] for way in needed.ways] == [
        [("move", 10.0, "m2", False), ("decide", 100.0, "m", True)]
    ]
    assert needed.room == ()
    assert needed.left_out == 0


@pytest.mark.parametrize(
    ("moved_m", "verdict"), [(699.74, "review"), (699.75, "review"), (701.165, "eligible")]
)
def test_the_change_does_what_it_says(frame, moved_m, verdict):
    """The parcel of the first test, moved by what it was told: to the limit, and surely inside."""
    result = geo_urc.screen(
        frame({"box": [2000 - moved_m, 0, 2100 - moved_m, 100]}),
        layers={"rail_stations": frame({"point": [500.25, 50]})},
        only=["T08a"],
    )
    assert result.parcels["t08a_verdict"].tolist() == [verdict]
    margin = result.parcels["t08a_margin"][0]
    assert (margin >= -1e-9) == (moved_m >= 699.75)


@pytest.mark.parametrize("metres", [30.0, 29.99, 30.01])
def test_the_footprint_to_remove_is_right(frame, tmp_path, metres):
    """A green of 10,000 m² may be undermined over 30 m of its 100 m; 0.01 m of it are 1 m²."""
    frame({"box": [3000, 0, 3100, 100]}).to_file(tmp_path / "green.gpkg")
    frame({"box": [3000, 0, 3000 + metres, 100]}, soil_cover_m=[3.0], use=["commerce"]).to_file(
        tmp_path / "project.gpkg"
    )
    result = geo_urc.screen(
        frame({"box": [0, 0, 10, 10]}),
        layers={
            "green_spaces": {"path": str(tmp_path / "green.gpkg"), "accuracy_m": 0.0},
            "underground_projects": {"path": str(tmp_path / "project.gpkg"), "accuracy_m": 0.0},
            "ancient_trees": frame({"point": [9000, 0]}, protection_m=[5.0]),
            "memorial_cores": frame({"box": [9000, 0, 9010, 10]}),
        },
        only=["T20"],
    )
    expected = "eligible" if metres <= 30.0 else "ineligible"
    assert result["green_spaces"]["t20_verdict"].tolist() == [expected]
    lines = told(result, "green_spaces-1", "T20")
    if metres < 30.0:
        assert lines[1] == "- 还可增加地下投影 1 平方米，超过即不符合"
    elif metres > 30.0:
        assert lines[1:] == ["- 减少地下投影 1 平方米"]
    else:
        assert lines[1] == "- 地下开发投影占比已在限值上"


# --- words of a vocabulary --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def buildings(frame):
    """Screen three buildings that change their use, with the user's lists; one word is strange."""
    layers = {
        "buildings": frame(
            {"box": [0, 0, 10, 10]},
            {"box": [20, 0, 30, 10]},
            {"box": [40, 0, 50, 10]},
            use=["厂房", "factory", "hotel"],
            planned_use=["公共服务", "仓储", "长租公寓"],
            conversion_share_kept=["是", "是", "是"],
        )
    }
    rules = {"T15.negative": ["仓储"], "T15.positive": ["公共服务"]}
    return geo_urc.screen(frame({"box": [0, 0, 9, 9]}), layers=layers, parameters=rules)


def test_a_code_is_told_in_words(buildings):
    buildings._lang = "zh"
    said = buildings.explain("buildings-1", "T15")
    assert "用途转换路径: 正面清单，可简化审批" in said
    assert "拟改用途: 公共服务" in said
    assert "拟改用途: 公共服务 | 要求 不属“仓储”" in said
    buildings._lang = "en"
    assert "Route of the change of use: simplified" in buildings.explain("buildings-1", "T15")


def test_what_the_users_list_names_in_chinese_is_left_by_another_word(buildings):
    assert told(buildings, "buildings-2", "T15") == [
        "怎样才符合:",
        "- “拟改用途”须不再是：仓储",
    ]


def test_a_word_that_is_not_recognised_is_to_be_explained(buildings):
    lines = told(buildings, "buildings-3", "T06")
    words = "商业、商务金融、娱乐康体、旅馆、厂房、仓储、科研、教育、公共服务、居住、租赁住房、其他"
    assert f"1. 在 LAYERS.toml 的 values 中说明“拟改用途”的取值：{words}" in lines
