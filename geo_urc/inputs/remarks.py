"""The sentences in which a user is told how a file was taken."""

from __future__ import annotations

from collections.abc import Iterator

from geo_urc.inputs.crs import Reprojection
from geo_urc.inputs.ids import Ids
from geo_urc.inputs.settings import ASSUMED_ACCURACY_M, ParcelsEntry
from geo_urc.inputs.table import Notice
from geo_urc.text import Text

_LISTED = 200
"""Repairs told one by one; the rest are summed up."""
_SAMPLES = 3


def on_system(
    where: str, found: str | None, entry: ParcelsEntry, plan: Reprojection, system: str
) -> Iterator[Notice]:
    """Yield what was assumed of the coordinates' system (the file's is ``found``) and datum."""
    if found is None and entry.crs is None:
        text = Text(
            f"没有坐标系，坐标为经纬度，按 {system} 处理。",
            f"has no coordinate system; its degrees are taken as {system}.",
        )
        yield Notice("assumption", where, text)
    elif found is not None and entry.crs is not None and found != entry.crs:
        text = Text(
            f"按设置使用 {entry.crs}，不用文件所注坐标系。",
            f"{entry.crs} is used as set, not the system named in the file.",
        )
        yield Notice("assumption", where, text)
    if entry.datum is None:
        text = Text(
            f"未注明基准，按文件坐标系视为 {plan.datum}；若取自网络地图请设 datum。",
            f"datum not declared, taken as {plan.datum} from the coordinate system; "
            "set datum if the coordinates come from a web map.",
        )
        yield Notice("assumption", where, text)
    yield from (Notice("assumption", where, note) for note in plan.notes)


def on_accuracy(where: str, entry: ParcelsEntry) -> Iterator[Notice]:
    """Yield that an accuracy was assumed, where none is declared."""
    if entry.accuracy_m is None:
        text = Text(
            f"未注明精度，按 {ASSUMED_ACCURACY_M:g} 米计。",
            f"accuracy not declared, taken as {ASSUMED_ACCURACY_M:g} m.",
        )
        yield Notice("assumption", where, text)


def on_no_places(where: str) -> Notice:
    """Return that a table without coordinates was taken as it is."""
    text = Text(
        "没有图形：需要位置或范围的条件为资料不足。",
        "has no geometry: conditions that need a place or an extent are unknown.",
    )
    return Notice("assumption", where, text)


def on_nothing(where: str, count: int) -> Iterator[Notice]:
    """Yield that a file holds no record: to a rule, nothing would be there."""
    if not count:
        text = Text("没有任何记录。请核对文件。", "has no record. Check the file.")
        yield Notice("warning", where, text)


def on_ids(where: str, ids: Ids, column: str | None, count: int) -> Iterator[Notice]:
    """Yield what had to be done for every feature to have an id of its own."""
    if column is None and count:
        made = f"{ids.values[0].as_py()} … {ids.values[-1].as_py()}"
        text = Text(
            f"未指定编号列，按文件顺序编号：{made}。",
            f"no id column was named; numbered in file order: {made}.",
        )
        yield Notice("assumption", where, text, count)
        return
    if ids.made_up:
        text = Text(
            f"列“{column}”有 {ids.made_up} 个空编号，已按文件位置编号。",
            f'the column "{column}" has {ids.made_up} empty ids, numbered by place in the file.',
        )
        yield Notice("warning", where, text, ids.made_up)
    if ids.repeated:
        count, shown = len(ids.repeated), ids.repeated[:_SAMPLES]
        text = Text(
            f"列“{column}”有 {count} 个重复编号，后出现者改为：{'、'.join(shown)} 等。",
            f'the column "{column}" has {count} repeated ids; later ones became '
            f"{', '.join(shown)} and so on.",
        )
        yield Notice("warning", where, text, count)


def on_repairs(where: str, repairs: list[tuple[str, float, float]]) -> Iterator[Notice]:
    """Yield each repair as (id, area before, area after), both in square metres."""
    for name, before, after in repairs[:_LISTED]:
        text = Text(
            f"{name} 的图形已修复，面积由 {before:.2f} 变为 {after:.2f} 平方米。",
            f"the outline of {name} was repaired; its area went from {before:.2f} to "
            f"{after:.2f} m².",
        )
        yield Notice("repair", where, text)
    rest = repairs[_LISTED:]
    if rest:
        change = sum(after - before for _, before, after in rest)
        text = Text(
            f"另有 {len(rest)} 个图形已修复，面积合计变化 {change:+.2f} 平方米。",
            f"{len(rest)} more outlines were repaired; their areas changed by "
            f"{change:+.2f} m² in all.",
        )
        yield Notice("repair", where, text, len(rest))


def on_elsewhere(where: str, names: list[str]) -> Iterator[Notice]:
    """Yield which records lie far from Beijing: measured as they are, and hardly meant."""
    if names:
        shown = names[:_SAMPLES]
        text = Text(
            f"{len(names)} 条记录远在北京之外，仍按原位置计算：{'、'.join(shown)}。请核对。",
            f"{len(names)} records lie far from Beijing and are measured where they are: "
            f"{', '.join(shown)}. Check them.",
        )
        yield Notice("warning", where, text, len(names))


def on_unusable(where: str, unusable: list[tuple[str, Text]]) -> Iterator[Notice]:
    """Yield one notice for all records without a usable geometry, the first by name."""
    if not unusable:
        return
    count, shown = len(unusable), unusable[:_SAMPLES]
    zh = "；".join(f"{name}：{why.zh.rstrip('。')}" for name, why in shown)
    en = "; ".join(f"{name}: {why.en.rstrip('.')}" for name, why in shown)
    text = Text(
        f"{count} 条记录的图形无法使用，保留但不作判定。{zh}。",
        f"{count} records have no usable geometry; they stay, undecided. {en}.",
    )
    yield Notice("warning", where, text, count)


def on_set_aside(where: str, count: int) -> Iterator[Notice]:
    """Yield how many records were set aside."""
    if count:
        text = Text(
            f"{count} 条记录被搁置，见 set_aside。",
            f"{count} records were set aside; see set_aside.",
        )
        yield Notice("warning", where, text, count)


def on_coverage(where: str) -> Notice:
    """Return the assumption that a layer is complete everywhere."""
    text = Text(
        "未注明完整覆盖范围，视为处处完整。",
        "coverage not declared; the layer is taken as complete everywhere.",
    )
    return Notice("assumption", where, text)


def on_raster(where: str, bands: int, nodata: float | None, masked: bool) -> Iterator[Notice]:
    """Yield which of several bands is read, and that without a nodata value every cell counts."""
    if bands > 1:
        text = Text(f"共 {bands} 个波段，读第 1 个。", f"has {bands} bands; the first is read.")
        yield Notice("warning", where, text)
    if nodata is None and not masked:
        text = Text(
            "没有标明无数据值，所有格网都算有值；若有请设 nodata。",
            "names no nodata value, so every cell counts as measured; set nodata if there is one.",
        )
        yield Notice("assumption", where, text)
