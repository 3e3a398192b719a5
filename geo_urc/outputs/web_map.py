"""The map page: one HTML file that opens from a folder, without a server or the internet.

Where the data needs it, a folder of chunks stands beside the page (see :mod:`.map_chunks`).
"""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geo_urc.outputs.basemaps import Basemap
from geo_urc.outputs.labels import (
    changed_parameters,
    layer_order,
    place_text,
    role_titles,
    rule_label,
)
from geo_urc.outputs.map_chunks import Beside, Chunks, Inlined
from geo_urc.outputs.map_data import SEARCH_ROWS, OutlookOf, feature_count, map_data
from geo_urc.results import LayerInfo, Results
from geo_urc.text import Lang, Text

if TYPE_CHECKING:
    import folium

FOLDER = "map_data"
"""What the folder beside the page is called."""
MOST_INLINED = 20_000
"""Features that the page holds itself; if there are more, they are in the folder."""

_SCRIPTS = ("chunks", "shapes", "looks", "draw", "popup", "search", "panel", "tools", "main")
_IDS_LISTED = 200

TEXTS: dict[str, Text] = {
    "title": Text("城市更新政策适用性地图", "Urban renewal policy map"),
    "asOf": Text("政策日期", "policies as of"),
    "rulebook": Text("规则库版本", "rulebook"),
    "panel": Text("查询与图例", "Query and legend"),
    "skip": Text("跳到查找", "Skip to search"),
    "fold": Text("收起/展开", "Fold/unfold"),
    "tools": Text("工具", "Tools"),
    "whole": Text("全图", "Whole"),
    "measure": Text("测量", "Measure"),
    "print": Text("打印", "Print"),
    "link": Text("链接", "Link"),
    "copied": Text("链接已复制，可恢复当前视图", "Link to this view copied"),
    "copyByHand": Text("请复制地址框中的链接", "Copy the link from the box"),
    "measureHow": Text(
        "在地图上逐点单击（键盘：方向键移动，回车加点）；Esc 结束。",
        "Click point by point (keyboard: arrows move, Enter adds a point); Esc ends.",
    ),
    "measured": Text("长度 {length}", "length {length}"),
    "measuredArea": Text("长度 {length}，围合面积 {area}", "length {length}, area within {area}"),
    "metre": Text("米", "m"),
    "kilometre": Text("公里", "km"),
    "squareMetre": Text("平方米", "m²"),
    "hectare": Text("公顷", "ha"),
    "centre": Text("图心（北纬, 东经）", "centre (lat, lon)"),
    "subject": Text("对象", "Subject"),
    "rule": Text("政策", "Rule"),
    "search": Text("按编号或名称查找", "Find by id or name"),
    "everywhere": Text("在编号和名称的任意位置查找", "Search anywhere in ids and names"),
    "looking": Text("正在查找 {n}/{all}", "searching {n}/{all}"),
    "matches": Text("找到 {n} 个", "{n} found"),
    "firstMatches": Text("找到 {n} 个，列出前 {m} 个", "{n} found, the first {m} are listed"),
    "legend": Text("图例与筛选", "Legend and filter"),
    "district": Text("所在区", "District"),
    "allDistricts": Text("全部", "all"),
    "noDistrict": Text("（不明）", "(not known)"),
    "seen": Text("筛选后 {n} 个，共 {all} 个", "{n} of {all} pass the filter"),
    "layers": Text("图层", "Layers"),
    "notes": Text("数据说明", "About the data"),
    "map": Text("地图", "map"),
    "keys": Text(
        "方向键移动，加减号缩放，回车查看十字处的对象，Esc 关闭",
        "arrows move, plus and minus zoom, Enter tells what is at the cross, Esc closes",
    ),
    "nothingHere": Text("此处没有对象", "nothing here"),
    "far": Text(
        "当前比例按格网汇总：色块面积按各结论占比，大小示数量。放大后逐个显示，一个不少。",
        "At this scale cells are shown: colours by share of verdicts, size by number. "
        "Nearer, every subject is drawn.",
    ),
    "nearer": Text("放大查看单个对象", "Zoom in to single subjects"),
    "cell": Text("格内 {n} 个", "{n} in this cell"),
    "noShape": Text("图形无法使用", "no usable geometry"),
    "limit": Text("限值", "limit"),
    "margin": Text("与限值之差", "margin"),
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
    "chunkMissing": Text(
        "读不到数据文件 {file}。请把 map.html 与 map_data 文件夹放在同一位置，一起复制。",
        "The data file {file} cannot be read. Keep map.html and the folder map_data together.",
    ),
    "unsupported": Text(
        "此浏览器过旧或禁用了脚本，无法显示地图。请使用 Chrome 或 Edge 88、Firefox 113、Safari 16.4 及以上版本；"
        "也可用 QGIS 打开 eligibility.gpkg。",
        "This browser is too old or has scripts switched off. Use Chrome or Edge 88, Firefox 113, "
        "Safari 16.4 or later; or open eligibility.gpkg in QGIS.",
    ),
}


def write_map(
    results: Results,
    path: Path,
    lang: Lang = "zh",
    basemap: Basemap | None = None,
    outlook_of: OutlookOf | None = None,
) -> None:
    """Write the map of a run as an HTML file that needs no network.

    More than 20 000 features go into a folder ``map_data`` beside it, in pieces that the page loads
    as they come into view. The same results give the same bytes.

    Parameters
    ----------
    basemap
        A base map from outside. Without it the page asks for nothing.
    outlook_of
        Says what would change a verdict; without it popups do not tell.
    """
    small = feature_count(results) <= MOST_INLINED
    chunks = None if small else Beside(path.parent / FOLDER)
    page = _page(results, lang, chunks, basemap, outlook_of).get_root().render()
    path.write_text(page, encoding="utf-8", newline="\n")


def build_map(
    results: Results,
    lang: Lang = "zh",
    basemap: Basemap | None = None,
    outlook_of: OutlookOf | None = None,
) -> folium.Map:
    """Return the map of a run as a folium map, for a notebook or further layers.

    It holds all data itself, whatever its size: some hundred bytes a parcel, more with many rules.
    """
    return _page(results, lang, None, basemap, outlook_of)


def _page(
    results: Results,
    lang: Lang,
    beside: Chunks | None,
    basemap: Basemap | None,
    outlook_of: OutlookOf | None,
) -> folium.Map:
    import folium

    page = folium.Map(
        location=[39.9, 116.4],
        zoom_start=11,
        tiles=None,
        prefer_canvas=True,
        zoom_control=False,
        attribution_control=False,
        fade_animation=False,
        max_zoom=20,
    )
    page._id = "geo_urc"  # folium's own id is random
    _detach_from_network(page)
    inlined = Inlined()
    data = map_data(results, lang, beside or inlined, inlined, outlook_of) | {
        "texts": {key: text.to(lang) for key, text in TEXTS.items()},
        "lang": lang,
        "folder": FOLDER,
        "searchRows": SEARCH_ROWS,
    }
    scripts = [*_SCRIPTS]
    if basemap is not None:
        scripts.insert(-1, "basemap")
        data["basemap"] = basemap.describe(lang)
    code = "\n".join(_asset(f"{name}.js") for name in scripts)
    head = (
        f"<style>{_leaflet_css()}</style>\n<style>{_asset('map.css')}</style>\n"
        f"<script>{_leaflet_js()}</script>\n<script>{code}</script>\n"
    )
    body = _panel(results, data, lang) + (
        f'<script type="application/json" id="urc-data">{embedded_json(data)}</script>\n'
        f"<script>\n{inlined.script}</script>\n"
    )
    figure: Any = page.get_root()
    figure.title = data["texts"]["title"]
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
    template = environment.from_string(_asset("panel.html.j2"))
    return template.render(
        texts=data["texts"], run=results.run, notes=_notes(results, lang), lang=lang
    )


def _notes(results: Results, lang: Lang) -> list[str]:
    """Return what a reader must know about the data, one sentence each."""
    colon = Text("：", ": ").to(lang)
    notes = [
        f"{place_text(notice.get('where', ''), lang)}{colon}{notice.get(f'text_{lang}', '')}"
        + (f" ×{notice['count']}" if notice.get("count", 1) != 1 else "")
        for notice in results.run.get("notices", [])
    ]
    notes += [
        Text(
            f"缺少图层“{role_titles([layer], 'zh')}”：{'、'.join(rules)}",
            f"Layer not given: {role_titles([layer], 'en')}: {', '.join(rules)}",
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
    aside = len(results.run.get("set_aside", []))
    if aside:
        notes.append(
            Text(
                f"{aside} 条记录无法读取，见 report.html 与表 set_aside。",
                f"{aside} records could not be read; see report.html and the table set_aside.",
            ).to(lang)
        )
    changed = [
        f"{rule_label(rule, lang)}{colon}{', '.join(changed_parameters(rule))}"
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
    return (files("geo_urc.outputs") / "assets" / "map" / name).read_text(encoding="utf-8")


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
