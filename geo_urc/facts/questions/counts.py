"""Questions on how many features are near."""

from __future__ import annotations

import numpy as np

from geo_urc.facts.distance import Centres
from geo_urc.facts.fact import Bound, Fact
from geo_urc.facts.outlines import Floats
from geo_urc.facts.questions.asking import Context, band_m, layer_or_gap, question, unplaced


@question("count_within")
def count_within(ctx: Context, *, layer: str, radius_m: float) -> Fact:
    """Answer with the number of features whose centre is within a radius of the subject's centroid.

    The radius itself counts. The accuracy is by how many features the number would change if
    all lay nearer or farther by the accuracy of a distance; where the layer is not complete as
    far as the radius, there may be any number more.
    """
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return found
    features = found.features
    centres = ctx.shared(("centres", features.role), lambda: Centres(features.geometry))
    middle = ctx.centroids

    def counted(rows: np.ndarray, metres: float) -> Floats:
        return centres.kd.query_ball_point(middle[rows], metres, return_length=True).astype(float)

    band = band_m(ctx, found)
    count, least, most = (np.full(len(ctx), np.nan) for _ in range(3))
    placed = np.flatnonzero(ctx.placed)
    least[placed] = counted(placed, max(radius_m - band, 0.0))
    most[placed] = counted(placed, radius_m + band)
    count[placed] = least[placed]
    moot = np.flatnonzero(least < most)
    count[moot] = counted(moot, radius_m)
    more = np.where(ctx.room_m(found) < radius_m, np.inf, count)
    return Fact(
        count,
        np.fmax(count - least, most - count),
        unplaced(ctx),
        bounds=(Bound("high", more, "outside_coverage"),),
    )
