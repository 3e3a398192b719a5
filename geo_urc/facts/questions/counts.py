"""Questions on how many features are near."""

from __future__ import annotations

import numpy as np

from geo_urc.facts.distance import Centres
from geo_urc.facts.fact import Bound, Fact
from geo_urc.facts.numbers import Counter
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
    band = band_m(ctx, found)
    radii = (max(radius_m - band, 0.0), radius_m, radius_m + band)
    counter = ctx.shared(
        ("counter", layer, radii),
        lambda: Counter(Centres(found.features.geometry).xy, radii[0], radii[-1]),
    )
    numbers = np.full((len(ctx), len(radii)), np.nan)
    numbers[ctx.placed] = counter.within(ctx.centroids[ctx.placed], radii)
    least, count, most = numbers.T
    more = np.where(ctx.room_m(found) < radius_m, np.inf, count)
    return Fact(
        count,
        np.fmax(count - least, most - count),
        unplaced(ctx),
        bounds=(Bound("high", more, "outside_coverage"),),
    )
