"""What commands print: tables and listings for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from geo_urc import describe
from geo_urc.evaluation import active_leaves
from geo_urc.outputs.labels import role_titles
from geo_urc.policy.model import Rule, fact_of, presupposed
from geo_urc.policy.rulebook import Rulebook
from geo_urc.results import ASSESS, STATUSES
from geo_urc.roles import Role, roles
from geo_urc.safe_text import escaped, one_line, printable
from geo_urc.text import Lang, Text
from geo_urc.verdicts import LABELS

if TYPE_CHECKING:
    from geo_urc.comparison import Comparison
    from geo_urc.conversion import Converted
    from geo_urc.inputs.partitions import Manifest
    from geo_urc.inputs.table import Inputs
    from geo_urc.osm import Done
    from geo_urc.repeat import Repeated
    from geo_urc.results import Sweep
    from geo_urc.run import Request

_WIDE = 2000
"""Columns of a listing that goes to a file or a pipe: nothing is cut off there."""
_TAGS = {
    "assumption": Text("假定", "assumption"), "repair": Text("修复", "repair"),
    "warning": Text("警告", "warning"), "set_aside": Text("搁置", "set aside"),
    "datum": Text("基准", "datum"),
}  # fmt: skip
"""What a line about an input begins with."""


class _Console(Console):
    """Prints text from files as text: whatever a terminal would obey is spelled out."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(printable(o) if isinstance(o, str) else o for o in objects), **options)


class _Table(Table):
    def add_row(self, *cells: Any, **options: Any) -> None:
        super().add_row(*(one_line(c) if isinstance(c, str) else c for c in cells), **options)


_console = _Console(highlight=False, markup=False, soft_wrap=True)
_errors = Console(highlight=False, markup=False, soft_wrap=True, stderr=True)
if not _console.is_terminal:
    _console.width = _WIDE


def summary(record: dict[str, Any], request: Request, lang: Lang) -> None:
    """Print the verdicts by subject and rule, what to know about the inputs, and the files."""
    table = _table(
        Text("对象", "subject"),
        Text("规则", "rule"),
        Text("名称", "title"),
        *LABELS.values(),
        lang=lang,
    )
    titles = {
        (role, rule["id"]): Text(*rule["title"])
        for role, info in record["layers"].items()
        for rule in info["rules"]
    }
    for role, by_rule in record["counts"].items():
        for rule, counts in by_rule.items():
            numbers = [str(counts.get(word, 0) or "·") for word in LABELS]
            table.add_row(roles()[role].title.to(lang), rule, titles[role, rule].to(lang), *numbers)
    _console.print(table)
    for rested in record["not_in_force"]:
        term = _term(rested["from"], rested["until"], None)
        _say(
            Text(
                f"{record['as_of']} 未施行，不判定：{rested['rule']} {rested['title_zh']}（{term.zh}）",
                f"Not in force on {record['as_of']}, not evaluated: {rested['rule']} "
                f"{rested['title_en']} ({term.en})",
            ),
            lang,
        )
    for role, by_rule in record["concerns"].items():
        some = [rule for rule, found in by_rule.items() if found["matched"]]
        open_ = sum(1 for found in by_rule.values() if found["open"])
        title = roles()[role].title
        _say(
            Text(
                f"{title.zh}：另有 {len(some)} 项程序性措施与其有关（按属性匹配，不计算），"
                f"{open_} 项因资料不足或待解释而未定；见 explain 或报告。",
                f"{title.en}: {len(some)} procedural measures concern some of them (matched, not "
                f"computed); {open_} are left open for some: see explain or the report.",
            ),
            lang,
        )
    missing = record["layers_missing"]
    if missing:
        _say(
            Text(
                f"未提供的图层：{role_titles(missing, 'zh', codes=True)}",
                f"Layers not given: {role_titles(missing, 'en', codes=True)}",
            ),
            lang,
        )
    for notice in record["notices"]:
        if notice["kind"] != "assumption":
            _say(
                Text(
                    f"注意 {notice['where']}：{notice['text_zh']}",
                    f"Note {notice['where']}: {notice['text_en']}",
                ),
                lang,
            )
    assumed = sum(notice["kind"] == "assumption" for notice in record["notices"])
    if assumed:
        _say(
            Text(
                f"另有 {assumed} 项假定，见报告或 run.json。",
                f"{assumed} assumptions are listed in the report and run.json.",
            ),
            lang,
        )
    if record["set_aside"]:
        _say(
            Text(
                f"搁置 {len(record['set_aside'])} 条记录，见 set_aside 表。",
                f"{len(record['set_aside'])} records were set aside: see table set_aside.",
            ),
            lang,
        )
    workbook = request.out / "report.xlsx"
    for name, text in _FILES.items():
        if (request.out / name).exists():
            _console.print(f"{text.to(lang)}: {request.out / name}")
    left_out = "report" in request.outputs and not (request.reports or workbook.exists())
    if left_out:
        command = f"geo-urc report {request.out} --out report.xlsx"
        _say(
            Text(
                f"对象较多，未写 Excel 报告；需要时运行 {command}",
                f"No report as Excel of so many subjects; if you want it, run {command}",
            ),
            lang,
        )
    if "postgis" in record:
        names = [f"{record['postgis']['schema']}.{t['table']}" for t in record["postgis"]["tables"]]
        _say(Text(f"数据库表：{'、'.join(names)}", f"Database tables: {', '.join(names)}"), lang)


_FILES = {
    "map.html": Text("地图", "Map"),
    "report.html": Text("报告", "Report"),
    "report.pdf": Text("报告 PDF", "Report as PDF"),
    "report.docx": Text("报告 Word", "Report as Word"),
    "report.xlsx": Text("报告 Excel", "Report as Excel"),
    "eligibility.gpkg": Text("GeoPackage", "GeoPackage"),
    "eligibility.qgz": Text("QGIS 工程", "QGIS project"),
    "volumes.gpkg": Text("三维产权体", "Property volumes in 3D"),
    "volumes.qgz": Text("三维产权体 QGIS 工程", "QGIS project of the volumes"),
    "volumes.city.json": Text("三维产权体 CityJSON", "Property volumes as CityJSON"),
    "run.json": Text("运行记录", "Run record"),
}


def findings(inputs: Inputs, lang: Lang) -> None:
    """Print to standard error what is out of order with the parcels."""
    for notice in inputs.parcels.notices:
        if notice.kind != "assumption":
            _errors.print(one_line(_tagged(notice.kind, notice.where, notice.text, lang)))
    for record in inputs.parcels.set_aside:
        told = _tagged("set_aside", f"{record.file} #{record.record}", record.reason, lang)
        _errors.print(one_line(told))


def _tagged(kind: str, where: str, what: Text, lang: Lang) -> str:
    tag = _TAGS[kind]
    return Text(f"[{tag.zh}] {where}：{what.zh}", f"[{tag.en}] {where}: {what.en}").to(lang)


def inputs_found(inputs: Inputs, lang: Lang) -> None:
    """Print what each input holds, and everything there is to say about it."""
    table = _table(
        Text("角色", "role"), Text("文件", "file"), Text("坐标系", "CRS"), Text("基准", "datum"),
        Text("编码", "encoding"), Text("记录", "records"), Text("采用", "used"),
        Text("修复", "repaired"), Text("无法使用", "unusable"), Text("搁置", "set aside"), lang=lang,
    )  # fmt: skip
    for s in (inputs.parcels.source, *(layer.source for layer in inputs.layers.values())):
        datum = f"{s.datum} ?" if s.datum_assumed else s.datum
        numbers = (s.records_in, s.records_used, s.repaired, s.unusable, s.records_set_aside)
        table.add_row(s.role, s.path, _short(s.crs), datum, s.encoding, *(str(n) for n in numbers))
    _console.print(table)
    from geo_urc.inputs.control.wording import finding

    for s in (inputs.parcels.source, *(layer.source for layer in inputs.layers.values())):
        _console.print(_tagged("datum", f"{s.role} ({s.path})", finding(s), lang))
    if inputs.rasters:
        _console.print(_raster_table(inputs, lang))
    remarks(inputs, lang, most=50)


def remarks(inputs: Inputs, lang: Lang, most: int | None = None) -> None:
    """Print what is to be said of the inputs, and each record set aside (or the first ones)."""
    from geo_urc.record import notices_of, set_aside_of

    for notice in notices_of(inputs):
        _console.print(one_line(_tagged(notice.kind, notice.where, notice.text, lang)))
    for record in set_aside_of(inputs)[:most]:
        told = _tagged("set_aside", f"{record.file} #{record.record}", record.reason, lang)
        _console.print(one_line(told))


def _raster_table(inputs: Inputs, lang: Lang) -> Table:
    table = _table(
        Text("栅格", "raster"), Text("文件", "file"), Text("坐标系", "CRS"), Text("基准", "datum"),
        Text("行列", "cells"), Text("格网", "cell size"), Text("无数据值", "nodata"),
        Text("单位", "unit"), Text("精度", "accuracy"), lang=lang,
    )  # fmt: skip
    for raster in inputs.rasters.values():
        s = raster.source
        metres = roles()[s.role].cell.unit == "m"
        table.add_row(
            s.role, s.path, _short(s.crs), f"{s.datum} ?" if s.datum_assumed else s.datum,
            f"{s.columns} × {s.rows}", f"{s.cell_width:.6g} × {s.cell_height:.6g}",
            "–" if s.nodata is None else f"{s.nodata:g}", s.unit,
            f"{s.accuracy_m:g} m" if metres else "–",
        )  # fmt: skip
    return table


def _short(crs: str) -> str:
    return crs if len(crs) < 20 else f"{crs[:17]}…"


def converted(done: Sequence[Converted], out: Path, lang: Lang) -> None:
    """Print what became of each layer of a file that was taken to another datum."""
    for one in done:
        bare, unread = one.without_geometry, one.unread
        _say(
            Text(
                f"{one.layer}：{one.records} 条记录，{one.moved} 个顶点平均移动 "
                f"{one.mean_shift_m:.1f} 米，往返误差不超过 {one.round_trip_m * 1000:.3f} 毫米；"
                f"坐标系 {one.crs}。"
                + (f"{bare} 条没有图形。" if bare else "")
                + (f"{unread} 条无法读取，不在输出中。" if unread else ""),
                f"{one.layer}: {one.records} records, {one.moved} vertices moved by "
                f"{one.mean_shift_m:.1f} m on average, there and back within "
                f"{one.round_trip_m * 1000:.3f} mm; system {one.crs}."
                + (f" {bare} have no geometry." if bare else "")
                + (f" {unread} could not be read and are missing." if unread else ""),
            ),
            lang,
        )
        for note in one.notes:
            _say(Text(f"  注意：{note.zh}", f"  Note: {note.en}"), lang)
    _console.print(str(out))


def partitioned(done: Manifest, out: Path, lang: Lang) -> None:
    """Print what a dataset of partitions holds."""
    parts, bad = len(done.partitions), len(done.bad)
    _say(
        Text(
            f"{done.rows} 条记录，{parts} 个分区；列 {done.order} 为输入中的序号。"
            + (f"{bad} 条无法读取，已列入清单。" if bad else ""),
            f"{done.rows} records in {parts} partitions; the column {done.order} holds their "
            "places in the input." + (f" {bad} could not be read and are listed." if bad else ""),
        ),
        lang,
    )
    for note in done.notes:
        _say(Text(f"  注意：{note.zh}", f"  Note: {note.en}"), lang)
    _console.print(str(out))


def rules_ready(inputs: Inputs, book: Rulebook, lang: Lang) -> None:
    """Print which rules can run with these inputs, and what the others lack."""
    table = _table(
        Text("规则", "rule"), Text("对象", "subject"), Text("缺少图层", "layers missing"),
        Text("缺少字段", "fields missing"), lang=lang,
    )  # fmt: skip
    fields = {
        inputs.parcels.role: set(inputs.parcels.field_names),
        **{role: set(layer.features.fields) for role, layer in inputs.layers.items()},
        **{role: set() for role in inputs.rasters},
    }
    for rule in book.rules.values():
        if not rule.computed or rule.subject is None:
            continue
        absent = [r for r in (rule.subject, *describe.layers_of(book, rule)) if r not in fields]
        wanted = [f for f in describe.facts_of(book, rule) if f not in book.facts]
        lacking = [f for f in wanted if f not in fields.get(rule.subject, set())]
        table.add_row(
            rule.id,
            rule.subject,
            "、".join(dict.fromkeys(absent)) or "–",
            "、".join(lacking) or "–",
        )
    _console.print(table)
    for role in fields:
        matched = book.concerning(role)
        named = (f for rule in matched for f in describe.facts_of(book, rule))
        lacking = [
            f for f in dict.fromkeys(named) if f in roles()[role].fields.keys() - fields[role]
        ]
        if lacking:
            _say(
                Text(
                    f"{role}：匹配程序性措施缺少字段 {'、'.join(lacking)}",
                    f"{role}: fields missing to match procedural measures {', '.join(lacking)}",
                ),
                lang,
            )


def sweep_table(found: Sweep, out: Path, lang: Lang) -> None:
    """Print the verdicts under each value, and the files."""
    table = _table(
        Text(found.parameter, found.parameter), Text("对象", "subject"), Text("规则", "rule"),
        *LABELS.values(), lang=lang,
    )  # fmt: skip
    for row in found.table.to_pylist():
        value = row["value"]
        table.add_row(
            f"{value:.10g}" if isinstance(value, float) else str(value),
            found.subjects[row["subject"]].to(lang),
            row["rule"],
            *(str(row[word] or "·") for word in LABELS),
        )
    _console.print(table)
    for name in ("sweep.html", "sweep.csv", "sweep.svg", "run.json"):
        _console.print(str(out / name))


_CHANGES_SHOWN = 20
_WHY = {
    "date": Text("另一次的判定日期未施行", "not in force on the other run's date"),
    "input": Text("另一次没有这类对象的图层", "the other run has no such layer"),
    "not_evaluated": Text("另一次未判定", "not evaluated in the other run"),
}


def differences(found: Comparison, lang: Lang) -> None:
    """Print what differs between two runs, the changes counted, and the first of them."""
    for role, what in found.inputs.items():
        _say(Text(f"输入不同 {role}：{what}", f"Input differs, {role}: {what}"), lang)
    for name, what in found.parameters.items():
        _say(Text(f"参数不同 {name}：{what}", f"Parameter differs, {name}: {what}"), lang)
    for other in found.others:
        _say(other, lang)
    for rule in found.unpaired:
        side = rule.only_in.upper()
        _say(
            Text(
                f"仅在 {side} 判定：{rule.subject} {rule.rule}（{_WHY[rule.why].zh}）",
                f"Only in {side}: {rule.subject} {rule.rule} ({_WHY[rule.why].en})",
            ),
            lang,
        )
    total = found.changes.num_rows
    _say(
        Text(
            f"结论相同 {found.unchanged} 个，不同 {total} 个。",
            f"{found.unchanged} verdicts are the same, {total} are not.",
        ),
        lang,
    )
    if not total:
        return
    table = _table(
        Text("对象", "subject"), Text("规则", "rule"), Text("原结论", "from"),
        Text("现结论", "to"), Text("起因", "cause"), Text("数量", "count"), lang=lang,
    )  # fmt: skip
    for row in found.summary().to_pylist():
        before, after = (LABELS[w].to(lang) if w else "–" for w in (row["from"], row["to"]))
        table.add_row(
            roles()[row["subject"]].title.to(lang), row["rule"] or "–", before, after,
            _causes(row["cause"], lang), str(row["count_all"]),
        )  # fmt: skip
    _console.print(table)
    for row in found.changes.slice(0, _CHANGES_SHOWN).to_pylist():
        told = [row[key] for key in ("facts", "parameters", "inputs") if row[key]]
        verdicts = (LABELS[w].to(lang) if w else "–" for w in (row["from"], row["to"]))
        head = f"{row['subject_id']} {row['rule'] or ''}".strip()
        why = " | ".join([_causes(row["cause"], lang), *told])
        _console.print(one_line(f"{head}: {' → '.join(verdicts)} | {why}"))
    if total > _CHANGES_SHOWN:
        more = total - _CHANGES_SHOWN
        _say(
            Text(f"另有 {more} 个，用 --out 写出全部。", f"{more} more: write them with --out."),
            lang,
        )


def _causes(joined: str, lang: Lang) -> str:
    from geo_urc.comparison import CAUSES

    return Text("、", ", ").to(lang).join(CAUSES[cause].to(lang) for cause in joined.split(";"))


def repeated(found: Repeated, lang: Lang) -> None:
    """Print whether a repeated run is the same, and what has changed on the way."""
    same = sum(file.state == "unchanged" for file in found.inputs)
    _say(
        Text(f"输入文件未变：{same} 个。", f"Input files unchanged: {same}."),
        lang,
    )
    for file in found.inputs:
        if file.state == "changed":
            _say(Text(f"输入文件已变：{file.file}", f"Input file changed: {file.file}"), lang)
        elif file.state == "missing":
            _say(Text(f"输入文件缺失：{file.file}", f"Input file missing: {file.file}"), lang)
    for name, (then, now) in found.software.items():
        _say(
            Text(
                f"软件版本不同 {name}：原为 {then}，现为 {now}",
                f"Other version of {name}: {then} then, {now} now",
            ),
            lang,
        )
    if not found.software:
        _say(Text("软件版本相同。", "The software has the same versions."), lang)
    for name in found.strangers:
        _say(
            Text(f"不是这次运行写出的文件：{name}", f"Not written by the run: {name}"),
            lang,
        )
    for difference in found.different:
        _console.print(f"{difference.file}: {difference.what.to(lang)}")
    _say(
        Text("一致。", "Identical.") if found.identical else Text("不一致。", "Not identical."),
        lang,
    )


def rule_table(rows: Sequence[dict[str, Any]], lang: Lang) -> None:
    """Print the rulebook, a line a rule."""
    table = _table(
        Text("编号", "id"), Text("分类", "class"), Text("判定方式", "assess"), Text("对象", "subject"),
        Text("处理", "status"), Text("名称", "title"), Text("牵头部门", "department"),
        Text("施行", "in force"), lang=lang,
    )  # fmt: skip
    for row in rows:
        policy = describe.POLICY_CLASSES.get(row["policy_class"] or "", Text("–", "–"))
        table.add_row(
            row["id"], policy.to(lang), ASSESS[row["assess"]].to(lang), row["subject"] or "–",
            STATUSES[row["status"]].to(lang), row[f"title_{lang}"], row["department"] or "–",
            _term(row["in_force_from"], row["in_force_until"], row["in_force"]).to(lang),
        )  # fmt: skip
    _console.print(table)


def _term(start: object, end: object, holds: bool | None) -> Text:
    """Return from when until when a rule holds, and whether on the day that was asked for."""
    days = f"{start or '…'} – {end or '…'}" if start or end else "–"
    if holds is None:
        return Text(days, days)
    mark = Text("✓", "✓") if holds else Text("未施行", "not in force")
    return mark if days == "–" else Text(f"{mark.zh} {days}", f"{mark.en} {days}")


def rules_whole(book: Rulebook, lang: Lang) -> None:
    """Print everything about the rules of a (reduced) rulebook."""
    for place in (*book.rules, *book.resting):
        rule = book.known[place]
        measure = book.measure_of(rule)
        policy = describe.POLICY_CLASSES.get(measure.policy_class or "", Text("–", "–"))
        lines = [
            f"{rule.id} {rule.title.to(lang)}",
            f"  {describe.citation(book, rule).to(lang)}",
            f"  {policy.to(lang)} · {ASSESS[rule.assess].to(lang)} · {rule.subject or '–'} · "
            f"{STATUSES[rule.status].to(lang)}",
            f"  {rule.explanation_zh if lang == 'zh' else rule.explanation_en}",
        ]
        start, end = book.term(rule)
        if start or end:
            term = _term(start, end, book.in_force(rule) if book.date else None)
            lines.append(f"  {Text('施行', 'in force').to(lang)}: {term.to(lang)}")
        concerned = describe.concern(book, rule)
        if concerned:
            subjects = ", ".join(rule.concerns_subjects)
            whom = Text("与哪些对象有关", "whom it concerns").to(lang)
            lines.append(f"  {whom} ({subjects}): {concerned.to(lang)}")
        if rule.computed:
            lines.append(
                f"  {Text('图层', 'layers').to(lang)}: {', '.join(describe.layers_of(book, rule))}"
            )
            for leaf in active_leaves(book, rule):
                name = fact_of(leaf)
                limit = describe.asked(book, rule, leaf)
                title = describe.fact_title(book, rule.subject or "", name)
                lines.append(
                    f"  - {title.to(lang)} ({name}) {limit.to(lang) if limit else ''}".rstrip()
                )
        lines += [f"  - {text.to(lang)}" for text in _builds_upon(rule)]
        for key, parameter in rule.parameters.items():
            name = f"{rule.id}.{key}"
            flag = " *" if name in book.changed else ""
            basis = {
                "text": Text("文件载明", "in the text"),
                "reading": Text("读法", "our reading"),
            }
            source = parameter.source_zh if lang == "zh" else parameter.source_en
            lines.append(
                f"  {name} = {describe.plain(book.values[name])} {parameter.unit or ''}{flag}  "
                f"[{parameter.bound}, {basis[parameter.basis].to(lang)}] {source}"
            )
            for dated in parameter.values:
                day = Text(f"自 {dated.from_} 起", f"from {dated.from_}").to(lang)
                lines.append(f"    {day}: {describe.plain(dated.value)} {parameter.unit or ''}")
        _console.print("\n".join(lines), end="\n\n")


def _builds_upon(rule: Rule) -> Iterable[Text]:
    """Yield what a rule asks of other rules, and what it makes owed."""
    for node in [*presupposed(rule.applies), *presupposed(rule.test)]:
        yield Text(f"符合 {node.rule}", f"meets {node.rule}")
    price = rule.price
    if price is not None and price.nothing:
        yield Text("应缴：无", "owed: nothing")
    elif price is not None and price.stated:
        base = " / ".join(filter(None, (price.base, price.upon)))
        yield Text(f"应缴：{base} × {price.factor}", f"owed: {base} × {price.factor}")


def role_table(lang: Lang) -> None:
    """Print the layer catalogue, a line a role."""
    table = _table(
        Text("角色", "role"),
        Text("名称", "title"),
        Text("图形", "geometry"),
        Text("字段", "fields"),
        lang=lang,
    )
    for role in roles().values():
        kinds = "raster" if role.raster else ", ".join(sorted(role.kinds))
        table.add_row(role.id, role.title.to(lang), kinds, " ".join(role.fields))
    _console.print(table)


def role_whole(role: Role, lang: Lang) -> None:
    """Print what one role must hold."""
    _console.print(f"{role.id} {role.title.to(lang)}\n{role.about.to(lang)}")
    table = _table(
        Text("字段", "field"), Text("名称", "title"), Text("类型", "type"), Text("单位", "unit"),
        Text("取值", "words"), lang=lang,
    )  # fmt: skip
    for field in role.fields.values():
        words = " ".join(f"{code}={label}" for code, label in field.words.items())
        table.add_row(field.name, field.title.to(lang), field.type, field.unit or "", words)
    _console.print(table)


def template(wanted: Sequence[Role], lang: Lang) -> None:
    """Print a LAYERS.toml to fill in."""
    from geo_urc.inputs.draft import raster_keys

    def fields(role: Role) -> str:
        named = ", ".join(f'{name} = "{f.title.to(lang)}"' for name, f in role.fields.items())
        return f"# fields = {{ {named} }}"

    chosen: Sequence[Role] = wanted or [*roles().values()]
    lines = ["[parcels]", f'id = "{Text("宗地代码", "parcel_id").to(lang)}"']
    lines += [*(fields(role) for role in chosen if role.id == "parcels"), ""]
    for role in (role for role in chosen if role.id != "parcels"):
        lines += [
            f"[layers.{role.id}]  # {role.title.to(lang)}: {role.about.to(lang)}",
            f'path = "{role.id}.{"tif" if role.raster else "gpkg"}"',
            *(raster_keys(role) if role.raster else [fields(role)]),
            "",
        ]
    _console.print("\n".join(lines), end="")


def osm_layers(done: Done, out: Path, lang: Lang) -> None:
    """Print what an extract gave: counts, what to know of each layer, and what it cannot give."""
    table = _table(
        Text("角色", "role"), Text("名称", "title"), Text("数量", "count"), Text("类别", "kinds"),
        lang=lang,
    )  # fmt: skip
    for one in done.made:
        kinds = " ".join(f"{kind}={count}" for kind, count in one.kinds.most_common(8))
        table.add_row(one.role, roles()[one.role].title.to(lang), str(one.count), kinds)
    _console.print(table)
    for one in done.made:
        for remark in (*([one.mapping.lacks] if one.count else []), *one.remarks):
            _say(Text(f"{one.role}：{remark.zh}。", f"{one.role}: {remark.en}."), lang)
    if done.none:
        table = _table(Text("做不出", "not made"), Text("原因", "why"), lang=lang)
        for role, why in done.none.items():
            table.add_row(role, why.to(lang))
        _console.print(table)
    for note in done.extract.notes:
        _say(Text(f"注意：{note.zh}", f"Note: {note.en}"), lang)
    for bad in done.extract.bad:
        _console.print(one_line(_tagged("set_aside", done.extract.path, bad, lang)))
    if not done.extract.declared:
        _say(
            Text(
                "文件没有写明提取范围，以数据的外框代替。",
                "The files do not say what they cover: the box about their data stands for it.",
            ),
            lang,
        )
    _say(
        Text(
            "数据 © OpenStreetMap 贡献者，ODbL 1.0：公开成果须注明出处，见 LICENSE.txt。",
            "Data © OpenStreetMap contributors, ODbL 1.0: say so in what you publish; see "
            "LICENSE.txt.",
        ),
        lang,
    )
    for path in sorted(out.iterdir()):
        _console.print(str(path))


def districts_written(count: int, out: Path, lang: Lang) -> None:
    """Print what was written, what it is, and the table for LAYERS.toml."""
    from geo_urc.boundaries import ACCURACY_M, SOURCE

    _say(
        Text(
            f"{count} 个区，来源 {SOURCE}，已由 GCJ-02 换算为 WGS 84。不是法定界线，没有审图号；"
            "公开出图请用主管部门的数据。",
            f"{count} districts of {SOURCE}, taken from GCJ-02 to WGS 84. Not the legal boundary "
            "and without a map approval number: for published maps use the authority's.",
        ),
        lang,
    )
    _console.print(
        f'\n[layers.districts]\npath = {escaped(out.name)}\ndatum = "wgs84"\n'
        f'fields = {{ name = "name", adcode = "adcode" }}\naccuracy_m = {ACCURACY_M}'
    )


def _table(*headings: Text, lang: Lang) -> Table:
    table: Table = _Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading.to(lang), no_wrap=not _console.is_terminal, overflow="fold")
    return table


def _say(text: Text, lang: Lang) -> None:
    _console.print(one_line(text.to(lang)))
