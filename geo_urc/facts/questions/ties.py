"""Questions on what belongs to what: by the id that it names, else by place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from geo_urc.facts.belonging import Ties, key_of, tie
from geo_urc.facts.fact import Fact, Mask, absent, is_empty
from geo_urc.facts.outlines import Ints
from geo_urc.facts.questions.asking import (
    Context,
    layer_or_gap,
    overlaid,
    question,
    tree_of,
    unplaced,
)
from geo_urc.inputs.table import Features, Layer


@question("tied_to")
def tied_to(ctx: Context, *, layer: str, key: str) -> Fact:
    """Answer whether the subject belongs to a feature: one that it names, else by place."""
    if isinstance(found := holders_of(ctx, layer, key), Fact):
        return Fact(found.value, missing=found.missing, parts={"ids": found})
    ties = tied_holders(ctx, found, key)
    value = np.zeros(len(ctx))
    value[ties.member] = 1.0
    named = ~is_empty(ctx.features.words(key))
    nowhere = (value == 0) & ~named & (ctx.room_m(found) < 0) & ctx.placed
    ids = np.full(len(ctx), None, dtype=object)
    ids[ties.member] = found.features.ids[ties.row]
    return Fact(
        value,
        missing={
            f"value_unrecognised:{key}": (value == 0) & named,
            "outside_coverage": nowhere,
            **unplaced(ctx),
        },
        review=open_members(ctx, ctx.features, ties),
        parts={"ids": Fact(ids)},
    )


@question("holder_concerned")
def holder_concerned(ctx: Context, *, layer: str, rule: str, key: str | None = None) -> Fact:
    """Answer whether a rule is for what holds the subject; of several, for all of them.

    Holders are those that the field ``key`` names, else by place, or without ``key`` all
    that share area with the subject. Where there is none nothing stands against it: that
    is another question.
    """
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return found
    if key is None:
        met = overlaid(ctx, found.features, ctx.features)
        row, member = met.row, met.feature
    else:
        ties = tied_holders(ctx, found, key)
        row, member = ties.row, ties.member
    told = ctx.concerns(rule, layer)
    n = len(ctx)
    yes, no = np.zeros(n, bool), np.zeros(n, bool)
    yes[member[told.value[row] == 1]] = True
    no[member[told.value[row] == 0]] = True
    alone = np.ones(n, bool)
    alone[member] = False

    def spread(mask: Mask) -> Mask:
        rows = np.zeros(n, bool)
        rows[member[mask[row]]] = True
        return rows

    missing = {code: spread(mask) for code, mask in told.missing.items()}
    review = {code: spread(mask) for code, mask in told.review.items()}
    review["straddles"] = review.get("straddles", False) | (yes & no)
    return Fact(np.where(no, 0.0, np.where(yes | alone, 1.0, np.nan)), 0.0, missing, review)


@question("compatible")
def compatible(ctx: Context, *, layer: str, key: str, classes: str) -> Fact:
    """Answer whether the subject's use is another than the class of what it belongs to.

    Where it belongs to nothing it is no main use of anything.
    """
    if isinstance(found := holders_of(ctx, layer, key), Fact):
        return found
    ties = tied_holders(ctx, found, key)
    use = ctx.features.words("use")
    own = np.full(len(ctx), None, dtype=object)
    own[ties.member] = found.features.words(classes)[ties.row]
    tied = np.zeros(len(ctx), bool)
    tied[ties.member] = True
    return Fact(
        (~tied | (use != own)).astype(float),
        missing={
            "attribute_missing:use": tied & is_empty(use),
            f"attribute_missing:{classes}": tied & is_empty(own),
        },
    )


@question("among")
def among(ctx: Context, *, of: str, words: Sequence[str]) -> Fact:
    """Answer whether a text fact is one of the words, yes/no."""
    fact = ctx.fact(of)
    value = np.isin(fact.value.astype(object), list(words)).astype(float)
    value[is_empty(fact.value)] = np.nan
    return Fact(value, missing=fact.missing, review=fact.review)


def holders_of(ctx: Context, layer: str, key: str) -> Layer | Fact:
    """Return a layer that may hold the subjects; of the parcels those that may."""
    if layer != "parcels":
        return layer_or_gap(ctx, layer)
    found = ctx.layer(ctx.features.role)
    if found is None:
        return absent(len(ctx), "layer_missing")
    named = found.features.words(key)
    named = named[~is_empty(named)]
    tree = tree_of(ctx, found)

    def may(parcels: Features) -> Mask:
        met = key_of(parcels.ids, named) >= 0
        band = float(np.hypot(found.features.accuracy_m, parcels.accuracy_m))
        met[tree.query(parcels.geometry, predicate="dwithin", distance=band)[0]] = True
        return met

    parcels = ctx.parcels(("may hold", found.features.role, key), may)
    if parcels is None:
        return absent(len(ctx), "layer_missing")
    return parcels if ctx.usable(parcels) else absent(len(ctx), "datum_unknown")


def tied_holders(ctx: Context, found: Layer, key: str) -> Ties:
    """Return which of the layer's features hold which subjects."""
    return ctx.once(
        ("held by", found.features.role, key), lambda: tie(found.features, ctx.features, key)
    )


def ties_of(ctx: Context, found: Layer, key: str) -> Ties:
    """Return which of the layer's features belong to which subjects."""
    return ctx.once(
        ("holds", found.features.role, key), lambda: tie(ctx.features, found.features, key)
    )


def open_layer(ctx: Context, found: Layer, ties: Ties, key: str) -> dict[str, Mask]:
    """Return the subjects that may hold what is not mapped, or has neither id nor place."""
    return {
        "outside_coverage": ctx.room_m(found) < 0,
        f"attribute_missing:{key}": np.full(len(ctx), bool(ties.loose.any())),
    }


def open_holders(ctx: Context, members: Features, ties: Ties) -> dict[str, Mask]:
    """Return the subjects of which it is open whether a member belongs to them."""
    point = shapely.area(members.geometry)[ties.doubt_member] == 0
    return _looks(len(ctx), ties.doubt_row, point)


def open_members(ctx: Context, members: Features, ties: Ties) -> dict[str, Mask]:
    """Return the members of which it is open to whom they belong."""
    point = shapely.area(members.geometry)[ties.doubt_member] == 0
    return _looks(len(ctx), ties.doubt_member, point)


def _looks(n: int, rows: Ints, point: Mask) -> dict[str, Mask]:
    near, split = np.zeros(n, bool), np.zeros(n, bool)
    near[rows[point]] = True
    split[rows[~point]] = True
    return {"within_accuracy": near, "straddles": split}
