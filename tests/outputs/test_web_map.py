from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import folium
import numpy as np
import pyarrow as pa
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.errors import GeoUrcError
from geo_urc.outputs.basemaps import SERVICES, Basemap
from geo_urc.outputs.map_chunks import chunk_bytes
from geo_urc.outputs.map_data import MOST_IN_VIEW, closest_needed, coded, in_order
from geo_urc.outputs.map_geometry import QUANTUM, along_a_curve, degree_shapes, packed
from geo_urc.outputs.web_map import MOST_INLINED, build_map, embedded_json, write_map
from geo_urc.results import ContextLayer
from geo_urc.text import Text
from tests.outputs.conftest import (
    COUNT,
    HOSTILE,
    UNUSABLE,
    WORDS,
    make_results,
    many_results,
    parcel_shape,
)
from tests.outputs.map_pages import chunks_of, everyone, numbered, opened, page_data, shapes_of


class Page(HTMLParser):
    """Collects what the page would load, and its elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [
            value for name, value in attrs if name in ("src", "href", "srcset") and value
        ]


@pytest.fixture
def page(results, tmp_path) -> str:
    write_map(results, tmp_path / "map.html")
    return (tmp_path / "map.html").read_text(encoding="utf-8")


@pytest.fixture
def parcels(results, tmp_path) -> dict[str, dict]:
    write_map(results, tmp_path / "map.html")
    return everyone(chunks_of(tmp_path / "map.html"), "parcels")


# --- the page -------------------------------------------------------------------------------------


def test_the_page_loads_nothing_from_outside(page):
    parsed = Page(page)
    assert [load for load in parsed.loads if not load.startswith("#")] == []
    assert "img" not in parsed.tags
    css = re.findall(r"<style>.*?</style>", page, flags=re.DOTALL)
    urls = re.findall(r"url\(([^)]*)\)", "".join(css))
    assert all(url.startswith(("data:", "#")) for url in urls)
    assert "sourceMappingURL" not in page
    assert "@import" not in page


def test_the_page_names_no_address_but_in_leaflets_own_files(page):
    for own in re.findall(r"<(?:script|style)>.*?</(?:script|style)>", page, flags=re.DOTALL):
        if "Leaflet" in own[:400] or ".leaflet-pane," in own[:400]:
            page = page.replace(own, "")
    assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+", page) == []


def test_other_folium_maps_keep_their_links(results):
    before = list(folium.Map.default_js)
    build_map(results)
    assert folium.Map.default_js == before
    assert "leaflet" in folium.Map(location=[0, 0]).get_root().render()


def test_data_are_never_a_template_or_markup(results, tmp_path, page):
    assert page.count("<script") == page.count("</script>")
    assert HOSTILE not in page
    parcels = everyone(chunks_of(tmp_path / "map.html"), "parcels")
    assert parcels["110101-0000"]["name"] == HOSTILE


def test_same_results_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_map(many_results(MOST_INLINED + 1), tmp_path / name / "map.html")
    first, second = (
        {file.relative_to(tmp_path / name): file.read_bytes()
         for file in (tmp_path / name).rglob("*") if file.is_file()}
        for name in ("a", "b")
    )  # fmt: skip
    assert len(first) > 10
    assert first == second


def test_the_panel_names_what_is_not_drawn(page):
    assert "宗地：1 个图形无法使用，未绘出：110101-0017" in page
    assert "缺少图层“蓝线”：T23" in page
    assert "假定图层在全市完整" in page


def test_an_old_browser_is_told_so_in_chinese(page):
    warned = re.findall(r"<noscript>.*?</noscript>", page, flags=re.DOTALL)
    assert len(warned) == 1 and "浏览器过旧" in warned[0]
    # The script that looks is of words that every browser knows.
    (check,) = re.findall(r"<script>\s*/\* In words.*?</script>", page, flags=re.DOTALL)
    assert not re.search(r"=>|\bconst\b|\blet\b|\?\.|`", check)


def test_embedded_json_survives_every_text():
    text = embedded_json({"a": HOSTILE})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": HOSTILE}


# --- what it holds --------------------------------------------------------------------------------


def test_every_subject_is_on_the_page_once(page, parcels):
    assert sorted(parcels) == [f"110101-{i:04d}" for i in range(COUNT)]
    assert [i for i, one in parcels.items() if one["shape"] is None] == [f"110101-{UNUSABLE:04d}"]
    assert [parcels[f"110101-{i:04d}"]["codes"][0] for i in range(5)] == [0, 1, 2, 3, 4]
    third = parcels["110101-0003"]
    assert third["facts"]["rail_distance_m"] == 300
    assert parcels["110101-0002"]["reasons"][0] == ["与限值之差小于数据精度", "跨越边界"]
    assert parcels["110101-0001"]["reasons"][0] == ["未满足条件：到车站的距离"]
    data = page_data(page)
    names = data["subjects"][0]["districts"]
    assert names == ["", "东城区", "西城区"]
    assert [names[parcels[f"110101-{i:04d}"]["district"]] for i in (0, 20, 29)] == ["东城区", "西城区", ""]  # fmt: skip


def test_counts_are_those_of_each_district(page):
    parcels, greens = page_data(page)["subjects"]
    # Verdicts repeat every five; number 17, of Dongcheng, is unknown, and 29 has no district.
    assert parcels["rules"][0]["counts"] == [
        [0, 0, 0, 0, 1, 0],
        [4, 4, 3, 5, 4, 0],
        [2, 2, 2, 2, 1, 0],
    ]
    assert greens["rules"][0]["counts"] == [[1, 1, 0, 0, 0, 0]]


def test_positions_are_degrees_whatever_the_file_has(crs, tmp_path):
    write_map(make_results(crs), tmp_path / "map.html")
    shape = everyone(chunks_of(tmp_path / "map.html"), "parcels")["110101-0007"]["shape"]
    assert shape.normalize().equals_exact(parcel_shape(7).normalize(), QUANTUM)


def test_context_is_drawn_in_degrees_whatever_its_system(results, tmp_path):
    station = shapely.to_wkb(np.array([shapely.Point(448_000, 4_418_000)], dtype=object))
    results.context = (
        ContextLayer("rail_stations", Text("站点", "Stations"), "EPSG:4548", pa.array(station),
                     pa.array(["柳堤"])),
    )  # fmt: skip
    write_map(results, tmp_path / "map.html")
    lon, lat = pyproj.Transformer.from_crs(4548, 4490, always_xy=True).transform(448_000, 4_418_000)
    (told,) = page_data((tmp_path / "map.html").read_text("utf-8"))["context"]
    assert told["anchors"] == [[round(lon, 6), round(lat, 6), "柳堤"]]
    (arrays,) = numbered(chunks_of(tmp_path / "map.html"), "context/rail_stations/shapes")
    (point,) = shapes_of(arrays)
    assert np.allclose([point.x, point.y], [lon, lat], atol=1e-6)


def test_circles_have_the_radius_of_the_rule_and_only_about_stations(page):
    parcels, greens = page_data(page)["subjects"]
    assert [rule["radius"] for rule in parcels["rules"]] == [1000.0, None]
    assert greens["rules"][0]["radius"] is None


# --- many ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Return results of 60 000 parcels in several batches, and their map."""
    results = many_results(60_000)
    path = tmp_path_factory.mktemp("many") / "map.html"
    write_map(results, path)
    return results, path, chunks_of(path)


def test_no_parcel_of_many_is_dropped_or_doubled(many):
    results, _, chunks = many
    table = results.tables["parcels"]
    drawn = sum(len(arrays["parts"]) for arrays in numbered(chunks, "parcels/shapes"))
    assert drawn == 60_000
    parcels = everyone(chunks, "parcels")
    assert set(parcels) == set(table["subject_id"].to_pylist())
    shapes = shapely.from_wkb(table["geom"].to_numpy())
    ids, words = table["subject_id"].to_pylist(), table["t08a_verdict"].to_pylist()
    for i in range(0, 60_000, 601):
        one = parcels[ids[i]]
        assert one["shape"].normalize().equals_exact(shapes[i].normalize(), QUANTUM)
        assert WORDS[one["codes"][0]] == words[i]
        assert one["facts"]["rail_distance_m"] == pytest.approx(table["rail_distance_m"][i].as_py(), abs=1e-4)  # fmt: skip


def test_a_tile_holds_what_is_near_and_its_box_holds_the_tile(many):
    _, path, chunks = many
    boxes = page_data(path.read_text("utf-8"))["subjects"][0]["set"]["boxes"]
    tiles = numbered(chunks, "parcels/shapes")
    assert len(boxes) == len(tiles) == 15
    for (west, south, east, north), arrays in zip(boxes, tiles, strict=True):
        bounds = shapely.total_bounds(np.array(shapes_of(arrays), dtype=object)) / QUANTUM
        assert np.abs(bounds - [west, south, east, north]).max() < 0.6
    areas = [(east - west) * (north - south) for west, south, east, north in boxes]
    whole = np.array(boxes)
    extent = (whole[:, 2].max() - whole[:, 0].min()) * (whole[:, 3].max() - whole[:, 1].min())
    assert sum(areas) < 2.5 * extent


def test_cells_count_every_parcel_once_by_district_and_verdict(many):
    results, path, chunks = many
    subject = page_data(path.read_text("utf-8"))["subjects"][0]
    assert subject["set"]["from"] > 0
    where, counts = chunks["parcels/cells/where"], chunks["parcels/cells/0"]["counts"]
    by_part = counts.reshape(-1, len(WORDS) + 1).astype(int)
    by_district = np.zeros((len(subject["districts"]), len(WORDS) + 1), int)
    np.add.at(by_district, where["district"], by_part)
    assert by_district.tolist() == subject["rules"][0]["counts"]
    assert by_district.sum() == 60_000
    words = results.tables["parcels"]["t08a_verdict"].to_pylist()
    assert by_district.sum(axis=0)[:5].tolist() == [words.count(word) for word in WORDS]


def test_the_search_index_leads_every_id_and_name_to_its_parcel(many):
    results, path, chunks = many
    parcels = everyone(chunks, "parcels")
    by_place = {one["place"]: subject for subject, one in parcels.items()}
    firsts = page_data(path.read_text("utf-8"))["subjects"][0]["search"]
    index = numbered(chunks, "parcels/search")
    assert firsts == [chunk["meta"]["text"][0].lower() for chunk in index]
    ids, names, keys = set(), set(), []
    for chunk in index:
        texts = chunk["meta"]["text"]
        keys += [text.encode().lower() for text in texts]
        for text, place, named in zip(texts, chunk["place"], chunk["named"], strict=True):
            if named:
                names.add(text)
                assert parcels[by_place[int(place)]]["name"] == text
            else:
                ids.add(text)
                assert by_place[int(place)] == text
    assert ids == set(parcels)
    assert names == {n for n in results.tables["parcels"]["名称"].to_pylist() if n}
    assert keys == sorted(keys)


def test_few_features_stay_in_one_file(tmp_path):
    write_map(many_results(MOST_INLINED), tmp_path / "map.html")
    assert [path.name for path in tmp_path.iterdir()] == ["map.html"]


# --- parts ---------------------------------------------------------------------------------------


@given(
    st.lists(
        st.lists(
            st.tuples(st.floats(115, 118, width=32), st.floats(39, 41, width=32)),
            min_size=2,
            max_size=6,
        ),
        max_size=5,
    )
)
def test_packed_paths_never_drift(lines):
    shapes = np.array([*map(shapely.LineString, lines), None], dtype=object)
    arrays = packed(shapes)
    assert arrays["parts"].tolist() == [1] * len(lines) + [0]
    points = np.cumsum(arrays["moves"].reshape(-1, 2), axis=0) + arrays["origin"]
    given_ = np.concatenate([np.empty((0, 2)), *map(np.array, lines)])
    assert np.abs(points * QUANTUM - given_).max(initial=0) <= QUANTUM * 0.51


def test_holes_and_parts_stay_with_their_owner():
    hole = shapely.box(0, 0, 9, 9).difference(shapely.box(1, 1, 2, 2))
    pair = shapely.MultiPolygon([shapely.box(20, 0, 21, 1), shapely.box(30, 0, 39, 9)])
    line = shapely.LineString([(1, 2), (3, 4)])
    shapes = np.array([hole, None, pair, shapely.Point(1, 2), line], dtype=object)
    arrays = packed(shapes)
    assert arrays["parts"].tolist() == [1, 0, 2, 1, 1]
    assert arrays["rings"].tolist() == [2, 1, 1, 0, 0]
    for given_, drawn in zip(shapes, shapes_of(arrays), strict=True):
        assert (given_ is None) == (drawn is None)
        assert given_ is None or drawn.normalize().equals_exact(given_.normalize(), QUANTUM)
    # Outer rings turn against the clock and holes with it, so that holes stay empty when filled.
    outer = shapely.LinearRing(np.cumsum(arrays["moves"].reshape(-1, 2), axis=0)[:4])
    assert outer.is_ccw


def test_empty_geometry_is_not_drawn():
    wkb = pa.array([shapely.to_wkb(shapely.MultiPolygon()), None], pa.binary())
    shapes = degree_shapes(wkb, "EPSG:4490")
    assert list(shapes) == [None, None]
    assert packed(shapes)["parts"].tolist() == [0, 0]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=40))
def test_the_curve_visits_every_point_once(points):
    order = along_a_curve(np.array(points).reshape(-1, 2))
    assert sorted(order.tolist()) == list(range(len(points)))


def test_rows_come_in_the_order_asked_for_whatever_the_batches():
    table = pa.table({"n": range(20)})
    table = pa.concat_tables([table.slice(0, 7), table.slice(7, 0), table.slice(7)])
    order = np.random.default_rng(1).permutation(20)
    rows = [n for part in in_order(table, order, 6) for n in part["n"].to_pylist()]
    assert rows == order.tolist()


def test_single_subjects_are_drawn_once_a_view_holds_few_enough():
    here = np.array([[116.4, 39.9]])
    assert closest_needed(np.repeat(here, MOST_IN_VIEW, axis=0)) == 0
    assert closest_needed(np.repeat(here, MOST_IN_VIEW + 1, axis=0)) == 18
    # Two places a degree apart part company at the zoom whose views are narrower than that:
    # a view is 1024 pixels, 360 / 2 ** (zoom - 2) degrees.
    there = np.repeat(np.array([[116.0, 39.9], [117.4, 39.9]]), MOST_IN_VIEW // 2 + 1, axis=0)
    zoom = closest_needed(there)
    assert 360 / 2 ** (zoom - 2) < 2 * 1.4
    assert closest_needed(np.full((5, 2), np.nan)) == 0


@given(st.lists(st.one_of(st.none(), st.sampled_from(["a", "b"]), st.text(max_size=3)), min_size=1))
def test_coding_loses_nothing(values):
    column = pa.chunked_array([pa.array(values, pa.string())])
    assert opened(coded(column), len(values)) == values


def test_nan_and_infinity_are_no_json_numbers():
    column = pa.chunked_array([pa.array([1.0, float("nan"), float("inf"), 2.0])])
    assert opened(coded(column), 4) == [1.0, None, None, 2.0]


def test_a_number_too_large_for_a_browsers_arrays_is_refused():
    with pytest.raises(ValueError, match="4294967296"):
        chunk_bytes(None, {"n": np.array([0, 2**32])})


# --- base maps -----------------------------------------------------------------------------------


def test_a_base_map_is_on_the_page_only_when_asked_for(results, page):
    asked = build_map(results, basemap=Basemap("tianditu", 'k"</script>')).get_root().render()
    told = page_data(asked)["basemap"]
    assert len(told["urls"]) == 2
    assert all("tianditu.gov.cn" in url and url.endswith("tk={key}") for url in told["urls"])
    assert told["key"] == 'k"</script>' and told["datum"] == "cgcs2000"
    assert asked.count("<script") == asked.count("</script>")
    assert "tianditu" not in page and "basemap" not in page_data(page)


def test_the_web_maps_datum_is_said():
    assert {name: service.datum for name, service in SERVICES.items()} == {
        "tianditu": "cgcs2000", "tianditu-image": "cgcs2000", "amap": "gcj02", "osm": "wgs84",
    }  # fmt: skip


@pytest.mark.parametrize(("name", "word"), [("baidu", "no base map"), ("tianditu", "needs a key")])
def test_a_base_map_that_cannot_be_is_refused(name, word):
    with pytest.raises(GeoUrcError, match=word):
        Basemap(name)


def test_a_feature_column_that_the_table_lacks_is_not_asked_for(results):
    rule = results.layers["parcels"].rules[0]
    fact = replace(rule.facts[0], feature_column="not_there")
    info = replace(results.layers["parcels"], rules=(replace(rule, facts=(fact,)),))
    results.layers["parcels"] = info
    assert build_map(results).get_root().render()
