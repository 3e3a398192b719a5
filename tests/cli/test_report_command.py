"""Reports of a finished folder, and the sheets of single subjects."""

from __future__ import annotations

import json
import re
import shutil
from html import unescape

import docx
import openpyxl
import pyogrio
import pytest

import geo_urc
from geo_urc import reporting
from geo_urc.cli.main import main
from geo_urc.errors import OutputError


@pytest.fixture
def done(city, capfd):
    """A finished run of the small city; return its folder and the file of it."""
    with pytest.raises(SystemExit) as stop:
        main(
            ["screen", str(city / "parcels.gpkg"), "--layers", str(city / "layers.toml"),
             "--out", str(city / "out"), "--as-of", "2026-11-23", "--only", "T08a,T20"]
        )  # fmt: skip
    assert stop.value.code == 0, capfd.readouterr().err
    return city / "out"


def text_of(path) -> str:
    page = path.read_text(encoding="utf-8")
    return " ".join(unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.S)).split())


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return int(stop.value.code or 0)


def test_a_run_leaves_all_four(done):
    for ending in ("html", "pdf", "docx", "xlsx"):
        assert (done / f"report.{ending}").stat().st_size > 5000
    assert json.loads((done / "run.json").read_text("utf-8"))["command"]["reports"] == []


def test_a_run_leaves_those_asked_for(city):
    arguments = ["screen", city / "parcels.gpkg", "--layers", city / "layers.toml", "--out"]
    assert run(*arguments, city / "two", "--only", "T08a", "--report", "html,xlsx") == 0
    assert {p.name for p in (city / "two").glob("report.*")} == {"report.html", "report.xlsx"}
    assert run(*arguments, city / "no", "--report", "doc") == 2


def test_the_workbook_holds_the_numbers_of_the_geopackage(done):
    _, table = pyogrio.raw.read_arrow(done / "eligibility.gpkg", layer="parcels")
    book = openpyxl.load_workbook(done / "report.xlsx")
    names = {
        row[1]: row[2] for row in book["列说明"].iter_rows(values_only=True) if row[0] == "宗地"
    }
    heads, *rows = book["宗地"].iter_rows(values_only=True)
    compared = 0
    for place, head in enumerate(heads):
        column = table[names[head]].to_pylist()
        if all(isinstance(v, int | float) or v is None for v in column):
            for row, value in zip(rows, column, strict=True):
                close = None if value is None else pytest.approx(value, rel=1e-15)
                assert row[place] == close, head
            compared += 1
    assert compared >= 4


def test_the_report_of_a_folder_is_that_of_its_run(done, city):
    for ending in ("html", "xlsx"):
        assert run("report", done, "--out", city / f"again.{ending}") == 0
        assert (city / f"again.{ending}").read_bytes() == (done / f"report.{ending}").read_bytes()


def test_a_sheet_says_why_and_shows_where(done, city):
    reporting.report_of(done, city / "s.html", subjects=["A-2", "green_spaces-1"])
    text = text_of(city / "s.html")
    # A-2 is 799.5 m from the station: its east edge at -299.5 m, the station at 500 m
    for said in ("宗地 A-2", "需人工研判", "799.5", "≤ 800", "+0.5", "±1.414", "柳堤",
                 "accuracy_m", "绿地 green_spaces-1（柳园）", "编制人", "第8项"):  # fmt: skip
        assert said.replace(" ", "") in text.replace(" ", ""), said
    page = (city / "s.html").read_text("utf-8")
    assert page.count("<svg role") == 2
    scale = [float(r) for r in re.findall(r'<circle [^>]*r="([\d.]+)" fill="none"', page)]
    assert scale and max(scale) > 30  # the circle of the station, drawn to scale
    assert not re.findall(r"<[^>]*(?:src|href)=|https?://", page)


def test_the_circle_is_drawn_to_scale(done, city):
    """The circle of 800 m is 8 times as wide as the parcel A-1, which is 100 m wide."""
    reporting.report_of(done, city / "s.html", subjects=["A-1"])
    page = (city / "s.html").read_text("utf-8")
    radius = float(re.search(r'<circle [^>]*r="([\d.]+)" fill="none"', page)[1])
    own = re.search(r'<path d="M([^"]*)Z" fill-rule="evenodd" fill="#0072b2"', page)[1]
    xs = [float(pair.split()[0]) for pair in own.split("L")]
    assert radius / (max(xs) - min(xs)) == pytest.approx(8, rel=0.01)


def test_sheets_do_without_layers_that_are_gone(done, city):
    (city / "stations.csv").write_text("站名,x,y\n柳堤,448600,4418050\n", encoding="utf-8")
    reporting.report_of(done, city / "s.html", subjects=["A-1"])
    assert "输入文件已改变：rail_stations" in text_of(city / "s.html")
    (city / "stations.csv").unlink()
    reporting.report_of(done, city / "s.html", subjects=["A-1"])
    assert "位置图未绘出" in text_of(city / "s.html")


@pytest.mark.parametrize("ending", ["pdf", "docx"])
def test_sheets_have_other_forms(done, city, ending):
    assert run("report", done, "--out", city / f"s.{ending}", "--subject", "A-3") == 0
    if ending == "docx":
        file = docx.Document(str(city / "s.docx"))
        assert len(file.inline_shapes) == 1
        assert "宗地 A-3" in [p.text for p in file.paragraphs]


def test_what_cannot_be_is_told(done, city, capfd):
    assert run("report", done, "--out", city / "s.pdf", "--subject", "A-9") == 2
    assert "A-9: 结果中没有这个对象" in capfd.readouterr().err
    assert run("report", done, "--out", city / "s.xlsx", "--subject", "A-1") == 2
    assert "用 .html、.pdf、.docx" in capfd.readouterr().err
    assert run("report", city, "--out", city / "s.pdf") == 2
    assert run("report", done, "--out", city / "none" / "s.pdf") == 2
    assert not [*city.glob("s.*"), *city.glob(".s*")]


def test_the_template_comes_and_goes_by_the_command(done, city):
    assert run("report-template", city / "t.docx") == 0
    assert run("report-template", city / "t.docx") == 2
    assert run("report", done, "--out", city / "r.docx", "--template", city / "t.docx") == 0
    assert (city / "r.docx").read_bytes() == (done / "report.docx").read_bytes()


def test_verify_finds_the_reports_the_same(done, city):
    shutil.rmtree(city / "out" / ".spool", ignore_errors=True)
    assert run("verify", done) == 0


def test_from_python(city):
    result = geo_urc.screen(city / "parcels.gpkg", layers=city / "layers.toml", only=["T08a"])
    for name in ("r.html", "r.pdf", "r.docx", "r.xlsx"):
        result.report(city / name)
        assert (city / name).stat().st_size > 5000
    result.report(city / "s.html", subjects=["A-1", "A-4"])
    text = text_of(city / "s.html")
    assert text.index("宗地 A-1") < text.index("宗地 A-4")
    assert (city / "s.html").read_text("utf-8").count('stroke-dasharray="2 1"') >= 1
    with pytest.raises(OutputError, match="A-9"):
        result.report(city / "s.html", subjects=["A-1", "A-9"])
