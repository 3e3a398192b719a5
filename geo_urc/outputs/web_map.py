"""The map page: one HTML file that opens from a folder, without a server or the internet."""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geo_urc.outputs.labels import layer_order, rule_label
from geo_urc.outputs.map_data import MOST_SINGLE, map_data
from geo_urc.results import LayerInfo, Results
from geo_urc.text import Lang, Text

if TYPE_CHECKING:
    import folium

_IDS_LISTED = 200

TEXTS: dict[str, Text] = {
    "title": Text("城市更新政策适用性地图", "Urban renewal policy map"),
    "asOf": Text("政策日期", "policies as of"),
    "rulebook": Text("规则库版本", "rulebook"),
    "software": Text("软件", "software"),
    "subject": Text("对象", "Subject"),
    "rule": Text("政策", "Rule"),
    "search": Text("按编号或名称查找", "Find by id or name"),
    "noSearch": Text(
        "汇总显示时不能按编号查找，请在 eligibility.gpkg 中查找。",
        "No search among aggregated subjects; look in eligibility.gpkg.",
    ),
    "matches": Text("找到 {n} 个", "{n} found"),
    "firstMatches": Text("找到 {n} 个，列出前 {m} 个", "{n} found, the first {m} are listed"),
    "legend": Text("图例与筛选", "Legend and filter"),
    "notes": Text("数据说明", "About the data"),
    "map": Text("地图", "map"),
    "grid": Text(
        "{n} 个对象按约 {m} 米格网汇总显示，颜色为格内数量最多的结论；"
        "单个对象见 eligibility.gpkg。",
        "{n} subjects are shown as counts in cells of about {m} m, coloured by the most frequent "
        "verdict; the single subjects are in eligibility.gpkg.",
    ),
    "cell": Text("格内 {n} 个", "{n} in this cell"),
    "noShape": Text("图形无法使用", "no usable geometry"),
    "limit": Text("限值", "limit"),
    "margin": Text("余量", "margin"),
    "accuracy": Text("精度", "accuracy"),
    "source": Text("依据", "source"),
    "policyClass": Text("政策类别", "policy class"),
    "changed": Text("参数已改动", "changed parameters"),
    "layersMissing": Text("缺少图层", "layers not given"),
    "reasons": Text("原因", "reasons"),
    "yes": Text("是", "yes"),
    "no": Text("否", "no"),
    "close": Text("关闭", "Close"),
    "zoomIn": Text("放大", "Zoom in"),
    "zoomOut": Text("缩小", "Zoom out"),
}


def write_map(results: Results, path: Path, lang: Lang = "zh") -> None:
    """Write the map of a run as one HTML file that needs no network.

    Up to 20 000 subjects of a kind are drawn one by one, more as a grid of counts, and the
    page says so. The same results give the same bytes.
    """
    page = build_map(results, lang).get_root().render()
    path.write_text(page, encoding="utf-8", newline="\n")


def build_map(results: Results, lang: Lang = "zh") -> folium.Map:
    """Return the map of a run as a folium map, for a notebook or further layers."""
    import folium

    page = folium.Map(
        location=[39.9, 116.4],
        zoom_start=11,
        tiles=None,
        prefer_canvas=True,
        zoom_control=False,
        attribution_control=False,
        max_zoom=20,
    )
    page._id = "geo_urc"  # folium's own id is random
    _detach_from_network(page)
    texts = {key: text.to(lang) for key, text in TEXTS.items()}
    data = map_data(results, lang) | {"texts": texts, "lang": lang}
    head = (
        f"<style>{_leaflet_css()}</style>\n<style>{_asset('map.css')}</style>\n"
        f"<script>{_leaflet_js()}</script>\n<script>{_asset('map.js')}</script>\n"
    )
    body = _panel(results, data, lang) + (
        f'<script type="application/json" id="urc-data">{embedded_json(data)}</script>\n'
    )
    figure: Any = page.get_root()
    figure.title = texts["title"]
    figure.header.add_child(_verbatim(head), name="geo_urc_head")
    figure.html.add_child(_verbatim(body), name="geo_urc_panel")
    page.add_child(_start(), name="geo_urc_start")
    return page


def embedded_json(data: Any) -> str:
    r"""Return JSON that cannot end the script element it stands in.

    Examples
    --------
    >>> print(embedded_json({"a": "</script>&"}))
    {"a":"\u003c/script\u003e\u0026"}
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _detach_from_network(page: folium.Map) -> None:
    """Empty the list of outside scripts of this one map.

    The lists that folium offers to change belong to the class, that is to every map of the
    process; so the map gets lists of its own. This is the only place that touches them.
    """
    page.default_js = []
    page.default_css = []


def _verbatim(text: str) -> Any:
    """Return a page element that is written as it is: data must never be read as a template."""
    from branca.element import Element
    from jinja2 import Template

    element: Any = Element()
    element.text = text
    element._template = Template("{{ this.text }}")
    return element


def _start() -> Any:
    """Return the element that hands folium's map to our script once both exist."""
    from branca.element import MacroElement
    from jinja2 import Template

    element = MacroElement()
    element._template = Template(
        "{% macro script(this, kwargs) %}geoUrcMap({{ this._parent.get_name() }});{% endmacro %}"
    )
    return element


def _panel(results: Results, data: dict[str, Any], lang: Lang) -> str:
    """Return the fixed part of the side panel, all text escaped."""
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_asset("map_panel.html.j2"))
    return template.render(
        texts=data["texts"], run=results.run, notes=_notes(results, lang), lang=lang
    )


def _notes(results: Results, lang: Lang) -> list[str]:
    """Return what a reader must know about the data, one sentence each."""
    notes = [
        f"{notice.get('where', '')}：{notice.get(f'text_{lang}', '')}"
        + (f" ×{notice['count']}" if notice.get("count", 1) != 1 else "")
        for notice in results.run.get("notices", [])
    ]
    notes += [
        Text(
            f"缺少图层 {layer}：{', '.join(rules)}", f"Layer {layer} not given: {', '.join(rules)}"
        ).to(lang)
        for layer, rules in results.run.get("layers_missing", {}).items()
    ]
    for info in layer_order(results):
        notes += _unusable(results, info, lang)
        if not info.rules:
            notes.append(
                Text(
                    f"{info.title.zh}：没有规则，未绘出", f"{info.title.en}: no rule, not drawn"
                ).to(lang)
            )
    for layer in results.context:
        if len(layer.wkb) > MOST_SINGLE:
            crowded = f"{layer.title.to(lang)} ({len(layer.wkb)})"
            notes.append(
                Text(f"背景图层过大，未绘出：{crowded}", f"Too large to draw: {crowded}").to(lang)
            )
    aside = len(results.run.get("set_aside", []))
    if aside:
        notes.append(
            Text(
                f"{aside} 条记录无法读取，见 report.html 与表 set_aside。",
                f"{aside} records could not be read; see report.html and the table set_aside.",
            ).to(lang)
        )
    changed = [
        f"{rule_label(rule, lang)}：{', '.join(rule.changed_parameters)}"
        for info in layer_order(results)
        for rule in info.rules
        if rule.changed_parameters
    ]
    return notes + [f"{TEXTS['changed'].to(lang)} — {line}" for line in changed]


def _unusable(results: Results, info: LayerInfo, lang: Lang) -> list[str]:
    """Return the sentence on subjects that are not drawn because they have no geometry."""
    import pyarrow.compute as pc

    table = results.tables[info.role]
    ids = table[info.one("id")].filter(pc.is_null(table[info.one("geometry")]))
    if not len(ids):
        return []
    listed = ", ".join(map(str, ids.slice(0, _IDS_LISTED).to_pylist()))
    more = " …" if len(ids) > _IDS_LISTED else ""
    return [
        Text(
            f"{info.title.zh}：{len(ids)} 个图形无法使用，未绘出：{listed}{more}",
            f"{info.title.en}: {len(ids)} without usable geometry are not drawn: {listed}{more}",
        ).to(lang)
    ]


def _asset(name: str) -> str:
    return (files("geo_urc.outputs") / "assets" / name).read_text(encoding="utf-8")


def _leaflet(name: str) -> Path:
    from xstatic.pkg import leaflet

    return Path(leaflet.BASE_DIR, name)


@cache
def _leaflet_js() -> str:
    """Return Leaflet's script without the comment that makes browsers ask for another file."""
    script = _leaflet("leaflet.js").read_text(encoding="utf-8")
    return re.sub(r"//# sourceMappingURL=.*", "", script).replace("</script", "<\\/script")


@cache
def _leaflet_css() -> str:
    """Return Leaflet's style sheet with its pictures inside."""
    css = _leaflet("leaflet.css").read_text(encoding="utf-8")

    def inlined(match: re.Match[str]) -> str:
        picture = base64.b64encode(_leaflet(match[1]).read_bytes()).decode()
        return f"url(data:image/png;base64,{picture})"

    return re.sub(r"url\((images/[\w.-]+\.png)\)", inlined, css)
