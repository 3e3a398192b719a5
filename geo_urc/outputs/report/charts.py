"""The charts and the overview map of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.outputs.palette import LOOKS
from geo_urc.outputs.report import drawing as d
from geo_urc.outputs.report.model import Figure
from geo_urc.outputs.report.plane import Frame, Shapes, frame_for, metres, middles, rings_of
from geo_urc.results import LayerInfo, Results
from geo_urc.text import Lang, Text

_LABEL = 62.0
"""Millimetres for the names of rules, left of the bars."""
_SLANTED = 9.0
"""Millimetres that the slanted name of the last district may reach beyond its column."""
_ROW = 5.6
_SEEN = 0.25
"""A part of a bar is drawn at least so wide, else one of a million would not be seen."""
MOST_SINGLE = 2_000
"""Subjects that a map draws one by one; more become cells of a grid."""
_CELLS_ACROSS = 70
_SIZES = (50, 100, 200, 250, 500, 1000, 2000, 2500, 5000, 10_000, 20_000)
_STEPS = ("#f4f4f4", "#cfe3da", "#8fc9b2", "#3c9f7c", "#00654a")
"""From no eligible rule to most; told apart by lightness alone."""
_MAP_HEIGHT = 118.0

_TEXTS = {
    "bars": Text("{subject}：各政策的结论数量", "{subject}: verdicts by rule"),
    "heat": Text(
        "{subject}：各区符合的数量（颜色深浅为占该区对象的比例）",
        "{subject}: eligible by district (darker: a larger share of the district's)",
    ),
    "unknown": Text("不明", "none"),
    "single": Text(
        "{subject}：每个对象符合的政策条数", "{subject}: rules under which each is eligible"
    ),
    "grid": Text(
        "{subject}：{size} 米网格内至少符合一条政策的对象比例",
        "{subject}: share of the subjects in a cell of {size} m that are eligible under some rule",
    ),
    "frame": Text("图形单位为米，北为坐标北", "in metres, grid north up"),
}


class Bar(NamedTuple):
    """A rule in a chart: its name and the numbers of the five verdicts."""

    label: str
    counts: Sequence[int]


def bars(subject: str, rules: Sequence[Bar], lang: Lang, *, legend: bool = True) -> Figure:
    """Return how the verdicts of each rule are shared out, a bar a rule."""
    room = d.WIDTH - _LABEL - 0.3
    parts = d.legend(0.5, lang) if legend else []
    y = 8.0 if legend else 0.5
    for rule in rules:
        parts.append(d.words(_LABEL - 2, y + 3.3, d.clipped(rule.label, 20), 2.8, anchor="end"))
        total, x = sum(rule.counts), _LABEL
        widths = _widths(rule.counts, room)
        for look, count, width in zip(LOOKS.values(), rule.counts, widths, strict=True):
            if count and total:
                parts.append(d.box(x, y, width, 4.4, look.colour, "#555555"))
                if width > 1.7 * len(str(count)) + 1:
                    parts.append(d.words(x + width / 2, y + 3.15, str(count), 2.5, anchor="middle"))
            x += width
        y += _ROW
    title = _TEXTS["bars"].to(lang).format(subject=subject)
    return Figure(d.drawing(parts), d.WIDTH, y, title)


def _widths(counts: Sequence[int], room: float) -> list[float]:
    """Return how wide the parts of a bar are; what is there at all is seen."""
    total = sum(counts) or 1
    least = [max(count / total * room, _SEEN if count else 0.0) for count in counts]
    return [width * room / sum(least) for width in least] if any(counts) else least


def heat(
    subject: str,
    rules: Sequence[tuple[str, Mapping[str | None, Sequence[int]]]],
    districts: Sequence[str | None],
    lang: Lang,
) -> Figure:
    """Return how many are eligible in each district under each rule, as a shaded table."""
    wide = min((d.WIDTH - _LABEL - _SLANTED) / max(len(districts), 1), 14.0)
    top = 13.0
    parts = []
    for place, district in enumerate(districts):
        name = _TEXTS["unknown"].to(lang) if district is None else d.clipped(district, 6)
        x, y = _LABEL + (place + 0.5) * wide, top - 1.2
        parts.append(
            f'<g transform="translate({x:.2f} {y:.2f}) rotate(-45)">{d.words(0, 0, name, 2.5)}</g>'
        )
    y = top
    for label, counted in rules:
        parts.append(d.words(_LABEL - 2, y + 3.6, d.clipped(label, 20), 2.8, anchor="end"))
        for place, district in enumerate(districts):
            counts = counted.get(district, (0,) * len(LOOKS))
            eligible, total = counts[0], sum(counts)
            step = _step(eligible / total if total else 0.0)
            x = _LABEL + place * wide
            parts.append(d.box(x, y, wide, 5.0, _STEPS[step], "#ffffff"))
            if eligible:
                told = _compact(eligible, lang)
                size = min(2.5, (wide - 0.4) / (0.58 * len(told)))
                ink = "#ffffff" if step >= 3 else d.INK
                parts.append(
                    d.words(x + wide / 2, y + 3.4, told, round(size, 2), anchor="middle", fill=ink)
                )
        y += 5.2
    title = _TEXTS["heat"].to(lang).format(subject=subject)
    return Figure(d.drawing(parts), d.WIDTH, y + 0.5, title)


def _step(share: float) -> int:
    """Return the shade of a share: 0 for nothing, then quarters."""
    return 0 if share <= 0 else min(int(np.ceil(share * 4)), 4)


def _compact(number: int, lang: Lang) -> str:
    """Return a number in few characters.

    Examples
    --------
    >>> _compact(980, "zh"), _compact(62510, "zh"), _compact(62510, "en")
    ('980', '6.3万', '63k')
    """
    if number < 10_000:
        return str(number)
    return f"{number / 10_000:.1f}万" if lang == "zh" else f"{number / 1000:.0f}k"


def overview(results: Results, info: LayerInfo, lang: Lang) -> Figure | None:
    """Return the map of a subject's eligibility; None where nothing can be drawn.

    Up to `MOST_SINGLE` subjects are drawn one by one, by the number of rules under which they
    are eligible; more as a grid, by the share that is eligible under any.
    """
    table = results.tables[info.role]
    if info.one("geometry") not in table.column_names:
        return None
    wkb = table[info.one("geometry")]
    eligible = _eligible_rules(table, info)
    single = table.num_rows <= MOST_SINGLE
    if single:
        shapes = metres(wkb, info.crs, results.run)
        drawn, frame = _singles(shapes, eligible)
        labels = ["0", "1", "2", "3", "≥ 4"]
        title = _TEXTS["single"].to(lang).format(subject=info.title.to(lang))
    else:
        points = middles(wkb, info.crs, results.run)
        drawn, frame, size = _cells(points, eligible)
        labels = ["0", "≤ 25%", "≤ 50%", "≤ 75%", "≤ 100%"]
        title = _TEXTS["grid"].to(lang).format(subject=info.title.to(lang), size=size)
    if frame is None:
        return None
    parts = [
        '<svg x="0" y="0" width="170" height="118" viewBox="0 0 170 118">',
        d.box(0, 0, d.WIDTH, _MAP_HEIGHT, "#ffffff"),
        *_outlines(results, frame, below=True),
        *drawn,
        *_outlines(results, frame, below=False),
        "</svg>",
        d.box(0, 0, d.WIDTH, _MAP_HEIGHT, "none", "#555555"),
        *d.north_arrow(d.WIDTH - 7, 6),
        *_shades(labels),
        *d.scale_bar(d.WIDTH - 62, _MAP_HEIGHT + 4.4, frame.metres_a_mm, 50),
    ]
    return Figure(d.drawing(parts), d.WIDTH, _MAP_HEIGHT + 7, title)


def _eligible_rules(table: pa.Table, info: LayerInfo) -> np.ndarray:
    """Return under how many rules each subject is eligible."""
    found = np.zeros(table.num_rows, dtype=np.int32)
    for rule in info.rules:
        same = pc.equal(table[info.column_of(rule.id, "verdict")], "eligible")
        found += pc.fill_null(same, False).to_numpy()
    return found


def _singles(shapes: Shapes, eligible: np.ndarray) -> tuple[list[str], Frame | None]:
    import shapely

    bounds = shapely.total_bounds(shapes)
    if not np.isfinite(bounds).all():
        return [], None
    frame = frame_for(_widened(bounds), d.WIDTH, _MAP_HEIGHT)
    parts = []
    for shape, number in zip(shapes, eligible, strict=True):
        if shape is None:
            continue
        fill = _STEPS[min(int(number), 4)]
        rings = rings_of(shape, frame)
        style = f'fill="{fill}" stroke="#777777" stroke-width="0.08"'
        if rings:
            parts.append(d.path(rings, style))
        else:
            x, y = frame.placed(np.asarray(shape.centroid.coords[0]))
            parts.append(f'<circle cx="{x:.2f}" cy="{y:.2f}" r="0.8" {style}/>')
    return parts, frame


def _cells(points: np.ndarray, eligible: np.ndarray) -> tuple[list[str], Frame | None, int]:
    usable = np.isfinite(points).all(axis=1)
    if not usable.any():
        return [], None, 0
    points, some = points[usable], eligible[usable] > 0
    low, high = points.min(axis=0), points.max(axis=0)
    across = float((high - low).max())
    size = next((s for s in _SIZES if across / s <= _CELLS_ACROSS), _SIZES[-1])
    places = np.floor((points - low) / size).astype(np.int64)
    cells, place = np.unique(places, axis=0, return_inverse=True)
    place = place.reshape(-1)
    total = np.bincount(place)
    share = np.bincount(place, weights=some) / total
    frame = frame_for(_widened([*low, *high]), d.WIDTH, _MAP_HEIGHT)
    corners = frame.placed(low + cells * size + (0.0, size))
    side = size / frame.metres_a_mm
    return (
        [
            d.box(x, y, side, side, _STEPS[_step(float(part))], "#ffffff")
            for (x, y), part in zip(corners, share, strict=True)
        ],
        frame,
        size,
    )


def _widened(bounds: Any) -> tuple[float, float, float, float]:
    """Return bounds with a margin around them."""
    west, south, east, north = map(float, bounds)
    room = max(0.04 * max(east - west, north - south), 20.0)
    return west - room, south - room, east + room, north + room


def _outlines(results: Results, frame: Frame, *, below: bool) -> list[str]:
    """Return what helps a reader find the way: areas below the subjects, borders above."""
    import shapely

    parts = []
    for layer in results.context:
        looks = (_BELOW if below else _ABOVE).get(layer.role)
        if looks is None:
            continue
        shapes = metres(layer.wkb, layer.crs, results.run)
        for shape in shapely.simplify(
            shapes[~shapely.is_missing(shapes)], frame.metres_a_mm * 0.15
        ):
            parts.append(d.path(rings_of(shape, frame), looks))
    return parts


_BELOW = {
    "green_spaces": 'fill="#e3efd8" stroke="none"',
    "blue_lines": 'fill="#d6e6f2" stroke="none"',
}
_ABOVE = {"districts": 'fill="none" stroke="#444444" stroke-width="0.3" stroke-dasharray="1.6 0.8"'}


def _shades(labels: Sequence[str]) -> list[str]:
    parts, x, y = [], 0.0, _MAP_HEIGHT + 2.2
    for colour, label in zip(_STEPS, labels, strict=True):
        parts.append(d.box(x, y, 4.2, 3.6, colour, "#555555"))
        parts.append(d.words(x + 5.2, y + 2.9, label, 2.7))
        x += 18.0
    return parts
