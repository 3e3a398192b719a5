"""Questions on how subjects lie to areas: inside, outside, astride."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapely

from geo_urc.facts.areas import Areas, Meeting
from geo_urc.facts.fact import Bound, Fact, absent, is_empty
from geo_urc.facts.questions.asking import (
    SEARCH_M,
    Context,
    band_m,
    called,
    divided,
    geometry_where,
    joined,
    layer_or_gap,
    own_field,
    question,
    unplaced,
)
from geo_urc.inputs.table import Geometries


@question("depth")
def depth(ctx: Context, *, layer: str, kind: str | None = None) -> Fact:
    """Answer with the metres that the subject lies inside (+) or outside (−) the areas.

    The yes/no part ``inside`` asks for wholly inside, beyond accuracy.
    """
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return Fact(found.value, missing=found.missing, parts={"inside": found})
    mine = np.ones(len(found.features), bool)
    nameless = np.zeros(len(found.features), bool)
    if kind is not None:
        kinds = found.features.fields.get("kind")
        if kinds is None:
            gap = absent(len(ctx), "attribute_missing:kind")
            return Fact(gap.value, missing=gap.missing, parts={"inside": gap})
        mine, nameless = kinds == kind, is_empty(kinds)
    geometry, band = ctx.features.geometry, band_m(ctx, found)
    met = _met(ctx, layer, kind, lambda: geometry_where(found, mine))
    got = met.depth(band, SEARCH_M)

    pairs = met.overlaps()
    names = joined(pairs.row, called(found)[pairs.feature], len(ctx))
    uncovered = ctx.placed & ~got.inside & (ctx.room_m(found) < 0)
    missing = {**unplaced(ctx), "outside_coverage": uncovered}
    if (mine & (shapely.area(found.features.geometry) == 0)).any():  # a point has no extent
        missing["attribute_missing:extent"] = ctx.placed & ~got.inside
    if nameless.any():
        other = ctx.shared(("nameless", layer), lambda: Areas(geometry_where(found, nameless)))
        missing["attribute_missing:kind"] = (
            ctx.placed & ~got.inside & ~other.depth(geometry, band, SEARCH_M).outside
        )
    within = ctx.placed & ~got.inside & ~got.outside & ~got.straddles
    answer = Fact(
        np.where(got.inside, 1.0, np.where(got.outside, 0.0, np.nan)),
        missing=missing,
        review={"straddles": got.straddles, "within_accuracy": within},
    )
    return Fact(got.depth_m, band, missing, parts={"inside": answer, "names": Fact(names)})


@question("share_in")
def share_in(ctx: Context, *, layer: str) -> Fact:
    """Answer with the share of the subject's area inside the areas, 0–1."""
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return found
    met = _met(ctx, layer, None, lambda: found.features.geometry)
    inside, outline = met.union_overlap()
    size = ctx.area_m2
    share = np.where(ctx.placed, divided(inside, size), np.nan)
    more = Bound("high", np.where(ctx.room_m(found) < 0, 1.0, share), "outside_coverage")
    band = divided(band_m(ctx, found) * outline, size)
    return Fact(share, band, unplaced(ctx), bounds=(more,))


@question("own_or_area")
def own_or_area(ctx: Context, *, field: str, layer: str, kind: str) -> Fact:
    """Answer with a yes/no attribute of the subject, else of the areas that it lies in.

    Where the two contradict each other a person must look.
    """
    own = own_field(ctx, field, text=False)
    value = own.value.copy()
    contradicted = np.zeros(len(ctx), bool)
    found = layer_or_gap(ctx, layer)
    if not isinstance(found, Fact) and field in found.features.fields:
        kinds = found.features.words("kind")
        met = _met(ctx, layer, kind, lambda: geometry_where(found, kinds == kind))
        pairs = met.overlaps()
        said = found.features.fields[field][pairs.feature]
        for answer in (0.0, 1.0):
            rows = pairs.row[said == answer]
            contradicted[rows[value[rows] == 1.0 - answer]] = True
            rows = rows[np.isnan(own.value[rows])]
            value[rows] = answer
    missing = {f"attribute_missing:{field}": np.isnan(value)}
    return Fact(value, missing=missing, review={"reading_open": contradicted})


def _met(ctx: Context, layer: str, kind: str | None, geometry: Callable[[], Geometries]) -> Meeting:
    """Return how the subjects meet the areas of a layer, or those of one kind in it."""
    areas = ctx.shared(("areas", layer, kind), lambda: Areas(geometry()))
    return ctx.once(
        ("areas", layer, kind),
        lambda: areas.meet(ctx.features.geometry, ctx.area_m2, ctx.bounds),
    )
