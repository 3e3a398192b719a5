"""How many points lie within a radius? Whole cells of a grid are counted, the rest measured."""

from __future__ import annotations

import numpy as np

from geo_urc.facts.outlines import Floats, Ints, ranges, runs

_CELLS = 5
"""Cells to a radius; more are more to look up, fewer leave more to measure."""
_MOST_CELLS = 1024
"""To a side of the grid, for radii that are small against the city."""
_AT_ONCE = 1 << 10
"""Places that are worked out together, so that their cells fit into a processor's cache."""
_ROUNDING_M = 1e-6
"""A cell that is whole by less than this is measured all the same."""


class Counter:
    """Points in a grid, to be counted about many places.

    Parameters
    ----------
    xy
        Points in metres, a row each.
    least_m, most_m
        Radii that :meth:`within` may ask for lie from the one to the other.

    Examples
    --------
    >>> shops = np.array([[0.0, 0.0], [3.0, 4.0], [9.0, 0.0]])
    >>> Counter(shops, 4.0, 6.0).within(np.array([[0.0, 0.0]]), (4.0, 5.0, 6.0)).tolist()
    [[1, 2, 2]]
    """

    def __init__(self, xy: Floats, least_m: float, most_m: float) -> None:
        self.least_m, self.most_m = least_m, most_m
        self.low = xy.min(axis=0) if len(xy) else np.zeros(2)
        wide = float(np.ptp(xy, axis=0).max()) if len(xy) else 0.0
        self.cell_m = max(most_m / _CELLS, wide / _MOST_CELLS, 1e-3)
        place = ((xy - self.low) / self.cell_m).astype(np.intp)
        self.columns, self.rows = place.max(axis=0, initial=0) + 1
        cell = place[:, 1] * self.columns + place[:, 0]
        order = np.argsort(cell, kind="stable")
        self.x, self.y = xy[order].T.copy()
        self.first = np.searchsorted(cell[order], np.arange(self.columns * self.rows + 1))

    def within(self, places: Floats, radii_m: tuple[float, ...]) -> Ints:
        """Return how many points lie no farther from each place than each radius.

        A row a place, a column a radius; the radius itself counts.
        """
        numbers = np.zeros((len(places), len(radii_m)), np.intp)
        for begin, end in runs(np.arange(len(places)) // _AT_ONCE):
            numbers[begin:end] = self._within(places[begin:end], radii_m)
        return numbers

    def _within(self, places: Floats, radii_m: tuple[float, ...]) -> Ints:
        x, y = places.T
        of, row = self._rows(y)
        base = row * self.columns
        from_m = self.low[1] + row * self.cell_m - y[of]  # to the row's lower edge
        to_m = from_m + self.cell_m
        nearest_m = np.maximum(np.maximum(from_m, -to_m), 0.0)
        farthest_m = np.maximum(-from_m, to_m)
        touched = self._columns(x[of], _half_chord(self.most_m + _ROUNDING_M, nearest_m))
        whole = self._columns(
            x[of], _half_chord(self.least_m - _ROUNDING_M, farthest_m) - self.cell_m
        )
        whole = np.where(whole[1] > whole[0], whole, touched[0])
        open_, skip = self.first[base + touched], self.first[base + whole]
        numbers = np.bincount(of, skip[1] - skip[0], len(places)).astype(np.intp)[:, None]

        begin = np.concatenate([open_[0], skip[1]])
        size = np.concatenate([skip[0], open_[1]]) - begin
        some = np.flatnonzero(size)
        point = ranges(begin[some], size[some])
        about = np.repeat(np.concatenate([of, of])[some], size[some])
        square = (self.x[point] - x[about]) ** 2 + (self.y[point] - y[about]) ** 2
        more = [np.bincount(about[square <= r * r], minlength=len(places)) for r in radii_m]
        return numbers + np.column_stack(more)

    def _rows(self, y: Floats) -> tuple[Ints, Ints]:
        """Return pairs of place and row of the grid that its widest circle may touch."""
        reach = self.most_m + _ROUNDING_M
        low = np.floor((y - reach - self.low[1]) / self.cell_m)
        high = np.floor((y + reach - self.low[1]) / self.cell_m) + 1
        low, high = (np.clip(side, 0, self.rows).astype(np.intp) for side in (low, high))
        return np.repeat(np.arange(len(y)), high - low), ranges(low, high - low)

    def _columns(self, x: Floats, half_m: Floats) -> Ints:
        """Return first and one past the last column that a stretch about x touches."""
        low = np.floor((x - half_m - self.low[0]) / self.cell_m)
        high = np.floor((x + half_m - self.low[0]) / self.cell_m) + 1
        return np.clip([low, np.maximum(low, high)], 0, self.columns).astype(np.intp)


def _half_chord(radius_m: float, off_m: Floats) -> Floats:
    """Return half the length of a circle's chord; negative where it does not come so far."""
    radius_m = max(radius_m, 0.0)
    return np.sqrt(radius_m**2 - np.minimum(off_m, radius_m) ** 2) - (off_m >= radius_m)
