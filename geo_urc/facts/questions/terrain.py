"""Questions about rasters: what the cells under a subject hold."""

from __future__ import annotations

from typing import Literal

import numpy as np

from geo_urc.facts.fact import Bound, Fact, absent
from geo_urc.facts.outlines import Floats
from geo_urc.facts.questions.asking import Context, question, unplaced

_OPEN: dict[str, tuple[Literal["low", "high"], float]] = {
    "min": ("low", -np.inf),
    "max": ("high", np.inf),
    "sum": ("high", np.inf),
}
"""Statistic → where the true one may be if cells under the subject have no value."""


@question("zonal")
def zonal(ctx: Context, *, layer: str, stat: str) -> Fact:
    """Answer with the ``min``, ``max``, ``mean`` or ``sum`` of the cells under the subject.

    Cells count with the share of them that lies under it. Of a point it is the value of its
    cell; a point has no sum, and a line nothing. Where some of the subject has no value, the
    least can only be lower, the most and the sum (of amounts, which are at least 0) higher,
    and the mean is not known. The part ``covered_share`` says how much has one.
    """
    found = ctx.raster(layer)
    if found is None or not ctx.usable(found):
        gap = absent(len(ctx), "layer_missing" if found is None else "datum_unknown")
        return Fact(gap.value, missing=gap.missing, parts={"covered_share": gap})
    from geo_urc.facts import raster  # its library is loaded only where there is a raster

    got = ctx.once(("zonal", layer), lambda: raster.zonal(found, ctx.features.geometry))
    column: dict[str, Floats] = {
        "min": got.least, "max": got.most, "mean": got.mean, "sum": got.total,
    }  # fmt: skip
    partly = (got.covered < 1) & (got.covered > 0)
    value = np.where(partly, np.nan, got.mean) if stat == "mean" else column[stat]
    uncovered = (got.covered < 1) & np.isnan(value)
    missing = {
        **unplaced(ctx),
        "outside_coverage": uncovered,
        "attribute_missing:extent": ctx.placed & np.isnan(value) & ~uncovered,
    }
    bounds: tuple[Bound, ...] = ()
    if stat in _OPEN:
        side, limit = _OPEN[stat]
        bounds = (Bound(side, np.where(partly, limit, value), "outside_coverage"),)
    return Fact(
        value,
        0.0 if stat == "sum" else found.accuracy_m,
        missing,
        bounds=bounds,
        parts={"covered_share": Fact(got.covered, missing=unplaced(ctx))},
    )
