"""The question how much demand a facility serves, and how much of it is served already."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely

from geo_urc.facts import demand
from geo_urc.facts.demand import Circles, Reached
from geo_urc.facts.fact import Bound, Fact, Mask, absent, is_empty
from geo_urc.facts.network import Walks
from geo_urc.facts.outlines import Floats, Ints
from geo_urc.facts.questions.asking import (
    Context,
    layer_or_gap,
    or_none,
    question,
    unplaced,
)
from geo_urc.facts.questions.walking import roads_of
from geo_urc.inputs.table import Features, Layer, Raster


class _Rivalry(NamedTuple):
    """Whom subjects and existing features serve alike, and why that may not be known."""

    own: Circles
    others: Circles
    alike: tuple[Ints, Ints]
    missing: dict[str, Mask]


class _Service(NamedTuple):
    """What subjects reach, and why that may not be known."""

    reached: Reached
    missing: dict[str, Mask]


@question("demand_served")
def demand_served(
    ctx: Context,
    *,
    layer: str,
    field: str,
    besides: str,
    radius: str,
    like: str,
    by: str,
    network: str,
    max_snap_m: float,
    cells: str | None = None,
) -> Fact:
    """Answer with the demand that the subject serves and no like feature of ``besides`` does.

    Served is what lies within the service radius (the field ``radius``) of a centre, straight
    or, with ``by`` = ``walking``, along the roads of ``network``. Alike are features with the
    same word in the field ``like``. ``field`` is the figure that is added up; a polygon counts
    by the share of its area inside, on foot by its centroid. Part ``already``: demand that
    the subject serves and others too.

    Where the layer is not given or has no such figure, the raster ``cells`` has it, straight
    only: cells count by the share of them in the service area.

    Unknown where a figure in reach is, or where it cannot be told what is alike.
    """
    mapped = ctx.layer(layer)
    grid = None if cells is None or by == "walking" else ctx.raster(cells)
    if grid is not None and (mapped is None or field not in mapped.features.fields):
        return _of_cells(ctx, grid, besides, radius, like)
    roles = (layer, besides, network) if by == "walking" else (layer, besides)
    found = [layer_or_gap(ctx, role) for role in roles]
    for gap in found:
        if isinstance(gap, Fact):
            return Fact(gap.value, missing=gap.missing, parts={"already": gap})
    places, others, *roads = [layer for layer in found if isinstance(layer, Layer)]
    n = len(ctx)

    def serve() -> _Service:
        own, rivals, alike, missing = _rivalry(ctx, others, radius, like)
        where = places.features.geometry
        if not roads:
            return _Service(demand.in_circles(where, own, rivals, alike), missing)
        facilities = np.concatenate([ctx.features.geometry, others.features.geometry])
        network_of = roads_of(ctx.shared, roads[0]).network
        walks = Walks(network_of, shapely.centroid(facilities), max_snap_m)
        feet = walks.network.feet(shapely.centroid(where), max_snap_m)
        off = np.isnan(walks.off_m)
        astray = where.copy()
        astray[feet.row] = None  # what is not on the network may yet be near
        lost = demand.in_circles(astray, own, rivals, alike).row
        lost = np.concatenate([lost, alike[0][off[n + alike[1]]]])
        missing["network_gap"] = ctx.placed & (off[:n] | _rows(n, lost))
        numbers = np.arange(n), n + np.arange(len(others.features))
        got = demand.on_foot(
            walks, feet, (numbers[0], own.radii_m), (numbers[1], rivals.radii_m), alike
        )
        return _Service(got, missing)

    reached, missing = ctx.once(("served", layer, besides, radius, like, by, max_snap_m), serve)
    amount = places.features.numbers(field)
    missing = {
        **missing,
        f"attribute_missing:{field}": _rows(n, reached.row[np.isnan(amount[reached.place])]),
    }
    unknown = np.any(list(missing.values()), axis=0)
    unmapped = ctx.room_m(places) < ctx.features.numbers(radius)
    rivals_unmapped = _rivals_unmapped(ctx, others, radius)

    def total(share: Floats, least: Mask, most: Mask) -> Fact:
        value = np.bincount(reached.row, share * amount[reached.place], n)
        value = np.where(unknown, np.nan, value)
        bounds = (
            Bound("low", np.where(least, 0.0, value), "outside_coverage"),
            Bound("high", np.where(most, np.inf, value), "outside_coverage"),
        )
        return Fact(value, missing=missing, bounds=bounds)

    newly = total(reached.newly, rivals_unmapped, unmapped)
    already = total(reached.already, np.zeros(n, bool), unmapped | rivals_unmapped)
    return Fact(newly.value, missing=missing, bounds=newly.bounds, parts={"already": already})


def _of_cells(ctx: Context, grid: Raster, besides: str, radius: str, like: str) -> Fact:
    """Answer from a raster of amounts; where cells in reach have no value there may be more."""
    others = layer_or_gap(ctx, besides)
    if isinstance(others, Fact) or not ctx.usable(grid):
        gap = others if isinstance(others, Fact) else absent(len(ctx), "datum_unknown")
        return Fact(gap.value, missing=gap.missing, parts={"already": gap})
    from geo_urc.facts import raster  # its library is loaded only where there is a raster

    own, rivals, alike, missing = _rivalry(ctx, others, radius, like)
    unknown = np.any(list(missing.values()), axis=0)
    unmapped = _rivals_unmapped(ctx, others, radius)
    n = len(ctx)
    ground = np.concatenate(demand.service_areas(own, rivals, alike))
    extended = shapely.area(ground) > 0
    got = raster.zonal(grid, or_none(extended, ground))  # newly served, then already served

    def total(rows: slice, least: Mask, most: Mask) -> Fact:
        some, covered = extended[rows], got.covered[rows]
        value = np.where(unknown, np.nan, np.where(some, np.nan_to_num(got.total[rows]), 0.0))
        gappy = some & (covered < 1)
        bounds = (
            Bound("low", np.where(least, 0.0, value), "outside_coverage"),
            Bound("high", np.where(most | gappy, np.inf, value), "outside_coverage"),
        )
        uncovered = some & (covered == 0) & ~unknown
        value = np.where(uncovered, np.nan, value)
        return Fact(value, missing={**missing, "outside_coverage": uncovered}, bounds=bounds)

    fresh = total(slice(n), unmapped, np.zeros(n, bool))
    shared = total(slice(n, None), np.zeros(n, bool), unmapped)
    return Fact(fresh.value, missing=fresh.missing, bounds=fresh.bounds, parts={"already": shared})


def _rivalry(ctx: Context, others: Layer, radius: str, like: str) -> _Rivalry:
    n, reach_m = len(ctx), ctx.features.numbers(radius)
    own = Circles(_centres(ctx.features), reach_m)
    rivals = Circles(_centres(others.features), others.features.numbers(radius))
    met = demand.meeting(own, rivals)
    mine, theirs = ctx.features.words(like), others.features.words(like)
    nameless = is_empty(mine)[met[0]] | is_empty(theirs)[met[1]]
    same = ~nameless & (mine[met[0]] == theirs[met[1]])
    boundless = theirs[np.isnan(rivals.radii_m)]
    may_serve = (mine[:, None] == boundless) | is_empty(mine)[:, None] | is_empty(boundless)
    missing = {
        **unplaced(ctx),
        f"attribute_missing:{radius}": ctx.placed & (np.isnan(reach_m) | may_serve.any(axis=1)),
        f"attribute_missing:{like}": _rows(n, met[0][nameless]),
    }
    return _Rivalry(own, rivals, (met[0][same], met[1][same]), missing)


def _rivals_unmapped(ctx: Context, others: Layer, radius: str) -> Mask:
    """Return where a feature that is not mapped may serve the same ground."""
    farthest = np.nanmax(others.features.numbers(radius), initial=0.0)
    return ctx.room_m(others) < ctx.features.numbers(radius) + farthest


def _centres(features: Features) -> Floats:
    """Return the middles of features; NaN for one without a geometry."""
    middle = shapely.centroid(features.geometry)
    return np.column_stack([shapely.get_x(middle), shapely.get_y(middle)])


def _rows(n: int, rows: Ints) -> Mask:
    """Return which of ``n`` subjects are among some rows."""
    among = np.zeros(n, bool)
    among[rows] = True
    return among
