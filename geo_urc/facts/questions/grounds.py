"""Questions on what lies beneath a part of the subject's own ground."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from geo_urc.facts.belonging import lie_in
from geo_urc.facts.fact import Bound, Fact, is_empty
from geo_urc.facts.holdings import meet
from geo_urc.facts.questions.asking import (
    Context,
    band_m,
    joined,
    layer_or_gap,
    or_none,
    question,
    unplaced,
)
from geo_urc.facts.questions.ties import ties_of


@question("beneath")
def beneath(ctx: Context, *, layer: str, besides: str, key: str, uses: Sequence[str]) -> Fact:
    """Answer with the share of the subject's grounds that have projects of a use beneath.

    Grounds are the features of ``besides`` that name the subject in ``key``, else lie in it.
    A project is the subject's if it shares area with it or with its grounds. Parts:
    ``any`` (has it such a project), ``inside`` (do all of them lie wholly inside the
    grounds, beyond accuracy), ``ids`` of the projects.
    """
    parts = ("any", "inside", "ids")
    for role in (layer, besides):
        if isinstance(gap := layer_or_gap(ctx, role), Fact):
            return Fact(gap.value, missing=gap.missing, parts=dict.fromkeys(parts, gap))
    found, grounds = ctx.layer(layer), ctx.layer(besides)
    assert found is not None and grounds is not None
    n, projects = len(ctx), found.features
    ties = ties_of(ctx, grounds, key)
    ground = np.full(n, None, dtype=object)
    for row in np.unique(ties.row).tolist():
        mine = grounds.features.geometry[ties.member[ties.row == row]]
        ground[row] = shapely.union_all(mine)
    site = ground.copy()  # a subject that is a point has no other ground
    for row in np.flatnonzero(shapely.area(ctx.features.geometry) > 0).tolist():
        own = ctx.features.geometry[row]
        site[row] = own if ground[row] is None else shapely.union(own, ground[row])
    use = projects.words("use")
    concerned = np.isin(use.astype(str), list(uses)) & ~is_empty(use)
    met = meet(site, projects.geometry, band_m(ctx, found))
    kept = concerned[met.feature]
    row, project = met.row[kept], met.feature[kept]

    has, maybe, unsure = np.zeros(n, bool), np.zeros(n, bool), np.zeros(n, bool)
    has[met.row[kept & met.sure]] = True
    unsure[row] = True
    maybe[met.row[is_empty(use)[met.feature]]] = True
    flat = ctx.placed & (shapely.area(ctx.features.geometry) == 0)
    open_ground = (ctx.room_m(found) < 0) & ctx.placed
    any_ = Fact(
        np.where(has, 1.0, np.where(unsure, np.nan, 0.0)),
        missing={
            **unplaced(ctx),
            "attribute_missing:use": maybe & ~has,
            "attribute_missing:extent": flat & ~has & ~unsure,
            "outside_coverage": open_ground & ~has,
        },
        review={"within_accuracy": unsure & ~has},
    )

    bare = np.array([g is None for g in ground], bool)
    near = ~bare[row]
    band = float(np.hypot(grounds.features.accuracy_m, projects.accuracy_m))
    got = lie_in(projects.geometry[project[near]], ground[row[near]], band)
    fails, close, split = (np.zeros(n, bool) for _ in range(3))
    fails[row[near][got.outside]] = True
    close[row[near][~got.inside & ~got.outside & ~got.straddles]] = True
    split[row[near][got.straddles]] = True
    uncovered = (ctx.room_m(grounds) < 0) & ctx.placed
    groundless = has & bare
    open_tie = np.zeros(n, bool)
    open_tie[ties.doubt_row] = True
    fails |= groundless & ~flat & ~uncovered & ~open_tie
    missing = {
        "outside_coverage": ~fails & (open_ground | (uncovered & (groundless | close | split))),
        f"attribute_missing:{key}": ~fails & groundless & flat,
        "attribute_missing:use": ~fails & maybe,
    }
    look = ~fails
    inside = Fact(
        np.where(fails, 0.0, 1.0),
        missing=missing,
        review={"straddles": look & (split | open_tie), "within_accuracy": look & close},
    )
    under = meet(ground, or_none(concerned, projects.geometry), band)
    area, size = np.zeros(n), shapely.area(ground)
    outline = np.zeros(n)
    for k in np.unique(under.row).tolist():
        union = shapely.union_all(under.part[under.row == k])
        area[k], outline[k] = union.area, union.length
    share = np.divide(area, size, out=np.full(n, np.nan), where=size > 0)
    more = np.where(open_ground | maybe, 1.0, share)
    ids = joined(row, projects.ids[project], n)
    return Fact(
        share,
        np.divide(band * outline, size, out=np.zeros(n), where=size > 0),
        {**unplaced(ctx), f"attribute_missing:{key}": bare & ctx.placed},
        bounds=(Bound("high", more, "outside_coverage"),),
        parts={"any": any_, "inside": inside, "ids": Fact(ids)},
    )
