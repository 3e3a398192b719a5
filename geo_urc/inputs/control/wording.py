"""The control check in words."""

from __future__ import annotations

from collections.abc import Iterator

from geo_urc.inputs.table import Control, Notice, SourceRecord
from geo_urc.text import Text

_DATUMS = {"wgs84": "WGS 84 / CGCS2000", "gcj02": "GCJ-02", "bd09": "BD-09"}
_COMPASS = (
    Text("北", "north"), Text("东北", "north-east"), Text("东", "east"),
    Text("东南", "south-east"), Text("南", "south"), Text("西南", "south-west"),
    Text("西", "west"), Text("西北", "north-west"),
)  # fmt: skip
_WHY = {
    "too_few": Text("可比对的地点太少", "too few places to compare"),
    "scattered": Text(
        "差异分散，如概化的图形", "the differences are scattered, as of a generalised outline"
    ),
    "between": Text("介于几种可能之间", "no datum is clearly the nearest"),
}


def where(source: SourceRecord) -> str:
    """Return the layer as messages name it."""
    return f"{source.role} ({source.path})"


def notices(source: SourceRecord) -> Iterator[Notice]:
    """Yield a warning where the declared or assumed datum cannot be right, or is now known."""
    control = source.control
    if control is None:
        return
    named = control.verdict in ("fits", "looks_like") and source.datum == "unknown"
    if control.contradicts or named:
        what, fix = contradiction(source, control)
        yield Notice("warning", where(source), Text(what.zh + fix.zh, f"{what.en} {fix.en}"))


def finding(source: SourceRecord) -> Text:
    """Return in one sentence what the control check says of an input."""
    control = source.control
    if control is None or (control.verdict == "not_sure" and control.pairs == 0):
        return Text(
            "不确定：没有可比对的地名或边线。", "Not sure: no named place or edge to compare."
        )
    measured, against = _measured(control), _against(control)
    if control.verdict == "fits" and source.datum != "unknown":
        return Text(f"与{against.zh}相符（{measured.zh}）。", f"Fits {against.en} ({measured.en}).")
    if control.verdict == "not_sure":
        why = _WHY[control.why or "between"]
        return Text(
            f"不确定：{why.zh}（与{against.zh}：{measured.zh}）。",
            f"Not sure: {why.en} ({against.en}: {measured.en}).",
        )
    return contradiction(source, control)[0]


def contradiction(source: SourceRecord, control: Control) -> tuple[Text, Text]:
    """Return what is wrong with a datum, with the measured offset, and what to do."""
    measured, against = _measured(control), _against(control)
    given = _given(source)
    if control.verdict == "displaced":
        return (
            Text(
                f"位置与任何基准都不相符：较{against.zh}{measured.zh}；{given.zh}。",
                f"lies where no datum puts it: from {against.en}, {measured.en}; {given.en}.",
            ),
            Text(
                "请核对数据来源和坐标系，勿用于判定。",
                "Check where the data come from and their system; decide nothing with them.",
            ),
        )
    name = control.looks_like or ""
    like = _DATUMS.get(name, name)
    if control.verdict == "disagrees":
        return (
            Text(
                f"与{against.zh}相差恰如两种基准之别（{measured.zh}）；{given.zh}。其一的基准有误。",
                f"is apart from {against.en} as two datums are ({measured.en}); {given.en}. "
                "One of the two is on another datum.",
            ),
            Text(
                "请核对两个图层的 datum（gcj02、bd09 或 wgs84）。",
                "Check the datum of both layers (gcj02, bd09 or wgs84).",
            ),
        )
    what = Text(
        f"像是 {like} 坐标（较{against.zh}{measured.zh}）；{given.zh}。",
        f"looks like {like} (from {against.en}, {measured.en}); {given.en}.",
    )
    if name in _DATUMS:
        return what, Text(f'若确实如此，请设 datum = "{name}"。', f'If so, set datum = "{name}".')
    return what, Text(f'若确实如此，请设 crs = "{name}"。', f'If so, set crs = "{name}".')


def _given(source: SourceRecord) -> Text:
    if source.datum == "unknown":
        return Text("基准注明为不明", "its datum is declared unknown")
    name = _DATUMS.get(source.datum, source.datum)
    if source.datum_assumed:
        return Text(f"基准未注明，按 {name} 处理", f"its datum is not declared and taken as {name}")
    return Text(f"注明为 {name}", f"it is declared as {name}")


def _measured(control: Control) -> Text:
    n = control.pairs
    by_names = control.by == "names"
    count = Text(f"{n} 处", f"{n} places") if by_names else Text(f"边线 {n} 点", f"{n} edge points")
    if control.shift_m is None or control.bearing_deg is None or control.spread_m is None:
        return count
    compass = _COMPASS[round(control.bearing_deg / 45.0) % 8]
    shift, spread = _metres(control.shift_m), _metres(control.spread_m)
    if control.pairs and control.why is None and control.verdict == "fits":
        return Text(
            f"{count.zh}，偏差 {shift.zh}，离散 {spread.zh}",
            f"{count.en}, off by {shift.en}, spread {spread.en}",
        )
    return Text(
        f"偏{compass.zh} {shift.zh}，方位 {control.bearing_deg:.0f}°，离散 {spread.zh}，{count.zh}",
        f"{shift.en} to the {compass.en}, bearing {control.bearing_deg:.0f}°, "
        f"spread {spread.en}, {count.en}",
    )


def _metres(length_m: float) -> Text:
    if length_m >= 2000.0:
        return Text(f"{length_m / 1000.0:.1f} 公里", f"{length_m / 1000.0:.1f} km")
    return Text(f"{length_m:.0f} 米", f"{length_m:.0f} m")


def _against(control: Control) -> Text:
    if control.against == "control_points":
        return Text("控制点", "the control points")
    roles = control.against.split(";")
    return Text(f"图层 {'、'.join(roles)}", f"the layer {', '.join(roles)}")
