"""Coordinate systems as users write them: what a text means, and where Beijing lies in it."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import cast

import numpy as np
import numpy.typing as npt
import pyproj
from pyproj.exceptions import CRSError as UnknownCrs
from pyproj.exceptions import ProjError

from geo_urc.errors import CrsError, Problem
from geo_urc.text import Text

BEIJING = (115.4, 39.4, 117.6, 41.1)
"""West, south, east, north of the municipality in degrees."""

Numbers = npt.NDArray[np.float64]


def read_system(where: str, source: str | pyproj.CRS | None) -> pyproj.CRS:
    """Return the two-dimensional system that a text names, without heights and hearsay.

    Of a compound system the horizontal part is taken, and ``towgs84`` figures are dropped:
    they are rarely more than somebody's guess, and of no use on the datums accepted here.

    Raises
    ------
    CrsError
        No system, one that PROJ does not know, or one without a place on the map.
    """
    if source is None or source == "":
        raise CrsError(
            Problem(
                where,
                Text("没有坐标系。", "There is no coordinate system."),
                Text(
                    '请设置 crs = "EPSG:…"：经纬度用 EPSG:4490，米制坐标常用 EPSG:4548，'
                    "横坐标带带号 39 的用 EPSG:4527；取自网络地图的坐标另设 "
                    'datum = "gcj02"（偏移约 550 米）或 "bd09"（约 1.3 公里）。',
                    'Set crs = "EPSG:…": EPSG:4490 for degrees, for metres usually EPSG:4548 or '
                    '(zone number 39 in x) EPSG:4527; and datum = "gcj02" or "bd09" if the '
                    "coordinates come from a web map: those are shifted by about 550 m or 1.3 km.",
                ),
            )
        )
    try:
        crs = pyproj.CRS.from_user_input(source)
    except UnknownCrs as error:
        raise CrsError(
            Problem(
                where,
                Text(
                    f"无法识别坐标系“{_clip(str(source))}”。",
                    f"The coordinate system “{_clip(str(source))}” is not known.",
                ),
                Text(
                    '请写成 crs = "EPSG:4548" 这样的代码，或完整的 WKT。',
                    'Write a code such as crs = "EPSG:4548", or complete WKT.',
                ),
            )
        ) from error
    if crs.is_compound:
        crs = crs.sub_crs_list[0]
    if crs.is_bound and crs.source_crs is not None:
        crs = crs.source_crs
    if not (crs.is_geographic or crs.is_projected):
        raise CrsError(
            Problem(
                where,
                Text(
                    f"坐标系 {label(crs)} 是 {crs.type_name}，不能确定平面位置。",
                    f"The system {label(crs)} is of type {crs.type_name}: it gives no place on "
                    "the map.",
                ),
                Text(
                    '请先配准数据，再设置 crs = "EPSG:…"。',
                    'Georeference the data, then set crs = "EPSG:…".',
                ),
            )
        )
    flat = crs.to_2d()
    try:
        conversion(geographic(flat), flat)
    except ProjError as error:
        raise CrsError(
            Problem(
                where,
                Text(
                    f"坐标系 {label(crs)} 的投影方法无法识别。",
                    f"The system {label(crs)} has a projection that is not known.",
                ),
                Text(
                    '请设置 crs = "EPSG:…"，米制坐标常用 EPSG:4548。',
                    'Set crs = "EPSG:…", for metres usually EPSG:4548.',
                ),
            )
        ) from error
    return flat


def geographic(crs: pyproj.CRS) -> pyproj.CRS:
    """Return the system of longitudes and latitudes that a horizontal system rests on."""
    return cast(pyproj.CRS, crs.geodetic_crs)


def datum_name(crs: pyproj.CRS) -> str:
    """Return what PROJ calls the datum of a horizontal system."""
    datum = geographic(crs).datum
    return datum.name if datum else "unknown"


def known_datum(crs: pyproj.CRS) -> str | None:
    """Return the datum's name if its longitudes are CGCS2000's within 1 m, else None."""
    meridian = crs.prime_meridian
    greenwich = meridian is None or meridian.longitude == 0.0
    degree = geographic(crs).axis_info[0].unit_conversion_factor
    if not (greenwich and math.isclose(degree, math.pi / 180)):
        return None
    name = datum_name(crs)
    plain = re.sub("[^a-z0-9]", "", name.lower()).removeprefix("d")
    if re.fullmatch("(gcs)?(china2000|cgcs2000|china(geodeticcoordinatesystem)2000)", plain):
        return "cgcs2000"
    if re.match("worldgeodeticsystem1984|wgs1984|wgs84", plain):
        return "wgs84"
    return name if re.match("internationalterrestrialreferenceframe|itrf", plain) else None


@lru_cache(maxsize=64)
def conversion(source: pyproj.CRS, target: pyproj.CRS) -> pyproj.Transformer:
    """Return the conversion between two systems, x (east) first; each is built once."""
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


@lru_cache(maxsize=64)
def beijing_in(crs: pyproj.CRS, margin_deg: float) -> tuple[float, float, float, float]:
    """Return west, south, east, north of Beijing, and a margin around it, in a system."""
    x, y = conversion(geographic(crs), crs).transform(*beijing_grid(margin_deg))
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def beijing_grid(margin_deg: float) -> tuple[Numbers, Numbers]:
    """Return longitudes and latitudes of 81 points spread over Beijing and a margin."""
    west, south, east, north = BEIJING
    lon, lat = np.meshgrid(
        np.linspace(west - margin_deg, east + margin_deg, 9),
        np.linspace(south - margin_deg, north + margin_deg, 9),
    )
    return lon.ravel(), lat.ravel()


def label(crs: pyproj.CRS, text: str = "") -> str:
    """Return what to call a system in a message: its code, else its name, never long."""
    code = crs.to_authority(min_confidence=100)
    return ":".join(code) if code else _clip(text or crs.name)


def _clip(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
