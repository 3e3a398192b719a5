"""The sheet of a single subject: its map, and each rule with facts, margins and sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.outputs.labels import column_title, name_column, role_titles
from geo_urc.outputs.report.model import (
    Block,
    Cell,
    Document,
    Facts,
    Group,
    Head,
    Heading,
    Paragraph,
    Section,
    Table,
    date_of,
)
from geo_urc.outputs.report.site_plan import Surroundings, site_plan
from geo_urc.outputs.report.summary import DISTRICT, foot_of, signature
from geo_urc.outputs.report.texts import TEXTS
from geo_urc.results import LayerInfo, Results, RuleSaid, SubjectSaid
from geo_urc.text import Lang, Text
from geo_urc.verdicts import LABELS

MOST_WAYS, MOST_STEPS = 4, 6
"""How many ways to another verdict a sheet tells, and of how many steps."""

_T: dict[str, Text] = {
    "title": Text("城市更新政策适用性核查单", "Urban renewal policy: sheet of a subject"),
    "count": Text("对象数量", "Subjects"),
    "result": Text("结论", "Verdicts"),
    "why": Text("逐条依据", "Rule by rule"),
    "fact": Text("事实", "Fact"),
    "value": Text("数值", "Value"),
    "limit": Text("要求", "Asked"),
    "margin": Text("差值", "Margin"),
    "accuracy": Text("精度", "Accuracy"),
    "feature": Text("所据对象", "Feature"),
    "change": Text("{aim}：{ways}", "{aim}: {ways}"),
    "source": Text("依据：{text}", "Source: {text}"),
    "class": Text("政策类别：{text}", "Policy class: {text}"),
    "missing": Text("缺少图层：{text}", "Layers not given: {text}"),
    "changed": Text("本次改动的参数：{text}", "Parameters changed in this run: {text}"),
    "further": Text("另有 {n} 种办法，见 geo-urc explain", "{n} further ways: see geo-urc explain"),
    "furtherSteps": Text(
        "另有 {n} 项，见 geo-urc explain", "{n} further things: see geo-urc explain"
    ),
    "own": Text("原有属性", "Attributes of its own"),
    "concerns": Text("程序性措施", "Procedural measures"),
    "noMap": Text("没有可用的图形，故无位置图。", "There is no usable geometry, so no map."),
    "noContext": Text(
        "位置图未绘出车站、绿地等背景图层：{why}",
        "The map lacks stations, green and other layers around: {why}",
    ),
    "idLabel": Text("编号", "Id"),
}


def subject_sheets(
    results: Results,
    subjects: Sequence[SubjectSaid],
    lang: Lang,
    *,
    without_context: Text | None = None,
) -> Document:
    """Return a document with a sheet for each subject.

    Parameters
    ----------
    results
        Holds the subjects' rows; its context is what their maps show around them.
    subjects
        What is to be said of each.
    without_context
        Why layers that the maps should show are not at hand.
    """
    t = {key: text.to(lang) for key, text in (TEXTS | _T).items()}
    around = Surroundings(results)
    sections = tuple(
        Section(
            f"subject_{number}",
            _name(results, said, lang),
            tuple(_sheet(results, said, around, without_context, t, lang)),
            new_page=number > 1,
        )
        for number, said in enumerate(subjects, 1)
    )
    run = results.run
    return Document(
        t["title"],
        Facts(
            (
                (t["asOf"], run.get("as_of", "–")),
                (t["rulebook"], run.get("rulebook_version", "–")),
                (t["crs"], run.get("evaluation_crs", "–")),
                (t["count"], str(len(subjects))),
            )
        ),
        t["disclaimer"],
        sections,
        foot_of(run, lang),
        date_of(run),
        lang,
        cover=False,
    )


def _row(results: Results, said: SubjectSaid) -> pa.Table:
    info, table = results.layers[said.role], results.tables[said.role]
    return table.filter(pc.equal(table[info.one("id")], said.id)).slice(0, 1)


def _name(results: Results, said: SubjectSaid, lang: Lang) -> str:
    title = results.layers[said.role].title.to(lang)
    name = name_column(results, said.role)
    called = _row(results, said)[name][0].as_py() if name else None
    return f"{title} {said.id}{f'（{called}）' if called else ''}"


def _sheet(
    results: Results,
    said: SubjectSaid,
    around: Surroundings,
    without_context: Text | None,
    t: dict[str, str],
    lang: Lang,
) -> Iterator[Block]:
    info = results.layers[said.role]
    row = _row(results, said)
    pairs = [(t["idLabel"], said.id)]
    if DISTRICT in row.column_names:
        pairs.append((t["district"], row[DISTRICT][0].as_py() or t["noDistrict"]))
    yield Facts(tuple(pairs))
    figure = site_plan(results, info, row[info.one("geometry")], said.id, around, lang)
    yield figure or Paragraph(t["noMap"], note=True)
    if figure and without_context:
        yield Paragraph(t["noContext"].format(why=without_context.to(lang)), note=True)
    yield Heading(t["result"])
    yield _verdicts(said, t)
    yield Heading(t["why"])
    yield _rules(said, t, lang)
    if said.concerns:
        yield Heading(t["concerns"])
        for line in said.concerns.splitlines():
            if line.strip():
                yield Paragraph(line.strip(), note=True)
    own = _own(row, info, lang)
    if own:
        yield Heading(t["own"])
        heads = (Head(t["name"], 1), Head(t["value"], 2), Head(t["name"], 1), Head(t["value"], 2))
        yield Table(heads, own)
    yield signature(lang)


def _verdicts(said: SubjectSaid, t: dict[str, str]) -> Table:
    """Return the verdicts at a glance."""
    rows = tuple(
        (
            Cell(f"{rule.id} {rule.title}"),
            Cell("", verdict=rule.verdict),
            Cell("；".join(rule.reasons)),
        )
        for rule in said.rules
    )
    return Table((Head(t["rule"], 4), Head(t["verdict"], 1.6), Head(t["reason"], 5)), rows)


def _rules(said: SubjectSaid, t: dict[str, str], lang: Lang) -> Table:
    heads = (
        Head(t["fact"], 3.2), Head(t["value"], 1.9), Head(t["limit"], 2.2), Head(t["margin"], 1.6),
        Head(t["accuracy"], 1.2), Head(t["feature"], 2),
    )  # fmt: skip
    rows: list[tuple[Cell, ...] | Group] = []
    for rule in said.rules:
        rows.append(Group(f"{rule.id} {rule.title} — {LABELS[rule.verdict].to(lang)}"))
        rows += [
            tuple(
                Cell(text) for text in (f.title, f.value, f.asked, f.margin, f.accuracy, f.feature)
            )
            for f in rule.facts
        ]
        rows += [Group(line, quiet=True) for line in _below(rule, t, lang)]
    return Table(heads, tuple(rows))


def _below(rule: RuleSaid, t: dict[str, str], lang: Lang) -> Iterator[str]:
    """Yield what stands below a rule's facts: reasons, what would change it, and the source."""
    stop, comma = Text("；", "; ").to(lang), Text("、", ", ").to(lang)
    if rule.layers_missing:
        yield t["missing"].format(text=role_titles(rule.layers_missing, lang))
    steps = [*map(partial(_steps, t=t), rule.ways[:MOST_WAYS])]
    if len(rule.ways) == 1:
        yield t["change"].format(aim=rule.outlook, ways=stop.join(steps[0]))
    elif rule.ways:
        told = [f"({n}) {' + '.join(way)}" for n, way in enumerate(steps, 1)]
        further = len(rule.ways) - len(steps) + rule.left_out
        told += [t["further"].format(n=further)] if further else []
        yield t["change"].format(aim=rule.outlook, ways=stop.join(told))
    if rule.changed:
        yield t["changed"].format(text=comma.join(rule.changed))
    kind = t["class"].format(text=rule.policy_class) if rule.policy_class else ""
    yield stop.join(filter(None, (t["source"].format(text=rule.source), kind)))


def _steps(way: Sequence[str], t: dict[str, str]) -> list[str]:
    """Return the steps of a way, the first of many and how many are left out."""
    left = len(way) - MOST_STEPS
    return [*way[:MOST_STEPS], *([t["furtherSteps"].format(n=left)] if left > 0 else [])]


def _own(row: pa.Table, info: LayerInfo, lang: Lang) -> tuple[tuple[Cell, ...], ...]:
    """Return the subject's own columns that hold something, two a line."""
    pairs = [
        (Cell(column_title(c, lang)), Cell(str(row[c.name][0].as_py())))
        for c in info.columns
        if c.origin == "user" and row[c.name][0].as_py() not in (None, "")
    ]
    if len(pairs) % 2:
        pairs.append((Cell(""), Cell("")))
    return tuple(pairs[i] + pairs[i + 1] for i in range(0, len(pairs), 2))
