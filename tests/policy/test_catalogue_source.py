"""The catalogue against the official text: every measure is there, and cited as printed."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
RULEBOOK = CHECKOUT / "geo_urc" / "policy" / "rulebook"
SOURCE = Path(
    os.environ.get("GEO_URC_POLICY_SOURCE", CHECKOUT.parent / "shared" / "policy" / "source")
)
PAGES = {
    path.stem: tomllib.loads(path.read_text(encoding="utf-8"))
    for path in sorted(RULEBOOK.glob("*.toml"))
}
TOOLBOX = [f"T{n:02d}" for n in range(1, 76)]
LAND_PRICE = [f"P{n}" for n in range(8)]


def official(name: str) -> str:
    """Return an official text, or skip where it is not at hand."""
    path = SOURCE / name
    if not path.exists():
        pytest.skip(f"official text not found: {path} (set GEO_URC_POLICY_SOURCE)")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def printed() -> dict[str, dict[str, str]]:
    """Return the cells that the toolbox prints for each measure, by measure id."""
    row = re.compile(
        r"^(?P<number>\d+)\t(?P<heading>[^\t]*)\t(?P<policy_class>[^\t]*)\t(?P<department>[^\t]*)"
        r"\t(?:<p>)?[（(](?P<clause>[一二三四五六七八九十]+)[)）]",
        re.MULTILINE,
    )
    rows = [match.groupdict() for match in row.finditer(official("toolbox-1.0.txt"))]
    return {f"T{int(cells['number']):02d}": cells for cells in rows}


def catalogued(key: str) -> dict[str, str]:
    """Return one field of all toolbox measures, by measure id."""
    return {name: PAGES[name]["measure"][key] for name in TOOLBOX}


def unspaced(department: str) -> str:
    """Return a department cell without the spaces that the page layout left in it."""
    return department.replace(" 、", "、").replace("、 ", "、").replace(" (", "(").strip()


def test_catalogue_holds_every_measure_and_no_other() -> None:
    assert sorted(PAGES) == sorted(TOOLBOX + LAND_PRICE)


@pytest.mark.parametrize("name", PAGES)
def test_ids_follow_the_file_name(name: str) -> None:
    rules = [rule["id"] for rule in PAGES[name]["rules"]]
    assert PAGES[name]["measure"]["id"] == name
    assert rules
    assert all(re.fullmatch(rf"{name}[a-z]?", rule) for rule in rules)


def test_toolbox_is_read_whole(printed: dict[str, dict[str, str]]) -> None:
    assert list(printed) == TOOLBOX


def test_number_clause_and_class_as_printed(printed: dict[str, dict[str, str]]) -> None:
    assert catalogued("number") == {name: row["number"] for name, row in printed.items()}
    assert catalogued("clause") == {name: f"（{row['clause']}）" for name, row in printed.items()}
    assert catalogued("policy_class") == {n: row["policy_class"] for n, row in printed.items()}


def test_department_as_printed(printed: dict[str, dict[str, str]]) -> None:
    expected = {name: unspaced(row["department"]) for name, row in printed.items()}
    assert catalogued("department") == expected


def test_heading_follows_the_numbering(printed: dict[str, dict[str, str]]) -> None:
    # A new heading begins where the clauses start again at （一）. Counting them does not
    # depend on the heading that the text prints over rows 59–61, which is the wrong one.
    place, expected = 0, {}
    for name, row in printed.items():
        place += row["clause"] == "一"
        expected[name] = "〇一二三四五六七"[place]
    headings = catalogued("heading")
    assert {name: heading[0] for name, heading in headings.items()} == expected
    assert len(set(headings.values())) == 7
    assert set(headings.values()) <= {row["heading"] for row in printed.values()}


def test_land_price_clauses_as_printed() -> None:
    text = official("land-price-measures-2024.txt")
    sections = re.split(r"([一二三]、(?:总体要求|具体措施|工作要求))\n", text)[1:]
    clauses = {
        (heading, f"（{number}）")
        for heading, body in zip(sections[::2], sections[1::2], strict=True)
        for number in re.findall(r"^\( ?([一二三四五六七]) ?\)", body, re.MULTILINE)
    }
    cited = [PAGES[name]["measure"] for name in LAND_PRICE]
    figures = {clause for clause in clauses if clause[0] == "二、具体措施"}
    scope = ("一、总体要求", "（三）")
    assert scope in clauses
    assert {(measure["heading"], measure["clause"]) for measure in cited} == {scope, *figures}
    assert [m["number"] for m in cited] == [m["heading"][0] + m["clause"] for m in cited]
    assert not any({"department", "policy_class"} & set(measure) for measure in cited)
