"""Which zone does a subject lie in? The larger share's; other zones it reaches are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely

from geo_urc.facts.areas import NOISE_M, Areas, reach, reach_into
from geo_urc.facts.outlines import Floats, Ints
from geo_urc.inputs.table import Geometries


class Zoned(NamedTuple):
    """The zone of each subject.

    Attributes
    ----------
    zone
        Number of the zone with the largest share, −1 where none is touched. Equal
        shares: the zone that comes first.
    share
        That share of the subject, 0–1; NaN where there is no zone.
    other_row, other_zone
        Pairs of subject and further zone that it reaches deeper into than the band.
    leaves
        Subjects that reach out of all zones by more than the band.
    """

    zone: Ints
    share: Floats
    other_row: Ints
    other_zone: Ints
    leaves: npt.NDArray[np.bool_]


class Zones:
    """Named areas of which each place has one; parts of one name are merged."""

    def __init__(self, names: Sequence[str], geometry: Geometries) -> None:
        self.names = list(dict.fromkeys(names))
        merged = np.empty(len(self.names), dtype=object)
        for k, name in enumerate(self.names):
            parts = geometry[np.array([n == name for n in names])]
            merged[k] = parts[0] if len(parts) == 1 else shapely.union_all(parts)
        self.areas = Areas(merged)
        self.edges = shapely.boundary(merged)
        shapely.prepare(self.edges)

    def of(
        self,
        geometry: Geometries,
        band_m: float,
        area: Floats | None = None,
        bounds: Floats | None = None,
    ) -> Zoned:
        """Return the zone of each subject; None has none.

        Parameters
        ----------
        area, bounds
            Of each subject, if they are at hand.

        Examples
        --------
        >>> halves = np.array([shapely.box(0, 0, 50, 99), shapely.box(50, 0, 99, 99)], dtype=object)
        >>> plots = np.array([shapely.box(1, 1, 9, 9), shapely.box(40, 1, 80, 9)], dtype=object)
        >>> zoned = Zones(["west", "east"], halves).of(plots, band_m=1.0)
        >>> zoned.zone.tolist(), zoned.share.tolist(), zoned.other_row.tolist()
        ([0, 1], [1.0, 0.75], [1])
        """
        n = len(geometry)
        zone, share, leaves = np.full(n, -1), np.full(n, np.nan), np.zeros(n, bool)
        met = self.areas.meet(geometry, area, bounds)
        alone = met.whole & (np.bincount(met.row, minlength=n)[met.row] == 1)
        zone[met.row[alone]], share[met.row[alone]] = self.areas.owner[met.piece[alone]], 1.0
        pairs = met.without(alone).overlaps()
        if not len(pairs.row):
            return Zoned(zone, share, pairs.row, pairs.feature, leaves)
        whole = np.where(met.area == 0, 1.0, met.area)
        order = np.lexsort((pairs.feature, -pairs.size, pairs.row))
        first = np.zeros(len(order), bool)
        first[np.unique(pairs.row[order], return_index=True)[1]] = True
        main = order[first]
        zone[pairs.row[main]] = pairs.feature[main]
        share[pairs.row[main]] = np.minimum(pairs.size[main] / whole[pairs.row[main]], 1.0)

        rest = np.sort(order[~first])
        row, feature = pairs.row[rest], pairs.feature[rest]
        deep = self._deep(geometry, row, feature, band_m)
        covered = np.bincount(pairs.row, pairs.size, n)
        covered[met.row[alone]] = whole[met.row[alone]]
        short = np.flatnonzero((zone >= 0) & (covered < whole * (1 - 1e-9)))
        if len(short):
            leaves[short] = self._leaves(geometry[short], band_m)
        return Zoned(zone, share, row[deep], feature[deep], leaves)

    def _deep(
        self, geometry: Geometries, row: Ints, zone: Ints, band_m: float
    ) -> npt.NDArray[np.bool_]:
        """Return which pairs share more than a strip along the edge as wide as the band."""
        subjects, place = np.unique(row, return_inverse=True)
        i, k = self.areas.vertices_deep_in(geometry[subjects], band_m)
        deep = np.isin(place * len(self.names) + zone, i * len(self.names) + k)
        open_ = np.flatnonzero(~deep)
        part = shapely.intersection(geometry[row[open_]], self.areas.geometry[zone[open_]])
        deep[open_] = reach_into(part, self.edges[zone[open_]], band_m) > max(band_m, NOISE_M)
        return deep

    def _leaves(self, geometry: Geometries, band_m: float) -> npt.NDArray[np.bool_]:
        """Return which subjects reach out of the union of the zones by more than the band."""
        row, zone = self.areas.features.query(geometry, predicate="intersects")
        about = np.empty(len(geometry), dtype=object)
        for i in range(len(geometry)):
            about[i] = shapely.union_all(self.areas.geometry[self.areas.usable[zone[row == i]]])
        return reach(shapely.difference(geometry, about), about) > max(band_m, NOISE_M)
