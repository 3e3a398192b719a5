"""GCJ-02 and BD-09, the shifted datums of Chinese web maps, and the way back.

Both shifts are smooth functions of position, a few metres a kilometre at most, so their
inverses are found by repeating "guess, shift, correct by the miss": every round shrinks the
miss at least thirtyfold. That holds for BD-09 too, whose customary closed-form inverse is
only good to about half a metre.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

Datum = Literal["wgs84", "cgcs2000", "gcj02", "bd09"]

Degrees = npt.NDArray[np.float64]
Shift = Callable[[Degrees, Degrees], tuple[Degrees, Degrees]]

_GCJ_BOX = (72.004, 0.8293, 137.8347, 55.8271)
_KRASOVSKY_A_M = 6378245.0
_KRASOVSKY_E2 = 0.00669342162296594323
_CONVERGED_DEG = 1e-9  # 0.1 mm before the last correction, so some micrometres after it
_ROUNDS = 20  # five are enough everywhere in China; the bound is for nonsense coordinates


def shift(
    lon: npt.ArrayLike, lat: npt.ArrayLike, source: Datum, target: Datum
) -> tuple[Degrees, Degrees]:
    """Return longitudes and latitudes moved from one datum to another.

    WGS 84 and CGCS2000 are taken as equal (they differ by less than 1 m in Beijing, mostly
    plate motion since 2000). GCJ-02 leaves points outside its customary box (72.004–137.8347°
    E, 0.8293–55.8271° N) where they are; the box is applied to the point that is given, so in
    the strip of some hundred metres along its edge a round trip may miss by the shift itself.

    Parameters
    ----------
    lon, lat : array_like
        Degrees, of one shape.
    source, target : {"wgs84", "cgcs2000", "gcj02", "bd09"}
        Datum of the given and of the returned coordinates.

    Returns
    -------
    tuple of ndarray
        Degrees, float64, same shape; inverses are exact to well below 1 mm. NaN stays NaN.

    Examples
    --------
    >>> lon, lat = shift([116.3912], [39.9063], "wgs84", "gcj02")
    >>> round(float(lon[0]), 4), round(float(lat[0]), 4)
    (116.3974, 39.9077)
    """
    at = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    if _level(source) == _level(target):
        return at[0].copy(), at[1].copy()
    with np.errstate(invalid="ignore", over="ignore"):  # nonsense in, NaN or nonsense out
        if source == "bd09":
            at = _undo(_gcj_to_bd, *at)
        elif source != "gcj02":
            at = _wgs_to_gcj(*at)
        if target == "bd09":
            return _gcj_to_bd(*at)
        if target == "gcj02":
            return at
        return _gcj_to_wgs(*at)


def _level(datum: Datum) -> int:
    return {"wgs84": 0, "cgcs2000": 0, "gcj02": 1, "bd09": 2}[datum]


def _wgs_to_gcj(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    moved = _gcj_formula(lon, lat)
    inside = in_gcj_box(lon, lat)
    return np.where(inside, moved[0], lon), np.where(inside, moved[1], lat)


def _gcj_to_wgs(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    # The bare formula is undone, without the box, so that the search meets no jump.
    moved = _undo(_gcj_formula, lon, lat)
    inside = in_gcj_box(lon, lat)
    return np.where(inside, moved[0], lon), np.where(inside, moved[1], lat)


def in_gcj_box(lon: Degrees, lat: Degrees) -> npt.NDArray[np.bool_]:
    """Return which points lie in the box around China outside which GCJ-02 moves nothing."""
    west, south, east, north = _GCJ_BOX
    return (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)


def _gcj_formula(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """Return GCJ-02 coordinates by the published polynomial-and-waves formula."""
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    ripple = 20.0 * np.sin(6.0 * np.pi * x) + 20.0 * np.sin(2.0 * np.pi * x)

    north_waves = (
        ripple
        + 20.0 * np.sin(np.pi * y)
        + 40.0 * np.sin(np.pi * y / 3.0)
        + 160.0 * np.sin(np.pi * y / 12.0)
        + 320.0 * np.sin(np.pi * y / 30.0)
    )
    east_waves = (
        ripple
        + 20.0 * np.sin(np.pi * x)
        + 40.0 * np.sin(np.pi * x / 3.0)
        + 150.0 * np.sin(np.pi * x / 12.0)
        + 300.0 * np.sin(np.pi * x / 30.0)
    )
    north_m = (
        -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + north_waves / 1.5
    )
    east_m = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + east_waves / 1.5

    phi = np.radians(lat)
    w2 = 1.0 - _KRASOVSKY_E2 * np.sin(phi) ** 2
    meridian_radius = _KRASOVSKY_A_M * (1.0 - _KRASOVSKY_E2) / (w2 * np.sqrt(w2))
    parallel_radius = _KRASOVSKY_A_M / np.sqrt(w2) * np.cos(phi)
    return lon + np.degrees(east_m / parallel_radius), lat + np.degrees(north_m / meridian_radius)


def _gcj_to_bd(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """Return BD-09 coordinates: Baidu's polar ripple on top of GCJ-02, and an offset."""
    wave = np.pi * 3000.0 / 180.0
    radius = np.hypot(lon, lat) + 0.00002 * np.sin(lat * wave)
    angle = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * wave)
    return radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006


def _undo(forward: Shift, lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """Return the points that ``forward`` moves to the given ones."""
    guess_lon, guess_lat = lon, lat
    for _ in range(_ROUNDS):
        there_lon, there_lat = forward(guess_lon, guess_lat)
        miss_lon, miss_lat = lon - there_lon, lat - there_lat
        guess_lon, guess_lat = guess_lon + miss_lon, guess_lat + miss_lat
        # Written so that NaN and infinite points never keep the others iterating.
        if not ((np.abs(miss_lon) > _CONVERGED_DEG) | (np.abs(miss_lat) > _CONVERGED_DEG)).any():
            break
    return guess_lon, guess_lat
