"""The documentation as a site: built without a warning, whole in both languages, and offline."""

from __future__ import annotations

import importlib.util
import os
from html.parser import HTMLParser
from operator import sub
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest

from geo_urc.outputs.palette import LOOKS
from tests.outputs.conftest import need

ROOT = Path(__file__).parents[1]
LANGUAGES = ("zh", "en")
ENGLISH_ONLY = {"architecture"}
"""For those who work on the program."""

pytest.importorskip("sphinx")


def script(name: str) -> ModuleType:
    path = ROOT / "docs" / "site" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"site_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def build() -> ModuleType:
    return script("build")


@pytest.fixture(scope="module")
def screenshots() -> ModuleType:
    return script("screenshots")


@pytest.fixture(scope="module")
def chromium(screenshots):
    pytest.importorskip("selenium")
    without = screenshots.missing("map")
    need(None if without else "chromium", "Chromium with chromedriver")
    with screenshots.browser() as driver:
        yield driver


@pytest.fixture(scope="module")
def site(build, tmp_path_factory) -> Path:
    """Return the site that ``nox -s docs`` has just built, else one of our own."""
    if given := os.environ.get("GEO_URC_SITE"):
        return Path(given).resolve()
    folder = tmp_path_factory.mktemp("site")
    build.build(folder)
    return folder


class Seen(HTMLParser):
    """What a page loads, where it links, and the places in it that can be linked to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "id" in given:
            self.places.add(given["id"])
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") in ("stylesheet", "preload", "prefetch", "icon"):
            self.loads.append(given["href"])
        elif given.get("src"):
            self.loads.append(given["src"])


@pytest.fixture(scope="module")
def seen(site) -> dict[Path, Seen]:
    return {page: Seen(page) for page in sorted(site.rglob("*.html"))}


def test_nothing_is_loaded_from_outside(site, seen):
    for page, found in seen.items():
        for address in found.loads:
            parts = urlsplit(address)
            assert not parts.scheme and not parts.netloc, (page, address)
            assert (page.parent / unquote(parts.path)).is_file(), (page, address)
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert "@import" not in text and "url(http" not in text and "url(//" not in text, sheet


def test_every_link_leads_somewhere(seen):
    count = 0
    for page, found in seen.items():
        for address in found.links:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert target.is_file(), (page, address)
            if parts.fragment and target.suffix == ".html":
                assert unquote(parts.fragment) in seen[target].places, (page, address)
            count += 1
    assert count > 1000


def test_every_page_is_there_in_both_languages(build, site):
    pages = build.pages()
    for lang in LANGUAGES:
        for name in pages[lang]:
            assert (site / lang / f"{name}.html").is_file(), (lang, name)
    missing = {name for name in pages["en"] if name not in pages["zh"]}
    own = {name for name in missing if not name.startswith("decisions/")}
    assert own == ENGLISH_ONLY | {"contributing", "changelog"}


def test_reference_is_made_from_the_program(site, book):
    commands = (site / "zh" / "commands.html").read_text(encoding="utf-8")
    assert 'id="cmdoption-geo-urc-screen-strict"' in commands
    columns = (site / "zh" / "columns.html").read_text(encoding="utf-8")
    assert all(f"{name}</span>" in columns for name in book.facts)
    python = (site / "en" / "python.html").read_text(encoding="utf-8")
    assert 'id="geo_urc.Result.explain"' in python


def test_nothing_tells_of_this_machine(site):
    for path in (*site.rglob("*.html"), *site.rglob("*.js")):
        text = path.read_text(encoding="utf-8")
        assert str(ROOT) not in text and str(Path.home()) not in text, path


def test_languages_lead_to_each_other(site):
    assert 'href="../en/outputs.html"' in (site / "zh" / "outputs.html").read_text("utf-8")
    decision = (site / "en" / "decisions" / "0001-inside.html").read_text("utf-8")
    assert 'href="../../zh/index.html"' in decision


def test_a_place_that_is_not_there_stops_the_build(build, tmp_path, monkeypatch, capfd):
    """Of Sphinx's warnings as of our own: a link to a heading, and one to a file."""
    page = tmp_path / "index.md"
    monkeypatch.setattr(build, "pages", lambda: {"zh": {"index": page}, "en": {"index": page}})
    monkeypatch.setattr(build, "REFERENCE", {})
    page.write_text("# 首页\n\n[x](#nowhere)\n", encoding="utf-8")
    with pytest.raises(SystemExit):
        build.build(tmp_path / "site")
    assert "nowhere" in capfd.readouterr().err
    page.write_text("# 首页\n\n[x](nothing.md)\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"nothing\.md"):
        build.build(tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_another_folder_is_left_alone(build, tmp_path):
    (tmp_path / "thesis.doc").write_bytes(b"x")
    with pytest.raises(SystemExit, match="no site"):
        build.build(tmp_path)
    assert (tmp_path / "thesis.doc").exists()


def test_a_picture_stands_where_it_was_made(build, tmp_path):
    (tmp_path / "map.zh.png").write_bytes(b"png")
    text = "之前\n\n<!-- picture: map | 示例城市的地图 -->\n\n之后\n"
    without = build.Layout("zh", tmp_path / "a", None).converted("x", ROOT / "docs" / "x.md", text)
    assert without.split() == ["之前", "之后"]
    layout = build.Layout("zh", tmp_path / "b", tmp_path)
    with_it = layout.converted("x", ROOT / "docs" / "x.md", text)
    assert "```{figure} pictures/map.zh.png" in with_it and "示例城市的地图" in with_it


@pytest.mark.parametrize(
    ("lang", "query", "page"),
    [
        ("zh", "轨道站点", "measures.html"),
        ("zh", "绿地", "layers.html"),
        ("en", "GCJ", "accuracy.html"),
    ],
)
def test_search_finds_words_without_a_server(chromium, site, lang, query, page):
    from selenium.webdriver.support.ui import WebDriverWait

    chromium.get((site / lang / "search.html").as_uri() + f"?q={query}")
    done = "const s = document.querySelector('.search-summary'); return s && s.innerText"
    WebDriverWait(chromium, 20).until(lambda driver: driver.execute_script(done))
    links = chromium.find_elements("css selector", "#search-results li a")
    found = [link.get_attribute("href") for link in links]
    assert any(f"/{lang}/{page}" in address for address in found), found
    assert [e for e in chromium.get_log("browser") if e["level"] == "SEVERE"] == []


@pytest.fixture(scope="module")
def results(screenshots, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "zh"
    screenshots.screen_sample_city("zh", folder)
    return folder


@pytest.mark.parametrize("picture", ["map", "report", "qgis"])
def test_pictures_are_of_the_program(screenshots, results, tmp_path, picture):
    """A picture shows something: of map and QGIS, plenty of what is eligible and what is not."""
    pillow = pytest.importorskip("PIL.Image")
    need(None if screenshots.missing(picture) else picture, f"what a picture of {picture} needs")
    screenshots.take(picture, "zh", results, tmp_path)
    with pillow.open(tmp_path / f"{picture}.zh.png") as image:
        drawn = image.convert("RGB")
    assert drawn.width > 1000 and drawn.height > 600
    colours = {colour for _, colour in drawn.getcolors(maxcolors=drawn.width * drawn.height)}
    assert len(colours) > 50
    if picture != "report":
        for word in ("eligible", "ineligible"):
            wanted = tuple(bytes.fromhex(LOOKS[word].colour.removeprefix("#")))
            near = [c for c in colours if max(map(abs, map(sub, c, wanted))) < 40]
            assert near, word


def test_every_place_for_a_picture_has_one(build, screenshots):
    """What pages ask for is what the script takes."""
    text = "".join(path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md"))
    asked = {name.partition("-")[0] for name, _ in build._PICTURE.findall(text)}
    assert asked == set(screenshots.NEEDS)
