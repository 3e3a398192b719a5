"""The summary report of a run as a document: from its results, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from geo_urc.concerns import reason
from geo_urc.outputs.labels import (
    changed_parameters,
    layer_order,
    operation_text,
    place_text,
    reason_words,
    role_titles,
    rule_label,
    unit_text,
    value_text,
)
from geo_urc.outputs.palette import LOOKS
from geo_urc.outputs.report import charts
from geo_urc.outputs.report.counting import (
    OpenReason,
    district_counts,
    open_reasons,
    verdict_counts,
)
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
    Signature,
    Table,
    date_of,
    numbered,
)
from geo_urc.outputs.report.texts import KINDS, MEANINGS, SUPPLY, TEXTS
from geo_urc.results import ASSESS, STATUSES, CatalogueEntry, LayerInfo, Results, RuleInfo
from geo_urc.text import Lang, Text
from geo_urc.verdicts import LABELS

DISTRICT = "district"
RECORDS_LISTED = 200
"""How many records that were set aside are listed."""
IDS_LISTED = 6
"""How many subjects are named for each reason."""
_LONGEST_ID = 150
"""Characters of a subject's id among others."""


@dataclass(frozen=True)
class RuleFigures:
    """A rule and its numbers."""

    rule: RuleInfo
    label: str
    counts: list[int]
    districts: list[tuple[str | None, list[int]]]
    open: list[OpenReason]


@dataclass(frozen=True)
class LayerFigures:
    """A subject and the numbers of its rules."""

    info: LayerInfo
    title: str
    total: int
    rules: list[RuleFigures]

    @property
    def districts(self) -> list[str | None]:
        """Every district that a subject lies in, those without one last."""
        names = {name for rule in self.rules for name, _ in rule.districts}
        return sorted(names, key=lambda name: (name is None, name or ""))


def figures_of(results: Results, lang: Lang) -> list[LayerFigures]:
    """Return the numbers of every subject that has rules, in the order of the report."""
    found = []
    for info in layer_order(results):
        if not info.rules:
            continue
        table = results.tables[info.role]
        by_district = DISTRICT in table.column_names
        rules = []
        for rule in info.rules:
            verdicts = _column(table, info, rule, "verdict")
            reasons = _column(table, info, rule, "reason")
            rules.append(
                RuleFigures(
                    rule,
                    rule_label(rule, lang),
                    verdict_counts(verdicts),
                    district_counts(table[DISTRICT], verdicts) if by_district else [],
                    open_reasons(verdicts, reasons, table[info.one("id")], IDS_LISTED),
                )
            )
        found.append(LayerFigures(info, info.title.to(lang), table.num_rows, rules))
    return found


def supply_advice(code: str, rule: RuleInfo, lang: Lang) -> str:
    """Return what would settle a reason."""
    head, _, detail = code.partition(":")
    advice = SUPPLY.get(head, Text("", "")).to(lang)
    if head == "layer_missing" and not detail and rule.layers_missing:
        return (
            advice + Text("：", ": ").to(lang) + role_titles(rule.layers_missing, lang, codes=True)
        )
    return advice


def summary(results: Results, lang: Lang, layers: list[LayerFigures] | None = None) -> Document:
    """Return the report of a whole run."""
    t = {key: text.to(lang) for key, text in TEXTS.items()}
    layers = figures_of(results, lang) if layers is None else layers
    sections = [
        Section("method", t["method"], tuple(_method(results, t, lang))),
        Section("results", t["results"], tuple(_results(results, layers, t, lang)), new_page=True),
    ]
    if any(layer.districts for layer in layers):
        blocks = tuple(_districts(layers, t, lang))
        sections.append(Section("districts", t["districts"], blocks, new_page=True))
    sections.append(Section("open", t["open"], tuple(_open(layers, t, lang)), new_page=True))
    if concerned := tuple(_concerns(results, t, lang)):
        sections.append(Section("concerns", t["concerns"], concerned))
    if resting := results.run.get("not_in_force"):
        sections.append(Section("not_in_force", t["notInForce"], (_resting(resting, t, lang),)))
    sections.append(Section("inputs", t["data"], tuple(_inputs(results.run, t, lang))))
    sections.append(Section("sources", t["sources"], (_sources(layers, t, lang),)))
    if results.catalogue:
        blocks = (
            Paragraph(f"{t['catalogueShow']} ({len(results.catalogue)})", note=True),
            _catalogue(results, t, lang),
        )
        sections.append(Section("catalogue", t["catalogue"], blocks, folded=True))
    sections.append(Section("signature", t["signature"], (signature(lang),)))
    run = results.run
    return Document(
        t["title"],
        Facts(
            (
                (t["asOf"], run.get("as_of", "–")),
                (t["rulebook"], run.get("rulebook_version", "–")),
                (t["software"], f"geo_urc {run.get('geo_urc_version', '–')}"),
                (t["crs"], run.get("evaluation_crs", "–")),
                (t["subjects"], _subjects(layers, lang)),
                (t["inputs"], _files(run, lang)),
            )
        ),
        t["disclaimer"],
        numbered(sections, lang),
        foot_of(run, lang),
        date_of(run),
        lang,
    )


def foot_of(run: dict[str, Any], lang: Lang) -> tuple[str, ...]:
    """Return what stands at the foot of every page of a report on a run."""
    colon = Text("：", ": ").to(lang)
    return (
        f"{TEXTS['asOf'].to(lang)}{colon}{run.get('as_of', '–')}",
        f"{TEXTS['system'].to(lang)}{colon}{run.get('evaluation_crs', '–')}",
        f"{TEXTS['rulebookShort'].to(lang)}{colon}{run.get('rulebook_version', '–')}",
        f"{TEXTS['responsible'].to(lang)}{colon}________",
    )


def signature(lang: Lang) -> Signature:
    """Return the lines to be signed."""
    return Signature(
        tuple(TEXTS[key].to(lang) for key in ("prepared", "checked", "approved", "dataDate", "day"))
    )


def _subjects(layers: list[LayerFigures], lang: Lang) -> str:
    told = (f"{layer.title} {layer.total}" for layer in layers)
    return Text("、", ", ").to(lang).join(told) or "–"


def _files(run: dict[str, Any], lang: Lang) -> str:
    sources = [*run.get("inputs", []), *run.get("rasters", [])]
    told = dict.fromkeys(source["path"].partition("|")[0] for source in sources)
    return ", ".join(told) or "–"


def _text(*texts: Any) -> tuple[Cell, ...]:
    return tuple(Cell(str(text)) for text in texts)


def _heads(*heads: tuple[str, float] | tuple[str, float, str]) -> tuple[Head, ...]:
    return tuple(Head(*head) for head in heads)


def _counted(first: str, wide: float, t: dict[str, str], lang: Lang) -> tuple[Head, ...]:
    """Return the headings of a table of verdicts."""
    words = (Head(LABELS[word].to(lang), 1.35, "number", word) for word in LOOKS)
    return (Head(first, wide), *words, Head(t["total"], 1.0, "number"))


def _column(table: pa.Table, info: LayerInfo, rule: RuleInfo, part: str) -> pa.ChunkedArray:
    return table[info.column_of(rule.id, part)]


def _method(results: Results, t: dict[str, str], lang: Lang) -> Iterator[Block]:
    yield Paragraph(t["methodText"])
    rows = tuple((Cell("", verdict=word), Cell(MEANINGS[word].to(lang))) for word in LOOKS)
    yield Table(_heads((t["verdict"], 1.4), (t["meaning"], 6)), rows)
    yield Heading(t["parameters"])
    changed = tuple(
        (
            Cell(name, tuple(filter(None, (p.get(f"title_{lang}"),)))),
            *_text(value_text(p.get("value")), unit_text(p.get("unit"), lang)),
        )
        for name, p in results.run.get("parameters", {}).items()
        if p.get("changed")
    )
    heads = _heads((t["name"], 3), (t["value"], 3), (t["unit"], 1))
    yield Table(heads, changed) if changed else Paragraph(t["none"])
    yield Heading(t["notices"])
    notices = tuple(_notices(results.run, lang))
    heads = _heads((t["kind"], 0.9), (t["text"], 5), (t["where"], 4), (t["count"], 0.8, "number"))
    yield Table(heads, notices) if notices else Paragraph(t["none"])


def _notices(run: dict[str, Any], lang: Lang) -> Iterator[tuple[Cell, ...]]:
    """Yield what the run assumes, repairs and warns of; the same of several files once."""
    alike: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for notice in run.get("notices", []):
        key = (notice.get("kind", ""), notice.get(f"text_{lang}", ""))
        alike.setdefault(key, []).append(notice)
    for (kind, text), notices in alike.items():
        named = KINDS[kind].to(lang) if kind in KINDS else kind
        places = list(dict.fromkeys(n.get("where", "") for n in notices))
        if len(places) > 1:  # of several the layers without their files
            where = role_titles(dict.fromkeys(p.partition(" (")[0] for p in places), lang)
        else:
            where = place_text(places[0], lang)
        yield _text(named, text, where, sum(n.get("count", 1) for n in notices))


def _results(
    results: Results, layers: list[LayerFigures], t: dict[str, str], lang: Lang
) -> Iterator[Block]:
    for place, layer in enumerate(layers):
        yield Heading(f"{layer.title} ({layer.total})")
        if place == 0 and (figure := charts.overview(results, layer.info, lang)):
            yield figure
        counted = [charts.Bar(rule.label, rule.counts) for rule in layer.rules]
        yield charts.bars(layer.title, counted, lang, legend=place == 0)
        rows = tuple(
            (
                Cell(rule.label, warnings=_lacking(rule.rule, t, lang)),
                *_text(*rule.counts, layer.total),
            )
            for rule in layer.rules
        )
        yield Table(_counted(t["rule"], 5, t, lang), rows)


def _lacking(rule: RuleInfo, t: dict[str, str], lang: Lang) -> tuple[str, ...]:
    if not rule.layers_missing:
        return ()
    return (
        t["layersMissing"] + Text("：", ": ").to(lang) + role_titles(rule.layers_missing, lang),
    )


def _districts(layers: list[LayerFigures], t: dict[str, str], lang: Lang) -> Iterator[Block]:
    yield Paragraph(t["perDistrict"], note=True)
    for layer in layers:
        if not layer.districts:
            continue
        yield Heading(layer.title)
        yield charts.heat(
            layer.title,
            [(rule.label, dict(rule.districts)) for rule in layer.rules],
            layer.districts,
            lang,
        )
        rows: list[tuple[Cell, ...] | Group] = []
        for rule in layer.rules:
            rows.append(Group(rule.label))
            for district, counts in rule.districts:
                name = t["noDistrict"] if district is None else district
                rows.append(_text(name, *counts, sum(counts)))
        yield Table(_counted(t["district"], 3, t, lang), tuple(rows))


def _open(layers: list[LayerFigures], t: dict[str, str], lang: Lang) -> Iterator[Block]:
    left = [layer for layer in layers if any(rule.open for rule in layer.rules)]
    if not left:
        yield Paragraph(t["none"])
        return
    yield Paragraph(t["openNote"].format(n=IDS_LISTED), note=True)
    heads = _heads(
        (t["verdict"], 1.5), (t["reason"], 2.6), (t["count"], 0.9, "number"),
        (t["supply"], 3), (t["which"], 2.6),
    )  # fmt: skip
    for layer in left:
        yield Heading(layer.title)
        rows: list[tuple[Cell, ...] | Group] = []
        for rule in layer.rules:
            if rule.open:
                rows.append(Group(rule.label))
            for line in rule.open:
                rows.append(
                    (
                        Cell("", verdict=line.verdict),
                        *_text(
                            reason_words(line.code, layer.info, rule.rule, lang),
                            line.number,
                            supply_advice(line.code, rule.rule, lang),
                            _first(line, layer.total, t, lang),
                        ),
                    )
                )
        yield Table(heads, tuple(rows))


def _first(line: OpenReason, total: int, t: dict[str, str], lang: Lang) -> str:
    """Return which subjects a reason is of: all, or the first and how many more."""
    if line.number == total and total > len(line.first):
        return t["everyone"]
    short = (name if len(name) <= _LONGEST_ID else f"{name[:_LONGEST_ID]}…" for name in line.first)
    told = Text("、", ", ").to(lang).join(short)
    more = line.number - len(line.first)
    return told + (t["andMore"].format(n=more) if more else "")


def _concerns(results: Results, t: dict[str, str], lang: Lang) -> Iterator[Block]:
    """Yield the procedural measures matched with the subjects of each layer, and those left open."""
    heads = _heads(
        (t["rule"], 4), (t["department"], 2), (t["policyClass"], 1.3),
        (t["matched"], 0.9, "number"), (t["undecided"], 0.9, "number"), (t["reason"], 3),
    )  # fmt: skip
    said = False
    for role, info in results.layers.items():
        counted = results.run.get("concerns", {}).get(role, {})
        rows = tuple(
            (
                Cell(f"{e.id} {e.title.to(lang)}", (f"{t['whom']}: {_whom(e, lang)}",)),
                *_text(e.department or "–", _class(e, lang)),
                *_text(counted[e.id]["matched"], counted[e.id]["open"]),
                Cell(
                    "",
                    tuple(
                        f"{reason(code, e).to(lang)} ({number})"
                        for code, number in counted[e.id]["reasons"].items()
                    ),
                ),
            )
            for e in results.catalogue
            if e.id in counted
        )
        if rows:
            if not said:
                yield Paragraph(t["concernsNote"], note=True)
            said = True
            yield Heading(info.title.to(lang))
            yield Table(heads, rows)


def _whom(entry: CatalogueEntry, lang: Lang) -> str:
    return entry.concerns.to(lang) if entry.concerns else ""


def _class(entry: CatalogueEntry, lang: Lang) -> str:
    return entry.policy_class.to(lang) if entry.policy_class else "–"


def _resting(rules: list[dict[str, Any]], t: dict[str, str], lang: Lang) -> Table:
    rows = tuple(
        _text(f"{r['rule']} {r[f'title_{lang}']}", r["from"] or "–", r["until"] or "–")
        for r in rules
    )
    return Table(_heads((t["rule"], 5), (t["from"], 1.5), (t["until"], 1.5)), rows)


def _role(role: str, lang: Lang) -> Cell:
    """Return a layer by its title, and below it the name that LAYERS.toml has for it."""
    title = role_titles([role], lang)
    return Cell(title, (role,) if title != role else ())


def _inputs(run: dict[str, Any], t: dict[str, str], lang: Lang) -> Iterator[Block]:
    files, rasters = run.get("inputs", []), run.get("rasters", [])
    yield Heading(t["inputs"])
    rows = [
        (
            _role(s["role"], lang),
            Cell(s["path"], tuple(f"{file}: {digest}" for file, digest in s["sha256"].items())),
            *_text(
                f"{s['records_in']} / {s['records_used']} / {s['records_set_aside']}",
                f"{s['repaired']} / {s['unusable']}",
            ),
        )
        for s in files
    ]
    rows += [
        (
            _role(s["role"], lang),
            Cell(s["path"], tuple(f"{file}: {digest}" for file, digest in s["sha256"].items())),
            *_text(f"{s['columns']} × {s['rows']} {t['cells']}", "–"),
        )
        for s in rasters
    ]
    heads = _heads(
        (t["role"], 2.2), (f"{t['file']} / {t['hash']}", 6, "code"),
        (t["records"], 2.2, "number"), (t["repaired"], 1.4, "number"),
    )  # fmt: skip
    yield Table(heads, tuple(rows)) if rows else Paragraph(t["none"])
    yield Heading(t["operations"])
    moves = tuple(
        _text(
            role_titles([s["role"]], lang),
            f"{s['crs']} ({s['datum']}{', ' + t['assumed'] if s.get('datum_assumed') else ''})",
            operation_text(s["operation"], lang),
            "–" if s["operation_accuracy_m"] is None else s["operation_accuracy_m"],
        )
        for s in [*files, *rasters]
    )
    heads = _heads(
        (t["role"], 2.2), (t["declared"], 3), (t["operation"], 5), (t["accuracy"], 1.2, "number")
    )
    yield Table(heads, moves) if moves else Paragraph(t["none"])
    yield Heading(t["aside"])
    aside = run.get("set_aside", [])
    if len(aside) > RECORDS_LISTED:
        yield Paragraph(t["asideMore"].format(n=len(aside), listed=RECORDS_LISTED), note=True)
    listed = tuple(
        _text(role_titles([a["role"]], lang), a["file"], a["record"], a[f"reason_{lang}"])
        for a in aside[:RECORDS_LISTED]
    )
    heads = _heads((t["role"], 2), (t["file"], 3), (t["record"], 1, "number"), (t["reason"], 5))
    yield Table(heads, listed) if listed else Paragraph(t["none"])


def _sources(layers: list[LayerFigures], t: dict[str, str], lang: Lang) -> Table:
    rows = tuple(
        (
            Cell(rule.label, (rule.rule.citation.to(lang),)),
            Cell(rule.rule.explanation.to(lang), warnings=tuple(changed_parameters(rule.rule))),
            Cell(rule.rule.policy_class.to(lang) if rule.rule.policy_class else "–"),
        )
        for layer in layers
        for rule in layer.rules
    )
    return Table(_heads((t["rule"], 4), (t["text"], 5), (t["policyClass"], 1.3)), rows)


def _catalogue(results: Results, t: dict[str, str], lang: Lang) -> Table:
    rows = tuple(
        (
            Cell(f"{e.id} {e.title.to(lang)}"),
            *_text(
                _class(e, lang),
                e.department or "–",
                ASSESS[e.assess].to(lang) if e.assess in ASSESS else e.assess,
            ),
            _status(results, e, lang),
            Cell("", (e.citation.to(lang),)),
        )
        for e in results.catalogue
    )
    heads = _heads(
        (t["rule"], 3), (t["policyClass"], 1.2), (t["department"], 2),
        (t["assess"], 0.9), (t["status"], 3), (t["source"], 3.4),
    )  # fmt: skip
    return Table(heads, rows)


def _status(results: Results, entry: CatalogueEntry, lang: Lang) -> Cell:
    """Return what this run did with a rule, with its numbers, subject by subject."""
    lines = []
    colon = Text("：", ": ").to(lang)
    for role, info in results.layers.items():
        title = info.title.to(lang)
        if entry.status == "evaluated" and role == entry.subject:
            counts = results.run.get("counts", {}).get(role, {}).get(entry.id, {})
            told = [f"{LABELS[w].to(lang)} {counts[w]}" for w in LABELS if counts.get(w)]
            lines.append(f"{title}{colon}{' · '.join(told) or '0'}")
            rule = next((r for r in info.rules if r.id == entry.id), None)
            if rule and rule.layers_missing:
                missing = role_titles(rule.layers_missing, lang)
                lines.append(f"{TEXTS['layersMissing'].to(lang)}{colon}{missing}")
        counted = results.run.get("concerns", {}).get(role, {}).get(entry.id)
        if counted:
            words = (TEXTS["matched"].to(lang), TEXTS["undecided"].to(lang))
            lines.append(
                f"{title}{colon}{words[0]} {counted['matched']} · {words[1]} {counted['open']}"
            )
    return Cell(STATUSES[entry.status].to(lang), tuple(lines))
