"""Text out of files is shown and does nothing else, whatever it says and wherever it is shown."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import pytest
import shapely

X0, Y0 = 448_000.0, 4_418_000.0
SCRIPT = "</script><img src=x onerror=window.hacked=1><svg onload=window.hacked=2>"
TEXTS = [
    SCRIPT,
    "{{7*7}} {% raw %} ${window.hacked=3} `${window.hacked=4}` \\u003cb\\u003e \\",
    '=HYPERLINK("http://x.invalid","a")',
    "+1+1",
    "-1+1|cmd",
    "@SUM(1)",
    "../../../evil",
    "\x1b[31mred\x07\x9b2J",
    "\u202eabc\u2066",
    "a;b\nc\td\re",
    "'\"]]>&amp;\u2028",
    "镕㐂𠮷",
    "x" * 1_000_000,
]
N = len(TEXTS)
GUARD = """
import os, sys, tempfile
temp = os.path.realpath(tempfile.gettempdir())
def watch(event, given):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "os.system", "os.exec",
                 "os.posix_spawn", "subprocess.Popen", "webbrowser.open"):
        os.write(2, f"FORBIDDEN {event} {given}\\n".encode("utf-8", "replace"))
sys.addaudithook(watch)
"""
ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028]")


MATHS = SCRIPT + "$x$ \x01"


def quoted(text: str) -> str:
    return json.dumps(text).replace("\x7f", "\\u007f")


OVERLAY = f"""
[facts.green_share]
question = "share_in"
arguments = {{ layer = "green_spaces" }}
unit = "share"
title_zh = {quoted(SCRIPT + TEXTS[2])}
title_en = {quoted(SCRIPT + TEXTS[1])}

[measure]
id = "X01"
document = "toolbox-1.0"
number = "0"
heading = {quoted(SCRIPT)}
title_zh = {quoted(TEXTS[1])}
title_en = {quoted(SCRIPT)}
policy_class = "探索研究"
checked_on = 2026-11-23

[[rules]]
id = "X01"
assess = "spatial"
subject = "parcels"
title_zh = {quoted(SCRIPT + TEXTS[1] + TEXTS[8])}
title_en = {quoted(SCRIPT + TEXTS[7])}
explanation_zh = {quoted(SCRIPT + TEXTS[1])}
explanation_en = {quoted(SCRIPT)}
headline = "near"
results = ["green_share"]
[rules.parameters.near_m]
value = 300
unit = "m"
basis = "reading"
title_zh = {quoted(SCRIPT)}
title_en = {quoted(MATHS)}
source_zh = {quoted(SCRIPT)}
source_en = {quoted(SCRIPT)}
[rules.test]
id = "near"
fact = "rail_distance_m"
at_most = "near_m"
"""


def rename_layer(path: Path, old: str, new: str) -> None:
    """Give a layer a name that GDAL would not write, though it reads it."""
    plain, quote = new.replace('"', '""'), "'" + new.replace("'", "''") + "'"
    with closing(sqlite3.connect(path)) as database, database:
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        for (name,) in database.execute(triggers).fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute(f'ALTER TABLE "{old}" RENAME TO "{plain}"')
        for table in ("gpkg_geometry_columns", "gpkg_contents", "gpkg_ogr_contents"):
            database.execute("PRAGMA foreign_keys = OFF")
            database.execute(f"UPDATE {table} SET table_name = {quote} WHERE table_name = '{old}'")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Write inputs whose every text is hostile: values, ids, columns, layers, files, a rule."""
    folder = tmp_path_factory.mktemp("hostile") / "in <b>&'{{7*7}} 甲"
    folder.mkdir()
    boxes = [shapely.box(X0 + 200 * i, Y0, X0 + 200 * i + 100, Y0 + 100) for i in range(N)]
    named = {f"<b>{SCRIPT[:20]}": TEXTS, "=1+1": TEXTS, 'a"`\n{{7*7}}': TEXTS, "编号": TEXTS}
    parcels = gpd.GeoDataFrame(named, geometry=boxes, crs=4548)
    parcels.to_file(folder / "p' {{7*7}} <img>.gpkg", layer="x", SPATIAL_INDEX="NO")
    rename_layer(folder / "p' {{7*7}} <img>.gpkg", "x", '"<img>../../x; DROP')
    stations = gpd.GeoDataFrame({"名": TEXTS}, geometry=[b.centroid for b in boxes], crs=4548)
    stations.to_file(folder / "=s.gpkg", layer="s")
    gpd.GeoDataFrame({"名": TEXTS}, geometry=boxes, crs=4548).to_file(folder / "g.gpkg")
    (folder / "layers.toml").write_text(
        '[parcels]\nid = "编号"\nfields = { name = "=1+1" }\n'
        '[layers.rail_stations]\npath = "=s.gpkg"\nfields = { name = "名" }\n'
        '[layers.green_spaces]\npath = "g.gpkg"\nid = "名"\nfields = { name = "名" }\n',
        "utf-8",
    )
    (folder / "overlay.toml").write_text(OVERLAY, "utf-8")
    (folder / "guard").mkdir()
    (folder / "guard" / "sitecustomize.py").write_text(GUARD, "utf-8")
    return folder


def geo_urc(folder: Path, *arguments: str, status: tuple[int, ...] = (0,)) -> str:
    """Run the command in a process of its own; return what it said."""
    source = Path(__file__).parents[2]
    path = os.pathsep.join([str(folder / "guard"), str(source)])
    done = subprocess.run(
        [sys.executable, "-c", "from geo_urc.cli.main import main; main()", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        timeout=240,
        check=False,
    )
    told = (done.stdout + done.stderr).decode("utf-8")
    assert done.returncode in status, told[-2000:]
    assert "Traceback" not in told and "FORBIDDEN" not in told
    assert not ACTIVE.search(told), ACTIVE.findall(told)
    return told


@pytest.fixture(scope="module")
def out(place):
    before = set(place.parent.rglob("*"))
    for lang in ("zh", "en"):
        geo_urc(
            place, "screen", "p' {{7*7}} <img>.gpkg", "--layers", "layers.toml", "--out", f"out-{lang}",
            "--rules", "overlay.toml", "--format", "gpkg,csv,parquet", "--lang", lang,
            "--as-of", "2026-11-23", "--only", "X01,T08a,T20",
        )  # fmt: skip
    new = set(place.parent.rglob("*")) - before
    assert {p.relative_to(place).parts[0] for p in new} == {"out-zh", "out-en"}
    return place / "out-zh"


def test_the_users_text_comes_back_as_it_was(out):
    with closing(sqlite3.connect(out / "eligibility.gpkg")) as database:
        for column in ('a"`\n{{7*7}}', "=1+1", "编号"):
            name = column.replace('"', '""')
            rows = database.execute(f'SELECT "{name}" FROM parcels ORDER BY fid').fetchall()
            assert [value for (value,) in rows] == TEXTS
        for (style,) in database.execute("SELECT styleQML FROM layer_styles"):
            ElementTree.fromstring(style)


def test_no_cell_of_a_csv_is_a_formula(out):
    csv.field_size_limit(10_000_000)
    for path in out.rglob("*.csv"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.reader(file):
                for cell in row:
                    assert not re.match(r"[=+@\t\r]|-(?![\d.])", cell), cell[:40]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_pages_hold_no_markup_from_the_data(out, lang):
    for name in ("map.html", "report.html"):
        text = (out.parent / f"out-{lang}" / name).read_text("utf-8")
        assert "<img src=x" not in text and "<svg onload" not in text
        assert "49" not in re.findall(r"\{\{7\*7\}\}|\b49\b(?= \{)", text)


def test_tables_for_excel(out, place):
    openpyxl = pytest.importorskip("openpyxl")
    geo_urc(place, "evidence", "out-zh", "--out", "e.xlsx")
    geo_urc(place, "evidence", "out-zh", "--out", "e.csv")
    cells = [
        cell
        for row in openpyxl.load_workbook(place / "e.xlsx").active.iter_rows()
        for cell in row
        if cell.value is not None
    ]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    assert not any(cell.hyperlink for cell in cells)
    longest = max((str(cell.value) for cell in cells), key=len)
    assert re.search(r"x… \(\d{7}\)$", longest) and len(longest) < 33_000
    csv.field_size_limit(10_000_000)
    with (place / "e.csv").open(encoding="utf-8-sig", newline="") as file:
        values = {cell for row in csv.reader(file) for cell in row}
    assert "'=HYPERLINK" in "".join(value[:11] for value in values if value.startswith("'"))
    assert not any(value.startswith(("=", "+", "@")) for value in values)


def test_the_other_commands(out, place):
    told = geo_urc(place, "explain", "out-zh", TEXTS[7], "--rule", "X01")
    assert "\\x1b[31mred\\x07\\x9b2J" in told
    geo_urc(place, "check", "p' {{7*7}} <img>.gpkg", "--layers", "layers.toml", status=(0, 1))
    geo_urc(place, "check", "p' {{7*7}} <img>.gpkg")
    geo_urc(place, "rules", "show", "T08a", "--rules", "overlay.toml")
    geo_urc(place, "diff", "out-zh", "out-en", "--out", "d.csv")
    geo_urc(place, "verify", "out-zh", status=(0, 1))
    before = set(place.iterdir())
    geo_urc(
        place, "sweep", "p' {{7*7}} <img>.gpkg", "--layers", "layers.toml", "--rules", "overlay.toml",
        "--over", "X01.near_m=100,300", "--out", "swept", "--lang", "en",
    )  # fmt: skip
    assert set(place.iterdir()) - before == {place / "swept"}
    page = (place / "swept" / "sweep.html").read_text("utf-8")
    assert "<img src=x" not in page and "<svg onload" not in page
    for chart in (place / "swept").glob("*.svg"):
        ElementTree.parse(chart)


def test_errors_name_hostile_things_harmlessly(place):
    for arguments in (
        ["screen", "nothing\x1b[2J\u202e.gpkg", "--out", "o"],
        ["explain", "out\x1b]0;x\x07", TEXTS[0]],
        ["screen", "g.gpkg", "--set", "T08a.\x1b[1m=\u202e1", "--out", "o"],
    ):
        assert geo_urc(place, *arguments, status=(2,))
    assert not (place / "o").exists()


def test_a_browser_runs_nothing(out, place):
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None or find_spec("selenium") is None:
            pytest.skip("no Chromium")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        for path in (out / "map.html", out.parent / "out-en" / "map.html", out / "report.html"):
            driver.get(path.as_uri())
            if path.name == "map.html":
                for role in range(driver.execute_script("return document.getElementById('urc-subject').options.length")):  # fmt: skip
                    driver.execute_script(
                        "const s = document.getElementById('urc-subject'); s.value = arguments[0];"
                        "s.dispatchEvent(new Event('change'));", str(role),
                    )  # fmt: skip
                    box = driver.find_element("id", "urc-search")
                    for words in ("img", "HYPERLINK", "{{7"):
                        box.clear()
                        box.send_keys(words)
                        WebDriverWait(driver, 10).until(
                            lambda d: d.execute_script(
                                "return geoUrcApp.panel.words && document.getElementById('urc-found').innerText"
                            )
                        )
                        for button in driver.find_elements("css selector", "#urc-matches button")[
                            :3
                        ]:
                            driver.execute_script("arguments[0].click()", button)
                            WebDriverWait(driver, 10).until(
                                lambda d: d.execute_script(
                                    "return document.querySelector('.urc-popup')"
                                )
                            )
            assert driver.execute_script("return window.hacked ?? null") is None
            assert (
                driver.execute_script("return [...document.images].filter(i => i.onerror).length")
                == 0
            )
            asked = [
                e["message"] for e in driver.get_log("performance")
                if '"Network.requestWillBeSent"' in e["message"] and '"url":"http' in e["message"]
            ]  # fmt: skip
            assert asked == []
    finally:
        driver.quit()


# Files that name addresses


@pytest.fixture
def listener():
    """Listen on this machine; return the port and the list of those who came."""
    came: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        over = threading.Event()

        def wait() -> None:
            while not over.is_set():
                try:
                    came.append(server.accept()[1])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=wait)
        thread.start()
        yield server.getsockname()[1], came
        over.set()
        thread.join()


LINKS = {
    "vrt.geojson": '<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>/vsicurl/{at}/x.geojson'
    "</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>",
    "wfs.xml": "<OGRWFSDataSource><URL>{at}/wfs</URL></OGRWFSDataSource>",
    "a.gml": '<?xml version="1.0"?><wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs" '
    'xmlns:gml="http://www.opengis.net/gml" xmlns:a="http://a/" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://a/ {at}/wfs?'
    'SERVICE=WFS&amp;VERSION=1.0.0&amp;REQUEST=DescribeFeatureType&amp;TYPENAME=a:b">'
    '<gml:featureMember><a:b fid="1"><a:n>q</a:n></a:b></gml:featureMember></wfs:FeatureCollection>',
    "wms.tif": '<GDAL_WMS><Service name="TMS"><ServerUrl>{at}/${{z}}/${{x}}/${{y}}</ServerUrl></Service>'
    "<DataWindow><UpperLeftX>116</UpperLeftX><UpperLeftY>41</UpperLeftY><LowerRightX>117</LowerRightX>"
    "<LowerRightY>39</LowerRightY><SizeX>100</SizeX><SizeY>200</SizeY></DataWindow>"
    "<Projection>EPSG:4326</Projection><BandsCount>1</BandsCount><DataType>Float32</DataType></GDAL_WMS>",
    "raster.vrt": '<VRTDataset rasterXSize="10" rasterYSize="10"><SRS>EPSG:4326</SRS><GeoTransform>116, '
    '.1, 0, 41, 0, -.1</GeoTransform><VRTRasterBand dataType="Float32" band="1"><SimpleSource>'
    "<SourceFilename>/vsicurl/{at}/x.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>",
}


@pytest.mark.parametrize("name", LINKS)
def test_a_file_that_names_an_address_sends_nobody_there(place, listener, name, monkeypatch):
    port, came = listener
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (place / name).write_text(LINKS[name].format(at=f"http://127.0.0.1:{port}"), "utf-8")
    role = "dem" if name in ("wms.tif", "raster.vrt") else "rail_stations"
    (place / "links.toml").write_text(f'[layers.{role}]\npath = "{name}"\n', "utf-8")
    said = geo_urc(
        place, "screen", "g.gpkg", "--layers", "links.toml", "--out", "linked", "--overwrite",
        "--outputs", "gpkg", status=(0, 1, 2),
    )  # fmt: skip
    geo_urc(place, "check", name, status=(0, 1, 2))
    assert said and came == []


def test_the_guard_of_these_tests_would_notice(place):
    code = "import socket; socket.getaddrinfo('127.0.0.1', 1)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(place / "guard")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "FORBIDDEN socket.getaddrinfo" in done.stderr


def test_price_of_hostile_projects(place, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    frame = gpd.GeoDataFrame(
        {"id": TEXTS, "p": [100.0] * N},
        geometry=[shapely.box(X0, Y0, X0 + 9, Y0 + 9)] * N,
        crs=4548,
    )
    frame.to_file(place / "projects.gpkg")
    (place / "projects.toml").write_text(
        '[layers.projects]\npath = "projects.gpkg"\nid = "id"\nfields = { market_price_yuan = "p" }\n',
        "utf-8",
    )
    for ending in ("xlsx", "csv"):
        geo_urc(
            place, "price", "projects.gpkg", "--layers", "projects.toml", "--out", f"price.{ending}"
        )
    sheet = openpyxl.load_workbook(place / "price.xlsx").active
    assert {c.data_type for row in sheet.iter_rows() for c in row if c.value is not None} <= {
        "s",
        "n",
    }
    csv.field_size_limit(10_000_000)
    with (place / "price.csv").open(encoding="utf-8-sig", newline="") as file:
        assert not any(cell.startswith(("=", "+", "@")) for row in csv.reader(file) for cell in row)
