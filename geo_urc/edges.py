"""Outlines in runs of a few edges, for trees in which only the near ones are to be looked at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.intp]

RUN_EDGES = 4
"""One edge each would be four times as many shapes to make and to hold."""


def edge_runs(line: Ints) -> tuple[Ints, Ints]:
    """Return the vertices of runs of up to four edges, and the number of the run of each.

    Parameters
    ----------
    line
        Of lines whose vertices lie end to end, the number of each vertex's line.

    Examples
    --------
    A line of six vertices has five edges: four and one. The joint belongs to both.

    >>> vertices, run = edge_runs(np.zeros(6, np.intp))
    >>> vertices.tolist(), run.tolist()
    ([0, 1, 2, 3, 4, 4, 5], [0, 0, 0, 0, 0, 1, 1])
    """
    number = np.arange(len(line))
    starts = np.diff(line, prepend=-1) != 0
    ends = np.append(starts[1:], True)
    place = number - number[starts][np.cumsum(starts) - 1]
    joint = (place % RUN_EDGES == 0) & ~starts & ~ends
    vertices = np.repeat(number, np.where(joint, 2, 1))
    begins = starts[vertices]
    begins[1:] |= vertices[1:] == vertices[:-1]
    return vertices, np.cumsum(begins) - 1
