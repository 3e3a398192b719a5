"""Take the site's pictures from the real program: ``python docs/site/screenshots.py --out FOLDER``.

The sample city is screened as ``geo-urc demo`` does; its map and its report are opened in Chromium
without network, its GeoPackage in QGIS (on a screen of its own, Xvfb), and the charts are those of
an executed notebook. build.py puts ``NAME.LANG.png`` where pages say ``<!-- picture: NAME | … -->``.
"""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LANGUAGES = ("zh", "en")
WIDE, HIGH = 1280, 800
SUBJECT = "110105-0767"
"""A parcel in the middle of the city, 2.7 m over the limit of T08a."""

NEEDS = {
    "map": ("chromium", "chromedriver"),
    "report": ("chromium", "chromedriver"),
    "qgis": ("qgis", "xvfb-run"),
    "datums": (),
}
"""Picture → the programs that it needs."""


def missing(picture: str) -> list[str]:
    """Return the programs that a picture needs and this machine has not got."""
    return [program for program in NEEDS[picture] if shutil.which(program) is None]


def take(picture: str, lang: str, results: Path, out: Path) -> None:
    """Take one picture of a finished run, or the pictures of a notebook.

    Parameters
    ----------
    picture
        One of :data:`NEEDS`.
    lang
        ``zh`` or ``en``.
    results
        The folder of results of the sample city in that language.
    out
        The folder for ``NAME.LANG.png``.
    """
    if picture == "datums":
        _notebook("04_datums", picture, lang, out)
    elif picture == "qgis":
        _qgis(results / "eligibility.gpkg", lang, out / f"qgis.{lang}.png")
    else:
        with browser() as driver:
            driver.get((results / f"{picture}.html").as_uri())
            if picture == "map":
                _open_popup(driver)
            driver.save_screenshot(str(out / f"{picture}.{lang}.png"))


def screen_sample_city(lang: str, out: Path) -> None:
    """Run ``geo-urc demo``."""
    program = "from geo_urc.cli.main import main; main()"
    command = [sys.executable, "-c", program, "demo", "--out", str(out), "--lang", lang]
    subprocess.run(command, check=True, env=_environment(), stdout=subprocess.DEVNULL)


@contextmanager
def browser() -> Iterator[Any]:
    """Give a Chromium that reaches no network."""
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
        "--hide-scrollbars",
        f"--window-size={WIDE},{HIGH}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def _open_popup(driver: Any) -> None:
    """Search the map for the parcel, and open what it says of it."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    wait = WebDriverWait(driver, 60)
    wait.until(lambda d: d.find_element(By.ID, "urc-legend").text)
    driver.find_element(By.ID, "urc-search").send_keys(SUBJECT)
    matches = (By.CSS_SELECTOR, "#urc-matches button, #urc-matches a, #urc-matches li")
    wait.until(lambda d: d.find_elements(*matches))[0].click()
    wait.until(lambda d: d.find_elements(By.CSS_SELECTOR, ".leaflet-popup-content"))
    for _ in range(3):  # far enough to see the city around it; the map glides
        time.sleep(1)
        driver.find_element(By.CLASS_NAME, "leaflet-control-zoom-out").click()
    time.sleep(1)
    drag = ActionChains(driver, duration=500)  # down, until the whole popup is seen
    drag.w3c_actions.pointer_action.move_to_location(WIDE - 100, 200)
    drag.click_and_hold().move_by_offset(0, 180).release().perform()
    time.sleep(2)


def _qgis(geopackage: Path, lang: str, picture: Path) -> None:
    """Open results in QGIS as a user would, and photograph its window."""
    with tempfile.TemporaryDirectory() as profile:
        screen = ("xvfb-run", "--auto-servernum", "--server-args=-screen 0 1400x900x24")
        quiet = ("--nologo", "--noplugins", "--noversioncheck", "--profiles-path", profile)
        words = ("--lang", "zh-Hans" if lang == "zh" else "en")
        script = ("--code", str(Path(__file__).parent / "qgis_window.py"))
        asked = {"URC_GEOPACKAGE": str(geopackage), "URC_PICTURE": str(picture)}
        subprocess.run(
            [*screen, "qgis", *quiet, *words, *script],
            check=True,
            env=_environment() | asked | {"PYTHONPATH": ""},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=180,
        )


def _notebook(name: str, picture: str, lang: str, out: Path) -> None:
    """Execute a notebook and keep its charts, numbered from 1."""
    import nbclient
    import nbformat

    os.environ["PYTHONPATH"] = str(ROOT)
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", ())]
    charts = [o.data["image/png"] for o in outputs if "image/png" in o.get("data", {})]
    for number, chart in enumerate(charts, start=1):
        (out / f"{picture}-{number}.{lang}.png").write_bytes(base64.b64decode(chart))


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}


def main() -> None:
    """Read the arguments and take the pictures; what cannot be taken is said."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "pictures")
    parser.add_argument("--lang", choices=LANGUAGES, help="both by default")
    given = parser.parse_args()
    out = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        for lang in [given.lang] if given.lang else LANGUAGES:
            results = Path(temporary) / lang
            screen_sample_city(lang, results)
            for picture in NEEDS:
                if without := missing(picture):
                    print(f"{picture}.{lang}: not taken, {', '.join(without)} not installed")
                else:
                    take(picture, lang, results, out)
    print(out)


if __name__ == "__main__":
    main()
