"""Questions on caps that several projects share: who comes first, and what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import shapely

from geo_urc.facts.belonging import Ties
from geo_urc.facts.fact import Bound, Fact, Mask, is_empty
from geo_urc.facts.outlines import Floats, Ints
from geo_urc.facts.questions.asking import (
    Context,
    Words,
    band_m,
    layer_or_gap,
    open_above,
    or_none,
    overlaid,
    question,
    total_held,
    unplaced,
)
from geo_urc.facts.questions.floor_uses import caps_by_code, levels_of
from geo_urc.facts.questions.ties import (
    holders_of,
    open_members,
    tied_holders,
)
from geo_urc.facts.turns import Queue, queue, taken
from geo_urc.inputs.table import Geometries, Layer

STAGES = ("existing", "approved", "proposed")
"""Words of the field ``status``, in the order in which they use up a cap."""
NAMED = 20
"""How many of those ahead are told by id; of more only their number."""


@question("stage")
def stage_of(ctx: Context, *, layer: str, overlapping: str, stage: str) -> Fact:
    """Answer with the m² of the subject under the features of one status."""
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return found
    met = overlaid(ctx, ctx.features, found.features)
    status = found.features.words("status")[met.feature]
    known = np.isin(status.astype(str), STAGES)

    stages = (status == stage, (status == stage) | ~known)
    got, all_told = (total_held(ctx, layer, met, overlapping, kept) for kept in stages)
    value = np.where(ctx.placed, got.area_m2, np.nan)
    most = np.where(ctx.placed, all_told.area_m2, np.nan)
    return Fact(
        value,
        band_m(ctx, found) * got.boundary_m,
        unplaced(ctx),
        bounds=(
            Bound("high", most, "attribute_missing:status"),
            *open_above(ctx, found, met, value),
        ),
    )


@question("turn")
def turn(ctx: Context, *, layer: str, cap_share: float, overlapping: str, order: str) -> Fact:
    """Answer with the m² of a holder that are taken once the subject has had its turn.

    Of several holders, the one with least left. Parts: ``cap_m2``, ``left_m2``,
    ``ahead_m2`` (without the subject), ``holder`` and ``ahead`` (ids; who is ahead only
    where the cap is exceeded).
    """
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return _nothing(found)
    met = overlaid(ctx, found.features, ctx.features)  # here the features hold the subjects
    size = shapely.area(found.features.geometry)
    uncovered = _not_all_mapped(ctx, found)[met.row] | (ctx.room_m(found) < 0)[met.feature]
    return _answer(
        ctx,
        met.row,
        met.feature,
        cap=size[met.row] * cap_share,
        size=met.part_m2,
        unsized="attribute_missing:footprint",
        parts=met.part if overlapping == "once" else None,
        order=order,
        band_m=band_m(ctx, found),
        outline_m=shapely.length(met.part),
        more={"outside_coverage": uncovered},
        labels=found.features.ids[met.row],
        nowhere={"outside_coverage": ctx.room_m(found) < 0},
    )


@question("floor_turn")
def floor_turn(
    ctx: Context,
    *,
    layer: str,
    key: str,
    of: str,
    cap_share: float,
    not_uses: Sequence[str],
    levels: Sequence[str],
    order: str,
) -> Fact:
    """Answer with the m² of a venue's compatible floor area at the subject's turn.

    Parts as of ``turn``. Uses among ``not_uses`` and floors of other ``levels`` do not count.
    """
    if isinstance(found := holders_of(ctx, layer, key), Fact):
        return _nothing(found)
    ties = tied_holders(ctx, found, key)
    use = ctx.features.words("use")[ties.member]
    counted, doubtful = levels_of(ctx, ctx.features, levels)
    kept = (counted | np.logical_or.reduce(list(doubtful.values())))[ties.member]
    kept &= ~np.isin(use.astype(str), list(not_uses))
    whole = found.features.numbers(of)[ties.row[kept]]
    member = ties.member[kept]
    return _floor_answer(
        ctx,
        found,
        ties,
        group=ties.row[kept],
        row=ties.row[kept],
        member=member,
        cap=whole * cap_share,
        doubtful={
            **{code: mask[member] for code, mask in doubtful.items()},
            "attribute_missing:use": is_empty(use)[kept],
        },
        gaps={f"attribute_missing:{of}": np.isnan(whole)},
        key=key,
        order=order,
    )


@question("floor_turn_by_use")
def floor_turn_by_use(
    ctx: Context,
    *,
    layer: str,
    key: str,
    of: str,
    classes: str,
    caps: Mapping[str, Mapping[str, float]],
    levels: Sequence[str],
    order: str,
) -> Fact:
    """Answer with the m² of the subject's use in its parcel at the subject's turn.

    Parts as of ``turn``; the cap is that of the parcel's class for the use.
    """
    if isinstance(found := holders_of(ctx, layer, key), Fact):
        return _nothing(found)
    ties = tied_holders(ctx, found, key)
    use = ctx.features.words("use")
    counted, doubtful = levels_of(ctx, ctx.features, levels)
    kept = (counted | np.logical_or.reduce(list(doubtful.values())))[ties.member]
    nameless = kept & is_empty(use)[ties.member]
    kept &= ~nameless
    row, member = ties.row[kept], ties.member[kept]
    _, group = np.unique(
        np.array([f"{r}:{u}" for r, u in zip(row, use[member], strict=True)], dtype=object),
        return_inverse=True,
    )
    sorted_ = np.lexsort((member, group))
    row, member, group = row[sorted_], member[sorted_], group[sorted_]
    table = caps_by_code(ctx, found.features.role, classes, caps)
    of_class = found.features.words(classes)[row]
    share = np.array(
        [table.get(c, {}).get(u, np.nan) for c, u in zip(of_class, use[member], strict=True)],
        float,
    )
    whole = found.features.numbers(of)[row]
    return _floor_answer(
        ctx,
        found,
        ties,
        group=group,
        row=row,
        member=member,
        cap=whole * share,
        doubtful={code: mask[member] for code, mask in doubtful.items()},
        gaps={
            f"attribute_missing:{of}": np.isnan(whole),
            f"attribute_missing:{classes}": is_empty(of_class),
            "value_unrecognised:use": np.isnan(share) & ~is_empty(of_class),
        },
        more={"attribute_missing:use": np.isin(row, ties.row[nameless])},
        key=key,
        order=order,
    )


def _floor_answer(
    ctx: Context,
    found: Layer,
    ties: Ties,
    *,
    group: Ints,
    row: Ints,
    member: Ints,
    cap: Floats,
    doubtful: Mapping[str, Mask],
    gaps: Mapping[str, Mask],
    key: str,
    order: str,
    more: Mapping[str, Mask] | None = None,
) -> Fact:
    """Return the answer for floor area: attributes are exact, ties may be open."""
    size = ctx.features.numbers("gfa_m2")[member]
    unmapped = _not_all_mapped(ctx, found)[row]
    everywhere = {f"attribute_missing:{key}": np.full(len(row), bool(ties.loose.any()))}
    fact = _answer(
        ctx,
        group,
        member,
        cap=cap,
        size=size,
        unsized="attribute_missing:gfa_m2",
        parts=None,
        order=order,
        doubtful=doubtful,
        gaps=gaps,
        more={"outside_coverage": unmapped, **everywhere, **(more or {})},
        labels=found.features.ids[row],
        nowhere={},
    )
    doubted = np.zeros(len(ctx), bool)
    doubted[ties.doubt_member] = True
    doubted &= np.isnan(fact.value) & ~np.isin(np.arange(len(ctx)), member)
    cap_of = fact.parts["cap_m2"]
    parts = {**fact.parts, "cap_m2": replace(cap_of, value=np.where(doubted, 0.0, cap_of.value))}
    concerned = np.isin(row, ties.doubt_row)
    review = {code: mask.copy() for code, mask in open_members(ctx, ctx.features, ties).items()}
    review["straddles"][member[concerned]] = True  # who is ahead may not be here at all
    # nothing is taken where it is open whether the subject belongs there at all
    value = np.where(doubted, 0.0, fact.value)
    bounds = tuple(b._replace(limit=np.where(doubted, 0.0, b.limit)) for b in fact.bounds)
    return replace(fact, value=value, review=review, bounds=bounds, parts=parts)


def _answer(
    ctx: Context,
    group: Ints,
    member: Ints,
    *,
    cap: Floats,
    size: Floats,
    unsized: str,
    parts: Geometries | None,
    order: str,
    labels: Words,
    more: Mapping[str, Mask],
    nowhere: Mapping[str, Mask],
    band_m: float = 0.0,
    outline_m: Floats | None = None,
    doubtful: Mapping[str, Mask] | None = None,
    gaps: Mapping[str, Mask] | None = None,
) -> Fact:
    """Return what is taken at the turn of each subject, of its tightest holder.

    All columns have one entry a membership, sorted by group; ``member`` is the subject.

    Parameters
    ----------
    doubtful
        Reason → memberships that may not count at all.
    gaps, more
        Reason → memberships whose cap is not known; beside which more may be taken.
    nowhere
        Reason → subjects for which it is open whether a holder is missing.
    """
    n = len(ctx)
    status = ctx.features.words("status")
    stage = np.full(n, np.nan)
    for k, word in enumerate(STAGES):
        stage[status == word] = k
    number = ctx.features.numbers("queue_no")
    line = queue(stage[member], number[member], together=order == "all")
    unsure = np.zeros(len(member), bool)
    for mask in (doubtful or {}).values():
        unsure |= mask
    line = Queue(np.where(unsure, 0.0, line.first), np.where(unsure, np.inf, line.last), *line[2:])
    got = taken(group, size, line, parts, outline_m)

    left = cap - got.least
    worst = cap - np.where(got.unsized, np.inf, got.most)
    pick = _tightest(member, left, n)
    here = pick >= 0
    lowest = np.full(n, np.inf)
    np.fmin.at(lowest, member, worst)

    def of(column: np.ndarray, nothing: Any = np.nan) -> np.ndarray:
        return np.append(column, [nothing])[pick]  # the last stands for "no holder"

    value = of(got.least)
    limit = of(cap)
    reasons = {
        "attribute_missing:status": _anywhere(group, is_empty(status)[member]),
        "value_unrecognised:status": _anywhere(
            group, np.isnan(stage[member]) & ~is_empty(status)[member]
        ),
        **{code: _anywhere(group, mask) for code, mask in (doubtful or {}).items()},
    }
    told = np.logical_or.reduce(list(reasons.values()))
    reasons["attribute_missing:queue_no"] = _unordered(group, line) | ~told
    swinging = {code: mask & (got.most > got.least) for code, mask in reasons.items()}
    bounds = [_bound(value, member, mask, limit - lowest, c) for c, mask in swinging.items()]
    bounds.append(_bound(value, member, got.unsized, limit - lowest, unsized))
    bounds += [_bound(value, member, mask, np.full(n, np.inf), c) for c, mask in more.items()]
    missing = {code: mask & ~here for code, mask in {**unplaced(ctx), **nowhere}.items()}
    for code, mask in (gaps or {}).items():
        missing[code] = np.zeros(n, bool)
        missing[code][member[mask]] = True
    order_of = _names_ahead(ctx, group, member, line, got.least > cap * (1 + 1e-9))
    return Fact(
        value,
        band_m * of(got.outline_m, 0.0),
        missing,
        bounds=tuple(bounds),
        parts={
            "cap_m2": Fact(limit, missing=missing),
            "left_m2": Fact(of(left), missing=missing),
            "ahead_m2": Fact(of(got.ahead), missing=missing),
            "holder": Fact(or_none(here, of(labels, None))),
            "ahead": Fact(or_none(here, of(order_of, None))),
        },
    )


def _bound(value: Floats, member: Ints, mask: Mask, limit: Floats, code: str) -> Bound:
    rows = np.zeros(len(value), bool)
    rows[member[mask]] = True
    return Bound("high", np.where(rows, limit, value), code)


def _tightest(member: Ints, left: Floats, n: int) -> Ints:
    """Return the membership with least left of each subject; −1 without any."""
    order = np.lexsort((left, member))
    pick = np.full(n, -1)
    subjects, first = np.unique(member[order], return_index=True)
    pick[subjects] = order[first]
    return pick


def _anywhere(group: Ints, mask: Mask) -> Mask:
    """Return the memberships of groups in which the mask holds for any member."""
    return np.isin(group, group[mask])


def _unordered(group: Ints, line: Queue) -> Mask:
    """Return the memberships of groups in which two members may stand in each other's place."""
    order = np.lexsort((line.last, line.first, group))
    g, first, last = group[order], line.first[order], line.last[order]
    tied = np.zeros(len(group), bool)
    tied[order[1:]] = (g[1:] == g[:-1]) & (first[1:] <= last[:-1])
    return _anywhere(group, tied)


def _names_ahead(ctx: Context, group: Ints, member: Ints, line: Queue, over: Mask) -> Words:
    """Return who surely stands ahead of each membership that is over its cap, in order."""
    names = np.full(len(group), None, dtype=object)
    for k in np.flatnonzero(over):
        a, b = np.searchsorted(group, group[k]), np.searchsorted(group, group[k], side="right")
        ahead = np.arange(a, b)
        ahead = ahead[(line.last[ahead] < line.before[k]) & (ahead != k)]
        ahead = ahead[np.lexsort((ahead, line.last[ahead]))]
        told = [str(i) for i in ctx.features.ids[member[ahead[:NAMED]]]]
        if len(ahead) > NAMED:
            told.append(f"…(+{len(ahead) - NAMED})")
        names[k] = ";".join(told) or None
    return names


def _not_all_mapped(ctx: Context, holders: Layer) -> Mask:
    """Return the holders of which the subjects' own layer may lack some."""
    own = ctx.layer(ctx.features.role)
    if own is not None and own.coverage is not None:
        return ~shapely.covers(own.coverage, holders.features.geometry)
    strict = own is None or bool((ctx.room_m(own) < 0).any())
    return np.full(len(holders.features), strict)


def _nothing(gap: Fact) -> Fact:
    parts = ("cap_m2", "left_m2", "ahead_m2", "holder", "ahead")
    return Fact(gap.value, missing=gap.missing, parts=dict.fromkeys(parts, gap))
