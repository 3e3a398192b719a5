"""Places by name: the control points that come with the program, and a layer's own features.

The control points are well-known stations and sights of Beijing, their WGS 84 coordinates
written down from general knowledge, each with a figure for how far off it may be. They are far
too coarse to measure anything with, and good enough to tell datums apart that lie 500 m and
more from each other.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from geo_urc.inputs.systems import Numbers
from geo_urc.inputs.table import Features

_STATION_ROLES = ("rail_stations", "hubs")
_MOST_NAMES = 50_000
"""Names looked at in one layer, so that a layer of millions costs no more than a city's."""
_ONE_PLACE_M = 300.0
"""Features of one name that lie farther than this from their middle are several places."""
_REMARK = re.compile(r"\(.*?\)|\[.*?\]")
_STATION = re.compile(r"(地铁站|火车站|高铁站|客站|站)$")


@dataclass(frozen=True)
class Places:
    """Where named things are. Arrays have one entry a place.

    Attributes
    ----------
    names
        Plain names (:func:`plain_name`), each once.
    x, y
        Degrees east and north, or metres, whichever the maker says.
    """

    names: tuple[str, ...]
    x: Numbers
    y: Numbers

    def shared_with(self, others: Places) -> tuple[Places, Places]:
        """Return the places of either side that the other names too, in one order."""
        at = {name: i for i, name in enumerate(others.names)}
        here = [i for i, name in enumerate(self.names) if name in at]
        return self.at(here), others.at([at[self.names[i]] for i in here])

    def at(self, rows: list[int]) -> Places:
        """Return some of the places."""
        return Places(tuple(self.names[i] for i in rows), self.x[rows], self.y[rows])


NOWHERE = Places((), np.empty(0), np.empty(0))
"""No places."""


@cache
def control_points(kind: str) -> Places:
    """Return the control points of a kind, WGS 84 degrees; an alias is a place of its own name.

    Parameters
    ----------
    kind : {"station", "place"}
        Stations for layers of stations, sights and parks for everything else: a park and the
        station named after it may be a kilometre apart.

    Examples
    --------
    >>> points = control_points("station")
    >>> i = points.names.index("天安门东")
    >>> float(points.x[i]), float(points.y[i])
    (116.3949, 39.9063)
    """
    path = Path(__file__).with_name("places.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == kind]
    simplify = plain_name if kind == "place" else plain_station
    found: dict[str, tuple[float, float]] = {}
    for row in rows:
        for name in (row["name"], *filter(None, row["aliases"].split(";"))):
            found.setdefault(simplify(name), (float(row["lon"]), float(row["lat"])))
    xy = np.array(list(found.values()), np.float64)
    return Places(tuple(found), xy[:, 0], xy[:, 1])


def control_kind(role: str) -> str:
    """Return which control points a role is compared with."""
    return "station" if role in _STATION_ROLES else "place"


def plain_name(name: str) -> str:
    """Return a name without width, blanks, remarks in brackets and the city's own name.

    Examples
    --------
    >>> plain_name(" 北京市天坛公园（南门） ")
    '天坛公园'
    """
    text = _REMARK.sub("", unicodedata.normalize("NFKC", name))
    return re.sub(r"\s+", "", text).removeprefix("北京市")


def plain_station(name: str) -> str:
    """Return a plain name without the word for station.

    Examples
    --------
    >>> plain_station("国贸站（1号线）"), plain_station("北京南站"), plain_station("国贸地铁站")
    ('国贸', '北京南', '国贸')
    """
    plain = plain_name(name).removeprefix("地铁")
    return _STATION.sub("", plain) or plain


def places_of(features: Features) -> Places:
    """Return the named features of a layer, in the metres that they are placed in.

    A place is the mean of the centroids that share a plain name. Names whose features are
    spread over more than one place (a river in parts, one of many gardens called alike) are
    left out.
    """
    usable = ~shapely.is_missing(features.geometry)
    given = pa.array(features.names, pa.string(), mask=~usable)
    distinct = pc.unique(given).drop_null().slice(0, _MOST_NAMES)
    if not len(distinct):
        return NOWHERE
    simplify = _simplifier(features.role)
    plain: Mapping[str, str] = {name: simplify(name) for name in distinct.to_pylist()}
    rows = np.flatnonzero(pc.is_in(given, value_set=distinct).to_numpy(zero_copy_only=False))
    names, group = np.unique(
        np.array([plain[name] for name in features.names[rows]], dtype=str), return_inverse=True
    )
    middle = shapely.centroid(features.geometry[rows])
    x, y = shapely.get_x(middle), shapely.get_y(middle)
    count = np.bincount(group)
    mean_x, mean_y = np.bincount(group, x) / count, np.bincount(group, y) / count
    farthest = np.zeros(len(names))
    np.maximum.at(farthest, group, np.hypot(x - mean_x[group], y - mean_y[group]))
    kept = np.flatnonzero((farthest <= _ONE_PLACE_M) & (names != "")).tolist()
    return Places(tuple(names.tolist()), mean_x, mean_y).at(kept)


def _simplifier(role: str) -> Callable[[str], str]:
    return plain_station if control_kind(role) == "station" else plain_name
