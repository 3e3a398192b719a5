"""The chart of a sweep: how many subjects are eligible, under review or unknown, by value."""

from __future__ import annotations

import io
import re
import warnings
from typing import Any

from geo_urc.outputs.labels import unit_text
from geo_urc.outputs.palette import LOOKS
from geo_urc.results import Sweep
from geo_urc.safe_text import xml_text
from geo_urc.text import Lang, Text
from geo_urc.verdicts import LABELS

STACKED = ("eligible", "review", "unknown")
"""Verdicts that are drawn, from below; the rest, often nearly all, is left out."""
FONTS = "'Noto Sans CJK SC', 'Microsoft YaHei', 'PingFang SC', 'WenQuanYi Micro Hei', sans-serif"
"""Families in a reader's browser; none is needed where the chart is made."""
_MOST_LABELS = 16
_COUNT = Text("数量", "count")
_NOTE = Text(
    "（柱上数字为符合数；其余为不符合或不适用）",
    "(above the bars: eligible; the rest fails or is not concerned)",
)


def sweep_chart(sweep: Sweep, lang: Lang = "zh") -> str:
    """Return the chart as SVG, a panel a rule; the same sweep gives the same text."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "geo-urc",
        "font.family": ["DejaVu Sans"],  # travels with matplotlib: the same size everywhere
        "font.size": 9,
        "text.parse_math": False,
    }
    buffer = io.StringIO()
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader has them
        figure = Figure(figsize=(8, 0.6 + 3.1 * len(sweep.rules)), layout="constrained")
        panels = figure.subplots(len(sweep.rules), 1, squeeze=False)[:, 0]
        for panel, (key, title) in zip(panels, sweep.rules.items(), strict=True):
            _panel(panel, sweep, key, title.to(lang), lang)
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    return xml_text(buffer.getvalue()).replace("'DejaVu Sans'", FONTS)


def inline(svg: str) -> str:
    """Return the SVG element alone, to stand in a page."""
    element = svg[svg.index("<svg") :]
    return re.sub(r"\s*<metadata>.*?</metadata>", "", element, flags=re.DOTALL)


def written(value: Any) -> str:
    """Return a value as the axis and the table show it."""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def rows_of(sweep: Sweep, key: tuple[str, str]) -> list[dict[str, Any]]:
    """Return the rows of a rule and subject, in the order of the values."""
    rule, subject = key
    rows = sweep.table.to_pylist()
    return [row for row in rows if (row["rule"], row["subject"]) == (rule, subject)]


def _panel(panel: Any, sweep: Sweep, key: tuple[str, str], title: str, lang: Lang) -> None:
    rows = rows_of(sweep, key)
    places = list(range(len(rows)))
    below = [0] * len(rows)
    for word in STACKED:
        counts = [row[word] for row in rows]
        panel.bar(
            places, counts, 0.8, below, label=LABELS[word].to(lang),
            color=LOOKS[word].colour, edgecolor="#555555", linewidth=0.6,
        )  # fmt: skip
        below = [a + b for a, b in zip(below, counts, strict=True)]
    if len(rows) <= _MOST_LABELS:
        for place, row, top in zip(places, rows, below, strict=True):
            panel.annotate(
                str(row["eligible"]), (place, top), (0, 2), textcoords="offset points",
                ha="center", fontsize=7,
            )  # fmt: skip
    step = -(-len(rows) // _MOST_LABELS)
    labels = [written(row["value"]) for row in rows]
    panel.set_xticks(places[::step], labels[::step])
    unit = unit_text(sweep.unit, lang)
    name = f"{sweep.title.to(lang)} {sweep.parameter}"
    panel.set_xlabel(f"{name} ({unit})" if unit else name)
    panel.set_ylabel(f"{sweep.subjects[key[1]].to(lang)} {_COUNT.to(lang)}")
    panel.set_ylim(0, max([*below, 1]) * 1.15)
    panel.set_title(f"{key[0]} {title} {_NOTE.to(lang)}", loc="left", fontsize=10)
    panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    panel.spines[["top", "right"]].set_visible(False)
    panel.yaxis.get_major_locator().set_params(integer=True)
