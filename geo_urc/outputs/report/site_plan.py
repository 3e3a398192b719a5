"""The map of one subject: its outline, what lies around it, and the circles that it is judged by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from geo_urc.outputs.report import drawing as d
from geo_urc.outputs.report.model import Figure
from geo_urc.outputs.report.plane import Frame, Shapes, frame_for, lines_of, metres, rings_of
from geo_urc.results import ContextLayer, LayerInfo, Results
from geo_urc.text import Lang, Text

HEIGHT = 92.0
_AROUND = 1.2
"""Of the subject's own size, how much is shown on each side."""
_LEAST = 120.0
"""Metres that are shown on each side at least."""
_FARTHEST = 2500.0
"""Metres within which the nearest feature of a circle is brought into view."""
_TITLE = Text(
    "{subject} {id} 的位置（比例尺单位为米，北为坐标北）",
    "Site of {subject} {id} (scale in metres, grid north up)",
)
_CIRCLED = Text("；虚线圆：{title} {radius:g} 米", "; dashed: {title}, {radius:g} m")

_LOOKS = {
    "green_spaces": 'fill="#e3efd8" stroke="#8db07a" stroke-width="0.15"',
    "blue_lines": 'fill="#d6e6f2" stroke="#7fa6c4" stroke-width="0.15"',
    "districts": 'fill="none" stroke="#444444" stroke-width="0.3" stroke-dasharray="1.6 0.8"',
}
_OTHERS = 'fill="#f3f1ea" stroke="#b5b0a2" stroke-width="0.15"'
_SUBJECT = 'fill="#0072b2" fill-opacity="0.35" stroke="#00476f" stroke-width="0.6"'
_CIRCLE = 'fill="none" stroke="#a0006d" stroke-width="0.3" stroke-dasharray="2 1"'
_POINT = 'fill="#a0006d" stroke="#ffffff" stroke-width="0.3"'


class Surroundings:
    """What may lie around subjects, in metres and ready to be looked up by place."""

    def __init__(self, results: Results) -> None:
        import shapely

        self.layers: list[tuple[ContextLayer, Shapes, Any]] = []
        for layer in results.context:
            shapes = metres(layer.wkb, layer.crs, results.run)
            self.layers.append((layer, shapes, shapely.STRtree(shapes)))

    def within(self, view: Any) -> Iterator[tuple[ContextLayer, Shapes, Sequence[str | None]]]:
        """Yield each layer's features that reach into a view, with their names."""
        for layer, shapes, tree in self.layers:
            places = np.sort(tree.query(view))
            names = layer.names.take(places).to_pylist() if layer.names is not None else ()
            yield layer, shapes[places], names or [None] * len(places)

    def nearest(self, role: str, shape: Any, most: float) -> Any:
        """Return the feature of a role nearest to a shape; None if all are farther than `most`."""
        for layer, shapes, tree in self.layers:
            if layer.role == role:
                found = tree.query_nearest(shape, max_distance=most, all_matches=False)
                if len(found):
                    return shapes[found[0]]
        return None


class Circle(NamedTuple):
    """A distance that a rule measures from the features of a layer."""

    role: str
    radius: float


def circles(info: LayerInfo) -> list[Circle]:
    """Return the distances, in metres, within which rules ask a feature to lie."""
    found = [
        Circle(line.layers[0], line.limit_value)
        for rule in info.rules
        for line in rule.facts
        if line.unit == "m"
        and line.side == "at_most"
        and line.limit_value
        and len(line.layers) == 1
    ]
    return list(dict.fromkeys(found))


def site_plan(
    results: Results, info: LayerInfo, row: Any, identity: str, around: Surroundings, lang: Lang
) -> Figure | None:
    """Return the map of a subject; None where it has no usable geometry.

    Parameters
    ----------
    row
        The subject's geometry, as WKB in an array of one.
    """
    import shapely

    shape = metres(row, info.crs, results.run)[0]
    if shape is None:
        return None
    measured = circles(info)
    frame = frame_for(_view(shape, measured, around), d.WIDTH, HEIGHT)
    view = shapely.box(
        frame.west,
        frame.north - HEIGHT * frame.metres_a_mm,
        frame.west + d.WIDTH * frame.metres_a_mm,
        frame.north,
    )
    under, over = [], []
    for layer, shapes, names in around.within(view):
        radii = [circle.radius for circle in measured if circle.role == layer.role]
        look = _LOOKS.get(layer.role, _OTHERS)
        for feature, name in zip(shapes, names, strict=True):
            if feature.equals(shape):
                continue
            if rings := rings_of(feature, frame):
                under.append(d.path(rings, look))
            elif lines := lines_of(feature, frame):
                under.append(d.path(lines, _OTHERS, closed=False))
            else:
                over += _marked(feature, name, [], frame)
        if radii:
            reach = max(radii)
            for near, near_shapes, near_names in around.within(shapely.buffer(view, reach)):
                if near.role == layer.role:
                    for feature, name in zip(near_shapes, near_names, strict=True):
                        over += _marked(feature, name, radii, frame)
    rings = rings_of(shape, frame)
    own = d.path(rings, _SUBJECT) if rings else _dot(shape, frame, _SUBJECT, 1.6)
    parts = [
        f'<svg x="0" y="0" width="170" height="{HEIGHT:g}" viewBox="0 0 170 {HEIGHT:g}">',
        d.box(0, 0, d.WIDTH, HEIGHT, "#ffffff"),
        *under,
        own,
        *over,
        *_labelled(shape, identity, frame),
        "</svg>",
        d.box(0, 0, d.WIDTH, HEIGHT, "none", "#555555"),
        d.box(d.WIDTH - 11, 1.5, 9.5, 12.5, "#ffffff"),
        *d.north_arrow(d.WIDTH - 6.3, 5.6),
        d.box(2, HEIGHT - 8, 48, 6.8, "#ffffff"),
        *d.scale_bar(5, HEIGHT - 3, frame.metres_a_mm, 36),
    ]
    title = _TITLE.to(lang).format(subject=info.title.to(lang), id=identity)
    titles = {layer.role: layer.title.to(lang) for layer, _, _ in around.layers}
    for circle in measured:
        if circle.role in titles:
            title += _CIRCLED.to(lang).format(title=titles[circle.role], radius=circle.radius)
    return Figure(d.drawing(parts), d.WIDTH, HEIGHT, title)


def _view(
    shape: Any, measured: Sequence[Circle], around: Surroundings
) -> tuple[float, float, float, float]:
    """Return what is shown: the subject with room around it, and the nearest features if near."""
    import shapely

    west, south, east, north = shape.bounds
    room = max(_AROUND * max(east - west, north - south), _LEAST)
    boxes = [(west - room, south - room, east + room, north + room)]
    for circle in measured:
        feature = around.nearest(circle.role, shape, min(_FARTHEST, 2 * circle.radius))
        if feature is not None:
            x, y = shapely.get_coordinates(shapely.centroid(feature))[0]
            boxes.append((x - 60, y - 60, x + 60, y + 60))
    lows, highs = np.array(boxes)[:, :2].min(axis=0), np.array(boxes)[:, 2:].max(axis=0)
    return lows[0], lows[1], highs[0], highs[1]


def _marked(feature: Any, name: str | None, radii: Sequence[float], frame: Frame) -> list[str]:
    """Return a point with its name, and the circles around it."""
    x, y = frame.placed(np.asarray(feature.centroid.coords[0]))
    parts = [
        f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius / frame.metres_a_mm:.2f}" {_CIRCLE}/>'
        for radius in radii
    ]
    parts.append(_dot(feature, frame, _POINT, 1.3))
    if name:
        parts += _haloed(x + 2.0, y + 1.0, d.clipped(name, 14), "start")
    return parts


def _dot(feature: Any, frame: Frame, style: str, radius: float) -> str:
    x, y = frame.placed(np.asarray(feature.centroid.coords[0]))
    return f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius:g}" {style}/>'


def _labelled(shape: Any, identity: str, frame: Frame) -> list[str]:
    x, y = frame.placed(np.asarray(shape.representative_point().coords[0]))
    return _haloed(x, y + 1.0, d.clipped(identity, 16), "middle")


def _haloed(x: float, y: float, text: str, anchor: str) -> list[str]:
    """Return words that can be read on any ground."""
    plain = d.words(x, y, text, 2.8, anchor=anchor)
    halo = plain.replace("<text ", '<text stroke="#ffffff" stroke-width="0.8" fill="#ffffff" ', 1)
    return [halo, plain]
