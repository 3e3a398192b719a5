"""The question which zone a subject lies in."""

from __future__ import annotations

import numpy as np
import shapely

from geo_urc.facts import districts
from geo_urc.facts.fact import Alternatives, Fact, absent, is_empty
from geo_urc.facts.questions.asking import (
    Context,
    band_m,
    layer_or_gap,
    or_none,
    question,
    unplaced,
)
from geo_urc.facts.zones import Zoned, Zones
from geo_urc.inputs.table import Geometries, Layer


@question("zone")
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
    if isinstance(found := layer_or_gap(ctx, layer), Fact):
        gap = absent(len(ctx), next(iter(found.missing)), text=True)
        return Fact(gap.value, missing=gap.missing, parts={"code": gap, "share": found})
    extra = None if special is None else ctx.layer(special)
    band = band_m(ctx, found)

    def build() -> Zones:
        names, geometry = districts_of(found)
        if extra is not None and len(extra.features):
            inside = shapely.union_all(extra.features.geometry)
            host = np.array([name == special_in for name in names])
            geometry[host] = shapely.difference(geometry[host], inside)
            names, geometry = [*names, special_name], np.append(geometry, [inside])
        return Zones(names, geometry)

    key = (layer, None if extra is None else special)  # without its layer nothing stands out
    zones = ctx.shared(("zones", *key), build)
    got = ctx.once(
        ("zoned", *key), lambda: zones.of(ctx.features.geometry, band, ctx.area_m2, ctx.bounds)
    )
    return _zoned(ctx, zones, got, special_in if special is not None and extra is None else None)


def _zoned(ctx: Context, zones: Zones, got: Zoned, unsplit: str | None) -> Fact:
    """Return the answer; the zone ``unsplit`` lacks the layer that would divide it."""
    names = np.array([*(None if n.startswith("?") else n for n in zones.names), None], dtype=object)
    value = names[got.zone]
    beyond = ctx.placed & (got.zone < 0)
    strange = ctx.placed & (got.zone >= 0) & is_empty(value)
    missing = {**unplaced(ctx), "outside_coverage": beyond, "value_unrecognised": strange}
    leaving = np.flatnonzero(got.leaves)
    other_row = np.concatenate([got.other_row, leaving])
    other = np.concatenate([names[got.other_zone], np.full(len(leaving), None, dtype=object)])
    if unsplit is not None:
        open_ = value == unsplit
        open_[other_row[other == unsplit]] = True
        missing["layer_missing"] = open_
        value = or_none(value != unsplit, value)
    codes = np.array([districts.CODES.get(name) for name in names], dtype=object)
    return Fact(
        value,
        missing=missing,
        alternatives=Alternatives(other_row, other),
        parts={"code": Fact(codes[got.zone]), "share": Fact(np.where(beyond, np.nan, got.share))},
    )


def districts_of(layer: Layer) -> tuple[list[str], Geometries]:
    """Return the district name of each polygon; one that is not recognised is ``?`` and its id."""
    features = layer.features
    codes = features.words("adcode")
    known = districts.recognise(features.names.tolist(), codes.tolist())
    usable = ~shapely.is_missing(features.geometry)
    names = [name or f"?{key}" for name, key in zip(known, features.ids, strict=True)]
    return [n for n, u in zip(names, usable, strict=True) if u], features.geometry[usable]
