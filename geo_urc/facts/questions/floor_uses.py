"""Questions on floor area by use: how much of it, under which cap, and what may not be there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from geo_urc.facts.belonging import Ties
from geo_urc.facts.fact import Bound, Fact, Mask, is_empty
from geo_urc.facts.outlines import Floats
from geo_urc.facts.questions.asking import (
    Context,
    Words,
    layer_or_gap,
    question,
    unplaced,
)
from geo_urc.facts.questions.ties import (
    open_holders,
    open_layer,
    ties_of,
)
from geo_urc.inputs.table import Features, Layer


@question("mixed")
def mixed(ctx: Context, *, layer: str, key: str, classes: str, levels: Sequence[str]) -> Fact:
    """Answer whether the subject holds floor area of another use than its own class."""
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return found
    ties = ties_of(ctx, found, key)
    use = found.features.words("use")[ties.member]
    own = ctx.features.words(classes)[ties.row]
    counted, doubtful = levels_of(ctx, found.features, levels)
    gaps = {code: mask[ties.member] for code, mask in doubtful.items()}
    gaps["attribute_missing:use"] = is_empty(use)
    gaps[f"attribute_missing:{classes}"] = is_empty(own)
    another = use != own
    sure = counted[ties.member] & another & ~is_empty(use) & ~is_empty(own)
    below = ~counted & ~np.logical_or.reduce(list(doubtful.values()))
    possible = {code: mask & another & ~below[ties.member] for code, mask in gaps.items()}
    return _any_of(ctx, found, ties, key, sure, possible)


@question("use_held")
def use_held(ctx: Context, *, layer: str, key: str, uses: Sequence[str]) -> Fact:
    """Answer whether the subject holds floor area of one of the uses, at whatever level."""
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return found
    ties = ties_of(ctx, found, key)
    use = found.features.words("use")[ties.member]
    sure = np.isin(use.astype(str), list(uses)) & ~is_empty(use)
    return _any_of(ctx, found, ties, key, sure, {"attribute_missing:use": is_empty(use)})


def _any_of(
    ctx: Context,
    found: Layer,
    ties: Ties,
    key: str,
    sure: Mask,
    possible: Mapping[str, Mask],
) -> Fact:
    """Return whether any tied member is one that counts; masks are by pair."""
    n = len(ctx)
    yes = np.zeros(n, bool)
    yes[ties.row[sure]] = True
    missing = open_layer(ctx, found, ties, key)
    for code, mask in possible.items():
        missing[code] = np.zeros(n, bool)
        missing[code][ties.row[mask]] = True
    review = open_holders(ctx, found.features, ties)
    return Fact(
        yes.astype(float),
        missing={code: mask & ~yes for code, mask in missing.items()},
        review={code: mask & ~yes for code, mask in review.items()},
    )


@question("use_headroom")
def use_headroom(
    ctx: Context,
    *,
    layer: str,
    key: str,
    classes: str,
    of: str,
    caps: Mapping[str, Mapping[str, float]],
    levels: Sequence[str],
) -> Fact:
    """Answer with the least headroom: cap less share of the use that is nearest its cap.

    A use's share is its floor area ÷ the field ``of``; the use that is the class itself
    has no cap unless the table gives one. Parts: ``use``, ``share``, ``cap_share`` of
    that use, and ``left``, the m² left to every use as text.
    """
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return Fact(
            found.value,
            missing=found.missing,
            parts=dict.fromkeys(("use", "share", "cap_share", "left"), found),
        )
    n, features = len(ctx), found.features
    ties = ties_of(ctx, found, key)
    use, own = features.words("use"), ctx.features.words(classes)
    gfa, whole = features.numbers("gfa_m2"), ctx.features.numbers(of)
    counted, doubtful = levels_of(ctx, features, levels)
    maybe = np.logical_or.reduce(list(doubtful.values()))
    kept = (counted | maybe)[ties.member]
    row, member = ties.row[kept], ties.member[kept]

    named = ~is_empty(use)[member]
    words, code = np.unique(use[member[named]].astype(str), return_inverse=True)
    pair, place = np.unique(row[named] * np.int64(len(words) + 1) + code, return_inverse=True)
    at, which = pair // (len(words) + 1), words[pair % (len(words) + 1)]
    area = np.nan_to_num(gfa[member[named]])
    sure_m2 = np.bincount(place, area * counted[member[named]], len(pair))
    most_m2 = np.bincount(place, area, len(pair))
    table = caps_by_code(ctx, ctx.features.role, classes, caps)
    cap = np.array([_cap(table, c, u) for c, u in zip(own[at], which, strict=True)], float)
    capped = ~(cap == np.inf)
    at, which, cap = at[capped], which[capped], cap[capped]
    sure_m2, most_m2 = sure_m2[capped], most_m2[capped]
    total = np.where(whole[at] > 0, whole[at], np.nan)
    room, least_room = cap - sure_m2 / total, cap - most_m2 / total

    value, lowest = np.full(n, np.inf), np.full(n, np.inf)
    np.fmin.at(value, at, room)
    np.fmin.at(lowest, at, least_room)
    value[~ctx.placed] = np.nan
    order = np.lexsort((which.astype(str), room, at))
    first = order[np.unique(at[order], return_index=True)[1]]

    def of_first(column: np.ndarray, nothing: object) -> np.ndarray:
        out = np.full(n, nothing, dtype=column.dtype if nothing is not None else object)
        out[at[first]] = column[first]
        return out

    def flagged(rows: np.ndarray) -> Mask:
        mask = np.zeros(n, bool)
        mask[rows] = True
        return mask

    missing = {
        **unplaced(ctx),
        f"attribute_missing:{of}": flagged(at[np.isnan(total)]),
        f"attribute_missing:{classes}": flagged(at[is_empty(own[at])]),
        f"value_unrecognised:{classes}": flagged(
            at[~is_empty(own[at]) & ~np.isin(own[at].astype(str), list(table))]
        ),
        "value_unrecognised:use": flagged(
            at[np.isnan(cap) & np.isin(own[at].astype(str), list(table))]
        ),
    }
    open_ = {
        "attribute_missing:gfa_m2": flagged(row[np.isnan(gfa)[member]]),
        "attribute_missing:use": flagged(row[~named]),
        **open_layer(ctx, found, ties, key),
    }
    bounds = [Bound("low", np.where(mask, -np.inf, value), c) for c, mask in open_.items()]
    for c, mask in doubtful.items():
        rows = flagged(row[mask[member]])
        bounds.append(Bound("low", np.where(rows, lowest, value), c))
    label = ctx.words(layer, "use")
    left = _left_text(n, at, which, cap * total - sure_m2, label)
    return Fact(
        value,
        missing=missing,
        review=open_holders(ctx, features, ties),
        bounds=tuple(bounds),
        parts={
            "use": Fact(of_first(np.array([label.get(u, u) for u in which], object), None)),
            "share": Fact(of_first(sure_m2 / total, np.nan)),
            "cap_share": Fact(of_first(cap, np.nan)),
            "left": Fact(left),
        },
    )


def _left_text(n: int, at: np.ndarray, use: Words, left: Floats, label: Mapping[str, str]) -> Words:
    """Return ``商业 120 m²;办公 -30 m²``: what is left to each use, those with least first."""
    texts = np.full(n, None, dtype=object)
    for k in np.lexsort((use.astype(str), left, at)).tolist():
        if np.isnan(left[k]):
            continue
        told = f"{label.get(use[k], use[k])} {round(float(left[k]), 2):.12g} m²"
        before = texts[at[k]]
        texts[at[k]] = told if before is None else f"{before};{told}"
    return texts


@question("floor_of")
def floor_of(
    ctx: Context,
    *,
    layer: str,
    key: str,
    not_uses: Sequence[str],
    levels: Sequence[str],
    field: str | None = None,
    stage: str | None = None,
) -> Fact:
    """Answer with the m² of compatible floor area: the subject's own figure, else the sum.

    Uses among ``not_uses`` and floors of other ``levels`` do not count; ``stage`` counts one
    status only. A subject of which the layer lists nothing at all is not known.
    """
    own = np.full(len(ctx), np.nan) if field is None else ctx.features.numbers(field)
    code = "layer_missing" if field is None else f"attribute_missing:{field}"
    stated = ~np.isnan(own)
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        return Fact(own, missing={code: ~stated})
    features = found.features
    ties = ties_of(ctx, found, key)
    use = features.words("use")
    counted, doubtful = levels_of(ctx, features, levels)
    gaps = dict(doubtful)
    gaps["attribute_missing:use"] = is_empty(use)
    served = is_empty(use) | ~np.isin(use.astype(str), list(not_uses))
    if stage is not None:
        status = features.words("status")
        gaps["attribute_missing:status"] = is_empty(status)
        served &= is_empty(status) | (status == stage)
    below = ~counted & ~np.logical_or.reduce(list(doubtful.values()))
    counts = served & ~below
    sure = counts & ~np.logical_or.reduce(list(gaps.values()))
    gfa = features.numbers("gfa_m2")

    def total(kept: Mask) -> Floats:
        pairs = kept[ties.member]
        area = np.nan_to_num(gfa[ties.member[pairs]])
        return np.bincount(ties.row[pairs], area, len(ctx)).astype(np.float64)

    def some(kept: Mask) -> Mask:
        rows = np.zeros(len(ctx), bool)
        rows[ties.row[kept[ties.member]]] = True
        return rows & ~stated

    value = np.where(stated, own, total(sure))
    possible = total(counts)
    bounds = [
        Bound("high", np.where(some(mask & counts), possible, value), reason)
        for reason, mask in gaps.items()
    ]
    endless = {
        "attribute_missing:gfa_m2": some(np.isnan(gfa) & counts),
        **{c: mask & ~stated for c, mask in open_layer(ctx, found, ties, key).items()},
    }
    bounds += [Bound("high", np.where(mask, np.inf, value), c) for c, mask in endless.items()]
    unlisted = ~stated & ~some(np.ones(len(features), bool))
    missing = {} if field is None else {code: unlisted}
    review = {c: m & ~stated for c, m in open_holders(ctx, features, ties).items()}
    value[missing.get(code, unlisted & False)] = np.nan
    return Fact(value, missing=missing, review=review, bounds=tuple(bounds))


def levels_of(
    ctx: Context, features: Features, levels: Sequence[str]
) -> tuple[Mask, dict[str, Mask]]:
    """Return which floor area is at one of the levels, and of which that is open."""
    level = features.words("level")
    known = np.isin(level.astype(str), list(ctx.words(features.role, "level")))
    strange = ~known & ~is_empty(level)
    return np.isin(level.astype(str), list(levels)) & known, {
        "attribute_missing:level": is_empty(level),
        "value_unrecognised:level": strange,
    }


def caps_by_code(
    ctx: Context, role: str, classes: str, caps: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """Return a table of caps whose words, Chinese or code, are codes."""

    def codes(role: str, field: str) -> dict[str, str]:
        return {label: code for code, label in ctx.words(role, field).items()}

    of_class, of_use = codes(role, classes), codes("floor_uses", "use")
    return {
        of_class.get(c, c): {of_use.get(u, u): share for u, share in row.items()}
        for c, row in caps.items()
    }


def _cap(table: Mapping[str, Mapping[str, float]], own: str | None, use: str) -> float:
    """Return the cap of a use; none (inf) for the class's own use, NaN where it is not known."""
    if own is None:
        return np.nan
    return table.get(own, {}).get(use, np.inf if use == own else np.nan)
