"""Questions on what subjects hold, and what holds them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from geo_urc.facts import holdings
from geo_urc.facts.areas import reach
from geo_urc.facts.fact import Bound, Fact, Members
from geo_urc.facts.outlines import Floats
from geo_urc.facts.questions.asking import (
    Context,
    band_m,
    divided,
    joined,
    layer_or_gap,
    open_above,
    overlaid,
    question,
    total_held,
    unplaced,
)


@question("held")
def held(ctx: Context, *, layer: str, overlapping: str) -> Fact:
    """Answer with the share of the subject's area under the features' footprints, 0–1.

    Footprints count once where they overlap, or each in full. The part ``area_m2`` is the
    area itself; members are the features concerned.
    """
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return Fact(found.value, missing=found.missing, parts={"area_m2": found})
    met = overlaid(ctx, ctx.features, found.features)
    got = total_held(ctx, layer, met, overlapping, np.ones(len(met.row), bool))
    size = ctx.area_m2

    def answer(value: Floats, accuracy: Floats) -> Fact:
        value = np.where(ctx.placed, value, np.nan)
        bounds = open_above(ctx, found, met, value)
        return Fact(value, accuracy, unplaced(ctx), bounds=bounds)

    band = band_m(ctx, found) * got.boundary_m
    share = answer(divided(got.area_m2, size), divided(band, size))
    return Fact(
        share.value,
        share.accuracy,
        share.missing,
        bounds=share.bounds,
        members=Members(met.row, met.feature, met.sure),
        parts={"area_m2": answer(got.area_m2, band)},
    )


@question("held_area")
def held_area(
    ctx: Context, *, layer: str, besides: str | None = None, only: Sequence[str] = ()
) -> Fact:
    """Answer with the m² of the subject under the features, less what another layer counts.

    Of the other layer those features count for which all yes/no fields of ``only`` are yes;
    none does where nobody knows where they are.
    """
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return found
    footprints = found.features.geometry
    other = ctx.layer(besides) if besides else None
    if other is not None and ctx.usable(other) and len(other.features):
        counted = np.ones(len(other.features), bool)
        for name in only:
            counted &= other.features.numbers(name) == 1
        counted_area = shapely.union_all(other.features.geometry[counted])
        footprints = shapely.difference(footprints, counted_area)
    band = band_m(ctx, found)
    met = holdings.meet(ctx.features.geometry, footprints, band)
    got = holdings.total(met, len(ctx), overlapping="once")
    value = np.where(ctx.placed, got.area_m2, np.nan)
    return Fact(
        value, band * got.boundary_m, unplaced(ctx), bounds=open_above(ctx, found, met, value)
    )


@question("contributed")
def contributed(ctx: Context, *, layer: str, area: str, only: Sequence[str] = ()) -> Fact:
    """Answer with the m² of land under the features that belong to the subject.

    A feature belongs where its larger part lies; where both parts are beyond accuracy the
    subject is to be looked at. Its land is the stated area, else its own polygon.
    ``only`` names yes/no fields that must all be yes.
    """
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return found
    features = found.features
    band = band_m(ctx, found)
    got = overlaid(ctx, ctx.features, features)
    size = shapely.area(features.geometry)
    inside = np.where(np.isnan(got.part_m2), 1.0, divided(got.part_m2, size[got.feature]))
    rest = shapely.difference(features.geometry[got.feature], ctx.features.geometry[got.row])
    split = got.sure & (reach(rest, ctx.features.geometry[got.row]) >= band)
    straddles = np.zeros(len(ctx), bool)
    straddles[got.row[split]] = True
    row, feature = got.row[inside >= 0.5], got.feature[inside >= 0.5]

    land = found.features.numbers(area)
    land = np.where(np.isnan(land) & (size > 0), size, land)[feature]
    value = np.zeros(len(ctx))
    more: dict[str, Floats] = {f"attribute_missing:{area}": np.zeros(len(ctx))}
    counts = np.ones(len(row), bool)
    maybe = np.ones(len(row), bool)
    for name in only:
        said = found.features.numbers(name)[feature]
        counts &= said == 1
        maybe &= said != 0
    np.add.at(value, row[counts & ~np.isnan(land)], land[counts & ~np.isnan(land)])
    unsized = row[maybe & np.isnan(land)]
    more[f"attribute_missing:{area}"][unsized] = np.inf
    for name in only:
        said = found.features.numbers(name)[feature]
        open_ = maybe & np.isnan(said) & ~np.isnan(land)
        more.setdefault(f"attribute_missing:{name}", np.zeros(len(ctx)))
        np.add.at(more[f"attribute_missing:{name}"], row[open_], land[open_])
    more["outside_coverage"] = np.where(ctx.room_m(found) < 0, np.inf, 0.0)
    value = np.where(ctx.placed, value, np.nan)
    return Fact(
        value,
        missing=unplaced(ctx),
        review={"straddles": straddles},
        bounds=tuple(Bound("high", value + extra, code) for code, extra in more.items()),
    )


@question("held_by")
def held_by(ctx: Context, *, layer: str) -> Fact:
    """Answer whether the subject shares area with a feature, beyond accuracy."""
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return Fact(found.value, missing=found.missing, parts={"ids": found})
    n = len(ctx)
    got = overlaid(ctx, found.features, ctx.features)  # here the features hold the subjects
    sure, touched = np.zeros(n, bool), np.zeros(n, bool)
    sure[got.feature[got.sure]] = True
    touched[got.feature] = True
    uncovered = ctx.placed & ~sure & (ctx.room_m(found) < 0)
    value = np.where(sure, 1.0, np.where(touched | ~ctx.placed, np.nan, 0.0))
    order = np.lexsort((got.row, -np.nan_to_num(got.part_m2), got.feature))
    ids = joined(got.feature[order], found.features.ids[got.row[order]], n)
    return Fact(
        value,
        missing={**unplaced(ctx), "outside_coverage": uncovered},
        review={"within_accuracy": touched & ~sure},
        parts={"ids": Fact(ids)},
    )
