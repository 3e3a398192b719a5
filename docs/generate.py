"""Write the pages that repeat what files of the project say, so that they cannot disagree.

``python docs/generate.py`` writes them, ``--check`` only says whether they are up to date.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from geo_urc import describe
from geo_urc.osm.mapping import mappings
from geo_urc.policy import Rulebook, load_rulebook
from geo_urc.policy.model import Parameter, Rule
from geo_urc.results import ASSESS, STATUSES
from geo_urc.roles import Field, Role, roles
from geo_urc.text import Text

DOCS = Path(__file__).parent
KINDS = {"point": "点 point", "line": "线 line", "polygon": "面 polygon"}


def pages() -> dict[Path, str]:
    """Return every generated page by its path."""
    book = load_rulebook()
    return {
        DOCS / "layers.md": "\n".join(layers_page(book)) + "\n",
        DOCS / "measures.md": "\n".join(measures_page(book)) + "\n",
    }


def layers_page(book: Rulebook) -> Iterator[str]:
    """Yield the lines of the catalogue of layer roles."""
    yield from _head(
        "图层目录 · Layer roles",
        "layers/*.toml",
        "图层按角色写进 LAYERS.toml（见[操作指南](howto.md)）；每个角色都可有 `name`、`kind` 两个字段。"
        "OSM 一栏打勾的，可用 `geo-urc layers from-osm` 从 OpenStreetMap 提取，所用标签见该角色一节。",
        "A layer enters LAYERS.toml under its role (see the [how-to](howto.md)); every role may "
        "have the fields `name` and `kind`. ✓ under OSM: `geo-urc layers from-osm` makes it of an "
        "extract of OpenStreetMap, by the tags that the role's section names.",
    )
    used = {role: list(_readers(book, role)) for role in roles()}
    yield from _table(
        (
            "角色 role",
            "名称 title",
            "图形 geometry",
            "判定对象 gets verdicts",
            "用到它的规则 read by",
            "OSM",
        ),
        (
            (
                f"[`{role.id}`](#{role.id})",
                f"{role.title.zh} {role.title.en}",
                _kinds(role),
                "✓" if book.of_subject(role.id) else "",
                " ".join(used[role.id]),
                "" if mappings()[role.id].none else "✓",
            )
            for role in roles().values()
        ),
    )
    for role in roles().values():
        yield from ("", f"## {role.id}", "", f"**{role.title.zh} {role.title.en}.**", "")
        yield from (role.about.zh, "", role.about.en)
        own = [field for field in role.fields.values() if field.name not in ("name", "kind")]
        own += [f for f in role.fields.values() if f.name == "kind" and f.words]
        if own:
            yield ""
            yield from _table(
                ("字段 field", "名称 title", "类型 type", "单位 unit", "取值 words"),
                (_field_row(field) for field in own),
            )
        yield from ("", *_of_osm(role))


def _of_osm(role: Role) -> Iterator[str]:
    """Yield what of OpenStreetMap makes a role, or why nothing does."""
    mapping = mappings()[role.id]
    if mapping.none is not None:
        yield f"OpenStreetMap: – {mapping.none.zh}。 {mapping.none.en}."
        return
    tags = ", ".join(f"`{take.told}`" for take in mapping.take if take.sort == "osm")
    yield f"OpenStreetMap: {tags}. {mapping.lacks.zh}。 {mapping.lacks.en}."


def measures_page(book: Rulebook) -> Iterator[str]:
    """Yield the lines of the catalogue of measures."""
    count = Counter(rule.status for rule in book.rules.values())
    yield from _head(
        "措施目录 · Measures",
        "geo_urc/policy/rulebook/*.toml",
        f"{len(book.measures)} 项措施，{len(book.rules)} 条规则：{count['computed']} 条计算，"
        f"{count['matched']} 条程序性措施按属性与对象匹配而不计算，{count['authority']} 条只对部门提出，"
        f"{count['catalogued']} 条只列入目录。文字是本项目自己的转述，以官方文件为准。",
        f"{len(book.measures)} measures, {len(book.rules)} rules: {count['computed']} are computed, "
        f"{count['matched']} procedural ones are matched with sites by attribute and not computed, "
        f"{count['authority']} are addressed to authorities only, {count['catalogued']} are "
        "catalogued only. The wording is the project's own: the official documents are the authority.",
    )
    for document_id, document in book.documents.items():
        own = [r for r in book.rules.values() if book.measure_of(r).document == document_id]
        yield from ("", f"## {document.title_zh}", "", document.title_en, "")
        yield from _table(
            (
                "编号 id",
                "分类 class",
                "判定方式 assess",
                "处理 status",
                "对象 subject",
                "名称 title",
                "牵头 lead",
            ),
            (_rule_row(book, rule) for rule in own),
        )
    yield from ("", "## 各条规则 · Rule by rule")
    for rule in book.rules.values():
        yield from _rule_section(book, rule)


def _rule_section(book: Rulebook, rule: Rule) -> Iterator[str]:
    yield from ("", f"### {rule.id}" + (f" · {rule.subject}" if rule.subject else ""), "")
    kind, status = ASSESS[rule.assess], STATUSES[rule.status]
    yield from (f"**{rule.title_zh}** {rule.title_en}", "")
    policy = describe.POLICY_CLASSES.get(book.measure_of(rule).policy_class or "", Text("–", "–"))
    yield from (" · ".join(f"{text.zh} {text.en}" for text in (policy, kind, status)), "")
    yield from (describe.citation(book, rule).zh, "", rule.explanation_zh, "", rule.explanation_en)
    if rule.presumes_zh and rule.presumes_en:
        yield from ("", f"前提 presumed: {rule.presumes_zh} {rule.presumes_en}")
    concerned = describe.concern(book, rule)
    if concerned:
        subjects = ", ".join(f"`{role}`" for role in rule.concerns_subjects)
        yield from (
            "",
            f"与哪些对象有关 whom it concerns ({subjects}): {concerned.zh} · {concerned.en}",
        )
    layers = ", ".join(f"[`{role}`](layers.md#{role})" for role in describe.layers_of(book, rule))
    if rule.computed or layers:
        yield from ("", f"图层 layers: {layers or '–'}")
    if rule.parameters:
        yield ""
        yield from _table(
            (
                "参数 parameter",
                "默认 default",
                "单位 unit",
                "本数 bound",
                "依据 basis",
                "来源 source",
            ),
            (
                (
                    f"`{rule.id}.{key}`",
                    _value(book, f"{rule.id}.{key}", parameter),
                    parameter.unit or "",
                    parameter.bound if parameter.unit else "",
                    parameter.basis,
                    f"{parameter.source_zh}<br>{parameter.source_en}",
                )
                for key, parameter in rule.parameters.items()
            ),
        )


def _value(book: Rulebook, name: str, parameter: Parameter) -> str:
    """Return a parameter's value; of one that the user supplies its form and an example."""
    value = book.values[name]
    if value is not None:
        return f"`{describe.plain(value)}`"
    wanted = f"须提供 to be supplied: {parameter.form or 'number'}"
    if parameter.example is None:
        return wanted
    return f"{wanted}，例 e.g. `{describe.plain(parameter.example)}`"


def _rule_row(book: Rulebook, rule: Rule) -> tuple[str, ...]:
    measure = book.measure_of(rule)
    return (
        rule.id,
        measure.policy_class or "–",
        f"{ASSESS[rule.assess].zh} {ASSESS[rule.assess].en}",
        f"{STATUSES[rule.status].zh}<br>{STATUSES[rule.status].en}",
        f"`{rule.subject}`" if rule.subject else "–",
        f"{rule.title_zh}<br>{rule.title_en}",
        measure.department or "–",
    )


def _field_row(field: Field) -> tuple[str, ...]:
    words = "<br>".join(f"`{code}` {label}" for code, label in field.words.items())
    title = f"{field.title.zh} {field.title.en}"
    return f"`{field.name}`", title, field.type, field.unit or "", words


def _readers(book: Rulebook, role: str) -> Iterator[str]:
    """Yield the rules that read a layer or decide on its features, each once."""
    readers = dict.fromkeys(
        rule.id
        for rule in book.rules.values()
        if (rule.computed and rule.subject == role) or role in describe.layers_of(book, rule)
    )
    yield from readers


def _kinds(role: Role) -> str:
    return "栅格 raster" if role.raster else " / ".join(KINDS[kind] for kind in sorted(role.kinds))


def _head(title: str, source: str, zh: str, en: str) -> Iterator[str]:
    yield f"<!-- Written by docs/generate.py from {source}: change those files, not this page. -->"
    yield from ("", f"# {title}", "", zh, "", en, "")


def _table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for row in rows:
        cells = (cell.replace("|", r"\|") for cell in row)
        yield f"| {' | '.join(cells)} |"


def main() -> int:
    """Write the pages, or with ``--check`` return 1 if one of them is out of date."""
    stale = {
        path: text
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        if "--check" in sys.argv:
            print(f"{path.name} is out of date: run python docs/generate.py")
        else:
            path.write_text(text, encoding="utf-8", newline="\n")
    return int("--check" in sys.argv and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
