"""What the cells of a raster hold under a footprint: least, most, mean, sum, and how much of it.

A cell counts with the share of it that lies under the footprint, exactly; exactextract works
these shares out. Arrays in, columns out, same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely
from exactextract import exact_extract
from exactextract.feature import Feature, FeatureSource
from exactextract.raster import RasterSource
from exactextract.writer import PandasWriter

from geo_urc.facts.outlines import Floats, Ints, runs
from geo_urc.inputs.table import Geometries, Raster, ReadWindow

MOST_CELLS = 4_000_000
"""Cells held at a time; a larger footprint is worked out piece by piece."""
_BLOCK = 128
"""Rows and columns of the squares in whose order subjects are looked at."""
_EDGE = 1e-6
"""Share of a cell by which a footprint may stick out of the raster: the last bits of its place."""
_POINT = 0
_STATISTICS = ("min", "max", "mean", "sum", "count", "all=count(default_value=0)")


class Zonal(NamedTuple):
    """Statistics of the cells under each subject; NaN where no cell has a value.

    Attributes
    ----------
    least, most, mean
        In the unit of the cells. Of a point: the value of its cell.
    total
        Each cell's value times the share of the cell that lies under the footprint; NaN for
        a point, which has no extent.
    covered
        Share of the footprint under which cells have a value, 0–1; exactly 1 where none is
        missing. NaN for a subject without a place, or neither polygon nor point.
    """

    least: Floats
    most: Floats
    mean: Floats
    total: Floats
    covered: Floats


def zonal(raster: Raster, geometry: Geometries) -> Zonal:
    """Return statistics of a raster under footprints.

    Shares of cells are good to 1e-7, sums and means with them; least and most are values
    of cells as they are.

    Parameters
    ----------
    geometry
        Polygons and points in the evaluation system. None gives NaN throughout.

    Raises
    ------
    LayerError
        If the raster can no longer be read.
    """
    placed = raster.place(geometry)
    found = Zonal(*(np.full(len(geometry), np.nan) for _ in Zonal._fields))
    areas = np.flatnonzero(shapely.area(placed) > 0)
    points = np.flatnonzero(shapely.get_type_id(placed) == _POINT)
    with raster.opened() as read:
        for column, values in zip(found, _under(raster, read, placed[areas]), strict=True):
            column[areas] = values
        at = _cells(raster, read, placed[points])
    for column in (found.least, found.most, found.mean):
        column[points] = at
    found.covered[points] = np.where(np.isnan(at), 0.0, 1.0)
    lost = shapely.is_missing(placed) & ~shapely.is_missing(geometry)
    found.covered[lost] = 0.0  # has no place in the raster's system
    return found


def _under(raster: Raster, read: ReadWindow, footprints: Geometries) -> Zonal:
    """Return the statistics of polygons in the raster's own system."""
    order = _by_block(raster, shapely.bounds(footprints))
    columns = exact_extract(
        _Cells(raster, read),
        _Footprints(footprints[order]),
        list(_STATISTICS),
        output=_Columns(),
        max_cells_in_memory=MOST_CELLS,
    )
    back = np.argsort(order)
    least, most, mean, total, valid, all_ = columns[:, back]
    # Both counts add up the same shares, so they differ only where cells lack a value.
    gap = (all_ > valid) | _sticks_out(raster, footprints)
    width, height = _cell(raster)
    most_of_it = np.nextafter(1.0, 0.0)
    share = np.clip(valid * width * height / shapely.area(footprints), 0.0, most_of_it)
    none = valid == 0
    return Zonal(least, most, mean, np.where(none, np.nan, total), np.where(gap, share, 1.0))


class _Columns(PandasWriter):
    """Gives the columns as one array, a row for each statistic, without pandas after all."""

    def features(self) -> Floats:
        return np.array(list(self.fields.values()), np.float64)


def _cells(raster: Raster, read: ReadWindow, points: Geometries) -> Floats:
    """Return the value of the cell that each point lies in; on an edge, of that east or south.

    Points are read block by block, each block once.
    """
    west, south, east, north = raster.extent
    rows, columns = raster.shape
    width, height = _cell(raster)
    x, y = shapely.get_x(points), shapely.get_y(points)
    inside = (x >= west) & (x <= east) & (y >= south) & (y <= north)
    column = np.minimum((x[inside] - west) // width, columns - 1).astype(np.intp)
    row = np.minimum((north - y[inside]) // height, rows - 1).astype(np.intp)

    key = row // _BLOCK * (columns // _BLOCK + 1) + column // _BLOCK
    order = np.argsort(key, kind="stable")
    column, row = column[order], row[order]
    value = np.empty(len(order))
    for a, b in runs(key[order]):
        left, top = column[a:b].min(), row[a:b].min()
        window = read(left, top, int(np.ptp(column[a:b])) + 1, int(np.ptp(row[a:b])) + 1)
        value[a:b] = window[row[a:b] - top, column[a:b] - left]
    found = np.full(len(points), np.nan)
    found[np.flatnonzero(inside)[order]] = value
    return found


def _cell(raster: Raster) -> tuple[float, float]:
    west, south, east, north = raster.extent
    rows, columns = raster.shape
    return (east - west) / columns, (north - south) / rows


def _by_block(raster: Raster, bounds: Floats) -> Ints:
    """Return an order in which footprints that begin in the same block follow each other."""
    west, _, _, north = raster.extent
    width, height = _cell(raster)
    column = (bounds[:, 0] - west) // (width * _BLOCK)
    row = (north - bounds[:, 3]) // (height * _BLOCK)
    return np.lexsort((column, row))


def _sticks_out(raster: Raster, footprints: Geometries) -> npt.NDArray[np.bool_]:
    west, south, east, north = raster.extent
    width, height = _cell(raster)
    x0, y0, x1, y1 = shapely.bounds(footprints).T
    return (
        (x0 < west - _EDGE * width)
        | (x1 > east + _EDGE * width)
        | (y0 < south - _EDGE * height)
        | (y1 > north + _EDGE * height)
    )


class _Cells(RasterSource):
    """A raster as exactextract reads it; NaN is what it takes for no value.

    Small windows come out of the four blocks that all footprints lie in that begin in the
    first of them and are no larger than one: these are read once for all of them.
    """

    def __init__(self, raster: Raster, read: ReadWindow) -> None:
        super().__init__()
        self.set_name(raster.role)
        self.raster = raster
        self.read = read
        self.at: tuple[int, int] | None = None
        self.held = np.empty((0, 0))

    def res(self) -> tuple[float, float]:
        return _cell(self.raster)

    def extent(self) -> tuple[float, float, float, float]:
        return self.raster.extent

    def nodata_value(self) -> None:
        return None

    def srs_wkt(self) -> None:  # the footprints have been placed
        return None

    def read_window(self, x0: int, y0: int, nx: int, ny: int) -> Floats:
        if not nx or not ny or max(nx, ny) > _BLOCK:
            return self.read(x0, y0, nx, ny)
        left, top = x0 // _BLOCK * _BLOCK, y0 // _BLOCK * _BLOCK
        if self.at != (left, top):
            rows, columns = self.raster.shape
            self.at = left, top
            self.held = self.read(
                left, top, min(2 * _BLOCK, columns - left), min(2 * _BLOCK, rows - top)
            )
        return self.held[y0 - top : y0 - top + ny, x0 - left : x0 - left + nx]


class _Footprints(FeatureSource):
    """Footprints as exactextract reads them: without attributes, in the order given."""

    def __init__(self, footprints: Geometries) -> None:
        super().__init__()
        self.wkb = shapely.to_wkb(footprints)

    def count(self) -> int:
        return len(self.wkb)

    def __iter__(self) -> Iterator[_Footprint]:
        return map(_Footprint, self.wkb)

    def srs_wkt(self) -> None:
        return None


class _Footprint(Feature):
    def __init__(self, wkb: bytes) -> None:
        super().__init__()
        self.wkb = wkb

    def geometry(self) -> bytes:
        return self.wkb

    def fields(self) -> list[str]:
        return []
