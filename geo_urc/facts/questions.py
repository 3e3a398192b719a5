"""The questions that the catalogue of facts may ask, by name.

Each takes the subjects' context and its arguments and answers with a :class:`Fact`. Here
missing layers, unknown datums, coverage and accuracy meet the plain measuring functions of
the other modules. Nothing here knows a rule or a limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from geo_urc.facts import circles, distance, districts, formula, holdings
from geo_urc.facts.areas import Areas, reach
from geo_urc.facts.fact import Alternatives, Bound, Fact, Members, absent
from geo_urc.facts.outlines import Floats, Ints, Outlines
from geo_urc.facts.zones import Zoned, Zones
from geo_urc.inputs.table import Features, Geometries, Layer

SEARCH_M = 200.0
"""How far the depth of a subject outside an area is measured; beyond, only "outside"."""

Built = TypeVar("Built")
Words = npt.NDArray[np.object_]


class Context(Protocol):
    """What a question may use: the subjects, the layers, and other facts."""

    features: Features

    def __len__(self) -> int: ...

    @property
    def rings(self) -> Outlines:
        """Outlines of the subjects."""

    @property
    def placed(self) -> npt.NDArray[np.bool_]:
        """Subjects with a usable geometry."""

    def layer(self, role: str) -> Layer | None:
        """Return a layer, or None if it was not given."""

    def usable(self, layer: Layer) -> bool:
        """Return whether the layer's and the subjects' datums are known."""

    def room_m(self, layer: Layer) -> Floats:
        """Return how far the layer is complete around each subject (−1: not even there)."""

    def shared(self, key: object, build: Callable[[], Built]) -> Built:
        """Return what is built once for all subjects, such as an index of a layer."""

    def once(self, key: object, build: Callable[[], Built]) -> Built:
        """Return what is worked out once for these subjects and used by several facts."""

    def fact(self, name: str) -> Fact:
        """Return another fact of the same subjects."""

    def verdict(self, rule: str) -> Words:
        """Return the verdict words of a rule on the same subjects."""


Question = Callable[..., Fact]
QUESTIONS: dict[str, Question] = {}


def _question(name: str) -> Callable[[Question], Question]:
    def enter(ask: Question) -> Question:
        QUESTIONS[name] = ask
        return ask

    return enter


# --- of the subject alone ---------------------------------------------------------------------


@_question("area")
def own_area(ctx: Context) -> Fact:
    """Answer with the subject's own area in m², exact."""
    value = np.where(ctx.placed, shapely.area(ctx.features.geometry), np.nan)
    return Fact(value, missing=_unplaced(ctx))


@_question("part")
def part_of(ctx: Context, *, of: str, part: str) -> Fact:
    """Answer with a further column of another fact."""
    whole = ctx.fact(of)
    if part in whole.parts:
        return whole.parts[part]
    return absent(len(ctx), next(iter(whole.missing), "layer_missing"), text=True)


def own_field(ctx: Context, name: str, *, text: bool) -> Fact:
    """Answer with an attribute of the subject, as given: attributes are exact."""
    code = f"attribute_missing:{name}"
    value = ctx.features.fields.get(name)
    if value is None:
        return absent(len(ctx), code, text=text)
    return Fact(value, missing={code: _empty(value)})


# --- distances --------------------------------------------------------------------------------


@_question("distance")
def distance_to(ctx: Context, *, layer: str, start: str = "edge") -> Fact:
    """Answer with the straight distance in m to the nearest feature's centre, 0 inside.

    From the subject's edge, or its centroid. However far the nearest one is, it is told;
    but where the layer is not complete that far, a nearer one may be missing from it.
    """
    if isinstance(found := _layer(ctx, layer), Fact):
        return found
    centres = _centres(ctx, found)
    if start == "centroid":
        middle = shapely.centroid(ctx.features.geometry)
        near = distance.nearest(middle, _no_rings(len(ctx)), centres)
    else:
        near = _nearest(ctx, found, centres)
    value = np.where(ctx.placed & (near.feature < 0), np.inf, near.distance_m)
    names = _or_none(near.feature >= 0, _called(found)[near.feature])
    room = np.maximum(ctx.room_m(found), 0.0)
    return Fact(
        value,
        _band(ctx, found),
        _unplaced(ctx),
        bounds=(Bound("low", np.minimum(value, room), "outside_coverage"),),
        parts={"nearest": Fact(names)},
    )


@_question("share_within")
def share_within(ctx: Context, *, layer: str, radius_m: float) -> Fact:
    """Answer with the share of area within a radius of any feature's centre, 0–1."""
    if isinstance(found := _layer(ctx, layer), Fact):
        return found
    centres = _centres(ctx, found)
    got = circles.share_within(
        ctx.features.geometry, ctx.rings, centres, _nearest(ctx, found, centres), radius_m
    )
    size = shapely.area(ctx.features.geometry)
    band = _ratio(_band(ctx, found) * got.boundary_m, size)
    short = ctx.room_m(found) < radius_m
    share = np.where(ctx.placed, np.nan_to_num(got.share), np.nan)
    more = Bound("high", np.where(short, 1.0, share), "outside_coverage")
    return Fact(share, band, _unplaced(ctx), bounds=(more,))


@_question("reached")
def reached(ctx: Context, *, layer: str, radius_m: float) -> Fact:
    """Answer with the names of all features whose centre is within the radius, by ``;``."""
    if isinstance(found := _layer(ctx, layer), Fact):
        return absent(len(ctx), next(iter(found.missing)), text=True)
    centres = _centres(ctx, found)
    rows, feature = distance.within(ctx.features.geometry, centres, radius_m)
    return Fact(_joined(rows, _called(found)[feature], len(ctx)))


@_question("clearance")
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
    if isinstance(found := _layer(ctx, layer), Fact):
        return found
    n = len(found.features)
    distances = np.zeros(n)
    if protection is not None:
        own = _field(found, protection)
        distances = np.where(np.isnan(own), np.nan if otherwise_m is None else otherwise_m, own)
    got = holdings.keep_clear(ctx.features.geometry, found.features.geometry, distances, concern_m)
    names = _or_none(got.feature >= 0, _called(found)[got.feature])
    search = max(concern_m, float(np.nanmax(distances, initial=0.0)))
    lowest = np.where(ctx.room_m(found) < search, -np.inf, got.metres)
    open_ = np.where(got.unprotected, -np.inf, got.metres)
    return Fact(
        got.metres,
        _band(ctx, found),
        _unplaced(ctx),
        bounds=(
            Bound("low", lowest, "outside_coverage"),
            Bound("low", open_, f"attribute_missing:{protection}"),
        ),
        parts={"nearest": Fact(names)},
    )


@_question("served")
def served(ctx: Context, *, layer: str, radius: str, like: str) -> Fact:
    """Answer whether the subject lies within the service radius of a feature of its kind."""
    if isinstance(found := _layer(ctx, layer), Fact):
        return Fact(found.value, missing=found.missing, parts={"by": found})
    n, fields = len(ctx), found.features.fields
    reach_m = _field(found, radius)
    kind = fields.get(like, np.full(len(found.features), None, dtype=object))
    own = ctx.features.fields.get(like, np.full(n, None, dtype=object))
    tree = shapely.STRtree(found.features.geometry)
    far = float(np.nanmax(reach_m, initial=0.0))
    row, other = tree.query(ctx.features.geometry, predicate="dwithin", distance=far)
    metres = shapely.distance(ctx.features.geometry[row], found.features.geometry[other])
    close = metres <= np.nan_to_num(reach_m[other], nan=-1.0)
    row, other = row[close], other[close]
    nameless = _empty(own)[row] | _empty(kind)[other]
    same = ~nameless & (own[row] == kind[other])
    yes = np.zeros(n, bool)
    yes[row[same]] = True
    maybe = np.zeros(n, bool)
    maybe[row[nameless]] = True
    maybe |= bool(np.isnan(reach_m).any())
    maybe &= ~yes
    value = np.where(yes, 1.0, np.where(maybe | ~ctx.placed, np.nan, 0.0))
    missing = {**_unplaced(ctx), f"attribute_missing:{like}": maybe}
    order = np.lexsort((other[same], row[same]))
    by = _joined(row[same][order], _called(found)[other[same][order]], n)
    return Fact(value, missing=missing, parts={"by": Fact(by)})


# --- how subjects lie to areas ----------------------------------------------------------------


@_question("depth")
def depth(ctx: Context, *, layer: str, kind: str | None = None) -> Fact:
    """Answer with the metres that the subject lies inside (+) or outside (−) the areas.

    The yes/no part ``inside`` asks for wholly inside, beyond accuracy.
    """
    if isinstance(found := _layer(ctx, layer), Fact):
        return Fact(found.value, missing=found.missing, parts={"inside": found})
    mine = np.ones(len(found.features), bool)
    nameless = np.zeros(len(found.features), bool)
    if kind is not None:
        kinds = found.features.fields.get("kind")
        if kinds is None:
            gap = absent(len(ctx), "attribute_missing:kind")
            return Fact(gap.value, missing=gap.missing, parts={"inside": gap})
        mine, nameless = kinds == kind, _empty(kinds)
    geometry, band = ctx.features.geometry, _band(ctx, found)
    areas = ctx.shared(("areas", layer, kind), lambda: Areas(_only(found, mine)))
    got = areas.depth(geometry, band, SEARCH_M)

    close = np.flatnonzero(ctx.placed & ~got.outside)
    pairs = areas.overlaps(geometry[close])
    names = _joined(close[pairs.row], _called(found)[pairs.feature], len(ctx))
    uncovered = ctx.placed & ~got.inside & (ctx.room_m(found) < 0)
    missing = {**_unplaced(ctx), "outside_coverage": uncovered}
    if (mine & (shapely.area(found.features.geometry) == 0)).any():  # a point has no extent
        missing["attribute_missing:extent"] = ctx.placed & ~got.inside
    if nameless.any():
        other = ctx.shared(("nameless", layer), lambda: Areas(_only(found, nameless)))
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


@_question("share_in")
def share_in(ctx: Context, *, layer: str) -> Fact:
    """Answer with the share of the subject's area inside the areas, 0–1."""
    if isinstance(found := _layer(ctx, layer), Fact):
        return found
    areas = ctx.shared(("areas", layer, None), lambda: Areas(found.features.geometry))
    inside, outline = areas.union_overlap(ctx.features.geometry)
    size = shapely.area(ctx.features.geometry)
    share = np.where(ctx.placed, _ratio(inside, size), np.nan)
    more = Bound("high", np.where(ctx.room_m(found) < 0, 1.0, share), "outside_coverage")
    band = _ratio(_band(ctx, found) * outline, size)
    return Fact(share, band, _unplaced(ctx), bounds=(more,))


@_question("own_or_area")
def own_or_area(ctx: Context, *, field: str, layer: str, kind: str) -> Fact:
    """Answer with a yes/no attribute of the subject, else of the areas that it lies in.

    Where the two contradict each other a person must look.
    """
    own = own_field(ctx, field, text=False)
    value = own.value.copy()
    contradicted = np.zeros(len(ctx), bool)
    found = _layer(ctx, layer)
    if not isinstance(found, Fact) and field in found.features.fields:
        kinds = found.features.fields.get("kind", np.full(len(found.features), None, dtype=object))
        areas = ctx.shared(("areas", layer, kind), lambda: Areas(_only(found, kinds == kind)))
        pairs = areas.overlaps(ctx.features.geometry)
        said = found.features.fields[field][pairs.feature]
        for answer in (0.0, 1.0):
            rows = pairs.row[said == answer]
            contradicted[rows[value[rows] == 1.0 - answer]] = True
            rows = rows[np.isnan(own.value[rows])]
            value[rows] = answer
    missing = {f"attribute_missing:{field}": np.isnan(value)}
    return Fact(value, missing=missing, review={"reading_open": contradicted})


# --- what subjects hold, and what holds them ---------------------------------------------------


@_question("held")
def held(ctx: Context, *, layer: str, overlapping: str) -> Fact:
    """Answer with the share of the subject's area under the features' footprints, 0–1.

    Footprints count once where they overlap, or each in full. The part ``area_m2`` is the
    area itself; members are the features concerned.
    """
    if isinstance(found := _layer(ctx, layer), Fact):
        return Fact(found.value, missing=found.missing, parts={"area_m2": found})
    met = _met(ctx, ctx.features, found.features)
    got = holdings.total(met, len(ctx), overlapping=overlapping)
    size = shapely.area(ctx.features.geometry)

    def answer(value: Floats, accuracy: Floats) -> Fact:
        value = np.where(ctx.placed, value, np.nan)
        bounds = _open_above(ctx, found, met, value)
        return Fact(value, accuracy, _unplaced(ctx), bounds=bounds)

    band = _band(ctx, found) * got.boundary_m
    share = answer(_ratio(got.area_m2, size), _ratio(band, size))
    return Fact(
        share.value,
        share.accuracy,
        share.missing,
        bounds=share.bounds,
        members=Members(met.row, met.feature, met.sure),
        parts={"area_m2": answer(got.area_m2, band)},
    )


@_question("held_area")
def held_area(ctx: Context, *, layer: str, besides: str, only: Sequence[str] = ()) -> Fact:
    """Answer with the m² of the subject under the features, less what another layer counts.

    Of the other layer those features count for which all yes/no fields of ``only`` are yes.
    """
    if isinstance(found := _layer(ctx, layer), Fact):
        return found
    footprints = found.features.geometry
    other = ctx.layer(besides)
    if other is not None and len(other.features):
        counted = np.ones(len(other.features), bool)
        for name in only:
            counted &= _field(other, name) == 1
        counted_area = shapely.union_all(other.features.geometry[counted])
        footprints = shapely.difference(footprints, counted_area)
    band = _band(ctx, found)
    met = holdings.meet(ctx.features.geometry, footprints, band)
    got = holdings.total(met, len(ctx), overlapping="once")
    value = np.where(ctx.placed, got.area_m2, np.nan)
    return Fact(
        value, band * got.boundary_m, _unplaced(ctx), bounds=_open_above(ctx, found, met, value)
    )


@_question("contributed")
def contributed(ctx: Context, *, layer: str, area: str, only: Sequence[str] = ()) -> Fact:
    """Answer with the m² of land under the features that belong to the subject.

    A feature belongs where its larger part lies; where both parts are beyond accuracy the
    subject is to be looked at. Its land is the stated area, else its own polygon.
    ``only`` names yes/no fields that must all be yes.
    """
    if isinstance(found := _layer(ctx, layer), Fact):
        return found
    features = found.features
    band = _band(ctx, found)
    got = _met(ctx, ctx.features, features)
    size = shapely.area(features.geometry)
    inside = np.where(np.isnan(got.part_m2), 1.0, _ratio(got.part_m2, size[got.feature]))
    rest = shapely.difference(features.geometry[got.feature], ctx.features.geometry[got.row])
    split = got.sure & (reach(rest, ctx.features.geometry[got.row]) >= band)
    straddles = np.zeros(len(ctx), bool)
    straddles[got.row[split]] = True
    row, feature = got.row[inside >= 0.5], got.feature[inside >= 0.5]

    land = _field(found, area)
    land = np.where(np.isnan(land) & (size > 0), size, land)[feature]
    value = np.zeros(len(ctx))
    more: dict[str, Floats] = {f"attribute_missing:{area}": np.zeros(len(ctx))}
    counts = np.ones(len(row), bool)
    maybe = np.ones(len(row), bool)
    for name in only:
        said = _field(found, name)[feature]
        counts &= said == 1
        maybe &= said != 0
    np.add.at(value, row[counts & ~np.isnan(land)], land[counts & ~np.isnan(land)])
    unsized = row[maybe & np.isnan(land)]
    more[f"attribute_missing:{area}"][unsized] = np.inf
    for name in only:
        said = _field(found, name)[feature]
        open_ = maybe & np.isnan(said) & ~np.isnan(land)
        more.setdefault(f"attribute_missing:{name}", np.zeros(len(ctx)))
        np.add.at(more[f"attribute_missing:{name}"], row[open_], land[open_])
    more["outside_coverage"] = np.where(ctx.room_m(found) < 0, np.inf, 0.0)
    value = np.where(ctx.placed, value, np.nan)
    return Fact(
        value,
        missing=_unplaced(ctx),
        review={"straddles": straddles},
        bounds=tuple(Bound("high", value + extra, code) for code, extra in more.items()),
    )


@_question("held_by")
def held_by(ctx: Context, *, layer: str) -> Fact:
    """Answer whether the subject shares area with a feature, beyond accuracy."""
    if isinstance(found := _layer(ctx, layer), Fact):
        return Fact(found.value, missing=found.missing, parts={"ids": found})
    n = len(ctx)
    got = _met(ctx, found.features, ctx.features)  # here the features hold the subjects
    sure, touched = np.zeros(n, bool), np.zeros(n, bool)
    sure[got.feature[got.sure]] = True
    touched[got.feature] = True
    uncovered = ctx.placed & ~sure & (ctx.room_m(found) < 0)
    value = np.where(sure, 1.0, np.where(touched | ~ctx.placed, np.nan, 0.0))
    order = np.lexsort((got.row, -np.nan_to_num(got.part_m2), got.feature))
    ids = _joined(got.feature[order], found.features.ids[got.row[order]], n)
    return Fact(
        value,
        missing={**_unplaced(ctx), "outside_coverage": uncovered},
        review={"within_accuracy": touched & ~sure},
        parts={"ids": Fact(ids)},
    )


# --- zones ------------------------------------------------------------------------------------


@_question("zone")
def zone(
    ctx: Context,
    *,
    layer: str,
    special: str | None = None,
    special_name: str = "",
    special_in: str = "",
) -> Fact:
    """Answer with the district of the subject's larger share; parts ``share``, ``code``.

    A special area (the sub-centre) may stand out of one district as a zone of its own;
    without its layer only that district is not known.
    """
    if isinstance(found := _layer(ctx, layer), Fact):
        gap = absent(len(ctx), next(iter(found.missing)), text=True)
        return Fact(gap.value, missing=gap.missing, parts={"code": gap, "share": found})
    extra = None if special is None else ctx.layer(special)
    band = _band(ctx, found)

    def build() -> Zones:
        names, geometry = _districts(found)
        if extra is not None and len(extra.features):
            inside = shapely.union_all(extra.features.geometry)
            host = np.array([name == special_in for name in names])
            geometry[host] = shapely.difference(geometry[host], inside)
            names, geometry = [*names, special_name], np.append(geometry, [inside])
        return Zones(names, geometry)

    key = (layer, None if extra is None else special)  # without its layer nothing stands out
    zones = ctx.shared(("zones", *key), build)
    got = ctx.once(("zoned", *key), lambda: zones.of(ctx.features.geometry, band))
    return _zoned(ctx, zones, got, special_in if special is not None and extra is None else None)


def _zoned(ctx: Context, zones: Zones, got: Zoned, unsplit: str | None) -> Fact:
    """Return the answer; the zone ``unsplit`` lacks the layer that would divide it."""
    names = np.array([*(None if n.startswith("?") else n for n in zones.names), None], dtype=object)
    value = names[got.zone]
    beyond = ctx.placed & (got.zone < 0)
    strange = ctx.placed & (got.zone >= 0) & _empty(value)
    missing = {**_unplaced(ctx), "outside_coverage": beyond, "value_unrecognised": strange}
    leaving = np.flatnonzero(got.leaves)
    other_row = np.concatenate([got.other_row, leaving])
    other = np.concatenate([names[got.other_zone], np.full(len(leaving), None, dtype=object)])
    if unsplit is not None:
        open_ = value == unsplit
        open_[other_row[other == unsplit]] = True
        missing["layer_missing"] = open_
        value = _or_none(value != unsplit, value)
    code = np.array([districts.CODES.get(name) for name in value], dtype=object)
    return Fact(
        value,
        missing=missing,
        alternatives=Alternatives(other_row, other),
        parts={"code": Fact(code), "share": Fact(np.where(beyond, np.nan, got.share))},
    )


def _districts(layer: Layer) -> tuple[list[str], Geometries]:
    """Return the district name of each polygon; one that is not recognised is ``?`` and its id."""
    features = layer.features
    codes = features.fields.get("adcode", np.full(len(features), None, dtype=object))
    known = districts.recognise(features.names.tolist(), codes.tolist())
    usable = ~shapely.is_missing(features.geometry)
    names = [name or f"?{key}" for name, key in zip(known, features.ids, strict=True)]
    return [n for n, u in zip(names, usable, strict=True) if u], features.geometry[usable]


# --- from other facts -------------------------------------------------------------------------


@_question("formula")
def from_formula(ctx: Context, **operation: Any) -> Fact:
    """Answer with a formula of other facts and parameters."""
    return formula.evaluate(operation, len(ctx), ctx.fact)


@_question("lookup")
def lookup(ctx: Context, *, key: str, table: Mapping[str, float], otherwise: float) -> Fact:
    """Answer with the figure that a table gives for a text fact, else the figure elsewhere."""
    of = ctx.fact(key)

    def figures(texts: Words) -> Floats:
        return np.array([np.nan if t is None else table.get(t, otherwise) for t in texts], float)

    other = of.alternatives and Alternatives(of.alternatives.rows, figures(of.alternatives.values))
    return Fact(figures(of.value), missing=of.missing, alternatives=other)


@_question("steps")
def stepped(ctx: Context, *, of: str, steps: Sequence[Any]) -> Fact:
    """Answer with the figure of the first step that a value does not exceed.

    A step's own bound belongs to it. Values of 0 or less have no figure. Attributes are
    exact, so bounds are compared free of the last bits that division leaves.
    """
    base = ctx.fact(of)
    value = np.full(len(ctx), np.nan)
    for step in reversed(steps):
        up_to = np.inf if step.up_to is None else step.up_to
        value[base.value <= up_to * (1 + 1e-12)] = step.value
    value[base.value <= 0] = np.nan
    return Fact(value, missing=base.missing)


@_question("by_verdict")
def by_verdict(ctx: Context, *, rule: str, **given: Any) -> Fact:
    """Answer with a figure that hangs on another rule's verdict; else it is not known."""
    verdict = ctx.verdict(rule)
    value, settled = np.full(len(ctx), np.nan), np.zeros(len(ctx), bool)
    for word, figure in given.items():
        rows = verdict == word
        fact = formula.evaluate(figure, len(ctx), ctx.fact)
        value[rows] = fact.value[rows]
        settled |= rows & ~np.isnan(value)
    return Fact(value, missing={f"undecided:{rule}": ~settled})


@_question("least")
def least(ctx: Context, **candidates: str) -> Fact:
    """Answer with the name of the candidate whose fact is the smallest (the first of equals)."""
    facts = [ctx.fact(name) for name in candidates.values()]
    values = np.column_stack([f.value for f in facts])
    known = ~np.isnan(values).any(axis=1)
    names = np.array(list(candidates), dtype=object)
    value = np.full(len(ctx), None, dtype=object)
    value[known] = names[np.argmin(values[known], axis=1)]
    return Fact(value)


# --- what the answers have in common -----------------------------------------------------------


def _layer(ctx: Context, role: str) -> Layer | Fact:
    """Return the layer, or the answer that nothing can be known without it."""
    found = ctx.layer(role)
    if found is None:
        return absent(len(ctx), "layer_missing")
    if not ctx.usable(found):
        return absent(len(ctx), "datum_unknown")
    return found


def _open_above(
    ctx: Context, layer: Layer, met: holdings.Meeting, value: Floats
) -> tuple[Bound, ...]:
    """Return by how much more a subject may hold: features not mapped, or mapped as points."""
    pointlike = np.zeros(len(ctx), bool)
    pointlike[met.row[np.isnan(met.part_m2)]] = True
    gaps = {
        "outside_coverage": ctx.room_m(layer) < 0,
        "attribute_missing:footprint": pointlike,
    }
    return tuple(Bound("high", np.where(mask, np.inf, value), code) for code, mask in gaps.items())


def _unplaced(ctx: Context) -> dict[str, npt.NDArray[np.bool_]]:
    return {"geometry_unusable": ~ctx.placed}


def _band(ctx: Context, layer: Layer) -> float:
    """Return the accuracy of a distance between subject and layer: root sum of squares."""
    return float(np.hypot(ctx.features.accuracy_m, layer.features.accuracy_m))


def _centres(ctx: Context, layer: Layer) -> distance.Centres:
    features = layer.features
    return ctx.shared(("centres", features.role), lambda: distance.Centres(features.geometry))


def _nearest(ctx: Context, layer: Layer, centres: distance.Centres) -> distance.Nearest:
    """Return the nearest centres of a batch, worked out once for all questions that need them."""
    return ctx.once(
        ("nearest", layer.features.role),
        lambda: distance.nearest(ctx.features.geometry, ctx.rings, centres),
    )


def _met(ctx: Context, holders: Features, held: Features) -> holdings.Meeting:
    """Return which holders and held share area; two whole layers are laid over each other once."""
    band = float(np.hypot(holders.accuracy_m, held.accuracy_m))
    layers = [ctx.layer(side.role) for side in (holders, held)]
    whole = all(
        layer is not None and layer.features is side
        for layer, side in zip(layers, (holders, held), strict=True)
    )
    share = ctx.shared if whole else ctx.once
    key = ("met", holders.role, held.role)
    return share(key, lambda: holdings.meet(holders.geometry, held.geometry, band))


def _no_rings(n: int) -> Outlines:
    none = np.empty(0, np.intp)
    return Outlines(np.empty((0, 2)), np.zeros(1, np.intp), none, np.empty(0), n)


def _only(layer: Layer, mask: npt.NDArray[np.bool_]) -> Geometries:
    return _or_none(mask, layer.features.geometry)


def _called(layer: Layer) -> Words:
    """Return what to call each feature: its name, else its id."""
    features = layer.features
    called = np.where(_empty(features.names), features.ids, features.names)
    return np.append(called, [None])


def _field(layer: Layer, name: str) -> Floats:
    """Return a number or yes/no field of a layer, all missing where the layer lacks it."""
    return layer.features.fields.get(name, np.full(len(layer.features), np.nan))


def _empty(values: np.ndarray) -> npt.NDArray[np.bool_]:
    """Return which entries of a field are missing."""
    if values.dtype == object:
        return np.asarray(values == None, dtype=bool)  # noqa: E711  elementwise
    return np.isnan(values)


def _or_none(kept: npt.NDArray[np.bool_], values: Words) -> Words:
    """Return the values with None where they are not kept."""
    chosen = values.astype(object)
    chosen[~kept] = None
    return chosen


def _ratio(a: Floats, b: Floats) -> Floats:
    return np.divide(a, b, out=np.full(len(a), np.nan), where=b > 0)


def _joined(rows: Ints, texts: Words, n: int) -> Words:
    """Return, for each of ``n`` subjects, its texts joined by ``;``; None where it has none.

    ``rows`` is sorted; a text that a subject has twice (an interchange) is told once.
    """
    if not len(rows):
        return np.full(n, None, dtype=object)
    code = pa.array(texts.tolist(), pa.string()).dictionary_encode()
    index = code.indices.to_numpy(zero_copy_only=False)
    pair = rows.astype(np.int64) * len(code.dictionary) + index
    _, first = np.unique(pair, return_index=True)
    first.sort()
    distinct = code.dictionary.take(pa.array(index[first]))
    offsets = np.searchsorted(rows[first], np.arange(n + 1)).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), distinct)
    joined = pc.binary_join(lists, ";").to_numpy(zero_copy_only=False)
    return _or_none(np.diff(offsets) > 0, joined)
