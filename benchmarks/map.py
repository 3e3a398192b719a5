"""How soon does the map page show its first picture, next to a plain folium map of 5,000?

python benchmarks/map.py --parcels 5000,100000,1000000 --rounds 3

Makes a city for each size, screens it and writes the map; opens all pages in Chromium from file:// with the
network cut, one after another and round by round, each in a browser of its own. The plain map is what folium
makes of 5,000 parcels, its Leaflet inlined so that it opens at all. Needs chromium, chromedriver and selenium,
and /proc for the memory of a tab.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import city

HERE = Path(__file__).parent
PLAIN_PARCELS = 5_000
RULES = "T08a,T12,T18,T20,T23"
AS_OF = "2026-11-24"

# A picture is there when the subjects in view are drawn and the browser has put two frames on the screen;
# the whole of it when the context is drawn, too.
DRAWN = """
const [whole, done] = arguments;
(function look() {
  const ours = window.geoUrcApp?.picture;
  const busy = (layer) => !layer._map || layer.isLoading();
  if (window.L === undefined || (ours && (busy(ours.subjects) || (whole && (busy(ours.below) || busy(ours.above))))))
    return void setTimeout(look, 5);
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())));
})();
"""
# The pauses between frames while the map is pushed about, in milliseconds.
PAN = """
const done = arguments[0], map = Object.values(window).find((v) => v instanceof L.Map), pauses = [];
let last = performance.now(), on = true;
(function frame(now) { pauses.push(now - last); last = now; if (on) requestAnimationFrame(frame); })(last);
let pushes = 0;
(function push() {
  if (pushes++ === 8) { on = false; return void done(pauses.slice(2).sort((a, b) => a - b)); }
  map.once("moveend", () => setTimeout(push, 60)).panBy([pushes % 4 < 2 ? 350 : -350, 120], { duration: 0.25 });
})();
"""


def make_page(folder: Path, parcels: int, seed: int) -> dict[str, Any]:
    """Write the map of a city in a process of its own; return what that took."""
    place = folder / f"city-{parcels}-{seed}"
    if not (place / "shared-parquet.toml").exists():
        city.make_city(place, parcels, seed, formats=("parquet",))
    done = subprocess.run(
        [sys.executable, __file__, "--write", str(place), str(folder / f"map-{parcels}")],
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def write(place: Path, out: Path) -> None:
    """Screen a city and write its map; print how long each phase took, and memory."""
    import datetime as dt

    from geo_urc.command import Command
    from geo_urc.run import request_for, run

    class Clock:
        def __init__(self) -> None:
            self.phases: list[tuple[str, float, float]] = []

        def phase(self, title: Any, subjects: int | None = None) -> None:
            self.phases.append((title.en, time.perf_counter(), anonymous_mb()))

        def done(self, subjects: int) -> None:
            pass

    shutil.rmtree(out, ignore_errors=True)
    asked = Command(
        str(place / "parcels.parquet"), dt.date.fromisoformat(AS_OF), ("map",), ("gpkg",),
        str(place / "shared-parquet.toml"), only=tuple(RULES.split(",")),
    )  # fmt: skip
    clock = Clock()
    run(asked.inputs(), asked.book(), request_for(asked, out), clock)
    clock.phase(type("End", (), {"en": "end"}))
    starts = {title: (at, memory) for title, at, memory in clock.phases}
    begun, before = starts["Drawing the map"]
    files = [file for file in out.rglob("*") if file.is_file() and file.name != "run.json"]
    print(
        json.dumps(
            {
                "written_s": round(starts["Saving"][0] - begun, 2),
                "memory_before_mb": before,
                "peak_mb": peak_anonymous_mb,
                "page_mb": round((out / "map.html").stat().st_size / 1e6, 2),
                "all_mb": round(sum(file.stat().st_size for file in files) / 1e6, 1),
                "files": len(files),
            }
        )
    )


peak_anonymous_mb = 0


def anonymous_mb(pid: str = "self") -> int:
    """Return the memory of a process that is no file's, in MB: of mapped files the system may drop pages."""
    found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) // 1024 if found else 0


def watch() -> None:
    """Keep the peak of this process's memory, ten times a second."""
    import threading

    def look() -> None:
        global peak_anonymous_mb
        while True:
            peak_anonymous_mb = max(peak_anonymous_mb, anonymous_mb())
            time.sleep(0.1)

    threading.Thread(target=look, daemon=True).start()


def make_plain(folder: Path, seed: int) -> Path:
    """Write folium's own map of 5,000 parcels, with Leaflet inlined."""
    import folium
    import geopandas

    from geo_urc.outputs import web_map

    place = folder / f"city-{PLAIN_PARCELS}-{seed}"
    frame = geopandas.read_parquet(place / "parcels.parquet").to_crs(4326)
    frame["verdict"] = ["eligible", "ineligible", "review", "unknown"] * (len(frame) // 4)
    frame = frame[[frame.columns[0], "verdict", frame.geometry.name]]
    colours = {"eligible": "#009e73", "ineligible": "#d55e00", "review": "#f0e442", "unknown": "#8c8c8c"}  # fmt: skip
    page = folium.Map(tiles=None)
    page.default_js, page.default_css = [], []
    folium.GeoJson(
        frame,
        style_function=lambda feature: {
            "fillColor": colours[feature["properties"]["verdict"]], "weight": 1, "fillOpacity": 0.8,
        },
        popup=folium.GeoJsonPopup([frame.columns[0], "verdict"]),
    ).add_to(page)  # fmt: skip
    west, south, east, north = frame.total_bounds
    page.fit_bounds([[south, west], [north, east]])
    text = page.get_root().render()
    inlined = f"<style>{web_map._leaflet_css()}</style><script>{web_map._leaflet_js()}</script>"
    path = folder / "plain.html"
    path.write_text(text.replace("<head>", f"<head>{inlined}", 1), "utf-8")
    return path


def look_at(page: Path) -> dict[str, float]:
    """Open a page in a browser of its own; return seconds and memory."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND",
        "--window-size=1400,900", "--enable-precise-memory-info",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "SEVERE"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.set_script_timeout(120)
    try:
        driver.get("about:blank")
        start = time.perf_counter()
        driver.get(page.as_uri())
        driver.execute_async_script(DRAWN, False)
        told = {"drawn_s": time.perf_counter() - start}
        driver.execute_async_script(DRAWN, True)
        told["whole_s"] = time.perf_counter() - start
        told["heap_mb"] = driver.execute_script("return performance.memory.usedJSHeapSize / 1e6")
        told["tab_mb"] = tab_mb(driver.service.process.pid)
        if driver.execute_script("return Boolean(window.geoUrcApp)"):
            start = time.perf_counter()
            driver.execute_script("map_geo_urc.setView([39.91, 116.39], 16, {animate: false})")
            driver.execute_async_script(DRAWN, True)
            told["near_s"] = time.perf_counter() - start
        pauses = driver.execute_async_script(PAN)
        told["frame_ms"], told["worst_frame_ms"] = pauses[len(pauses) // 2], pauses[-1]
        told["tab_after_mb"] = tab_mb(driver.service.process.pid)
        errors = driver.get_log("browser")
        assert not errors, errors
    finally:
        driver.quit()
    return told


def tab_mb(driver: int) -> float:
    """Return the resident size of the largest tab below a driver's process, in MB."""
    parents: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            parent = re.search(r"PPid:\s+(\d+)", status.read_text())
        except OSError:
            continue
        if parent:
            parents.setdefault(int(parent[1]), []).append(int(status.parent.name))
    largest, todo = 0.0, [driver]
    while todo:
        pid = todo.pop()
        todo += parents.get(pid, [])
        try:
            if b"--type=renderer" in Path(f"/proc/{pid}/cmdline").read_bytes():
                size = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
                largest = max(largest, int(size[1]) / 1024 if size else 0)
        except OSError:
            continue
    return largest


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--parcels", default="5000,100000", help="sizes of maps, by comma")
    options.add_argument("--seed", type=int, default=2)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--out", type=Path, default=HERE / "out")
    options.add_argument("--json", type=Path)
    options.add_argument("--write", nargs=2, type=Path, help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.write:
        watch()
        write(*asked.write)
        return
    asked.out.mkdir(parents=True, exist_ok=True)
    sizes = [int(size) for size in asked.parcels.split(",")]
    told: dict[str, dict[str, Any]] = {}
    pages = {}
    for size in dict.fromkeys([PLAIN_PARCELS, *sizes]):
        written = make_page(asked.out, size, asked.seed)
        if size in sizes:
            told[f"map {size:,}"] = written
            pages[f"map {size:,}"] = asked.out / f"map-{size}" / "map.html"
    plain = f"plain folium {PLAIN_PARCELS:,}"
    pages = {plain: make_plain(asked.out, asked.seed), **pages}
    told[plain] = {"page_mb": round(pages[plain].stat().st_size / 1e6, 2)}
    looks: dict[str, list[dict[str, float]]] = {name: [] for name in pages}
    for _ in range(asked.rounds):
        for name, page in pages.items():
            looks[name].append(look_at(page.resolve()))
    for name, found in looks.items():
        for figure in found[0]:
            told[name][figure] = round(statistics.median(one[figure] for one in found), 3)
    for name in pages:
        ratio = told[name]["drawn_s"] / told[plain]["drawn_s"]
        print(f"{name}: drawn {told[name]['drawn_s']:.2f} s ({ratio:.2f} of plain)")
        print("   ", ", ".join(f"{key} {value}" for key, value in told[name].items()))
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(HERE.parent))
    main()
