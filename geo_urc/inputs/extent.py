"""Whether a layer lies in Beijing at all, and what is likely wrong when it does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj

from geo_urc.errors import CrsError, Problem
from geo_urc.inputs.systems import beijing_in, label, read_system
from geo_urc.text import Text

Boxes = npt.NDArray[np.floating[Any]]
_MARGIN_DEG = 0.5
_LOCAL_M = 100_000.0
_CHINA_DEG = (70.0, 3.0, 140.0, 55.0)

# EPSG:4509 is left out: its coordinates are those of EPSG:4548.
_USUAL = (
    "EPSG:4490", "EPSG:4548", "EPSG:4527", "EPSG:32650", "EPSG:4498", "EPSG:4547",
    "EPSG:4549", "EPSG:4526", "EPSG:4528", "EPSG:3857",
)  # fmt: skip
_LOCAL = (
    Text(
        "它们像是没有配准的局部坐标。",
        "They look like local coordinates, from a free origin.",
    ),
    Text(
        "请先将数据配准到 CGCS2000（如 EPSG:4548）。",
        "Georeference the data, to CGCS2000 (such as EPSG:4548).",
    ),
)


def off_earth(crs: pyproj.CRS, bounds: Boxes) -> npt.NDArray[np.bool_]:
    """Return which extents in degrees are of no place: beyond the poles or the 180th meridian.

    An extent wider than half the Earth is that of an outline across the 180th meridian, drawn
    the wrong way round. Other systems have no such limits here.

    Examples
    --------
    >>> boxes = np.array([[116.0, 39.0, 117.0, 40.0], [116.0, 95.0, 117.0, 96.0]])
    >>> off_earth(pyproj.CRS(4490), boxes).tolist()
    [False, True]
    """
    if not crs.is_geographic:
        return np.zeros(len(bounds), bool)
    beyond = (np.abs(bounds) > [180.0, 90.0, 180.0, 90.0]).any(axis=1)
    return beyond | (bounds[:, 2] - bounds[:, 0] > 180.0)


def elsewhere(crs: pyproj.CRS, bounds: Boxes) -> npt.NDArray[np.bool_]:
    """Return which extents do not touch Beijing with 0.5° around it."""
    west, south, east, north = beijing_in(crs, _MARGIN_DEG)
    return ~(
        (bounds[:, 0] <= east)
        & (bounds[:, 2] >= west)
        & (bounds[:, 1] <= north)
        & (bounds[:, 3] >= south)
    )


def check_extent(
    where: str, crs: str | pyproj.CRS, datum: str | None, bounds: npt.ArrayLike
) -> None:
    """Make sure that something of a layer lies in or near Beijing.

    Parameters
    ----------
    where : str
        The file and layer, for the message.
    crs : str or pyproj.CRS
        Declared system of ``bounds``.
    datum : str or None
        Declared datum, for the message: its shift is far below the margin of 0.5°.
    bounds : array_like
        ``xmin, ymin, xmax, ymax`` of the layer, or a row of these for each record as
        :func:`shapely.bounds` gives them. With rows, single stray records do no harm. Rows
        with NaN (null, empty) are passed over; without any other row nothing is checked.

    Raises
    ------
    CrsError
        Nothing lies near Beijing, or most of it is outside the range of degrees. Names the
        likely cause: swapped axes, another system, degrees taken for metres or the reverse,
        local coordinates.
    """
    boxes = np.asarray(bounds, np.float64).reshape(-1, 4)
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    if not len(boxes):
        return
    declared = read_system(where, crs)
    # A plan in metres from a free origin can cover 116 by 40 without being anywhere near.
    stray = (np.abs(boxes) > [360.0, 90.0, 360.0, 90.0]).any(axis=1)
    impossible = declared.is_geographic and stray.mean() > 0.5
    if not elsewhere(declared, boxes).all() and not impossible:
        return
    middle = np.median((boxes[:, :2] + boxes[:, 2:]) / 2.0, axis=0)
    cause, fix = _likely_cause(declared, float(middle[0]), float(middle[1]))
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    range_ = f"x {_figures(low[0], high[0])}, y {_figures(low[1], high[1])}"
    system = label(declared) + (f", {datum}" if datum else "")
    raise CrsError(
        Problem(
            where,
            Text(
                f"坐标（{range_}）按 {system} 不在北京范围内。{cause.zh}",
                f"The coordinates ({range_}) are not near Beijing in {system}. {cause.en}",
            ),
            fix,
        )
    )


def refuse_nameless(where: str, bounds: npt.ArrayLike) -> None:
    """Raise CrsError for coordinates without a system, saying which one they would fit.

    Returns without an error where there is nothing to look at.
    """
    boxes = np.asarray(bounds, np.float64).reshape(-1, 4)
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    if not len(boxes):
        return
    x, y = np.median((boxes[:, :2] + boxes[:, 2:]) / 2.0, axis=0).tolist()
    if codes := candidates(x, y):
        cause, fix = _nameless(codes, swapped=False)
    elif codes := candidates(y, x):
        cause, fix = _nameless(codes, swapped=True)
    elif (boxes >= _CHINA_DEG[:2] * 2).all() and (boxes <= _CHINA_DEG[2:] * 2).all():
        cause, fix = _nameless(["EPSG:4490"], swapped=False)  # a map of the country or a region
    elif max(abs(x), abs(y)) < _LOCAL_M:
        cause, fix = _LOCAL
    else:
        return
    problem = Text(f"没有坐标系。{cause.zh}", f"There is no coordinate system. {cause.en}")
    raise CrsError(Problem(where, problem, fix))


def _nameless(codes: list[str], *, swapped: bool) -> tuple[Text, Text]:
    zh, en = "、".join(codes), " or ".join(codes)
    fit = Text("（两轴对调）", ", with the axes swapped") if swapped else Text("", "")
    swap = Text("，并对调 x 和 y", ", and swap x and y") if swapped else Text("", "")
    return (
        Text(f"坐标与 {zh} 相符{fit.zh}。", f"The coordinates fit {en}{fit.en}."),
        Text(
            f'若来源确认，请设置 crs = "{codes[0]}"{swap.zh}；取自网络地图的另设 '
            'datum = "gcj02" 或 "bd09"。',
            f'If their source agrees, set crs = "{codes[0]}"{swap.en}; and datum = "gcj02" or '
            '"bd09" if they come from a web map.',
        ),
    )


def candidates(x: float, y: float) -> list[str]:
    """Return the usual systems in which a point lies in Beijing, the likeliest first.

    Examples
    --------
    >>> candidates(39448000, 4418000)
    ['EPSG:4527']
    """
    return [code for code in _USUAL if _fits(pyproj.CRS(code), x, y)]


def _likely_cause(declared: pyproj.CRS, x: float, y: float) -> tuple[Text, Text]:
    """Return what a point that should be in Beijing suggests, and what to do about it."""
    if _fits(declared, y, x):
        return (
            Text("两轴对调后即落在北京。", "They fit with the axes swapped."),
            Text(
                "请对调 x 和 y（CSV：交换 x、y 两列；经度或东坐标在前）。",
                "Swap x and y (CSV: exchange the columns named by x and y); "
                "longitude or easting comes first.",
            ),
        )
    if codes := candidates(x, y):
        return _another_system(declared, codes, swapped=False)
    if codes := candidates(y, x):
        return _another_system(declared, codes, swapped=True)
    if max(abs(x), abs(y)) < _LOCAL_M and not _may_be_degrees(declared, x, y):
        return _LOCAL
    return (
        Text("常用坐标系均不相符。", "No usual system fits either."),
        Text(
            "请确认数据范围含北京，并用 crs 写明正确的坐标系。",
            "Make sure that the data cover Beijing, and name their true system with crs.",
        ),
    )


def _another_system(declared: pyproj.CRS, codes: list[str], *, swapped: bool) -> tuple[Text, Text]:
    if codes[0] == "EPSG:4490":
        unit = Text("它们是经纬度（度），", "They are degrees. ")
    elif declared.is_geographic:
        unit = Text("它们是米，不是度，", "They are metres, not degrees. ")
    else:
        unit = Text("它们", "")
    fit = Text("（两轴对调）", ", with the axes swapped") if swapped else Text("", "")
    swap = Text("，并对调 x 和 y", ", and swap x and y") if swapped else Text("", "")
    zh, en = "、".join(codes), " or ".join(codes)
    return (
        Text(
            f"{unit.zh}与 {zh} 相符{fit.zh}。",
            f"{unit.en}They fit {en}{fit.en}.",
        ),
        Text(f'请设置 crs = "{codes[0]}"{swap.zh}。', f'Set crs = "{codes[0]}"{swap.en}.'),
    )


def _may_be_degrees(declared: pyproj.CRS, x: float, y: float) -> bool:
    if declared.is_geographic:
        return abs(x) <= 360 and abs(y) <= 90
    return 70 <= x <= 140 and 0 <= y <= 55  # China; nothing else is likely unasked


def _figures(low: float, high: float) -> str:
    return (
        f"{low:.0f} … {high:.0f}" if max(abs(low), abs(high)) > 1e4 else f"{low:.6g} … {high:.6g}"
    )


def _fits(crs: pyproj.CRS, x: float, y: float) -> bool:
    west, south, east, north = beijing_in(crs, 0.0)
    return west <= x <= east and south <= y <= north
