"""The run record: what someone else needs to understand a run, and to repeat it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib.metadata
import platform
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from geo_urc import describe
from geo_urc.errors import OutputError, Problem
from geo_urc.facts import districts
from geo_urc.facts.questions.walking import road_report
from geo_urc.grounds import grounds_of_rule
from geo_urc.inputs.table import Inputs, Layer, Notice, SetAside, SourceRecord
from geo_urc.policy.model import Rule
from geo_urc.policy.rulebook import Rulebook
from geo_urc.results import About, CatalogueEntry, LayerInfo
from geo_urc.roles import roles
from geo_urc.screening import Screening
from geo_urc.text import Text

FORMAT = 1
TITLE = Text("北京市城市更新政策适用性筛查", "Beijing urban renewal: policy screening")
"""What a file of results is called."""
_NAMED = 3
"""How many names a notice lists."""
_SOFTWARE = (
    "geo-urc", "numpy", "pandas", "geopandas", "shapely", "pyproj", "pyogrio", "pyarrow", "scipy",
    "fiona", "rasterio", "exactextract", "folium", "jinja2",
)  # fmt: skip
_LAYERS: TypeAdapter[dict[str, LayerInfo]] = TypeAdapter(dict[str, LayerInfo])
_CATALOGUE: TypeAdapter[tuple[CatalogueEntry, ...]] = TypeAdapter(tuple[CatalogueEntry, ...])


def run_record(
    screening: Screening,
    *,
    as_of: dt.date,
    written: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, Any]:
    """Return ``run.json``: inputs, rulebook, parameters, assumptions, operations, counts.

    Parameters
    ----------
    written
        File of results → role → rows in it.

    Nothing in it depends on when or where the run took place: the same input gives the
    same record.

    Raises
    ------
    OutputError
        If an input record is neither among the results nor set aside, or a file of results
        holds more or fewer rows than there are subjects.
    """
    inputs, book = screening.inputs, screening.book
    sources = [inputs.parcels.source, *(layer.source for layer in inputs.layers.values())]
    set_aside = list(set_aside_of(inputs))
    roads = screening.roads()
    network = road_report(roads) if roads is not None else None
    written = written or {}
    _check_nothing_lost(sources, set_aside, screening, written)
    return {
        "format": FORMAT,
        "geo_urc_version": importlib.metadata.version("geo-urc"),
        "rulebook_version": book.version,
        "as_of": as_of.isoformat(),
        "strict": screening.strict,
        "evaluation_crs": inputs.evaluation_crs,
        "software": software(),
        "inputs": [dataclasses.asdict(source) for source in sources],
        "rasters": [dataclasses.asdict(raster.source) for raster in inputs.rasters.values()],
        "parameters": _parameters(book),
        "notices": [
            *(_notice(n) for n in [*notices_of(inputs), *_network_notices(network or {})]),
            *_renamed(screening),
        ],
        "set_aside": [
            {
                "role": s.role,
                "file": s.file,
                "record": s.record,
                "reason_zh": s.reason.zh,
                "reason_en": s.reason.en,
            }
            for s in set_aside
        ],
        "not_in_force": _not_in_force(book),
        "layers_missing": _layers_missing(screening),
        "network": network,
        "counts": {
            role: {rule: dict(words) for rule, words in rules.items()}
            for role, rules in screening.counts.items()
        },
        "concerns": {
            role: {
                rule: {"matched": n.matched, "open": n.open, "reasons": dict(n.reasons)}
                for rule, n in rules.items()
            }
            for role, rules in screening.concerned.items()
            if rules
        },
        "written": {file: dict(rows) for file, rows in written.items()},
        "layers": _LAYERS.dump_python(
            {role: plan.info for role, plan in screening.plans.items()}, mode="json"
        ),
        "catalogue": _CATALOGUE.dump_python(catalogue_of(screening), mode="json"),
    }


def about_of(screening: Screening, as_of: dt.date) -> About:
    """Return what a file of results says of itself; counts are those of the rows so far."""
    inputs = screening.inputs
    sources = [inputs.parcels.source, *(layer.source for layer in inputs.layers.values())]
    rasters = (raster.source for raster in inputs.rasters.values())
    columns = {
        role: {column.name for column in plan.info.columns}
        for role, plan in screening.plans.items()
    }
    names = {s.role: s.fields["name"] for s in sources if "name" in s.fields}
    return About(
        title=TITLE,
        as_of=as_of,
        rulebook_version=screening.book.version,
        software=f"geo-urc {importlib.metadata.version('geo-urc')}",
        crs=inputs.evaluation_crs,
        sources=(
            *(_source(s.role, s.path, s.crs) for s in sources),
            *(_source(r.role, r.path, r.crs) for r in rasters),
        ),
        names={role: name for role, name in names.items() if name in columns.get(role, ())},
        counts={
            role: {rule: dict(words) for rule, words in rules.items()}
            for role, rules in screening.counts.items()
        },
    )


def _source(role: str, path: str, crs: str) -> Text:
    """Return an input in a line: its role, its file, and its system where that has a code.

    Without folders: the file goes to others, and says the same wherever the run took place.
    """
    file, mark, layer = path.partition("|layername=")
    name = f"{Path(file).name}{mark}{layer}"
    title = roles()[role].title
    if not re.fullmatch(r"\w+:\w+", crs):
        return Text(f"{title.zh}：{name}", f"{title.en}: {name}")
    return Text(f"{title.zh}：{name}（{crs}）", f"{title.en}: {name} ({crs})")


def software() -> dict[str, str]:
    """Return the versions of what a result hangs on: Python, packages and the libraries in them."""
    import pyogrio
    import pyproj
    import shapely

    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _SOFTWARE},
        "gdal": pyogrio.__gdal_version_string__,
        "geos": shapely.geos_version_string,
        "proj": pyproj.__proj_version__,
        "sqlite": sqlite3.sqlite_version,
    }


def _not_in_force(book: Rulebook) -> list[dict[str, Any]]:
    """Return the rules asked for that do not hold on the day, and when they do."""
    found = []
    for key in book.resting:
        rule = book.known[key]
        start, end = book.term(rule)
        found.append(
            {
                "rule": rule.id,
                "subject": rule.subject,
                "title_zh": rule.title_zh,
                "title_en": rule.title_en,
                "from": start and start.isoformat(),
                "until": end and end.isoformat(),
            }
        )
    return found


def catalogue_of(screening: Screening) -> tuple[CatalogueEntry, ...]:
    """Return every rule of the rulebook, and what this run did with it."""
    book = screening.book
    evaluated = {
        (rule.id, role) for role, plan in screening.plans.items() for rule in plan.info.rules
    }
    given = (*screening.inputs.layers, screening.inputs.parcels.role)

    def status(key: tuple[str, str | None], rule: Rule) -> str:
        if key in book.resting:
            return "not_in_force"
        if key not in book.rules:
            return "not_asked"
        if rule.computed:
            return "evaluated" if key in evaluated else "not_evaluated"
        return rule.status

    return tuple(
        describe.catalogue_entry(book, rule, status(key, rule), given)
        for key, rule in book.known.items()
    )


def _layers_missing(screening: Screening) -> dict[str, list[str]]:
    """Return the layers that were not given, each with the rules that need it."""
    rules = [rule for plan in screening.plans.values() for rule in plan.info.rules]
    absent = sorted({role for rule in rules for role in rule.layers_missing})
    return {
        role: list(dict.fromkeys(rule.id for rule in rules if role in rule.layers_missing))
        for role in absent
    }


def layers_from(record: dict[str, Any]) -> dict[str, LayerInfo]:
    """Return the descriptions of the result layers out of a record."""
    return _LAYERS.validate_python(record["layers"])


def catalogue_from(record: dict[str, Any]) -> tuple[CatalogueEntry, ...]:
    """Return the catalogue out of a record; empty where an older one has none."""
    return _CATALOGUE.validate_python(record.get("catalogue", ()))


def district_notices(layer: Layer) -> Iterator[Notice]:
    """Yield what a user should know of the names in a layer of districts."""
    features = layer.features
    where = f"{features.role} ({layer.source.path})"
    found = districts.recognise(features.names.tolist(), features.words("adcode").tolist())
    strange = [
        str(name if name is not None else key)
        for district, name, key in zip(found, features.names, features.ids, strict=True)
        if district is None
    ]
    if strange:
        zh, en = "、".join(strange[:_NAMED]), ", ".join(strange[:_NAMED])
        text = Text(
            f"{len(strange)} 条记录的名称和代码不是北京市的区，其中的对象所属区不明：{zh}。"
            "请核对 fields 中的 name、adcode。",
            f"{len(strange)} records have neither the name nor the code of a district of Beijing; "
            f"the district of what lies in them is unknown: {en}. Check name and adcode in fields.",
        )
        yield Notice("warning", where, text, len(strange))
    known = [district or name for district, name in zip(found, features.names, strict=True)]
    twice = [str(name) for name, times in Counter(known).items() if name and times > 1]
    if twice:
        zh, en = "、".join(twice[:_NAMED]), ", ".join(twice[:_NAMED])
        text = Text(
            f"有 {len(twice)} 个区出现多次：{zh}。请核对是否重复。",
            f"{len(twice)} districts are there more than once: {en}. Check for duplicates.",
        )
        yield Notice("warning", where, text, len(twice))


def notices_of(inputs: Inputs) -> list[Notice]:
    """Return what is to be said of all inputs, parcels first."""
    layers = [layer.notices for layer in inputs.layers.values()]
    rasters = [raster.notices for raster in inputs.rasters.values()]
    named = district_notices(inputs.layers["districts"]) if "districts" in inputs.layers else ()
    return [n for said in (inputs.parcels.notices, *layers, *rasters, named) for n in said]


def set_aside_of(inputs: Inputs) -> list[SetAside]:
    """Return every record that was set aside, parcels first."""
    layers = inputs.layers.values()
    return [*inputs.parcels.set_aside, *(s for layer in layers for s in layer.set_aside)]


def anything_set_aside(inputs: Inputs) -> bool:
    """Return whether some input could not be used: records, or parcels without a shape."""
    return bool(set_aside_of(inputs)) or inputs.parcels.source.unusable > 0


def rule_rows(book: Rulebook) -> list[dict[str, Any]]:
    """Return the rulebook as a table: one row a rule, measures without a test included.

    Rules that are not in force on the day that the rulebook speaks for are rows as well.
    """
    rows = []
    for key, rule in book.known.items():
        if key not in book.rules and key not in book.resting:
            continue
        measure = book.measure_of(rule)
        start, end = book.term(rule)
        cited = describe.citation(book, rule)
        concerns = describe.concern(book, rule)
        rows.append(
            {
                "id": rule.id,
                "measure": measure.id,
                "document": book.documents[measure.document].title_zh,
                "number": measure.number,
                "heading": measure.heading,
                "clause": measure.clause,
                "department": measure.department,
                "policy_class": measure.policy_class,
                "assess": rule.assess,
                "subject": rule.subject,
                "computed": rule.computed,
                "status": rule.status,
                "title_zh": rule.title_zh,
                "title_en": rule.title_en,
                "explanation_zh": rule.explanation_zh,
                "explanation_en": rule.explanation_en,
                "concerns_zh": concerns and concerns.zh,
                "concerns_en": concerns and concerns.en,
                "source_zh": cited.zh,
                "source_en": cited.en,
                "checked_on": measure.checked_on.isoformat(),
                "in_force": key in book.rules if book.date else None,
                "in_force_from": start and start.isoformat(),
                "in_force_until": end and end.isoformat(),
            }
        )
    return rows


def _parameters(book: Rulebook) -> dict[str, dict[str, Any]]:
    record = {}
    entering = dict.fromkeys(book.parameter_names)  # those of other rules too, through facts
    for rule in book.rules.values():
        entering |= grounds_of_rule(book, rule).parameters
    for name in entering:
        spec = book.parameter(name)
        record[name] = {
            "value": describe.plain(book.values[name]),
            "unit": spec.unit,
            "changed": name in book.changed,
            "dated": bool(spec.values) and name not in book.given,
            "basis": spec.basis,
            "title_zh": spec.title_zh,
            "title_en": spec.title_en,
            "source_zh": spec.source_zh,
            "source_en": spec.source_en,
            "stated_source": book.stated.get(name),
        }
    return record


def _notice(notice: Notice) -> dict[str, Any]:
    return {
        "kind": notice.kind,
        "where": notice.where,
        "text_zh": notice.text.zh,
        "text_en": notice.text.en,
        "count": notice.count,
    }


def _network_notices(network: dict[str, Any]) -> list[Notice]:
    """Say where roads do not hang together: ways may be longer than they are, or missing."""
    found = []
    if gaps := network.get("gaps", 0):
        at = network["gaps_at"][0]
        text = Text(
            f"路网有 {gaps} 处断口：路端距另一条路不足 {network['gap_limit_m']:g} 米而未相接"
            f"（首处在道路 {at['road']}，{at['x']:.0f}, {at['y']:.0f}）；因断口而不能确定的步行距离按资料不足处理。",
            f"{gaps} road ends stop within {network['gap_limit_m']:g} m of a road without meeting "
            f"it (the first: road {at['road']}, {at['x']:.0f}, {at['y']:.0f}); where such a gap "
            "decides, the walking distance counts as not known.",
        )
        found.append(Notice("warning", "roads", text, gaps))
    if islands := network.get("components", 0) - 1 if network.get("roads") else 0:
        text = Text(
            f"路网另有 {islands} 部分与主网不相连。",
            f"{islands} parts of the roads do not hang together with the largest.",
        )
        found.append(Notice("warning", "roads", text, islands))
    if crossings := network.get("crossings_not_joined", 0):
        text = Text(
            f"道路有 {crossings} 处相交而无公共顶点，按立体交叉处理，不相通。",
            f"Roads cross in {crossings} places without a common vertex: taken for bridges, "
            "they do not meet.",
        )
        found.append(Notice("warning", "roads", text, crossings))
    return found


def _renamed(screening: Screening) -> list[dict[str, Any]]:
    """Say which result columns gave way to a column of the user's."""
    said = []
    for role, plan in screening.plans.items():
        if plan.renamed:
            names = "、".join(plan.renamed)
            text = Text(
                f"输入表已有同名列，结果列改名为：{names}。",
                f"The input has columns of these names; result columns are named {names}.",
            )
            said.append(_notice(Notice("warning", role, text, len(plan.renamed))))
    return said


def _check_nothing_lost(
    sources: list[SourceRecord],
    set_aside: list[SetAside],
    screening: Screening,
    written: Mapping[str, Mapping[str, int]],
) -> None:
    """Every record of every input is in exactly one place, and in every file of results."""
    aside = Counter(s.role for s in set_aside)
    used = {s.role: s.records_used for s in sources}
    problems = [
        _lost(
            f"{s.role}: {s.path}",
            Text(
                f"读入 {s.records_in} 条，采用 {s.records_used} 条，搁置 {aside[s.role]} 条，数目不符。",
                f"{s.records_in} records were read, {s.records_used} used and "
                f"{aside[s.role]} set aside: the counts do not add up.",
            ),
        )
        for s in sources
        if s.records_used + s.records_set_aside != s.records_in
        or s.records_set_aside != aside[s.role]
    ]
    judged = {
        f"{role}, {rule}": (role, words.total())
        for role, rules in screening.counts.items()
        for rule, words in rules.items()
    }
    held = {
        f"{file}, {role}": (role, rows)
        for file, by_role in written.items()
        for role, rows in by_role.items()
    }
    problems += [
        _lost(
            where,
            Text(
                f"采用 {used[role]} 条，结果为 {rows} 条，数目不符。",
                f"{used[role]} records were used, and there are {rows} results: "
                "the counts do not add up.",
            ),
        )
        for where, (role, rows) in (judged | held).items()
        if rows != used[role]
    ]
    if problems:
        raise OutputError(problems)


def _lost(where: str, what: Text) -> Problem:
    fix = Text("这是程序错误，请连同文件报告。", "This is a fault of the program: report it.")
    return Problem(where, what, fix)
