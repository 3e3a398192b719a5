"""The map page in a real browser that can reach nothing."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from geo_urc.outputs import web_map
from geo_urc.outputs.web_map import build_map, write_map
from tests.outputs.conftest import COUNT, HOSTILE, make_results, many_results, need

FIRST = "110101-0000"


@pytest.fixture(scope="module")
def chromium():
    need(shutil.which("chromium"), "Chromium")
    need(shutil.which("chromedriver"), "chromedriver")
    need("selenium" if find_spec("selenium") else None, "selenium")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--window-size=1200,800",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


def opened(driver, path: Path, lang: str = "zh", **options) -> None:
    write_map(make_results("EPSG:4548"), path, lang, **options)
    shown(driver, path.as_uri())


def shown(driver, address: str) -> None:
    """Open a page anew and wait until all in view is drawn."""
    driver.get("about:blank")
    driver.get_log("browser")
    driver.get(address)
    drawn(driver)


def drawn(driver) -> None:
    until(driver, "return Boolean(geoUrcApp.picture.above._map)")  # the context comes last
    driver.set_script_timeout(20)
    said = driver.execute_async_script(
        "const done = arguments[0];"
        "Promise.all([geoUrcApp.picture.repaint(), geoUrcApp.picture.repaintContext()])"
        ".then(() => done(''), (error) => done(String(error)))"
    )
    assert said == ""


def until(driver, script: str):
    """Return what a script returns once that is true."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, 10, 0.05).until(lambda d: d.execute_script(script))


def popup(driver) -> str:
    return until(driver, "return document.querySelector('.urc-popup')?.innerText")


def found(driver) -> str:
    """Return what is said of a search, when it is over."""
    return until(
        driver,
        "const s = document.getElementById('urc-found').innerText; return s.startsWith('找到') && s",
    )


@pytest.fixture
def page(chromium, tmp_path):
    opened(chromium, tmp_path / "地图.html")
    return chromium


def text(driver, css: str) -> str:
    return driver.execute_script(f"return document.querySelector('{css}')?.innerText ?? ''")


def choose(driver, select: str, place: int) -> None:
    driver.execute_script(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
        "s.dispatchEvent(new Event('change'));",
        select,
        str(place),
    )


def legend(driver) -> dict[str, int]:
    """Return verdict → number in the legend."""
    words = text(driver, "#urc-legend").replace(",", "").split()
    return dict(zip(words[1::3], map(int, words[2::3]), strict=True))


def seek(driver, words: str) -> None:
    box = driver.find_element("id", "urc-search")
    box.clear()
    box.send_keys(words)


def colours(driver) -> set[tuple[int, ...]]:
    """Return the opaque colours that cover at least a hundred pixels of the drawing."""
    counted = driver.execute_script(
        "const n = {};"
        "for (const c of document.querySelectorAll('.leaflet-subjects-pane canvas')) {"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 200) {"
        "  const k = [d[i], d[i + 1], d[i + 2]].join(); n[k] = (n[k] || 0) + 1; } }"
        "return Object.entries(n).filter(([, count]) => count > 100).map(([k]) => k)"
    )
    return {tuple(map(int, colour.split(","))) for colour in counted}


def near(colours_: set[tuple[int, ...]], wanted: tuple[int, int, int]) -> bool:
    return any(
        max(abs(a - b) for a, b in zip(colour, wanted, strict=True)) < 6 for colour in colours_
    )


def click_first_parcel(driver) -> None:
    """Click where the first parcel (bottom left) is drawn."""
    from selenium.webdriver.common.action_chains import ActionChains

    x, y = driver.execute_script(
        "const p = map_geo_urc.latLngToContainerPoint([39.90075, 116.40075]);"
        "const r = map_geo_urc.getContainer().getBoundingClientRect();"
        "return [p.x + r.left, p.y + r.top]"
    )
    actions = ActionChains(driver)
    actions.w3c_actions.pointer_action.move_to_location(int(x), int(y)).click()
    actions.perform()


def test_no_error_and_no_request_leaves_the_file(page):
    assert page.get_log("browser") == []
    asked = [
        entry["message"]
        for entry in page.get_log("performance")
        if '"Network.requestWillBeSent"' in entry["message"] and '"url":"http' in entry["message"]
    ]
    assert asked == []


def test_five_verdicts_are_drawn_in_the_colours_of_the_legend(page):
    drawn_in = colours(page)
    for colour in ((0, 158, 115), (213, 94, 0), (240, 228, 66), (140, 140, 140), (230, 230, 230)):
        assert near(drawn_in, colour)
    assert legend(page) == {"符合": 6, "不符合": 6, "需人工研判": 5, "资料不足": 7, "不适用": 6}
    assert text(page, "#urc-legend").split()[0] == "✓"


def test_what_passes_and_what_fails_differs_without_colour(page):
    """Beside colour there is a pattern: swatches of the legend differ in grey, pixel by pixel."""
    greys = page.execute_script(
        "return [...document.querySelectorAll('#urc-legend canvas')].map(c => {"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " const s = new Set(); for (let i = 0; i < d.length; i += 4)"
        "  s.add(Math.round((d[i] + d[i + 1] + d[i + 2]) / 60)); return s.size; })"
    )
    assert greys[0] == greys[4] == 1
    assert min(greys[1:4]) > 1


def test_a_click_explains_the_verdict(page):
    click_first_parcel(page)
    said = popup(page)
    assert said.startswith(FIRST)
    for part in (
        "宗地 · 东城区",
        "T08a 轨道站点周边",
        "到车站的距离",
        "0 米（限值 ≤ 1000 米）",
        "与限值之差",
        "1000 米",
        "1.41 米",
        "东单",
        "第8条",
        "全面实施",
        "radius_m = 1000.0",
        "T23 蓝线内便民设施",
    ):
        assert part in said


def test_a_popup_tells_what_would_change_the_verdict(chromium, tmp_path):
    def outlook_of(table, info, rule, record, lang):
        """Word number 0 with two ways and a number of its own, all others not at all."""
        import numpy as np

        from geo_urc.outlook import Outlook, Outlooks

        said = Outlook("怎样才符合", "任选其一", (("移近 \x000\x00 米",), ("甲", "乙")))
        of = np.arange(table.num_rows) % 2
        numbers = [[np.arange(len(of) // 2) + 0.125], []]
        return Outlooks([said, None], of, numbers)

    opened(chromium, tmp_path / "map.html", outlook_of=outlook_of)
    place = chromium.execute_async_script(
        "const done = arguments[0]; geoUrcApp.goTo(4).then(() => done(4))"
    )
    assert place == 4
    said = popup(chromium)
    assert "怎样才符合" in said and "任选其一" in said
    assert "移近 2.125 米" in said and "甲；乙" in said


def test_text_from_the_data_is_shown_and_never_run(page):
    click_first_parcel(page)
    popup(page)
    seek(page, "img src")
    found(page)
    for css in (".urc-popup h2", "#urc-matches"):
        assert "<img src=x onerror=" in text(page, css)
    assert page.execute_script("return window.hacked ?? null") is None
    assert page.execute_script("return document.images.length") == 0
    assert page.execute_script("return document.querySelector('.urc-popup h2').textContent") == (
        f"{FIRST} {HOSTILE}"
    )


def test_search_finds_by_id_and_name_and_goes_there_by_keyboard(page):
    from selenium.webdriver.common.keys import Keys

    seek(page, "宗地1")  # 10–19; number 1 has another name
    assert found(page) == "找到 10 个"
    box = page.find_element("id", "urc-search")
    box.send_keys(Keys.ARROW_DOWN, Keys.NULL)
    first = page.switch_to.active_element
    assert first.text == "110101-0010 宗地10号"
    first.send_keys(Keys.ARROW_DOWN)
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert popup(page).startswith("110101-0011 宗地11号")
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert until(page, "return !document.querySelector('.urc-popup')")
    seek(page, "110101-0028")
    until(page, "return document.getElementById('urc-found').innerText === '找到 1 个'")
    page.find_element("id", "urc-search").send_keys(Keys.ENTER)
    assert popup(page).startswith("110101-0028 宗地28号")


def test_the_map_is_used_by_keyboard_alone(page):
    from selenium.webdriver.common.keys import Keys

    page.execute_script("map_geo_urc.setView([39.90075, 116.40075], 17, {animate: false})")
    drawn(page)
    box = page.find_element("css selector", ".folium-map")
    box.send_keys(Keys.ENTER)
    assert popup(page).startswith(FIRST)
    assert page.execute_script("return document.activeElement.getAttribute('role')") == "dialog"
    assert page.execute_script("return document.activeElement.getAttribute('aria-label')").startswith(FIRST)  # fmt: skip
    assert text(page, "#urc-say") == f"{FIRST} 符合"
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    until(page, "return document.activeElement.classList.contains('folium-map')")
    before = page.execute_script("return map_geo_urc.getCenter().lng")
    page.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    until(page, f"return map_geo_urc.getCenter().lng > {before} + 1e-6")


def test_a_parcel_without_geometry_can_still_be_asked(page):
    seek(page, "110101-0017")
    found(page)
    page.find_element("css selector", "#urc-matches button").click()
    said = popup(page)
    assert "图形无法使用" in said
    assert "资料不足" in said


def test_another_rule_changes_colours_legend_and_source(page):
    choose(page, "urc-rule", 1)
    drawn(page)
    drawn_in = colours(page)
    assert near(drawn_in, (140, 140, 140))
    assert not near(drawn_in, (0, 158, 115))
    assert legend(page)["资料不足"] == COUNT
    assert "蓝线" in text(page, "#urc-about")


def test_a_verdict_can_be_hidden_and_cannot_be_clicked_then(page):
    page.find_element("css selector", "#urc-legend input").click()
    drawn(page)
    assert not near(colours(page), (0, 158, 115))
    assert text(page, "#urc-seen") == "筛选后 24 个，共 30 个"
    click_first_parcel(page)
    assert until(page, "return document.getElementById('urc-say').innerText") == "此处没有对象"
    assert text(page, ".urc-popup") == ""


def test_the_legend_counts_what_the_district_leaves(page):
    names = page.execute_script(
        "return [...document.getElementById('urc-district').options].map(o => o.text)"
    )
    assert names == ["全部", "（不明）", "东城区", "西城区"]
    choose(page, "urc-district", 2)  # the places of ["", 东城区, 西城区]
    assert legend(page) == {"符合": 2, "不符合": 2, "需人工研判": 2, "资料不足": 2, "不适用": 1}
    assert text(page, "#urc-seen") == "筛选后 9 个，共 30 个"
    drawn(page)
    click_first_parcel(page)  # of Dongcheng
    assert until(page, "return document.getElementById('urc-say').innerText") == "此处没有对象"


def test_a_link_restores_view_rule_filter_and_parcel(page):
    choose(page, "urc-rule", 1)
    choose(page, "urc-district", 1)
    page.find_element("css selector", "#urc-legend input[data-verdict='2']").click()
    page.execute_script("map_geo_urc.setView([39.9012, 116.4012], 17, {animate: false})")
    drawn(page)
    page.execute_script("geoUrcApp.asked(L.latLng(39.90075, 116.40075))")
    popup(page)
    address = until(page, "return location.hash.includes('&o=') && location.href")
    shown(page, address)
    assert popup(page).startswith(FIRST)
    state = page.execute_script(
        "const s = geoUrcApp.state, c = map_geo_urc.getCenter();"
        "return [s.rule.id, s.district, [...s.shown].join(), s.selected,"
        " c.lat.toFixed(4), c.lng.toFixed(4), map_geo_urc.getZoom()]"
    )
    assert state == ["T23", 1, "0,1,3,4,5", FIRST, "39.9012", "116.4012", 17]
    assert page.execute_script("return document.getElementById('urc-rule').value") == "1"
    assert not page.find_element(
        "css selector", "#urc-legend input[data-verdict='2']"
    ).is_selected()


def test_measuring_agrees_with_the_ellipsoid(page):
    import pyproj

    page.find_element("id", "urc-measure").click()
    corners = [(116.401, 39.901), (116.408, 39.901), (116.408, 39.907)]
    for lon, lat in corners:
        page.execute_script(f"geoUrcApp.asked(L.latLng({lat}, {lon}))")
    said = page.execute_script(
        "return [urcLength(geoUrcApp.measure.points), urcArea(geoUrcApp.measure.points)]"
    )
    geod = pyproj.Geod(ellps="GRS80")
    lons, lats = zip(*corners, strict=True)
    assert said[0] == pytest.approx(geod.line_length(lons, lats), rel=1e-5)
    assert said[1] == pytest.approx(abs(geod.polygon_area_perimeter(lons, lats)[0]), rel=1e-4)
    assert text(page, "#urc-measured").startswith("长度 1.26")
    page.find_element("id", "urc-measure").click()
    assert not page.find_element("id", "urc-measured").is_displayed()


def test_the_printed_sheet_has_title_legend_date_and_rulebook(page, tmp_path):
    import base64
    import subprocess

    need(shutil.which("pdftotext"), "poppler-utils")
    page.find_element("css selector", "#urc-legend input").click()  # what is hidden is not printed
    page.execute_script("window.print = () => { window.printed = true; };")
    page.find_element("id", "urc-print").click()
    until(page, "return window.printed")
    sheet = page.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    (tmp_path / "a.pdf").write_bytes(base64.b64decode(sheet["data"]))
    said = subprocess.run(
        ["pdftotext", "-layout", str(tmp_path / "a.pdf"), "-"], capture_output=True, text=True, check=True
    ).stdout  # fmt: skip
    assert said.count("\f") == 1  # one page
    words = "".join(said.split())
    for part in (
        "城市更新政策适用性地图",
        "2026-11-22",
        "2026.11",
        "T08a轨道站点周边",
        "不符合6",
        "第8条",
    ):
        assert part in words
    assert "✓" not in words and "按编号或名称查找" not in words
    page.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert page.execute_script("return document.body.classList.contains('urc-printing')") is False


def test_another_subject_takes_over(page):
    choose(page, "urc-subject", 1)
    assert text(page, "#urc-rule").strip() == "T20 绿地地下空间"
    seek(page, "green_spaces-2")
    found(page)
    page.find_element("css selector", "#urc-matches button").click()
    said = popup(page)
    assert "35.00%（限值 ≤ 0.3）" in said
    assert "-5.00%" in said


def test_controls_have_names_for_a_screen_reader(page):
    unnamed = page.execute_script(
        "return [...document.querySelectorAll('select, input, button, a, [tabindex]')]"
        ".filter(e => !e.labels?.length && !e.innerText && !e.ariaLabel && !e.title)"
        ".map(e => e.outerHTML)"
    )
    assert unnamed == []


def test_a_narrow_screen_shows_map_and_panel(chromium, tmp_path):
    chromium.set_window_size(500, 800)
    try:
        opened(chromium, tmp_path / "map.html")
        inner = chromium.execute_script("return [innerWidth, document.body.scrollWidth]")
        measure = (
            "const r = s => document.querySelector(s).getBoundingClientRect();"
            "const m = r('.folium-map'), p = r('.urc-panel');"
            "return [m.width, m.height, p.width, p.height, p.top - m.bottom]"
        )
        size = chromium.execute_script(measure)
        chromium.find_element("id", "urc-toggle").click()
        folded = chromium.execute_script(measure)
        state = chromium.find_element("id", "urc-toggle").get_attribute("aria-expanded")
    finally:
        chromium.set_window_size(1200, 800)
    assert inner[1] <= inner[0]
    assert min(size[:4]) > 200
    assert abs(size[4]) < 2
    assert folded[1] > size[1] + 100 and abs(folded[4]) < 2
    assert state == "false"


def test_english_page_has_no_chinese_controls(chromium, tmp_path):
    opened(chromium, tmp_path / "map.html", "en")
    panel = text(chromium, "#urc-legend") + text(chromium, ".urc-panel h1")
    panel += text(chromium, ".urc-tools") + text(chromium, "#urc-seen")
    assert "eligible" in panel
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in panel)


def test_a_notebook_shows_the_same_map(chromium, tmp_path):
    """A notebook puts folium's map into a frame that has no address of its own."""
    path = tmp_path / "notebook.html"
    framed = build_map(make_results())._repr_html_()
    path.write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{framed}", "utf-8")
    chromium.get("about:blank")
    chromium.get_log("browser")
    chromium.get(path.as_uri())
    chromium.switch_to.frame(chromium.find_element("tag name", "iframe"))
    try:
        drawn(chromium)
        assert near(colours(chromium), (0, 158, 115))
        seek(chromium, "110101-0028")
        until(chromium, "return document.getElementById('urc-found').innerText === '找到 1 个'")
        chromium.find_element("css selector", "#urc-matches button").click()
        assert popup(chromium).startswith("110101-0028")
    finally:
        chromium.switch_to.default_content()
    assert chromium.get_log("browser") == []


def test_without_what_it_needs_the_page_says_so(chromium, tmp_path):
    path = tmp_path / "map.html"
    write_map(make_results(), path)
    old = path.read_text("utf-8").replace(
        "<head>", "<head><script>delete window.DecompressionStream;</script>", 1
    )
    path.write_text(old, "utf-8")
    chromium.get(path.as_uri())
    assert "浏览器过旧" in text(chromium, "#urc-broken")


# --- many, in a folder ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("many") / "地图.html"
    write_map(many_results(60_000), path)
    return path


def test_many_are_counted_in_cells_and_drawn_one_by_one_when_near(chromium, many):
    shown(chromium, many.as_uri())
    assert chromium.get_log("browser") == []
    assert "按格网汇总" in text(chromium, "#urc-far")
    assert sum(legend(chromium).values()) == 60_000
    assert near(colours(chromium), (0, 158, 115))
    chromium.execute_script("geoUrcApp.asked(map_geo_urc.getCenter())")
    assert popup(chromium).startswith("格内")
    chromium.find_element("css selector", ".urc-popup .urc-button").click()
    until(chromium, "return document.getElementById('urc-far').hidden")
    drawn(chromium)
    # In the middle of a parcel: 0.0004 degrees from its corner, a thousandth apart.
    chromium.execute_script(
        "const c = map_geo_urc.getCenter(), at = x => Math.floor(x * 1000) / 1000 + 0.0004;"
        "map_geo_urc.setView([at(c.lat), at(c.lng)], 18, {animate: false})"
    )
    drawn(chromium)
    chromium.execute_script("geoUrcApp.asked(map_geo_urc.getCenter())")
    assert popup(chromium).startswith("PQ")


def test_cells_follow_the_filter(chromium, many):
    shown(chromium, many.as_uri())
    for verdict in range(1, 5):
        chromium.find_element(
            "css selector", f"#urc-legend input[data-verdict='{verdict}']"
        ).click()
    drawn(chromium)
    drawn_in = colours(chromium)
    assert near(drawn_in, (0, 158, 115))
    assert not near(drawn_in, (213, 94, 0))
    choose(chromium, "urc-district", 0)
    drawn(chromium)
    chromium.execute_script("geoUrcApp.asked(L.latLng(39.9, 116.4))")  # of the other district
    assert until(chromium, "return document.getElementById('urc-say').innerText") == "此处没有对象"


def test_any_of_many_is_found_by_id_name_and_part_of_it(chromium, many):
    shown(chromium, many.as_uri())
    for wanted in ("PQ000000", "pq031337", "PQ059999"):
        seek(chromium, wanted)
        until(chromium, "return document.getElementById('urc-found').innerText === '找到 1 个'")
        chromium.find_element("css selector", "#urc-matches button").click()
        assert until(chromium, f"return geoUrcApp.state.selected === '{wanted.upper()}'")
    seek(
        chromium, "院7"
    )  # 院7, 院70–79 and all 700s there are none of: 11 of 500 names, each of 40
    assert until(chromium, "const s = document.getElementById('urc-found').innerText; return s.startsWith('找到 4') && s") == "找到 440 个，列出前 20 个"  # fmt: skip
    seek(chromium, "31337")
    until(chromium, "return document.getElementById('urc-found').innerText === '找到 0 个'")
    chromium.find_element("id", "urc-everywhere").click()
    until(chromium, "return document.getElementById('urc-found').innerText === '找到 1 个'")
    assert "PQ031337" in text(chromium, "#urc-matches")


def test_a_folder_that_was_left_behind_is_told(chromium, many, tmp_path):
    alone = tmp_path / "map.html"
    shutil.copy(many, alone)
    chromium.get("about:blank")
    chromium.get(alone.as_uri())
    seek(chromium, "PQ000001")
    said = until(chromium, "return document.getElementById('urc-broken').innerText")
    assert web_map.FOLDER in said and "一起复制" in said


# --- base maps ------------------------------------------------------------------------------------


def test_pictures_in_gcj02_are_put_where_they_belong(chromium, tmp_path):
    from geo_urc.inputs.datum import shift
    from geo_urc.outputs.basemaps import Basemap

    opened(chromium, tmp_path / "map.html", basemap=Basemap("amap", "k"))
    for lon, lat in ((116.4, 39.9), (115.9, 40.4), (117.2, 39.7)):
        moved = chromium.execute_script(
            f"const m = urcGcj02(L.latLng({lat}, {lon})); return [m.lng, m.lat]"
        )
        there = shift([lon], [lat], "wgs84", "gcj02")
        assert moved == pytest.approx([float(there[0][0]), float(there[1][0])], abs=1e-9)
        # Also after moving at one zoom: the pixel of the picture at the centre of the view.
        chromium.execute_script(f"map_geo_urc.setView([{lat}, {lon}], 15, {{animate: false}})")
        at = chromium.execute_script(
            "const layer = geoUrcApp.basemap.layers[0], level = layer._levels[15];"
            "const pane = L.DomUtil.getPosition(map_geo_urc.getPane('mapPane'));"
            "const m = new DOMMatrix(getComputedStyle(level.el).transform);"
            "const own = L.point(m.m41, m.m42), size = map_geo_urc.getSize();"
            "const pixel = level.origin.add(size.divideBy(2)).subtract(pane).subtract(own);"
            "const place = map_geo_urc.unproject(pixel, 15); return [place.lng, place.lat]"
        )
        assert at == pytest.approx(moved, abs=4.3e-5)  # a pixel


def test_pictures_in_the_datas_own_datum_stay(chromium, tmp_path):
    from geo_urc.outputs.basemaps import Basemap

    opened(chromium, tmp_path / "map.html", basemap=Basemap("tianditu", "k&=1"))
    assert chromium.execute_script("return geoUrcApp.basemap.layers.length") == 2
    assert not chromium.execute_script(
        "return geoUrcApp.basemap.layers[0] instanceof UrcShiftedTiles"
    )
    asked = chromium.execute_script("return document.querySelector('.leaflet-tile-pane img').src")
    assert "tianditu.gov.cn" in asked and asked.endswith("tk=k%26%3D1")
