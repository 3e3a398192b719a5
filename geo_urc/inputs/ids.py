"""The ids of subjects: the user's own where there are any, always unique, never null."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


class Ids(NamedTuple):
    """Ids in file order, and what had to be done for them."""

    values: pa.StringArray
    made_up: int
    """Records without an id."""
    repeated: list[str]
    """The new ids of records whose id was taken by an earlier one."""


def subject_ids(role: str, positions: npt.NDArray[np.int64], given: pa.StringArray | None) -> Ids:
    """Return a unique id for each record.

    A missing id becomes ``ROLE-n`` with the record's place in the file; of equal ids the
    first stays and later ones get ``#2``, ``#3`` … A made-up id steps aside for the user's.

    Parameters
    ----------
    positions
        1-based place of each record in the file; the first is the one with the lowest.
    given
        The user's ids as text, None if the file has no id column.

    Examples
    --------
    >>> ids = subject_ids("parcels", np.arange(1, 5), pa.array(["a", None, "a", "a"]))
    >>> ids.values.to_pylist(), ids.made_up
    (['a', 'parcels-2', 'a#2', 'a#3'], 1)
    """
    if (positions[1:] < positions[:-1]).any():
        order = np.argsort(positions)
        ids = subject_ids(role, positions[order], None if given is None else given.take(order))
        return ids._replace(values=ids.values.take(np.argsort(order)))
    if given is None:
        made = pc.binary_join_element_wise(role, pa.array(positions).cast(pa.string()), "-")
        return Ids(made, len(made), [])
    missing = given.is_null().to_numpy(zero_copy_only=False)
    later = _later_of_equals(given) & ~missing
    if not (missing.any() or later.any()):
        return Ids(given, 0, [])
    values = given.to_numpy(zero_copy_only=False).copy()
    like_new = pc.or_(pc.starts_with(given, f"{role}-"), pc.match_substring(given, "#"))
    taken = set(given.filter(like_new).to_pylist())  # no other can be in the way
    for row in np.flatnonzero(later):
        values[row] = _free(values[row], taken)
    for row in np.flatnonzero(missing):
        made = f"{role}-{positions[row]}"
        values[row] = made if made not in taken else _free(made, taken)
        taken.add(values[row])
    return Ids(pa.array(values, pa.string()), int(missing.sum()), values[later].tolist())


def _later_of_equals(given: pa.StringArray) -> npt.NDArray[np.bool_]:
    """Return True for every value that has occurred before.

    By last characters, because equal values have the same: a tenth of them takes a tenth of the
    memory.
    """
    later = np.zeros(len(given), bool)
    ends = pc.utf8_slice_codeunits(given, -1, None).dictionary_encode().indices
    codes = ends.fill_null(-1).to_numpy(zero_copy_only=False)
    for code in range(codes.max(initial=-1) + 1):
        rows = np.flatnonzero(codes == code)
        alike = given.take(pa.array(rows)).dictionary_encode().indices
        again = np.ones(len(rows), bool)
        again[np.unique(alike.to_numpy(), return_index=True)[1]] = False
        later[rows] = again
    return later


def _free(wanted: str, taken: set[str]) -> str:
    """Return the first of ``wanted#2``, ``wanted#3`` … that is not taken, and take it."""
    number = 2
    while f"{wanted}#{number}" in taken:
        number += 1
    taken.add(f"{wanted}#{number}")
    return f"{wanted}#{number}"
