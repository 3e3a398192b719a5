"""Questions on what the subjects of one area have together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from geo_urc.facts.fact import Bound, Fact, Mask
from geo_urc.facts.outlines import Floats
from geo_urc.facts.questions.asking import (
    Context,
    band_m,
    called,
    layer_or_gap,
    question,
    unplaced,
)
from geo_urc.facts.zones import Zones


@question("pooled")
def pooled(ctx: Context, *, layer: str, of: str) -> Fact:
    """Answer with the total of a figure over all subjects in the subject's area, at least 0.

    A subject is of the area with its larger part; where it reaches deeper than accuracy
    into a second one, both areas' totals are for a person. What a subject leaves out, or
    subjects that are not mapped, may only add to the total. Part: ``area``, its name.
    """
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return Fact(found.value, missing=found.missing, parts={"area": found})
    band = band_m(ctx, found)
    ids = found.features.ids.tolist()
    zones = ctx.shared(("pools", layer), lambda: Zones(ids, found.features.geometry))
    got = ctx.once(("pool of", layer), lambda: zones.of(ctx.features.geometry, band))
    zone, n = got.zone, len(zones.names)
    figure = ctx.fact(of)
    here = zone >= 0

    def total(values: Floats) -> Floats:
        return np.bincount(zone[here], np.nan_to_num(values[here]), n).astype(np.float64)

    def anywhere(mask: Mask) -> Mask:
        """Return the subjects of areas in which the mask holds for any subject."""
        flagged = np.zeros(n + 1, bool)
        flagged[zone[mask & here]] = True
        return flagged[zone] & here

    sum_ = np.append(total(figure.value), [np.nan])
    value = sum_[zone]
    accuracy = np.broadcast_to(np.asarray(figure.accuracy, float), value.shape)
    square = np.append(total(accuracy**2), [0.0])
    split = np.zeros(n + 1, bool)
    split[got.other_zone] = True
    split[zone[got.other_row]] = True
    split[zone[got.leaves & here]] = True
    split[-1] = False
    bounds = [
        Bound("high", np.where(anywhere(mask), np.inf, value), code)
        for code, mask in figure.missing.items()
    ]
    for bound in figure.bounds:
        moved = np.append(total(bound.limit), [np.nan])[zone]
        bounds.append(Bound(bound.side, moved, bound.reason))
    bounds.append(Bound("high", np.where(_unmapped(ctx, zones)[zone], np.inf, value), _COVERAGE))
    review = {code: anywhere(mask) for code, mask in figure.review.items()}
    review["straddles"] = review.get("straddles", False) | split[zone]
    missing = {**unplaced(ctx), _COVERAGE: ctx.placed & ~here}
    names = np.append(called(found)[:-1], [None])[_first_of(ids, zones.names)][zone]
    return Fact(
        value,
        np.sqrt(square[zone]),
        missing,
        review,
        tuple(bounds),
        parts={"area": Fact(names, missing=missing)},
    )


@question("waived")
def waived(ctx: Context, *, of: str, unless: Sequence[str]) -> Fact:
    """Answer with a figure, and with 0 where all of several yes/no facts are yes.

    Where that is open the figure stands, and may be as low as 0.
    """
    figure = ctx.fact(of)
    facts = [ctx.fact(name) for name in unless]
    yes = np.logical_and.reduce([f.value == 1 for f in facts])
    no = np.logical_or.reduce([f.value == 0 for f in facts])
    value = np.where(yes, 0.0, figure.value)
    missing = {code: mask & ~yes for code, mask in figure.missing.items()}
    bounds = [
        Bound("low", np.where(mask & ~no, 0.0, value), code)
        for fact in facts
        for code, mask in fact.missing.items()
    ]
    return Fact(value, 0.0, missing, bounds=tuple(bounds))


_COVERAGE = "outside_coverage"


def _first_of(ids: list[str], names: list[str]) -> np.ndarray:
    """Return where each zone's feature stands, and one past the last for "no zone"."""
    return np.array([*(ids.index(name) for name in names), len(ids)])


def _unmapped(ctx: Context, zones: Zones) -> Mask:
    """Return the areas in which the subjects' own layer may lack some; the last is "none"."""
    own = ctx.layer(ctx.features.role)
    n = len(zones.names)
    if own is None:  # subjects that come in batches are never all here
        return np.append(np.ones(n, bool), [False])
    if own.coverage is not None:
        return np.append(~shapely.covers(own.coverage, zones.areas.geometry), [False])
    return np.append(np.full(n, bool((ctx.room_m(own) < 0).any())), [False])
