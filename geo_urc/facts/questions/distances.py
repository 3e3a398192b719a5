"""Questions on how far features are, and what lies within a radius of them."""

from __future__ import annotations

import numpy as np
import shapely

from geo_urc.facts import circles, distance, holdings
from geo_urc.facts.fact import Bound, Fact, absent, is_empty
from geo_urc.facts.questions.asking import (
    Context,
    band_m,
    called,
    divided,
    joined,
    layer_or_gap,
    or_none,
    question,
    unplaced,
)
from geo_urc.inputs.table import Layer


@question("distance")
def distance_to(ctx: Context, *, layer: str, start: str = "edge") -> Fact:
    """Answer with the straight distance in m to the nearest feature's centre, 0 inside.

    From the subject's edge, or its centroid. However far the nearest one is, it is told;
    but where the layer is not complete that far, a nearer one may be missing from it.
    """
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return found
    centres = _centres(ctx, found)
    if start == "centroid":
        near = distance.nearest_to_points(ctx.centroids, centres)
    else:
        near = _nearest(ctx, found, centres)
    value = np.where(ctx.placed & (near.feature < 0), np.inf, near.distance_m)
    names = or_none(near.feature >= 0, called(found)[near.feature])
    room = np.maximum(ctx.room_m(found), 0.0)
    return Fact(
        value,
        band_m(ctx, found),
        unplaced(ctx),
        bounds=(Bound("low", np.minimum(value, room), "outside_coverage"),),
        parts={"nearest": Fact(names)},
    )


@question("share_within")
def share_within(ctx: Context, *, layer: str, radius_m: float) -> Fact:
    """Answer with the share of area within a radius of any feature's centre, 0–1."""
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return found
    centres = _centres(ctx, found)
    got = circles.share_within(
        ctx.features.geometry, ctx.rings, centres, _nearest(ctx, found, centres), radius_m
    )
    size = ctx.area_m2
    band = divided(band_m(ctx, found) * got.boundary_m, size)
    short = ctx.room_m(found) < radius_m
    share = np.where(ctx.placed, np.nan_to_num(got.share), np.nan)
    more = Bound("high", np.where(short, 1.0, share), "outside_coverage")
    return Fact(share, band, unplaced(ctx), bounds=(more,))


@question("reached")
def reached(ctx: Context, *, layer: str, radius_m: float) -> Fact:
    """Answer with the names of all features whose centre is within the radius, by ``;``."""
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return absent(len(ctx), next(iter(found.missing)), text=True)
    centres = _centres(ctx, found)
    near = np.flatnonzero(_nearest(ctx, found, centres).distance_m <= radius_m)
    rows, feature = distance.within(ctx.features.geometry[near], centres, radius_m)
    return Fact(joined(near[rows], called(found)[feature], len(ctx)))


@question("clearance")
def clearance(
    ctx: Context,
    *,
    layer: str,
    concern_m: float,
    protection: str | None = None,
    otherwise_m: float | None = None,
) -> Fact:
    """Answer with the room in m left to features and their protected distance.

    Negative: encroached upon. A feature whose protection is neither in its own field nor
    given for all leaves the answer open while it is near enough to be of concern.
    """
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return found
    n = len(found.features)
    distances = np.zeros(n)
    if protection is not None:
        own = found.features.numbers(protection)
        distances = np.where(np.isnan(own), np.nan if otherwise_m is None else otherwise_m, own)
    got = holdings.keep_clear(ctx.features.geometry, found.features.geometry, distances, concern_m)
    names = or_none(got.feature >= 0, called(found)[got.feature])
    search = max(concern_m, float(np.nanmax(distances, initial=0.0)))
    lowest = np.where(ctx.room_m(found) < search, -np.inf, got.metres)
    open_ = np.where(got.unprotected, -np.inf, got.metres)
    return Fact(
        got.metres,
        band_m(ctx, found),
        unplaced(ctx),
        bounds=(
            Bound("low", lowest, "outside_coverage"),
            Bound("low", open_, f"attribute_missing:{protection}"),
        ),
        parts={"nearest": Fact(names)},
    )


@question("served")
def served(ctx: Context, *, layer: str, radius: str, like: str) -> Fact:
    """Answer whether the subject lies within the service radius of a feature of its kind."""
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return Fact(found.value, missing=found.missing, parts={"by": found})
    n = len(ctx)
    reach_m = found.features.numbers(radius)
    kind, own = found.features.words(like), ctx.features.words(like)
    tree = shapely.STRtree(found.features.geometry)
    far = float(np.nanmax(reach_m, initial=0.0))
    row, other = tree.query(ctx.features.geometry, predicate="dwithin", distance=far)
    metres = shapely.distance(ctx.features.geometry[row], found.features.geometry[other])
    close = metres <= np.nan_to_num(reach_m[other], nan=-1.0)
    row, other = row[close], other[close]
    nameless = is_empty(own)[row] | is_empty(kind)[other]
    same = ~nameless & (own[row] == kind[other])
    yes = np.zeros(n, bool)
    yes[row[same]] = True
    maybe = np.zeros(n, bool)
    maybe[row[nameless]] = True
    maybe |= bool(np.isnan(reach_m).any())
    maybe &= ~yes
    value = np.where(yes, 1.0, np.where(maybe | ~ctx.placed, np.nan, 0.0))
    missing = {**unplaced(ctx), f"attribute_missing:{like}": maybe}
    order = np.lexsort((other[same], row[same]))
    by = joined(row[same][order], called(found)[other[same][order]], n)
    return Fact(value, missing=missing, parts={"by": Fact(by)})


def _centres(ctx: Context, layer: Layer) -> distance.Centres:
    features = layer.features
    return ctx.shared(("centres", features.role), lambda: distance.Centres(features.geometry))


def _nearest(ctx: Context, layer: Layer, centres: distance.Centres) -> distance.Nearest:
    """Return the nearest centres of a batch, worked out once for all questions that need them."""
    return ctx.once(
        ("nearest", layer.features.role),
        lambda: distance.nearest(ctx.features.geometry, ctx.rings, centres),
    )
