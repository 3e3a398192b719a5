"""Which datum puts a layer's places where they belong, or that none does, or cannot be told.

Between two datums every place moves by a known amount: 505 to 611 m from WGS 84 to GCJ-02 in
Beijing, some 870 m on to BD-09. So each datum that the coordinates might be on is tried. Under
the right one the places differ from the truth by scatter around nothing; under a wrong one they
are all off by about the same. The middle of the differences tells which, and their scatter and
number tell how surely.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from geo_urc.inputs.systems import Numbers
from geo_urc.inputs.table import Control

FEWEST_PAIRS = 5
"""Places to be compared at least: with one stray name among them, four still agree."""
NEAR_M = 150.0
"""How far the middle of the differences may be from nothing for a datum that fits: what a
control point may be off, and what "the place" of a station or a park may mean. Less than a third
of the least distance between two datums (505 m)."""
MOST_SPREAD_M = 250.0
"""Half the differences must lie this near to their middle for a datum to be named: half the
least distance between two datums. A generalised outline does not pass."""
STANDARD_ERRORS = 3.0
"""The middle is taken to be within so many standard errors of where it would be with any number
of places; with three, fewer than three middles in a thousand are not."""
MOST_APART_M = 10_000.0
"""Places of one name that are farther apart are two places; no mistake with systems that leaves
a layer in Beijing moves it so far."""

_MEDIAN_ERROR = 1.2533  # standard error of a median ÷ that of a mean
_MEDIAN_RADIUS = 1.1774  # median distance from the middle ÷ standard deviation of one axis
_METRES_A_DEGREE = 111_195.0  # of a sphere of 6371 km; true to 0.2 % in Beijing


class Differences(NamedTuple):
    """From where places belong to where a layer has them, in sum."""

    east_m: float
    north_m: float
    spread_m: float
    """Half the differences lie within this of their middle."""
    error_m: float
    """Standard error of the middle, along one axis."""

    @property
    def shift_m(self) -> float:
        """The length of the middle difference."""
        return float(np.hypot(self.east_m, self.north_m))

    @property
    def bearing_deg(self) -> float:
        """The direction of the middle difference, clockwise from north."""
        return float(np.degrees(np.arctan2(self.east_m, self.north_m)) % 360.0)


def differences(lon: Numbers, lat: Numbers, true_lon: Numbers, true_lat: Numbers) -> Differences:
    """Return how places differ from where they belong; medians, so that strays do not count.

    Parameters
    ----------
    lon, lat, true_lon, true_lat : ndarray
        Degrees, of one length, at least 1.

    Examples
    --------
    >>> lon = np.array([116.40, 116.41, 116.42])
    >>> found = differences(lon, np.full(3, 40.001), lon, np.full(3, 40.0))
    >>> round(found.shift_m), round(found.bearing_deg)
    (111, 0)
    """
    east, north = _east_north(lon, lat, true_lon, true_lat)
    middle = float(np.median(east)), float(np.median(north))
    spread = float(np.median(np.hypot(east - middle[0], north - middle[1])))
    error = _MEDIAN_ERROR * spread / _MEDIAN_RADIUS / np.sqrt(len(east))
    return Differences(*middle, spread, float(error))


def too_few(pairs: int, against: str) -> Control:
    """Return that there is too little to compare."""
    return Control("not_sure", pairs=pairs, against=against, why="too_few")


def _east_north(
    lon: Numbers, lat: Numbers, true_lon: Numbers, true_lat: Numbers
) -> tuple[Numbers, Numbers]:
    east = (lon - true_lon) * np.cos(np.radians(true_lat)) * _METRES_A_DEGREE
    return east, (lat - true_lat) * _METRES_A_DEGREE


def _apart(lon: Numbers, lat: Numbers, true_lon: Numbers, true_lat: Numbers) -> Numbers:
    return np.hypot(*_east_north(lon, lat, true_lon, true_lat))


def judge(
    tried: Mapping[str, tuple[Numbers, Numbers]],
    truth: tuple[Numbers, Numbers],
    declared: str,
    against: str,
) -> Control:
    """Return what a comparison says of a layer.

    Parameters
    ----------
    tried
        What the coordinates might be on → longitudes and latitudes of the places, if so.
    truth
        Longitudes and latitudes where the places belong.
    declared
        The one of ``tried`` that is declared or assumed; shift and spread are told under it.
    against
        What the truth is taken from.

    Returns
    -------
    Control
        ``fits`` or ``looks_like`` if one datum is nearer than every other, beyond doubt;
        ``displaced`` if all are surely wrong; else ``not_sure``.
    """
    near = _apart(*tried[declared], *truth) <= MOST_APART_M
    tried = {name: (lon[near], lat[near]) for name, (lon, lat) in tried.items()}
    truth = truth[0][near], truth[1][near]
    pairs = int(near.sum())
    if pairs < FEWEST_PAIRS:
        return too_few(pairs, against)
    found = {name: differences(*at, *truth) for name, at in tried.items()}
    best, *others = sorted(found, key=lambda name: found[name].shift_m)
    as_declared = found[declared]

    def told(verdict: str, looks_like: str | None = None, why: str | None = None) -> Control:
        return Control(
            verdict,
            looks_like=looks_like,
            against=against,
            pairs=pairs,
            shift_m=as_declared.shift_m,
            bearing_deg=as_declared.bearing_deg,
            spread_m=as_declared.spread_m,
            why=why,
        )

    doubt = STANDARD_ERRORS * found[best].error_m
    if found[best].shift_m > NEAR_M + doubt and as_declared.spread_m < as_declared.shift_m:
        return told("displaced")
    if found[best].spread_m > MOST_SPREAD_M:
        return told("not_sure", why="scattered")
    gap = min(found[name].shift_m for name in others) - found[best].shift_m
    if found[best].shift_m > NEAR_M or gap <= 2.0 * doubt:
        return told("not_sure", why="between")
    return told("fits", best) if best == declared else told("looks_like", best)
