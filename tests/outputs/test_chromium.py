"""The map page in a real browser that can reach nothing."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from geo_urc.outputs import map_data as map_data_module
from geo_urc.outputs.web_map import write_map
from tests.outputs.conftest import COUNT, HOSTILE, make_results, need

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


def opened(driver, path: Path, lang: str = "zh") -> None:
    write_map(make_results("EPSG:4548"), path, lang)
    driver.get(path.as_uri())


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


def seek(driver, words: str) -> None:
    box = driver.find_element("id", "urc-search")
    box.clear()
    box.send_keys(words)


def colours(driver) -> set[tuple[int, ...]]:
    """Return the opaque colours that cover at least a hundred pixels of the drawing."""
    found = driver.execute_script(
        "const c = document.querySelector('.leaflet-overlay-pane canvas');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, n = {};"
        "for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 200) {"
        " const k = [d[i], d[i + 1], d[i + 2]].join(); n[k] = (n[k] || 0) + 1; }"
        "return Object.entries(n).filter(([, count]) => count > 100).map(([k]) => k)"
    )
    return {tuple(map(int, colour.split(","))) for colour in found}


def near(found: set[tuple[int, ...]], wanted: tuple[int, int, int]) -> bool:
    return any(max(abs(a - b) for a, b in zip(colour, wanted, strict=True)) < 6 for colour in found)


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
    found = colours(page)
    for colour in ((0, 158, 115), (213, 94, 0), (240, 228, 66), (140, 140, 140), (230, 230, 230)):
        assert near(found, colour)
    legend = text(page, "#urc-legend").split()
    assert legend == [
        *("✓", "符合", "6"),
        *("✗", "不符合", "6"),
        *("!", "需人工研判", "5"),
        *("?", "资料不足", "7"),
        *("–", "不适用", "6"),
    ]


def test_a_click_explains_the_verdict(page):
    click_first_parcel(page)
    said = text(page, ".urc-popup")
    assert said.startswith(FIRST)
    for part in (
        "符合 · T08a",
        "到车站的距离",
        "0 米（限值 ≤ 1000 米）",
        "余量",
        "1000 米",
        "1.41 米",
        "东单",
        "第8条",
        "全面实施",
        "radius_m = 1000.0",
        "资料不足 · T23",
    ):
        assert part in said


def test_text_from_the_data_is_shown_and_never_run(page):
    click_first_parcel(page)
    seek(page, "img src")
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
    assert text(page, "#urc-found") == "找到 10 个"
    seek(page, "110101-0028")
    assert text(page, "#urc-found") == "找到 1 个"
    page.find_element("id", "urc-search").send_keys(Keys.ENTER)
    assert text(page, ".urc-popup h2") == "110101-0028 宗地28号"


def test_a_parcel_without_geometry_can_still_be_asked(page):
    seek(page, "110101-0017")
    page.find_element("css selector", "#urc-matches button").click()
    said = text(page, ".urc-popup")
    assert "图形无法使用" in said
    assert "资料不足 · T08a" in said


def test_another_rule_changes_colours_legend_and_source(page):
    choose(page, "urc-rule", 1)
    page.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    found = colours(page)
    assert near(found, (140, 140, 140))
    assert not near(found, (0, 158, 115))
    assert text(page, "#urc-legend").split()[-5:-3] == ["资料不足", str(COUNT)]
    assert "blue_lines" in text(page, "#urc-about")


def test_a_verdict_can_be_hidden_and_cannot_be_clicked_then(page):
    page.find_element("css selector", "#urc-legend input").click()
    page.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    assert not near(colours(page), (0, 158, 115))
    click_first_parcel(page)
    assert text(page, ".urc-popup") == ""


def test_another_subject_takes_over(page):
    choose(page, "urc-subject", 1)
    assert text(page, "#urc-rule").strip() == "T20 绿地地下空间"
    seek(page, "green_spaces-2")
    page.find_element("css selector", "#urc-matches button").click()
    said = text(page, ".urc-popup")
    assert "35.00%（限值 ≤ 0.3）" in said
    assert "-5.00%" in said


def test_controls_have_names_for_a_screen_reader(page):
    unnamed = page.execute_script(
        "return [...document.querySelectorAll('select, input, button, a')]"
        ".filter(e => !e.labels?.length && !e.innerText && !e.ariaLabel && !e.title)"
        ".map(e => e.outerHTML)"
    )
    assert unnamed == []


def test_a_narrow_screen_shows_map_and_panel(chromium, tmp_path):
    chromium.set_window_size(500, 800)
    try:
        opened(chromium, tmp_path / "map.html")
        inner = chromium.execute_script("return [innerWidth, document.body.scrollWidth]")
        size = chromium.execute_script(
            "const r = s => document.querySelector(s).getBoundingClientRect();"
            "const m = r('.folium-map'), p = r('.urc-panel');"
            "return [m.width, m.height, p.width, p.height, p.top - m.bottom]"
        )
    finally:
        chromium.set_window_size(1200, 800)
    assert inner[1] <= inner[0]
    assert min(size[:4]) > 200
    assert abs(size[4]) < 2


def test_counts_are_shown_when_there_are_too_many(chromium, tmp_path, monkeypatch):
    monkeypatch.setattr(map_data_module, "MOST_SINGLE", 20)
    opened(chromium, tmp_path / "map.html")
    assert chromium.get_log("browser") == []
    note = text(chromium, "#urc-grid")
    assert note.startswith("30 个对象按约 250 米格网汇总显示")
    assert "eligibility.gpkg" in note
    assert not chromium.find_element("id", "urc-search").is_enabled()
    click_first_parcel(chromium)
    assert text(chromium, ".urc-popup").startswith("格内")


def test_english_page_has_no_chinese_controls(chromium, tmp_path):
    opened(chromium, tmp_path / "map.html", "en")
    panel = text(chromium, "#urc-legend") + text(chromium, ".urc-panel h1")
    assert "eligible" in panel
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in panel)
