"""Questions on volumes of space: levels, solids, what lies beside and in them, their parcel."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import shapely

from geo_urc.facts import volumes
from geo_urc.facts.fact import Bound, Fact, Mask, absent, is_empty
from geo_urc.facts.outlines import Floats, Ints
from geo_urc.facts.questions.asking import (
    Context,
    Words,
    band_m,
    joined,
    layer_or_gap,
    own_field,
    parcels_about,
    question,
    unplaced,
)
from geo_urc.facts.volumes import Level
from geo_urc.inputs.table import Layer

NEIGHBOUR_M = 50.0
"""How far off in plan a volume is looked for; beyond, there is none near."""


@question("levels")
def levels(
    ctx: Context,
    *,
    bottom: str,
    top: str,
    bottom_above_ground: str,
    top_above_ground: str,
    ground: str,
) -> Fact:
    """Answer with the height in m from the subject's bottom to its top, from fields.

    A level that is not stated is counted from the ground, a fact, if its height over it is.
    Parts: ``bottom`` and ``top`` are the absolute levels, ``bottom_ground`` and
    ``top_ground`` the ground that they were counted from, with nothing for stated ones.
    """
    low, low_ground = _level(ctx, bottom, bottom_above_ground, ground)
    high, high_ground = _level(ctx, top, top_above_ground, ground)
    metres, accuracy = volumes.above(_face(high, high_ground), _face(low, low_ground))
    return Fact(
        metres,
        accuracy,
        _together(low.missing, high.missing),
        parts={
            "bottom": low,
            "top": high,
            "bottom_ground": low_ground,
            "top_ground": high_ground,
        },
    )


def _level(ctx: Context, stated: str, above_ground: str, ground: str) -> tuple[Fact, Fact]:
    """Return the level of one face, and the ground that it was counted from."""
    n = len(ctx)
    own, over = own_field(ctx, stated, text=False), own_field(ctx, above_ground, text=False)
    counted = np.isnan(own.value) & ~np.isnan(over.value)
    neither = np.isnan(own.value) & np.isnan(over.value)
    missing: dict[str, Mask] = {f"attribute_missing:{stated}": neither}
    if not counted.any():
        return Fact(own.value, missing=missing), Fact(np.full(n, np.nan))
    level = ctx.fact(ground)
    known = counted & ~level.unknown & ~np.isnan(level.value)
    missing |= {code: mask & counted for code, mask in level.missing.items()}
    missing["outside_coverage"] = missing.get("outside_coverage", False) | (
        counted & ~known & ~level.unknown
    )
    value = np.where(known, level.value + over.value, own.value)
    return (
        Fact(value, np.where(known, _each(level), 0.0), missing),
        Fact(np.where(known, level.value, np.nan)),
    )


@question("volume")
def volume(ctx: Context, *, of: str) -> Fact:
    """Answer with the space in m³ between the two levels of a fact of question ``levels``."""
    height = ctx.fact(of)
    value, accuracy = volumes.prism_m3(
        ctx.features.geometry, height.value, _each(height), ctx.features.accuracy_m
    )
    return Fact(value, accuracy, _together(height.missing, unplaced(ctx)))


@question("solid")
def solid(ctx: Context, *, of: str) -> Fact:
    """Answer whether footprint and levels bound one clean solid, yes/no.

    The part ``fault`` says what is in the way: ``no_area``, ``touches_itself``,
    ``not_above_bottom``.
    """
    height = ctx.fact(of)
    geometry = ctx.features.geometry
    missing = _together(height.missing, unplaced(ctx))
    near = np.abs(height.value) < height.accuracy
    faults: dict[str, Mask] = {
        "not_above_bottom": (height.value <= 0) & ~near,
        "touches_itself": volumes.touches_itself(geometry),
        "no_area": ctx.placed & ~(shapely.area(geometry) > 0),
    }
    broken = np.logical_or.reduce(list(faults.values()))
    unknown = np.logical_or.reduce(list(missing.values()))
    value = np.where(broken, 0.0, np.where(unknown, np.nan, 1.0))
    fault = np.full(len(ctx), None, dtype=object)
    for code, mask in faults.items():  # of several, the last: the most basic one
        fault[mask] = code
    return Fact(
        value,
        missing={code: mask & ~broken for code, mask in missing.items()},
        review={"within_accuracy": near & ~broken},
        parts={"fault": Fact(fault)},
    )


@question("separation")
def separation(ctx: Context, *, of: str, layer: str) -> Fact:
    """Answer with the free distance in m to the nearest other volume of the subjects' layer.

    In space: upwards, in plan, or both; 0 where they touch, negative where they lie in each
    other. Parts: ``nearest`` and, of those that share space, ``overlap_m3`` and ``ids``.
    """
    height = ctx.fact(of)
    own = layer_or_gap(ctx, layer)
    if isinstance(own, Fact):
        gap = absent(len(ctx), next(iter(own.missing)), text=True)
        parts = {"nearest": gap, "overlap_m3": own, "ids": gap}
        return Fact(own.value, missing=own.missing, parts=parts)
    n, ids = len(ctx), ctx.features.ids
    band = float(np.hypot(ctx.features.accuracy_m, ctx.features.accuracy_m))
    bottom, top = (
        _face(height.parts[face], height.parts[f"{face}_ground"]) for face in ("bottom", "top")
    )
    found = volumes.neighbours(ctx.features.geometry, bottom, top, band, NEIGHBOUR_M)

    known = ~height.unknown & (height.value > volumes.SAME_M)
    missing = _together(
        height.missing, unplaced(ctx), {"attribute_missing:levels": ~known & ~height.unknown}
    )
    first = np.unique(found.row, return_index=True)[1]
    first = first[~np.isnan(found.apart_m[first])]
    rows = found.row[first]
    value, accuracy = np.where(known & ctx.placed, np.inf, np.nan), np.zeros(n)
    value[rows], accuracy[rows] = found.apart_m[first], found.accuracy_m[first]
    within, unlevelled = np.zeros(n, bool), np.zeros(n, bool)
    within[rows] = found.open[first]  # the first is the worst: behind a sure clash it is moot
    unlevelled[found.row[found.unlevelled]] = True
    nearest = np.full(n, None, dtype=object)
    nearest[rows] = ids[found.other[first]]

    meets = found.overlap_m3 > 0
    total = np.bincount(found.row[meets], found.overlap_m3[meets], n).astype(float)
    total[np.isnan(value)] = np.nan
    return Fact(
        value,
        accuracy,
        missing,
        review={"within_accuracy": within},
        bounds=(
            Bound("low", np.where(ctx.room_m(own) < 0, -np.inf, value), "outside_coverage"),
            Bound("low", np.where(unlevelled, -np.inf, value), "attribute_missing:levels"),
        ),
        parts={
            "nearest": Fact(nearest),
            "overlap_m3": Fact(total, missing=missing),
            "ids": Fact(_listed(found.row[meets], ids[found.other[meets]], n)),
        },
    )


@question("parcel_depth")
def parcel_depth(ctx: Context, *, layer: str, subjects: str, named_by: str) -> Fact:
    """Answer with the metres that the subject lies inside its parcel; minus: sticks out of it.

    ``layer`` is the role of the parcels, ``subjects`` the subjects' own. A subject's parcel is
    the one that a field names, else the one that holds most of it. Part ``inside`` asks for
    wholly inside, where the parcel's own edge counts; ``parcel`` is its id.
    """
    own = layer_or_gap(ctx, subjects)
    parcels = own if isinstance(own, Fact) else parcels_about(ctx, own)
    if parcels is None or not (isinstance(parcels, Fact) or ctx.usable(parcels)):
        parcels = absent(len(ctx), "layer_missing" if parcels is None else "datum_unknown")
    if isinstance(parcels, Fact):
        text = absent(len(ctx), next(iter(parcels.missing)), text=True)
        return Fact(
            parcels.value, missing=parcels.missing, parts={"inside": parcels, "parcel": text}
        )
    n, band = len(ctx), band_m(ctx, parcels)
    names = own_field(ctx, named_by, text=True).value
    parcel = _parcel_of(ctx, parcels, names)
    row = np.flatnonzero(parcel >= 0)
    got = volumes.keeping(ctx.features.geometry[row], parcels.features.geometry[parcel[row]], band)

    depth, accuracy = np.full(n, np.nan), np.full(n, band)
    depth[row], accuracy[row] = got.depth_m, got.accuracy_m
    inside, outside, straddles = np.zeros((3, n), bool)
    inside[row], outside[row], straddles[row] = got.inside, got.outside, got.straddles
    named = ~is_empty(names)
    missing = {
        **unplaced(ctx),
        "outside_coverage": ctx.placed & ~named & (parcel < 0),
        f"value_unrecognised:{named_by}": ctx.placed & named & ((parcel < 0) | outside),
    }
    within = ctx.placed & (parcel >= 0) & ~inside & ~outside & ~straddles
    answer = Fact(
        np.where(inside, 1.0, np.nan),
        missing=missing,
        review={"straddles": straddles, "within_accuracy": within},
    )
    ids = np.append(parcels.features.ids, [None])[parcel]
    return Fact(depth, accuracy, missing, parts={"inside": answer, "parcel": Fact(ids)})


def _parcel_of(ctx: Context, parcels: Layer, names: Words) -> Ints:
    """Return the place of each subject's parcel: the named one, else the largest share; or −1."""
    shapes = parcels.features.geometry
    row, place = shapely.STRtree(shapes).query(ctx.features.geometry, predicate="intersects")
    size = shapely.area(shapely.intersection(ctx.features.geometry[row], shapes[place]))
    row, place, size = row[size > 0], place[size > 0], size[size > 0]
    order = np.lexsort((place, -size, row))
    first = order[np.unique(row[order], return_index=True)[1]]
    parcel = np.full(len(ctx), -1)
    parcel[row[first]] = place[first]
    known = {key: i for i, key in enumerate(parcels.features.ids)}
    named = ~is_empty(names) & ctx.placed
    parcel[named] = [known.get(name, -1) for name in names[named]]
    return parcel


def _face(level: Fact, ground: Fact) -> Level:
    return Level(level.value, _each(level), ground.value)


def _each(fact: Fact) -> Floats:
    """Return the accuracy of each value."""
    return np.broadcast_to(np.asarray(fact.accuracy, float), fact.value.shape)


def _together(*gaps: Mapping[str, Mask]) -> dict[str, Mask]:
    """Return gaps of several facts as those of one that needs them all."""
    joint: dict[str, Mask] = {}
    for masks in gaps:
        for code, mask in masks.items():
            joint[code] = joint[code] | mask if code in joint else mask
    return joint


def _listed(row: Ints, ids: Words, n: int) -> Words:
    """Return the ids of each subject in the order of ids, joined."""
    order = np.lexsort((ids.astype(str), row))
    return joined(row[order], ids[order], n)
