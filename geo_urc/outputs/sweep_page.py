"""The page of a sweep: the chart and the table, one HTML file without script or network."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from geo_urc.outputs.labels import unit_text
from geo_urc.outputs.palette import LOOKS
from geo_urc.outputs.sweep_chart import inline, rows_of, written
from geo_urc.results import Sweep
from geo_urc.text import Lang, Text
from geo_urc.verdicts import LABELS

TEXTS: dict[str, Text] = {
    "title": Text("参数扫描", "Parameter sweep"),
    "parameter": Text("参数", "Parameter"),
    "asOf": Text("政策日期", "Policies as of"),
    "rulebook": Text("规则库版本", "Rulebook version"),
    "software": Text("软件版本", "Software version"),
    "inputs": Text("输入文件", "Inputs"),
    "value": Text("取值", "Value"),
    "count": Text("数量", "Count"),
    "area": Text("面积（公顷）", "Area (ha)"),
    "disclaimer": Text(
        "“符合”只表示按所给数据和取值满足可计算的条件，不是行政许可。",
        "“Eligible” says only that the computable conditions hold on the data and the value given. "
        "It is no permit.",
    ),
}


def write_sweep_page(
    sweep: Sweep, chart: str, record: Mapping[str, Any], path: Path, lang: Lang = "zh"
) -> None:
    """Write the page of a sweep.

    Parameters
    ----------
    chart
        The SVG of :func:`geo_urc.outputs.sweep_chart.sweep_chart`.
    """
    from jinja2 import Environment
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = (files("geo_urc.outputs") / "assets" / "sweep.html.j2").read_text(encoding="utf-8")
    unit = unit_text(sweep.unit, lang)
    page = environment.from_string(template).render(
        lang=lang,
        texts={key: text.to(lang) for key, text in TEXTS.items()},
        run=record,
        parameter=sweep.parameter,
        name=sweep.title.to(lang),
        value_heading=f"{TEXTS['value'].to(lang)} ({unit})" if unit else TEXTS["value"].to(lang),
        chart=Markup(inline(chart)),  # matplotlib escapes the texts in it
        verdicts=[
            {"label": LABELS[word].to(lang), "colour": look.colour, "mark": look.mark}
            for word, look in LOOKS.items()
        ],
        rules=[
            {
                "label": f"{key[0]} {title.to(lang)}",
                "subject": sweep.subjects[key[1]].to(lang),
                "rows": [
                    {
                        "value": written(row["value"]),
                        "counts": [row[word] for word in LOOKS],
                        "hectares": [f"{row[f'{word}_m2'] / 10_000:.2f}" for word in LOOKS],
                    }
                    for row in rows_of(sweep, key)
                ],
            }
            for key, title in sweep.rules.items()
        ],
    )
    path.write_text(page, encoding="utf-8", newline="\n")
