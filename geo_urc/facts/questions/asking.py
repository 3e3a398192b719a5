"""What questions may use, how they enter the catalogue, and what their answers share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from shapely import STRtree

from geo_urc.facts import holdings
from geo_urc.facts.fact import Bound, Fact, Mask, absent, is_empty
from geo_urc.facts.outlines import Floats, Ints, Outlines
from geo_urc.inputs.table import Features, Geometries, Layer, Raster

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
    def area_m2(self) -> Floats:
        """Area of each subject; NaN without a usable geometry."""

    @property
    def bounds(self) -> Floats:
        """Bounds of each subject, a row each; NaN without a usable geometry."""

    @property
    def centroids(self) -> Floats:
        """Centroid of each subject, a row each of x and y; NaN without a usable geometry."""

    @property
    def placed(self) -> Mask:
        """Subjects with a usable geometry."""

    def layer(self, role: str) -> Layer | None:
        """Return a layer, or None if it was not given."""

    def parcels(self, key: object, keep: Callable[[Features], Mask]) -> Layer | None:
        """Return the parcels for which ``keep`` holds, as a layer; gathered once a key."""

    def raster(self, role: str) -> Raster | None:
        """Return a raster, or None if it was not given."""

    def usable(self, layer: Layer | Raster) -> bool:
        """Return whether the layer's and the subjects' datums are known."""

    def room_m(self, layer: Layer) -> Floats:
        """Return how far the layer is complete around each subject (−1: not even there)."""

    def shared(self, key: object, build: Callable[[], Built]) -> Built:
        """Return what is built once for all subjects, such as an index of a layer."""

    def once(self, key: object, build: Callable[[], Built]) -> Built:
        """Return what is worked out once for these subjects and used by several facts."""

    def fact(self, name: str) -> Fact:
        """Return another fact of the same subjects."""

    def listed(self, parameter: str, fact: str) -> list[str] | None:
        """Return the words of a list as a fact spells them; None if they are to be supplied."""

    def verdict(self, rule: str) -> Words:
        """Return the verdict words of a rule on the same subjects."""

    def amount(self, rule: str) -> Fact:
        """Return what the same subjects owe under a rule, in yuan."""

    def concerns(self, rule: str, role: str) -> Fact:
        """Return whom of a layer's own features a rule is for, yes/no."""

    def words(self, role: str, field: str) -> Mapping[str, str]:
        """Return the vocabulary of a layer's field: code → Chinese label."""


Question = Callable[..., Fact]
QUESTIONS: dict[str, Question] = {}
"""Name → function; each module of this folder enters its own."""


def question(name: str) -> Callable[[Question], Question]:
    """Return a decorator that enters a function into the catalogue of questions."""

    def enter(ask: Question) -> Question:
        QUESTIONS[name] = ask
        return ask

    return enter


@cache
def required_arguments(ask: Question) -> frozenset[str]:
    """Return the arguments that a question cannot do without."""
    given = inspect.signature(ask).parameters.values()
    return frozenset(p.name for p in given if p.kind is p.KEYWORD_ONLY and p.default is p.empty)


def tree_of(ctx: Context, layer: Layer) -> STRtree:
    """Return the spatial index of a layer's features."""
    return ctx.shared(("tree", layer.features.role), lambda: STRtree(layer.features.geometry))


def parcels_about(ctx: Context, layer: Layer) -> Layer | None:
    """Return the parcels whose boxes meet those of a layer's features."""
    tree = tree_of(ctx, layer)

    def near(parcels: Features) -> Mask:
        met = np.zeros(len(parcels), bool)
        met[tree.query(parcels.geometry)[0]] = True
        return met

    return ctx.parcels(("about", layer.features.role), near)


def own_field(ctx: Context, name: str, *, text: bool) -> Fact:
    """Answer with an attribute of the subject, as given: attributes are exact."""
    code = f"attribute_missing:{name}"
    value = ctx.features.fields.get(name)
    if value is None:
        return absent(len(ctx), code, text=text)
    return Fact(value, missing={code: is_empty(value)})


def layer_or_gap(ctx: Context, role: str) -> Layer | Fact:
    """Return the layer, or the answer that nothing can be known without it."""
    found = ctx.layer(role)
    if found is None:
        return absent(len(ctx), "layer_missing")
    if not ctx.usable(found):
        return absent(len(ctx), "datum_unknown")
    return found


def open_above(
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


def unplaced(ctx: Context) -> dict[str, Mask]:
    """Return the gap that every question about places has: subjects without a geometry."""
    return {"geometry_unusable": ~ctx.placed}


def band_m(ctx: Context, layer: Layer) -> float:
    """Return the accuracy of a distance between subject and layer: root sum of squares."""
    return float(np.hypot(ctx.features.accuracy_m, layer.features.accuracy_m))


def overlaid(ctx: Context, holders: Features, held: Features) -> holdings.Meeting:
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


def total_held(
    ctx: Context, layer: str, met: holdings.Meeting, overlapping: str, kept: Mask
) -> holdings.Holding:
    """Return what the subjects hold of a layer in total, of the pairs that are kept.

    Several facts ask for the same: all features, those at a stage, those not known not to be.
    """
    key = ("held", layer, overlapping, kept.tobytes())
    part = holdings.Meeting._make(column[kept] for column in met)
    return ctx.once(key, lambda: holdings.total(part, len(ctx), overlapping=overlapping))


def geometry_where(layer: Layer, mask: Mask) -> Geometries:
    """Return a layer's geometries with None where the mask does not hold."""
    return or_none(mask, layer.features.geometry)


def called(layer: Layer) -> Words:
    """Return what to call each feature: its name, else its id."""
    features = layer.features
    called = np.where(is_empty(features.names), features.ids, features.names)
    return np.append(called, [None])


def or_none(kept: Mask, values: Words) -> Words:
    """Return the values with None where they are not kept."""
    chosen = values.astype(object)
    chosen[~kept] = None
    return chosen


def divided(a: Floats, b: Floats) -> Floats:
    """Return a / b; NaN where b is not above 0."""
    return np.divide(a, b, out=np.full(len(a), np.nan), where=b > 0)


def joined(rows: Ints, texts: Words, n: int) -> Words:
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
    return or_none(np.diff(offsets) > 0, joined)
