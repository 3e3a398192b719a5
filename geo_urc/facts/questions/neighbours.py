"""Questions on parcels beside the subject: adjoining ones, the one swapped for, the owner's."""

from __future__ import annotations

import numpy as np
import shapely

from geo_urc.facts.belonging import key_of, lie_in
from geo_urc.facts.fact import Fact, Mask, absent, is_empty
from geo_urc.facts.outlines import Ints
from geo_urc.facts.questions.asking import (
    Context,
    band_m,
    joined,
    layer_or_gap,
    or_none,
    question,
    unplaced,
)
from geo_urc.facts.questions.ties import holders_of
from geo_urc.facts.questions.zones import districts_of
from geo_urc.facts.zones import Zones
from geo_urc.inputs.table import Features, Layer


@question("adjoining")
def adjoining(ctx: Context, *, layer: str, field: str) -> Fact:
    """Answer with the ids of the parcels that touch the subject and of which ``field`` is yes.

    Touching is within the accuracy of the two. The subject itself does not count.
    """
    if field not in ctx.features.fields:
        return absent(len(ctx), f"attribute_missing:{field}", text=True)

    def yes(parcels: Features) -> Mask:
        return parcels.numbers(field) == 1

    found = ctx.parcels(("yes", layer, field), yes)
    if found is None:
        return absent(len(ctx), "layer_missing", text=True)
    tree = ctx.shared(("tree", layer, field), lambda: shapely.STRtree(found.features.geometry))
    row, other = tree.query(ctx.features.geometry, predicate="dwithin", distance=band_m(ctx, found))
    ids = found.features.ids[other]
    beside = ids != ctx.features.ids[row]
    row, other, ids = row[beside], other[beside], ids[beside]
    order = np.lexsort((other, row))
    return Fact(joined(row[order], ids[order], len(ctx)), missing=unplaced(ctx))


@question("same_zone")
def same_zone(ctx: Context, *, layer: str, key: str) -> Fact:
    """Answer whether the subject and the parcel that it names lie in one district."""
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return found
    partners, place, missing = _partners(ctx, key)
    if partners is None:
        return Fact(np.full(len(ctx), np.nan), missing=missing)
    zones = ctx.shared(("zones", layer, None), lambda: Zones(*districts_of(found)))
    band = band_m(ctx, found)
    own = ctx.once(("zoned", layer, None), lambda: zones.of(ctx.features.geometry, band))
    theirs = ctx.shared(("zoned", layer, key), lambda: zones.of(partners.features.geometry, band))
    strange = np.array([*(name.startswith("?") for name in zones.names), False])
    mine, other = own.zone, np.append(theirs.zone, [-1])[place]
    named = place >= 0
    astride = own.leaves.copy()
    astride[own.other_row] = True
    across = theirs.leaves.copy()
    across[theirs.other_row] = True
    split = named & (astride | np.append(across, [False])[place])
    return Fact(
        (mine == other).astype(float),
        missing={
            **unplaced(ctx),
            **missing,
            "outside_coverage": named & ((mine < 0) | (other < 0)),
            "value_unrecognised": named & (strange[mine] | strange[other]),
        },
        review={"straddles": split},
    )


@question("differs")
def differs(ctx: Context, *, key: str, field: str) -> Fact:
    """Answer whether a text field of the subject is another than that of the parcel it names."""
    partners, place, missing = _partners(ctx, key)
    if partners is None:
        return Fact(np.full(len(ctx), np.nan), missing=missing)
    own = ctx.features.words(field)
    theirs = np.append(partners.features.words(field), [None])[place]
    unsaid = (place >= 0) & (is_empty(own) | is_empty(theirs))
    return Fact(
        (own != theirs).astype(float),
        missing={**missing, f"attribute_missing:{field}": unsaid},
    )


def _partners(ctx: Context, key: str) -> tuple[Layer | None, Ints, dict[str, Mask]]:
    """Return the parcels that any parcel names, which of them each subject names, and gaps.

    Two passes over the parcels: what is named, and who bears those names.
    """
    named = ctx.features.words(key)
    missing = {f"attribute_missing:{key}": is_empty(named)}
    nobody = np.full(len(ctx), -1)
    if key not in ctx.features.fields:
        return None, nobody, missing
    naming = ctx.parcels(("naming", key), lambda parcels: ~is_empty(parcels.words(key)))
    if naming is None:
        return None, nobody, {"layer_missing": np.ones(len(ctx), bool)}
    wanted = naming.features.words(key)
    partners = ctx.parcels(("named", key), lambda parcels: key_of(parcels.ids, wanted) >= 0)
    if partners is None or not ctx.usable(partners):
        return None, nobody, {"datum_unknown": np.ones(len(ctx), bool)}
    place = key_of(named, partners.features.ids)
    lost = (place < 0) | np.append(shapely.is_missing(partners.features.geometry), [True])[place]
    missing[f"value_unrecognised:{key}"] = lost & ~is_empty(named)
    return partners, place, missing


@question("in_own")
def in_own(ctx: Context, *, layer: str, key: str, owner: str) -> Fact:
    """Answer whether the subject lies wholly inside its owner's parcel, beyond accuracy.

    The owner's is the one that the field ``key`` names. Where none is named the answer is
    only that it lies in no parcel; with ``owner`` = ``containing`` the parcel that holds
    the subject counts as the owner's. The part ``ids`` is the parcel meant.
    """
    if isinstance(found := holders_of(ctx, layer, key), Fact):
        return Fact(found.value, missing=found.missing, parts={"ids": found})
    n, band = len(ctx), band_m(ctx, found)
    named = ctx.features.words(key)
    stated = ~is_empty(named)
    place = key_of(named, found.features.ids)
    tree = shapely.STRtree(found.features.geometry)
    row, parcel = tree.query(
        or_none(~stated, ctx.features.geometry), predicate="dwithin", distance=band
    )
    told = np.flatnonzero(place >= 0)
    row, parcel = np.concatenate([row, told]), np.concatenate([parcel, place[told]])
    order = np.lexsort((parcel, row))
    row, parcel = row[order], parcel[order]
    got = lie_in(ctx.features.geometry[row], found.features.geometry[parcel], band)
    inside, maybe, astride = (np.zeros(n, bool) for _ in range(3))
    inside[row[got.inside]] = True
    maybe[row[~got.inside & ~got.outside & ~got.straddles]] = True
    astride[row[got.straddles]] = True
    open_ = ~inside & (maybe | astride)
    ids = joined(row[~got.outside], found.features.ids[parcel[~got.outside]], n)
    unowned = ~stated & (inside | open_) & (owner != "containing")
    return Fact(
        np.where(inside, 1.0, 0.0),
        missing={
            **unplaced(ctx),
            f"value_unrecognised:{key}": stated & (place < 0),
            f"attribute_missing:{key}": unowned,
        },
        review={"within_accuracy": open_ & maybe, "straddles": open_ & ~maybe},
        parts={"ids": Fact(ids)},
    )
