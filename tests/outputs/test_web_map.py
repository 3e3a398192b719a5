from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import folium
import numpy as np
import pyarrow as pa
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.outputs import map_data as map_data_module
from geo_urc.outputs.map_data import coded, map_data
from geo_urc.outputs.map_geometry import QUANTUM, degree_shapes, quantised
from geo_urc.outputs.web_map import build_map, embedded_json, write_map
from geo_urc.results import ContextLayer
from geo_urc.text import Text
from tests.outputs.conftest import COUNT, HOSTILE, UNUSABLE, make_results, parcel_shape


def decoded(path: list[int]) -> np.ndarray:
    return np.cumsum(np.array(path).reshape(-1, 2), axis=0) * QUANTUM


def opened(column: dict, count: int) -> list:
    if "k" in column:
        return [column["k"]] * count
    return [column["d"][code] for code in column["c"]] if "d" in column else column["v"]


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


def test_the_page_loads_nothing_from_outside(page):
    parsed = Page(page)
    assert parsed.loads == []
    assert "img" not in parsed.tags
    css = re.findall(r"<style>.*?</style>", page, flags=re.DOTALL)
    urls = re.findall(r"url\(([^)]*)\)", "".join(css))
    assert all(url.startswith(("data:", "#")) for url in urls)
    assert "sourceMappingURL" not in page
    assert "@import" not in page


def test_other_folium_maps_keep_their_links(results):
    before = list(folium.Map.default_js)
    build_map(results)
    assert folium.Map.default_js == before
    assert "leaflet" in folium.Map(location=[0, 0]).get_root().render()


def test_data_are_never_a_template_or_markup(page):
    assert page.count("<script") == page.count("</script>")
    assert "{{7*7}}" in page
    found = re.search(r'id="urc-data">(.*?)</script>', page, flags=re.DOTALL)
    assert json.loads(found[1])["subjects"][0]["names"]["v"][0] == HOSTILE


def test_same_results_give_the_same_bytes(results, tmp_path):
    write_map(results, tmp_path / "a.html")
    write_map(results, tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_every_subject_is_on_the_page_once_in_order(results):
    parcels, greens = map_data(results, "zh")["subjects"]
    assert parcels["ids"] == [f"110101-{i:04d}" for i in range(COUNT)]
    assert [i for i, shape in enumerate(parcels["shapes"]) if shape is None] == [UNUSABLE]
    assert parcels["verdicts"]["T08a"][:5] == "01234"
    assert parcels["rules"][0]["counts"] == [6, 6, 5, 7, 6, 0]
    assert opened(parcels["facts"]["rail_distance_m"], COUNT)[3] == 300
    assert opened(parcels["reasons"]["T08a"], COUNT)[2] == ["与限值之差小于数据精度", "跨越边界"]
    assert opened(parcels["reasons"]["T08a"], COUNT)[1] == ["未满足条件：到车站的距离"]
    assert greens["rules"][0]["counts"] == [1, 1, 0, 0, 0, 0]


def test_positions_are_degrees_whatever_the_file_has(crs):
    shapes = map_data(make_results(crs), "zh")["subjects"][0]["shapes"]
    ring = decoded(shapes[7][0][0])
    assert shapely.Polygon(ring).normalize().equals_exact(parcel_shape(7).normalize(), QUANTUM)


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
def test_quantised_paths_never_drift(lines):
    shapes = np.array([*map(shapely.LineString, lines), None], dtype=object)
    drawn = quantised(shapes)
    assert drawn[-1] is None
    for line, parts in zip(lines, drawn[:-1], strict=True):
        assert np.abs(decoded(parts[0]) - np.array(line)).max() <= QUANTUM * 0.51


def test_holes_and_parts_stay_with_their_owner():
    hole = shapely.box(0, 0, 9, 9).difference(shapely.box(1, 1, 2, 2))
    pair = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), hole])
    shapes = np.array([hole, None, pair, shapely.Point(1, 2)], dtype=object)
    drawn = quantised(shapes)
    assert [len(part) for part in drawn[0]] == [2]
    assert drawn[1] is None
    assert [len(part) for part in drawn[2]] == [1, 2]
    assert drawn[3] == [[1_000_000, 2_000_000]]


def test_empty_geometry_is_not_drawn():
    wkb = pa.array([shapely.to_wkb(shapely.MultiPolygon()), None], pa.binary())
    assert list(degree_shapes(wkb, "EPSG:4490")) == [None, None]


@given(st.lists(st.one_of(st.none(), st.sampled_from(["a", "b"]), st.text(max_size=3)), min_size=1))
def test_coding_loses_nothing(values):
    column = pa.chunked_array([pa.array(values, pa.string())])
    assert opened(coded(column), len(values)) == values


def test_nan_and_infinity_are_no_json_numbers():
    column = pa.chunked_array([pa.array([1.0, float("nan"), float("inf"), 2.0])])
    assert opened(coded(column), 4) == [1.0, None, None, 2.0]


def test_embedded_json_survives_every_text():
    text = embedded_json({"a": HOSTILE})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": HOSTILE}


def test_many_subjects_become_counts_that_add_up(results, monkeypatch):
    monkeypatch.setattr(map_data_module, "MOST_SINGLE", 20)
    parcels = map_data(results, "zh")["subjects"][0]
    assert "ids" not in parcels
    counts = np.array(parcels["grid"]["counts"]["T08a"]).reshape(-1, 6)
    # All but the parcel without geometry, which was one of the unknown.
    assert counts.sum(axis=0).tolist() == [6, 6, 5, 6, 6, 0]
    assert len(counts) == len(parcels["grid"]["cells"]) // 2


def test_context_is_drawn_in_degrees_whatever_its_system(results):
    station = shapely.to_wkb(np.array([shapely.Point(448_000, 4_418_000)], dtype=object))
    layer = ContextLayer("rail_stations", Text("站点", "Stations"), "EPSG:4548", pa.array(station))
    results.context = (layer,)
    (drawn,) = map_data(results, "zh")["context"]
    lon, lat = pyproj.Transformer.from_crs(4548, 4490, always_xy=True).transform(448_000, 4_418_000)
    assert drawn["role"] == "rail_stations"
    assert np.allclose(np.array(drawn["shapes"][0][0]) * 1e-6, [lon, lat], atol=1e-6)


def test_the_panel_names_what_is_not_drawn(page):
    assert "宗地：1 个图形无法使用，未绘出：110101-0017" in page
    assert "缺少图层 blue_lines：T23" in page
    assert "假定图层在全市完整" in page
