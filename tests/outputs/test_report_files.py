"""The report as PDF, Word and workbook: read back by other programs than those that wrote it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import docx
import openpyxl
import pyarrow as pa
import pytest
import shapely
from docx.oxml.ns import qn

from geo_urc.errors import OutputError
from geo_urc.outputs.report import ENDINGS, write_report, write_reports
from geo_urc.outputs.report import excel as workbook
from geo_urc.outputs.report.drawing import drawing, words
from geo_urc.outputs.report.model import Document, Facts, Figure, Paragraph, Section, date_of
from geo_urc.outputs.report.pdf import pictures, write_pdf
from geo_urc.outputs.report.word import write_template
from geo_urc.results import ContextLayer
from geo_urc.text import Text
from tests.outputs.conftest import AS_OF, COUNT, FORMULA, HOSTILE, RUN, need

RARE = "\U00020bb7野镕"


@pytest.fixture
def hostile(results):
    """A run whose ids are what could do something, and are named because they are open."""
    table = results.tables["parcels"]
    ids = [HOSTILE, FORMULA, RARE, "\x1b[2J\u202eabc", "a\nb", "y" * 40_000]
    open_ones = len(ids)
    ids += [f"p{n}" for n in range(COUNT - open_ones)]
    columns = {
        "subject_id": ids,
        "t08a_verdict": ["review"] * open_ones + ["eligible"] * (COUNT - open_ones),
        "t08a_reason": ["soft_limit"] * open_ones + [None] * (COUNT - open_ones),
    }
    for name, values in columns.items():
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array(values, pa.string()))
    results.tables["parcels"] = table
    return results


def text_of(pdf: Path, how: str = "-layout") -> str:
    need(shutil.which("pdftotext"), "poppler-utils")
    return subprocess.run(
        ["pdftotext", how, str(pdf), "-"], capture_output=True, check=True, text=True
    ).stdout


def opened(path: Path, folder: Path) -> Path:
    """Return the PDF that LibreOffice makes of a file."""
    program = shutil.which("soffice")
    need(program, "libreoffice-writer and libreoffice-calc")
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    subprocess.run(
        [program, profile, "--headless", "--convert-to", "pdf", "--outdir", folder, path],
        check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    return folder / f"{path.stem}.pdf"


def cells(path: Path, sheet: str) -> list[tuple]:
    book = openpyxl.load_workbook(path)
    return [*book[sheet].iter_rows(values_only=True)]


def paragraphs(path: Path) -> list[str]:
    body = docx.Document(str(path)).element.body
    return ["".join(t.text or "" for t in p.iter(qn("w:t"))) for p in body.iter(qn("w:p"))]


# --- all of them ---------------------------------------------------------------------------------


def test_the_same_run_gives_the_same_bytes(results, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_reports(results, [tmp_path / folder / f"report{e}" for e in ENDINGS])
    for ending in ENDINGS:
        first, second = (tmp_path / f / f"report{ending}" for f in ("a", "b"))
        assert first.read_bytes() == second.read_bytes(), ending


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_empty_record_is_still_a_report(results, tmp_path, ending):
    results.run = {}
    write_report(results, tmp_path / f"r{ending}")
    assert (tmp_path / f"r{ending}").stat().st_size > 1000


@pytest.mark.parametrize("name", ["report.doc", "report"])
def test_another_ending_is_refused(results, tmp_path, name):
    with pytest.raises(OutputError, match=r"\.html, \.pdf, \.docx, \.xlsx"):
        write_report(results, tmp_path / name)


def test_the_names_of_sixteen_districts_stay_on_the_picture():
    """Six signs of 2.5 mm, slanted by 45°, reach 10.6 mm to the right of where they start."""
    from geo_urc.outputs.report import charts

    names = [f"第{i:02d}个行政区" for i in range(16)]
    figure = charts.heat("宗地", [("T08a", {name: [1, 0, 0, 0, 0] for name in names})], names, "zh")
    starts = [float(x) for x in re.findall(r"translate\(([\d.]+) ", figure.drawing)]
    assert len(starts) == 16 and max(starts) + 10.6 <= figure.width


def test_of_a_million_subjects_a_map_draws_cells():
    """The drawing does not grow with the number of subjects."""
    from geo_urc.outputs.report import charts

    points = [[n % 700 * 100.0, n // 700 * 100.0] for n in range(200_000)]
    import numpy as np

    parts, frame, size = charts._cells(np.array(points), np.arange(200_000) % 2)
    assert frame is not None and size == 1000
    assert len(parts) == 70 * 29


# --- PDF -----------------------------------------------------------------------------------------


def test_the_pdf_is_searched_in_chinese_and_has_its_own_fonts(results, tmp_path):
    write_report(results, tmp_path / "r.pdf")
    text = text_of(tmp_path / "r.pdf")
    for said in ("城市更新政策适用性筛查报告", "需人工研判", "轨道站点周边", "东城区"):
        assert said in text
    assert re.search(r"政策日期：2026-11-22.*坐标系：EPSG:4548.*规则库：2026\.11.*责任人", text)
    pages = len(text.split("\f")) - 1
    assert f"第{pages}页/共{pages}页" in "".join(text.split())
    fonts = subprocess.run(
        ["pdffonts", str(tmp_path / "r.pdf")], capture_output=True, text=True, check=True
    ).stdout.splitlines()[2:]
    assert len(fonts) == 2
    for line in fonts:
        assert re.search(r"\+Noto(Sans|Serif)SC-Regular.* yes yes yes ", line), line
    told = subprocess.run(
        ["pdfinfo", str(tmp_path / "r.pdf")], capture_output=True, text=True, check=True
    ).stdout
    assert "595.276 x 841.89" in told and "Nov 22" in told


def test_words_in_drawings_are_set_without_any_font_of_the_machine(tmp_path):
    """The same picture comes of a machine whose font configuration is empty."""
    figure = Figure(drawing([words(2, 8, "需人工研判", 5.0)]), 60, 12, "")
    (here,) = pictures([figure], "x")
    script = tmp_path / "draw.py"
    script.write_text(
        "import sys\nfrom geo_urc.outputs.report.model import Figure\n"
        "from geo_urc.outputs.report.pdf import pictures\n"
        f"sys.stdout.buffer.write(pictures([Figure({figure.drawing!r}, 60, 12, '')], 'x')[0])\n",
        encoding="utf-8",
    )
    bare = {"FONTCONFIG_FILE": "/dev/null", "HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    there = subprocess.run(
        [sys.executable, str(script)], env=bare, capture_output=True, check=True, cwd=tmp_path
    )
    assert there.stdout == here
    (blank,) = pictures([replace(figure, drawing="<g/>")], "x")
    assert len(here) > 3 * len(blank)


def test_what_the_fonts_lack_is_named_and_nothing_runs(hostile, tmp_path):
    write_report(hostile, tmp_path / "r.pdf")
    text = "".join(text_of(tmp_path / "r.pdf", "-raw").split())
    assert "〔U+20BB7〕野镕" in text
    assert "{{7*7}}" in text and "onerror" in text
    assert "\\x1b" in text and "\x1b" not in text


def test_a_font_that_is_not_found_stops_the_pdf(results, tmp_path, monkeypatch):
    monkeypatch.setattr("geo_urc.outputs.report.pdf.font_files", lambda: (tmp_path / "no.otf",))
    with pytest.raises(OutputError, match="unknown font family"):
        write_report(results, tmp_path / "r.pdf")
    assert not (tmp_path / "r.pdf").exists()


def test_markup_of_the_typesetter_is_text(tmp_path):
    text = '#panic("x") $a$ *b* _c_ `d` @e <f> = g #import "h"'
    document = Document(
        text, Facts(((text, text),)), text, (Section("a", text, (Paragraph(text),)),),
        (text,), AS_OF, "zh",
    )  # fmt: skip
    write_pdf(document, tmp_path / "r.pdf")
    assert text_of(tmp_path / "r.pdf").count('#panic("x") $a$ *b* _c_ `d`') >= 5


# --- Word ----------------------------------------------------------------------------------------


def test_word_says_the_same_as_the_page(results, tmp_path):
    write_report(results, tmp_path / "r.docx")
    file = docx.Document(str(tmp_path / "r.docx"))
    rows = [[c.text for c in row.cells] for table in file.tables for row in table.rows]
    assert ["T08a 轨道站点周边", "6", "6", "5", "7", "6", "30"] in rows
    assert ["T20 绿地地下空间", "1", "1", "0", "0", "0", "2"] in rows
    assert ["东城区", "4", "4", "3", "5", "4", "20"] in rows
    headings = [p.text for p in file.paragraphs if p.style.name == "Heading 1"]
    assert headings[:4] == [
        "一、方法与假定", "二、各政策结果", "三、分区结果", "四、需人工研判与资料不足",
    ]  # fmt: skip
    assert len(file.inline_shapes) == 4  # the map, bars for each subject, districts of parcels
    foot = file.sections[0].footer.paragraphs[0]._p.xml
    assert 'w:instr="PAGE"' in foot and 'w:instr="NUMPAGES"' in foot and "责任人" in foot
    assert round(file.sections[0].page_width.mm) == 210
    assert file.core_properties.created.date() == AS_OF
    heads = [t.rows[0]._tr.xml for t in file.tables if len(t.rows) > 1]
    assert sum("w:tblHeader" in xml for xml in heads) >= len(heads) - 1  # but for the signatures


def test_every_style_names_its_font_for_chinese(results, tmp_path):
    write_report(results, tmp_path / "r.docx")
    used = {p.style.name for p in docx.Document(str(tmp_path / "r.docx")).paragraphs}
    for style in docx.Document(str(tmp_path / "r.docx")).styles:
        if style.name in used or style.name.startswith("URC"):
            fonts = style.element.rPr.rFonts
            assert fonts.get(qn("w:eastAsia")) in ("仿宋_GB2312", "黑体", "方正小标宋简体"), (
                style.name
            )
            assert not [a for a in fonts.attrib if "Theme" in a], style.name


def test_hostile_text_is_text_in_word(hostile, tmp_path):
    write_report(hostile, tmp_path / "r.docx")
    said = "\n".join(paragraphs(tmp_path / "r.docx"))
    assert "{{7*7}}" in said and "onerror" in said and RARE in said
    assert "\\x1b[2J\\u202eabc" in said and "a\\nb" in said
    assert f"、{'y' * 150}…" in said


def test_an_office_replaces_the_template(results, tmp_path):
    file = docx.Document()
    file.add_paragraph("北京市某局")
    line = file.add_paragraph("《{")
    for piece in ("{ ti", "tle }}》（{{ as_of ", "}}）"):  # as Word cuts it
        line.add_run(piece)
    file.add_paragraph("{{ results }}")
    file.add_paragraph("附：{{ note }}")
    file.sections[0].header.paragraphs[0].text = "{{ foot }}"
    file.save(str(tmp_path / "own.docx"))
    write_report(results, tmp_path / "r.docx", template=tmp_path / "own.docx")
    said = paragraphs(tmp_path / "r.docx")
    assert said[:2] == ["北京市某局", "《城市更新政策适用性筛查报告》（2026-11-22）"]
    assert said[2] == "二、各政策结果"
    assert said[-1].startswith("附：“符合”只表示")
    assert not any("方法与假定" in line for line in said)
    made = docx.Document(str(tmp_path / "r.docx"))
    assert "责任人" in made.sections[0].header.paragraphs[0].text
    assert "URC Table" in {style.name for style in made.styles}


def test_a_yes_in_the_workbook_is_a_word_and_the_users_columns_stay(results, tmp_path):
    info = results.layers["parcels"]
    columns = tuple(
        replace(c, unit="yes_no") if c.name in ("rail_nearest", "名称") else c for c in info.columns
    )
    results.layers["parcels"] = replace(info, columns=columns)
    table = results.tables["parcels"]
    for name in ("rail_nearest", "名称"):
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array(["yes", "no"] * (COUNT // 2)))
    results.tables["parcels"] = table
    write_report(results, tmp_path / "r.xlsx")
    heads, first, second, *_ = cells(tmp_path / "r.xlsx", "宗地")
    place, own = heads.index("最近车站"), heads.index("名称")
    assert [first[place], second[place]] == ["是", "否"]
    assert [first[own], second[own]] == ["yes", "no"]


def test_an_empty_line_is_between_tables_and_not_before_a_new_page(results, tmp_path):
    """After a table that fills its page it would have a page of its own, with nothing on it."""
    write_report(results, tmp_path / "r.docx")
    elements = [*docx.Document(str(tmp_path / "r.docx")).element.body]
    tags = [element.tag.partition("}")[2] for element in elements]
    assert "tbl" in tags and ("tbl", "tbl") not in pairwise(tags)
    starts = [
        i for i, e in enumerate(elements) if e.find(f".//{qn('w:pageBreakBefore')}") is not None
    ]
    assert starts
    for place in starts:
        before = elements[place - 1]
        assert tags[place - 1] == "tbl" or "".join(before.itertext()).strip()


def test_a_table_in_a_cell_of_a_template_is_followed_by_a_line(results, tmp_path):
    """Word calls a file damaged in which a table ends a cell."""
    own = docx.Document()
    own.add_table(1, 1).cell(0, 0).paragraphs[0].text = "{{inputs}}"
    own.save(str(tmp_path / "own.docx"))
    write_report(results, tmp_path / "r.docx", template=tmp_path / "own.docx")
    cell = docx.Document(str(tmp_path / "r.docx")).element.body.find(f".//{qn('w:tc')}")
    assert cell[-1].tag == qn("w:p") and cell[-2].tag == qn("w:tbl")


def test_the_built_in_template_is_the_start_of_an_own_one(results, tmp_path):
    write_template(tmp_path / "t.docx")
    file = docx.Document(str(tmp_path / "t.docx"))
    file.styles["Heading 1"].font.size = docx.shared.Pt(30)
    file.styles["URC Table"].font.size = docx.shared.Pt(7)
    file.save(str(tmp_path / "own.docx"))
    write_report(results, tmp_path / "r.docx", template=tmp_path / "own.docx")
    made = docx.Document(str(tmp_path / "r.docx"))
    assert made.styles["Heading 1"].font.size.pt == 30
    assert made.styles["URC Table"].font.size.pt == 7
    assert len(made.tables) > 5


def broken_template(path: Path, text: str | None) -> Path:
    if text is None:
        path.write_bytes(b"PK no zip at all")
        return path
    file = docx.Document()
    file.add_paragraph(text)
    file.save(str(path))
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is no Word file"),
        ("only words", "places no chapter"),
        ("{{ results ", "wrong placeholder"),
        ("{{ verdicts }}", "wrong placeholder: verdicts"),
        ("见 {{ body }}", "body must stand in a paragraph of its own"),
        ("{{ ''.__class__.__mro__ }}", "wrong placeholder"),
        ("{% for x in y %}", "wrong placeholder"),
    ],
)
def test_a_bad_template_is_told(results, tmp_path, text, said):
    own = broken_template(tmp_path / "own.docx", text)
    with pytest.raises(OutputError, match=said) as told:
        write_report(results, tmp_path / "r.docx", template=own)
    assert "own.docx" in told.value.to("zh")
    assert not (tmp_path / "r.docx").exists()


def test_a_template_is_for_word_only(results, tmp_path):
    with pytest.raises(OutputError, match=r"for \.docx only"):
        write_report(results, tmp_path / "r.pdf", template=tmp_path / "own.docx")


# --- the workbook --------------------------------------------------------------------------------


def test_the_workbook_has_every_row_with_its_numbers(results, tmp_path):
    write_report(results, tmp_path / "r.xlsx")
    heads, *rows = cells(tmp_path / "r.xlsx", "宗地")
    table = results.tables["parcels"]
    assert len(rows) == table.num_rows
    columns = {head: [row[i] for row in rows] for i, head in enumerate(heads)}
    assert columns["编号"] == table["subject_id"].to_pylist()
    assert columns["到车站的距离（米）"] == table["rail_distance_m"].to_pylist()
    assert columns["T08a 余量（米）"] == table["t08a_margin"].to_pylist()
    labels = {"eligible": "符合", "ineligible": "不符合", "review": "需人工研判",
              "unknown": "资料不足", "not_applicable": "不适用"}  # fmt: skip
    assert columns["T08a 结论"] == [labels[w] for w in table["t08a_verdict"].to_pylist()]
    assert "原始图形" not in heads and "图形" not in heads
    rules = cells(tmp_path / "r.xlsx", "政策结果")
    assert rules[1][:9] == ("宗地", "T08a", "轨道站点周边", 6, 6, 5, 7, 6, 30)
    assert ("宗地", "T08a", "轨道站点周边", "东城区", 4, 4, 3, 5, 4, 20) in cells(
        tmp_path / "r.xlsx", "分区结果"
    )
    assert ("宗地", "rail_distance_m") in {
        (r[0], r[2]) for r in cells(tmp_path / "r.xlsx", "列说明")
    }


def test_sheets_are_ready_to_be_filtered(results, tmp_path):
    write_report(results, tmp_path / "r.xlsx")
    book = openpyxl.load_workbook(tmp_path / "r.xlsx")
    for name in ("宗地", "绿地", "政策结果", "分区结果", "研判与不足的原因", "政策依据"):
        sheet = book[name]
        assert sheet.auto_filter.ref and sheet.freeze_panes.startswith(("A2", "B2")), name
    parcels = book["宗地"]
    distance = next(c for c in parcels[1] if c.value == "到车站的距离（米）")
    assert parcels.cell(2, distance.column).number_format == "0.00"
    assert book.properties.created.date() == AS_OF


def test_text_is_never_a_formula_nor_a_link(hostile, tmp_path):
    write_report(hostile, tmp_path / "r.xlsx")
    book = openpyxl.load_workbook(tmp_path / "r.xlsx")
    for sheet in book:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type != "f" and cell.hyperlink is None, cell
    ids = [row[0] for row in cells(tmp_path / "r.xlsx", "宗地")][1:]
    assert ids[1] == FORMULA and ids[2] == RARE
    assert ids[5].endswith("… (40000)") and len(ids[5]) <= 32_767


def test_many_rows_give_a_summary_and_what_is_open_and_say_so(results, tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "MOST_ROWS", 20)
    write_report(results, tmp_path / "r.xlsx")
    book = openpyxl.load_workbook(tmp_path / "r.xlsx")
    assert "宗地" not in book.sheetnames and "绿地" in book.sheetnames
    note, heads, *rows = cells(tmp_path / "r.xlsx", "宗地-研判与不足")
    assert "共 12 行" in note[0]
    table = results.tables["parcels"].to_pylist()
    wanted = [r for r in table if r["t08a_verdict"] in ("review", "unknown")]
    assert [row[0] for row in rows] == [r["subject_id"] for r in wanted]
    assert [row[heads.index("与限值之差")] for row in rows] == [r["t08a_margin"] for r in wanted]
    assert {row[heads.index("政策")] for row in rows} == {"T08a"}  # T23 is open for all alike
    overview = "\n".join(str(c) for row in cells(tmp_path / "r.xlsx", "概况") for c in row if c)
    assert "宗地共 30 行，超过 20 行" in overview and "eligibility.gpkg" in overview


def test_a_list_too_long_for_a_sheet_is_cut_and_said(results, tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "MOST_ROWS", 20)
    monkeypatch.setattr(workbook, "MOST_OPEN", 5)
    write_report(results, tmp_path / "r.xlsx", "en")
    note, _, *rows = cells(tmp_path / "r.xlsx", "parcels open")
    assert "12 in all" in note[0] and "first 5" in note[0] and "other 7" in note[0]
    assert len(rows) == 5


# --- in the office's own program -----------------------------------------------------------------


@pytest.mark.parametrize("ending", [".docx", ".xlsx"])
def test_libreoffice_opens_it(hostile, tmp_path, ending):
    station = shapely.to_wkb(shapely.Point(448_500, 4_418_050))
    hostile.context = (
        ContextLayer("rail_stations", Text("站点", "Stations"), "EPSG:4548", pa.array([station])),
    )
    write_report(hostile, tmp_path / f"r{ending}")
    text = text_of(opened(tmp_path / f"r{ending}", tmp_path))
    assert "城市更新政策适用性筛查报告" in text
    assert "轨道站点周边" in text and "需人工研判" in text
    assert re.search(r"第1页/共\d+页", "".join(text.split()))


def test_a_run_without_a_date_has_one_that_a_zip_file_can_hold():
    assert date_of({}) < date_of(RUN) == AS_OF
