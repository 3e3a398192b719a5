"""Where is anything at all? A grid that rules out, in passing, what is near nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geo_urc.facts.outlines import Floats, Ints

_CELL_M = 50.0
_MOST_CELLS = 1024
"""To a side of the grid, for layers that lie far apart."""


class Presence:
    """Boxes drawn into a grid.

    Parameters
    ----------
    boxes
        West, south, east, north of each, in metres.

    Examples
    --------
    >>> lakes = Presence(np.array([[0.0, 0.0, 90.0, 90.0], [900.0, 900.0, 990.0, 990.0]]))
    >>> lakes.may_meet(np.array([[400.0, 400.0, 450.0, 450.0], [80.0, 80.0, 99.0, 99.0]])).tolist()
    [False, True]
    """

    def __init__(self, boxes: Floats) -> None:
        self.low = boxes[:, :2].min(axis=0) if len(boxes) else np.zeros(2)
        wide = (boxes[:, 2:] - self.low).max(initial=0.0)
        self.cell_m = max(_CELL_M, float(wide) / _MOST_CELLS)
        self.shape = ((boxes[:, 2:] - self.low) / self.cell_m).astype(np.intp).max(0, initial=0) + 1
        x0, y0, x1, y1 = self._cells(boxes)
        steps = np.zeros(self.shape + 1, np.int32)
        for x, y, sign in ((x0, y0, 1), (x1, y0, -1), (x0, y1, -1), (x1, y1, 1)):
            np.add.at(steps, (x, y), sign)
        taken = steps.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] > 0
        self.before = np.zeros(self.shape + 1, np.int32)
        self.before[1:, 1:] = taken.cumsum(axis=0, dtype=np.int32).cumsum(axis=1)

    def may_meet(self, boxes: Floats) -> npt.NDArray[np.bool_]:
        """Return which boxes have a drawn one in a cell in common; NaN has none."""
        x0, y0, x1, y1 = self._cells(boxes)
        b = self.before
        return b[x1, y1] - b[x0, y1] - b[x1, y0] + b[x0, y0] > 0

    def _cells(self, boxes: Floats) -> tuple[Ints, ...]:
        """Return first and one past the last cell of each box, in x and y."""
        place = (boxes.reshape(-1, 2, 2) - self.low) / self.cell_m
        with np.errstate(invalid="ignore"):
            first = np.clip(np.nan_to_num(np.floor(place[:, 0])), 0, self.shape)
            end = np.clip(np.nan_to_num(np.floor(place[:, 1]) + 1), 0, self.shape)
        end = np.maximum(first, end)
        return tuple(side.astype(np.intp) for side in (*first.T, *end.T))
