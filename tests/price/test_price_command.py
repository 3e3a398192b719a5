"""``geo-urc price`` as a user runs it, price columns in ``screen``, and a clause of one's own."""

from __future__ import annotations

import csv
from decimal import Decimal

import geopandas
import openpyxl
import pandas
import pyarrow.parquet as pq
import pytest

import geo_urc

COLUMNS = "subject_id,clause,base_yuan,factor,amount_yuan,verdict,reason,source"
FACTORY = {
    "编号": "A", "供应": "出让", "竣工": "是", "商品房": "否", "类型": "老旧厂房", "改用": "是",
    "商品住宅": "否", "市场价": "123.45678",
}  # fmt: skip
LAYERS = """
[layers.projects]
path = "elsewhere.gpkg"
id = "编号"
fields = { land_supply = "供应", built_as_planned = "竣工", commodity_housing = "商品房", stock_type = "类型", changes_use = "改用", to_commodity_housing = "商品住宅", market_price_yuan = "市场价" }
units = { market_price_yuan = "万元" }
"""
P8 = """
[measure]
id = "P8"
document = "land-price-2024"
number = "P8"
heading = "本区补充"
title_zh = "绿色建筑优惠"
title_en = "Green building rebate"
checked_on = 2026-11-23

[facts.rebate_base_yuan]
question = "formula"
arguments = { sum = ["market_price_yuan", "land_revenue_yuan"] }
unit = "yuan"
title_zh = "计价合计"
title_en = "Sum priced"

[[rules]]
id = "P8"
assess = "quantity"
subject = "projects"
title_zh = "绿色建筑优惠"
title_en = "Green building rebate"
explanation_zh = "重大项目按三分之二核定。"
explanation_en = "Major projects pay two thirds."

[rules.price]
base = "rebate_base_yuan"
factor = "P8.factor"
note_zh = "本区规定"
note_en = "a district's own"

[rules.parameters.factor]
value = 0.85
unit = "factor"
basis = "reading"
title_zh = "系数"
title_en = "Factor"
source_zh = "虚构"
source_en = "made up"

[rules.test]
fact = "major"
is = true
"""


@pytest.fixture
def urc(urc, monkeypatch, tmp_path):
    """Return the function that runs the command, which now starts in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return urc


@pytest.fixture
def folder(tmp_path):
    """Write a table without coordinates and a LAYERS.toml; return the folder."""
    pandas.DataFrame([FACTORY, {**FACTORY, "市场价": ""}]).to_csv(
        tmp_path / "projects.csv", index=False, encoding="gbk"
    )
    (tmp_path / "layers.toml").write_text(LAYERS, "utf-8")
    return tmp_path


def lines(path):
    text = path.read_text("utf-8-sig")
    assert text.splitlines()[0] == COLUMNS
    return {(r["subject_id"], r["clause"]): r for r in csv.DictReader(text.splitlines())}


def test_csv(urc, folder):
    """1234567.80 x 90% = 1111111.02; the second project has no price and no amount."""
    status, said, _ = urc("price", "projects.csv", "--layers", "layers.toml", "--out", "due.csv")
    assert status == 0
    assert "due.csv" in said
    assert (folder / "due.csv").read_bytes()[:3] == b"\xef\xbb\xbf"
    rows = lines(folder / "due.csv")
    first, second = rows["A", "P4a"], rows["A#2", "P4a"]
    assert [first[k] for k in ("base_yuan", "factor", "amount_yuan", "verdict")] == [
        "1234567.80", "0.9", "1111111.02", "eligible",
    ]  # fmt: skip
    assert "二（四）" in first["source"]
    assert (second["amount_yuan"], second["verdict"]) == ("", "unknown")
    assert "attribute_missing:market_price_yuan" in second["reason"]


@pytest.mark.parametrize("kind", ["xlsx", "parquet", "gpkg", "txt"])
def test_tables_of_other_kinds_say_the_same(urc, folder, kind):
    frame = pandas.DataFrame([FACTORY])
    name = f"given.{kind}"
    if kind == "xlsx":
        frame.to_excel(folder / name, index=False)
    elif kind == "parquet":
        frame.to_parquet(folder / name)
    elif kind == "gpkg":
        import pyogrio

        pyogrio.write_dataframe(frame, folder / name, driver="GPKG")
    else:
        frame.to_csv(folder / name, index=False, sep="\t")
    status, _, err = urc("price", name, "--layers", "layers.toml", "--out", "due.csv")
    assert status == 0, err
    assert lines(folder / "due.csv")["A", "P4a"]["amount_yuan"] == "1111111.02"


def test_excel_and_parquet_hold_numbers(urc, folder):
    for name in ("due.xlsx", "due.parquet"):
        status, _, err = urc(
            "price",
            "projects.csv",
            "--layers",
            "layers.toml",
            "--out",
            name,
            "--as-of",
            "2026-11-23",
        )
        assert status == 0, err
    sheet = openpyxl.load_workbook(folder / "due.xlsx").active
    assert [cell.value for cell in sheet[1]] == COLUMNS.split(",")
    (row,) = [r for r in sheet.iter_rows(min_row=2) if (r[0].value, r[1].value) == ("A", "P4a")]
    assert (row[4].value, row[4].number_format) == (1111111.02, "0.00")
    table = pq.read_table(folder / "due.parquet").to_pandas().set_index(["subject_id", "clause"])
    assert table.loc[("A", "P4a"), "amount_yuan"] == Decimal("1111111.02")
    once = (folder / "due.xlsx").read_bytes()
    urc(
        "price",
        "projects.csv",
        "--layers",
        "layers.toml",
        "--out",
        "due.xlsx",
        "--as-of",
        "2026-11-23",
    )
    assert (folder / "due.xlsx").read_bytes() == once


def test_a_parameter_and_the_language(urc, folder):
    urc(
        "price", "projects.csv", "--layers", "layers.toml", "--out", "due.csv",
        "--set", "P4a.factor=0.5", "--lang", "en",
    )  # fmt: skip
    row = lines(folder / "due.csv")["A", "P4a"]
    assert row["amount_yuan"] == "617283.90"
    assert "Market land price" in row["source"]


def test_before_the_measures_were_issued_nothing_is_priced(urc, folder):
    status, _, _ = urc(
        "price",
        "projects.csv",
        "--layers",
        "layers.toml",
        "--out",
        "due.csv",
        "--as-of",
        "2024-11-19",
    )
    assert status == 0
    assert lines(folder / "due.csv") == {}


@pytest.mark.parametrize(
    ("projects", "out", "said"),
    [
        ("projects.csv", "due.doc", ".csv"),
        ("projects.csv", "projects.csv", "one of the inputs"),
        ("projects.csv", "no/due.csv", "folder"),
        ("absent.csv", "due.csv", "does not exist"),
    ],
)
def test_what_cannot_run_leaves_everything_as_it_was(urc, folder, projects, out, said):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    status, _, err = urc("price", projects, "--layers", "layers.toml", "--out", out, "--lang", "en")
    assert status == 2
    assert said in err
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_broken_outline_does_not_keep_a_project_from_its_price(urc, folder, make_shape):
    """P4a asks nothing of the map; that the outline is lost is said, and the status is 1."""
    shapes = [make_shape({"wkt": "POLYGON ((0 0, 100 100, 100 0, 0 100, 0 0))"}), None]
    frame = pandas.DataFrame([FACTORY, {**FACTORY, "编号": "B"}])
    geopandas.GeoDataFrame(frame, geometry=shapes, crs="EPSG:4548").to_file(folder / "p.gpkg")
    status, said, _ = urc("price", "p.gpkg", "--layers", "layers.toml", "--out", "due.csv")
    assert status == 1
    assert "B" in said
    assert lines(folder / "due.csv")["B", "P4a"]["amount_yuan"] == "1111111.02"


def test_a_clause_of_ones_own_needs_no_code(urc, folder, make_shape):
    """It is priced and shown in every output: (0.10 + 0.20) x 85% = 0.255, which is 0.26."""
    (folder / "p8.toml").write_text(P8, "utf-8")
    project = {"id": "p", "major": "yes", "market_price_yuan": "0.1", "land_revenue_yuan": "0.2"}
    place = [make_shape({"box": [0, 0, 50, 50]})]
    frame = geopandas.GeoDataFrame([project], geometry=place, crs="EPSG:4548")
    frame.to_file(folder / "p.gpkg")
    status, _, err = urc(
        "price", "p.gpkg", "--rules", "p8.toml", "--out", "due.csv", "--lang", "en"
    )
    assert status == 0, err
    row = lines(folder / "due.csv")["projects-1", "P8"]
    assert (row["base_yuan"], row["factor"], row["amount_yuan"]) == ("0.30", "0.85", "0.26")
    assert "a district's own" in row["source"]
    result = geo_urc.screen(
        frame[["geometry"]], layers={"projects": frame}, rules=[folder / "p8.toml"]
    )
    assert result["projects"]["p8_amount_yuan"].tolist() == [pytest.approx(0.255)]
    assert "p8_amount_yuan" in set(result.evidence()["fact"])


def test_screen_and_price_agree(make_shape):
    """The columns of screen are the same amounts, unrounded; P5's own column is the last of them."""
    scope = {"land_supply": "granted", "built_as_planned": "yes", "commodity_housing": "no"}
    projects = [
        {
            **scope, "new_underground_commercial_m2": 9, "land_revenue_yuan": 1000.05,
            "former_total_gfa_m2": 100, "former_above_gfa_m2": 100, "planned_above_gfa_m2": 80,
        },
        {
            **scope, "stock_type": "old_factory", "changes_use": "yes", "to_commodity_housing": "no",
            "market_price_yuan": 1000.05,
        },
        {
            **scope, "extension": "yes", "term_expired": "no", "conditions_changed": "no",
            "new_term_value_yuan": 500.55, "remaining_value_old_yuan": 100.1,
        },
    ]  # fmt: skip
    place = [make_shape({"box": [100 * i, 0, 100 * i + 50, 50]}) for i in range(3)]
    frame = geopandas.GeoDataFrame(projects, geometry=place, crs="EPSG:4548")
    edge = [make_shape({"box": [-500, -500, 900, 900]})]
    districts = geopandas.GeoDataFrame({"name": ["东城区"]}, geometry=edge, crs="EPSG:4548")
    due = geo_urc.price(frame, layers={"districts": districts})
    seen = geo_urc.screen(frame[["geometry"]], layers={"districts": districts, "projects": frame})
    seen = seen["projects"].set_index("subject_id")
    amounts = due[due["amount_yuan"].notna()]
    assert set(amounts["clause"]) == {"P5a", "P5b", "P4a", "P7"}
    for row in amounts.to_dict("records"):
        column = f"{row['clause'].lower()}_amount_yuan"
        assert float(row["amount_yuan"]) == pytest.approx(
            seen.loc[row["subject_id"], column], abs=0.005
        )
    assert seen.loc["projects-1", "p5_amount_yuan"] == pytest.approx(1000.05 * 0.7 * 0.9)
    assert seen.loc["projects-1", "p5b_amount_yuan"] == pytest.approx(1000.05 * 0.7 * 0.9)
    assert seen["p4a_amount_yuan"].notna().tolist() == [False, True, False]


def test_some_rules_alone_still_know_what_they_build_upon(make_shape):
    frame = geopandas.GeoDataFrame(
        {"new_underground_commercial_m2": [9.0], "land_supply": ["allocated"]},
        geometry=[make_shape({"box": [0, 0, 50, 50]})],
        crs="EPSG:4548",
    )
    result = geo_urc.screen(frame[["geometry"]], layers={"projects": frame}, only=["P5a"])
    assert result["projects"]["p5a_verdict"].tolist() == ["not_applicable"]


def test_explain_names_the_rule_that_is_not_met(make_shape):
    """P4a is not for allocated land because P0 is not met; without the supply P0 asks for it."""
    kind = {"stock_type": "old_factory", "changes_use": "yes", "to_commodity_housing": "no"}
    supplies = [{"land_supply": "allocated"}, {"land_supply": None}]
    frame = geopandas.GeoDataFrame(
        [kind | s | {"built_as_planned": "yes", "commodity_housing": "no"} for s in supplies],
        geometry=[make_shape({"box": [0, 0, 50, 50]})] * 2,
        crs="EPSG:4548",
    )
    result = geo_urc.screen(frame[["geometry"]], layers={"projects": frame}, lang="en")
    assert "P0 must be met" in result.explain("projects-1", "P4a")
    told = result.explain("projects-2", "P4a")
    assert "P0 must be met" in told
    assert "land_supply" in told
