"""The one place that reprojects: how coordinates reach the evaluation system, or why not.

Every plan has the same three steps: undo the source's projection on its own datum, undo a
web-map shift if there is one, and project on the target's datum. Between the steps longitude
and latitude are handed on unchanged, because CGCS2000, WGS 84 and ITRF differ by less than
1 m in Beijing and PROJ holds no better transformation. PROJ is therefore never asked to choose
a datum operation, and cannot quietly fall back on a "ballpark" one for a datum that differs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from geo_urc.errors import CrsError, Problem
from geo_urc.inputs.datum import Datum, shift
from geo_urc.inputs.extent import (
    candidates,
    check_extent,
    elsewhere,
    off_earth,
    refuse_nameless,
)
from geo_urc.inputs.systems import (
    Numbers,
    beijing_grid,
    conversion,
    datum_name,
    geographic,
    known_datum,
    label,
    read_system,
)
from geo_urc.inputs.table import Geometries
from geo_urc.text import Text

__all__ = [
    "DATUMS",
    "EVALUATION_CRS",
    "SHIFTED",
    "Reprojection",
    "candidates",
    "check_extent",
    "elsewhere",
    "evaluation_crs",
    "off_earth",
    "output",
    "plan",
    "refuse_nameless",
]

EVALUATION_CRS = "EPSG:4548"
SHIFTED = ("gcj02", "bd09")
"""Datums of web maps: their coordinates are nowhere near where they seem to be."""
DATUMS = ("wgs84", "cgcs2000", *SHIFTED, "unknown")
"""What a user may declare."""

_SHIFTED_OUTPUT_CRS = "EPSG:4490"
_MOST_SCALE_ERROR = 0.001
_NOTED_SCALE_ERROR = 0.0003
_STRAIGHT_SCALE_ERROR = 0.003

# An edge that is straight in degrees bends by length² × curvature / 8 in the plane. Around
# 40° N the curvature of the projection is at most 1.09 tan φ / R = 1.5e-7 per metre, so 730 m
# may go unsplit for 1 cm; 0.005° is 425 m east-west there, and enough for all of China. The
# waves of GCJ-02 (13 m high, 28 km long) bend edges more, those of BD-09 (40 m, 10 km) a
# hundred times more, and do so whatever system they are stored in. The tests measure this.
_LONGEST_EDGE_DEG = {"gcj02": 0.003, "bd09": 0.0008}
_LONGEST_PLAIN_EDGE_DEG = 0.005
_MOST_PIECES = 100_000
_METRES_A_DEGREE = 85_000.0  # east-west at 40° N

_DATUM_NAMES = {
    "cgcs2000": "CGCS2000",
    "wgs84": "WGS 84",
    "gcj02": "GCJ-02",
    "bd09": "BD-09",
}


@dataclass(frozen=True)
class Reprojection:
    """How coordinates of one input reach the evaluation system.

    Attributes
    ----------
    source, target
        Two-dimensional systems. Coordinates are always x (east) first.
    datum
        ``wgs84 | cgcs2000 | gcj02 | bd09 | unknown``, or the name of an ITRF.
    operation
        The steps in PROJ's words; changes of datum in ours.
    accuracy_m
        PROJ's stated accuracy; None where none is stated.
    notes
        Assumptions a user should know.
    """

    source: pyproj.CRS
    datum: str
    target: pyproj.CRS
    operation: str
    accuracy_m: float | None
    notes: tuple[Text, ...]

    def apply(self, geometry: Geometries) -> Geometries:
        """Return geometries in the target system, two-dimensional, in the same order.

        None stays None. Where straight edges of the source bend in the target (degrees, web
        maps, EPSG:3857) long ones are split first, so that they run within 1 cm of where the
        source draws them; geometries without long edges keep their vertices. A geometry with
        a coordinate that has no place in the target system (not finite, beyond the poles)
        comes out as None.
        """
        flat = _flat(geometry)
        if self.is_identity:
            return flat
        if self._bends:
            longest = _LONGEST_EDGE_DEG.get(self.datum, _LONGEST_PLAIN_EDGE_DEG)
            flat = _split_long_edges(flat, longest * _units_a_degree(self.source))
        xy, index = shapely.get_coordinates(flat, return_index=True)
        return _with_coordinates(flat, index, *self.apply_xy(xy[:, 0], xy[:, 1]))

    def apply_xy(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Numbers, Numbers]:
        """Return point coordinates in the target system; NaN or inf where there are none."""
        if self.is_identity:
            return np.array(x, np.float64), np.array(y, np.float64)
        lon, lat = self._unproject(x, y)
        if self.datum in SHIFTED:
            lon, lat = shift(lon, lat, cast(Datum, self.datum), "wgs84")
        return conversion(geographic(self.target), self.target).transform(lon, lat)

    def back(self, geometry: Geometries) -> Geometries:
        """Return geometries of the target system in the source's: :meth:`apply` turned about.

        For data that is not shifted. Edges are straight in the target system; where they bend
        in the source's, long ones are split first, so that they run within 1 cm of where the
        target draws them. What has no place in the source's system comes out as None.
        """
        flat = _flat(geometry)
        if self.is_identity:
            return flat
        if self._bends:
            flat = _split_long_edges(flat, _LONGEST_PLAIN_EDGE_DEG * _METRES_A_DEGREE)
        xy, index = shapely.get_coordinates(flat, return_index=True)
        x, y = conversion(self.target, geographic(self.target)).transform(xy[:, 0], xy[:, 1])
        if self.source.is_projected:
            x, y = conversion(geographic(self.source), self.source).transform(x, y)
        return _with_coordinates(flat, index, x, y)

    def to_output(self, geometry: Geometries) -> Geometries:
        """Return source geometries in the system that outputs are written in.

        GCJ-02 and BD-09 come out in EPSG:4490 degrees, two-dimensional, vertex by vertex;
        anything else is returned as it is, the same array. See :func:`output`.
        """
        if self.datum not in SHIFTED:
            return geometry
        flat = _flat(geometry)
        xy, index = shapely.get_coordinates(flat, return_index=True)
        lon, lat = self._unproject(xy[:, 0], xy[:, 1])
        return _with_coordinates(flat, index, *shift(lon, lat, cast(Datum, self.datum), "cgcs2000"))

    @property
    def is_identity(self) -> bool:
        """Whether coordinates stay what they are."""
        return self.datum not in SHIFTED and _equal(self.source, self.target)

    @property
    def _bends(self) -> bool:
        # Projections that are all but true to scale draw geodesics straight, so to each other
        # they bend an edge of 1 km by less than 1 mm.
        return (
            self.source.is_geographic
            or self.datum in SHIFTED
            or _scale_error(self.source) > _STRAIGHT_SCALE_ERROR
        )

    def _unproject(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Numbers, Numbers]:
        at = np.array(x, np.float64), np.array(y, np.float64)
        if self.source.is_geographic:
            return at
        return conversion(self.source, geographic(self.source)).transform(*at)


def _flat(geometry: Geometries) -> Geometries:
    """Return a copy of the array whose geometries have neither heights nor measures."""
    flat = np.array(geometry, dtype=object)
    solid = shapely.has_z(flat) | shapely.has_m(flat)
    flat[solid] = shapely.force_2d(flat[solid])
    return flat


def plan(
    where: str, source: str | None, datum: str | None, target: str = EVALUATION_CRS
) -> Reprojection:
    """Return how coordinates of an input reach the evaluation system.

    Parameters
    ----------
    where : str
        The file and layer, for messages.
    source : str or None
        System of the file or of the user: authority code, WKT or PROJ string.
    datum : {"wgs84", "cgcs2000", "gcj02", "bd09", "unknown"} or None
        What the user declared; None takes the datum of ``source``. ``unknown`` places the
        coordinates as they stand: nothing may be decided with them.
    target : str
        The evaluation system, as :func:`evaluation_crs` accepts it.

    Raises
    ------
    CrsError
        No or no usable system; a datum that PROJ can only guess at (Beijing 1954, Xian 1980,
        other countries' datums); a datum word that does not exist; an unfit target.

    Examples
    --------
    >>> plan("a.gpkg", "EPSG:4527", None).operation
    'Inverse of 3-degree Gauss-Kruger zone 39 + Gauss-Kruger CM 117E'
    >>> plan("a.geojson", "EPSG:4326", "gcj02").accuracy_m is None
    True
    """
    plane = evaluation_crs(target)
    crs = read_system(where, source)
    if datum is not None and datum not in DATUMS:
        raise _no_such_datum(where, datum)
    found = known_datum(crs)
    if found is None and datum != "unknown":
        _refuse_datum(where, crs, datum)
    used = datum or cast(str, found)

    return Reprojection(
        source=crs,
        datum=used,
        target=plane,
        operation=_operation(crs, used, plane),
        accuracy_m=0.0 if used == known_datum(plane) else None,
        notes=_notes(crs, used, plane),
    )


@lru_cache(maxsize=8)
def evaluation_crs(text: str) -> pyproj.CRS:
    """Return a system in which distances and areas of Beijing may be computed.

    It is projected, in metres, on CGCS2000, WGS 84 or an ITRF, and true to scale within 0.1 %
    all over Beijing.

    Raises
    ------
    CrsError
        With the reason why the system is unfit.

    Examples
    --------
    >>> evaluation_crs("EPSG:4548").name
    'CGCS2000 / 3-degree Gauss-Kruger CM 117E'
    """
    where = "--crs"
    crs = read_system(where, text)
    if crs.is_geographic:
        why = Text("以度为单位，不能量距离和面积。", "is in degrees: no distances or areas.")
    elif any(axis.unit_name not in ("metre", "meter") for axis in crs.axis_info):
        why = Text("不以米为单位。", "is not in metres.")
    elif known_datum(crs) is None:
        datum = datum_name(crs)
        why = Text(
            f"的基准（{datum}）与 CGCS2000 之间没有公开的转换参数。",
            f"is on the datum {datum}, which no published parameters tie to CGCS2000.",
        )
    elif (error := _scale_error(crs)) > _MOST_SCALE_ERROR:
        why = Text(
            f"在北京的长度变形达 {error:.2%}，超过 {_MOST_SCALE_ERROR:.1%}。",
            f"distorts lengths in Beijing by up to {error:.2%}, more than {_MOST_SCALE_ERROR:.1%}.",
        )
    else:
        return crs
    name = label(crs, text)
    raise CrsError(
        Problem(
            where,
            Text(f"评估坐标系 {name} {why.zh}", f"Evaluation system {name} {why.en}"),
            Text(
                "请用 EPSG:4548（CGCS2000 / 3 度带 117°E，默认）或 EPSG:4527。",
                "Use EPSG:4548 (CGCS2000 / 3-degree Gauss-Kruger 117°E, the default) or EPSG:4527.",
            ),
        )
    )


def output(source: str, datum: str | None) -> str:
    """Return the system outputs are written in: the input's, or EPSG:4490 for web maps.

    Examples
    --------
    >>> output("EPSG:4527", None), output("EPSG:4326", "gcj02")
    ('EPSG:4527', 'EPSG:4490')
    """
    return _SHIFTED_OUTPUT_CRS if datum in SHIFTED else source


def _refuse_datum(where: str, crs: pyproj.CRS, declared: str | None) -> None:
    """Raise for a datum that is not known, unless the user's declaration supplies it."""
    name = datum_name(crs)
    ellipsoid = crs.ellipsoid
    modern = ellipsoid is not None and (
        abs(ellipsoid.semi_major_metre - 6378137.0) < 0.01
        and abs(ellipsoid.inverse_flattening - 298.2572) < 0.0001
    )
    nameless = bool(re.match(r"(d_)?(unknown|unnamed|not[ _]specified)", name.lower()))
    if nameless and modern:
        if declared is not None:
            return
        raise CrsError(
            Problem(
                where,
                Text(
                    f"坐标系 {label(crs)} 没有说明大地基准。",
                    f"The system {label(crs)} does not name its datum.",
                ),
                Text(
                    '请设置 datum = "cgcs2000"、"wgs84"、"gcj02" 或 "bd09"。',
                    'Set datum = "cgcs2000", "wgs84", "gcj02" or "bd09".',
                ),
            )
        )
    raise CrsError(
        Problem(
            where,
            Text(
                f"坐标系 {label(crs)} 的大地基准是 {name}，到 CGCS2000 没有公开的转换参数，"
                "直接使用会有几米到上百米的偏差。",
                f"The system {label(crs)} is on the datum {name}; no published parameters lead "
                "from it to CGCS2000, and using it as it stands may be metres to over a hundred "
                "metres off.",
            ),
            Text(
                "请用主管部门的转换参数将数据转为 CGCS2000（如 EPSG:4490 或 EPSG:4548）后提供；"
                "若标注有误，请用 crs 写明正确的坐标系；"
                '或设 datum = "unknown"，只显示、不作判定。',
                "Supply the data in CGCS2000 (such as EPSG:4490 or EPSG:4548), converted with the "
                "official parameters; if the label is wrong, name the right system with crs; or "
                'set datum = "unknown" to have it shown with nothing decided.',
            ),
        )
    )


def _no_such_datum(where: str, datum: str) -> CrsError:
    words = ", ".join(DATUMS)
    return CrsError(
        Problem(
            where,
            Text(f"没有名为“{datum}”的基准。", f"There is no datum called “{datum}”."),
            Text(f"datum 可用：{words}。", f"datum is one of {words}."),
        )
    )


def _notes(source: pyproj.CRS, datum: str, target: pyproj.CRS) -> tuple[Text, ...]:
    notes = []
    name, plane_datum = _plain_name(datum), _plain_name(known_datum(target))
    if datum in SHIFTED:
        notes.append(
            Text(
                f"{name} 坐标按公开公式还原为 WGS 84，公式没有标称精度。",
                f"{name} is turned back into WGS 84 by the published formula, for which no "
                "accuracy is stated.",
            )
        )
    if datum == "bd09" and source.is_projected:
        notes.append(
            Text(
                f"按“BD-09 经纬度经 {label(source)} 投影”处理；百度墨卡托米制坐标（bd09mc）不同，"
                "须先转为经纬度。",
                f"Taken as BD-09 degrees projected to {label(source)}; Baidu's own Mercator "
                "metres (bd09mc) are something else and must be turned into degrees first.",
            )
        )
    if datum == "unknown":
        notes.append(
            Text(
                "基准不明：坐标按原值放置，不用于判定。",
                "The datum is unknown: coordinates are placed as they stand and decide nothing.",
            )
        )
    elif datum not in SHIFTED and name != plane_datum:
        notes.append(
            Text(
                f"{name} 坐标视同 {plane_datum}（在北京相差不足 1 米）。",
                f"{name} is taken as {plane_datum} (less than 1 m apart in Beijing).",
            )
        )
    if (error := _scale_error(target)) > _NOTED_SCALE_ERROR:
        notes.append(
            Text(
                f"评估坐标系 {label(target)} 在北京的长度变形达 {error:.3%}。",
                f"The evaluation system {label(target)} distorts lengths in Beijing by up to "
                f"{error:.3%}.",
            )
        )
    return tuple(notes)


def _plain_name(datum: str | None) -> str:
    return _DATUM_NAMES.get(datum or "", datum or "")


def _operation(source: pyproj.CRS, datum: str, target: pyproj.CRS) -> str:
    plane_datum = known_datum(target)
    if datum in SHIFTED:
        between = [f"{_plain_name(datum)} → WGS 84"]
    elif datum == "unknown":
        between = ["unknown datum, coordinates as they stand"]
    elif datum != plane_datum:
        between = [f"{_plain_name(datum)} = {_plain_name(plane_datum)} (no shift)"]
    elif _equal(source, target):
        return "no operation"
    else:
        between = []
    undo = [] if source.is_geographic else _words(conversion(source, geographic(source)))
    return " + ".join([*undo, *between, *_words(conversion(geographic(target), target))])


def _words(step: pyproj.Transformer) -> list[str]:
    """Return the steps as PROJ describes them, less those that only turn axes."""
    parts = step.description.split(" + ")
    return [part for part in parts if not part.startswith("axis order change")]


def _equal(source: pyproj.CRS, target: pyproj.CRS) -> bool:
    return bool(source.equals(target, ignore_axis_order=True))


def _scale_error(crs: pyproj.CRS) -> float:
    """Return by how much, as a share, a length in Beijing is drawn too long or too short."""
    lon, lat = beijing_grid(0.0)
    factors = pyproj.Proj(crs).get_factors(lon, lat)
    scales = np.array([factors.tissot_semimajor, factors.tissot_semiminor])
    return float(np.abs(scales - 1.0).max())


def _units_a_degree(crs: pyproj.CRS) -> float:
    """Return what a degree is, roughly, in the unit of a system."""
    if crs.is_geographic:
        return 1.0
    return _METRES_A_DEGREE / crs.axis_info[0].unit_conversion_factor


def _split_long_edges(geometry: Geometries, longest: float) -> Geometries:
    """Return the geometries with no edge longer than ``longest``; the others untouched."""
    xy, index = shapely.get_coordinates(geometry, return_index=True)
    with np.errstate(invalid="ignore"):
        length = np.hypot(*np.diff(xy, axis=0).T)
    length[np.diff(index) != 0] = 0.0
    # An edge to a stray coordinate (metres among degrees, infinity) would be split for ever.
    stray = ~(length <= longest * _MOST_PIECES)
    rows = np.setdiff1d(index[1:][length > longest], index[1:][stray])
    geometry[rows] = shapely.segmentize(geometry[rows], longest)
    return geometry


def _with_coordinates(
    geometry: Geometries, index: npt.NDArray[np.intp], x: Numbers, y: Numbers
) -> Geometries:
    placed = shapely.set_coordinates(geometry, np.column_stack([x, y]))
    placed[index[~(np.isfinite(x) & np.isfinite(y))]] = None
    return placed
