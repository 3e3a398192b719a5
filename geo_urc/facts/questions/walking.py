"""Questions on how far it is to walk, and what is said of the roads walked on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely

from geo_urc.facts import distance
from geo_urc.facts.fact import Bound, Fact, absent
from geo_urc.facts.network import GAP_M, Network, Walks
from geo_urc.facts.outlines import Floats, no_outlines
from geo_urc.facts.questions.asking import (
    Context,
    Words,
    called,
    layer_or_gap,
    or_none,
    question,
    unplaced,
)
from geo_urc.facts.questions.distances import distance_to
from geo_urc.inputs.table import Layer

SHOWN = 20
"""How many gaps, crossings, islands and features a report names; it counts all."""


@dataclass(frozen=True)
class Roads:
    """The walkable roads of a run.

    Attributes
    ----------
    ids
        Of the walkable features, by which the network's pieces name their lines.
    unwalkable
        Number of features left out because they cannot be walked.
    snaps
        Role → the largest distance between a feature and the road that it is joined to, so far.
    off_network
        Role → ids of features to walk to that are farther from a road than they may be.
    """

    network: Network
    ids: Words
    unwalkable: int
    snaps: dict[str, float] = field(default_factory=dict)
    off_network: dict[str, list[str]] = field(default_factory=dict)


@question("walking_distance")
def walking_distance(
    ctx: Context, *, layer: str, network: str, max_snap_m: float, start: str = "edge"
) -> Fact:
    """Answer with the walking distance in m to the nearest feature's centre, 0 inside.

    From the subject's edge or its centroid to the nearest road, along roads, and from a road
    to the centre; neither end may be farther from a road than ``max_snap_m``. However long the
    way, it is told. Without one the value is infinite. Parts: ``nearest``, ``snap_m``.

    No way is shorter than the straight line. That is how much shorter a way may be that the
    network does not show: because of a gap, or because a feature or the subject is off it.
    """
    to, by = layer_or_gap(ctx, layer), layer_or_gap(ctx, network)
    if isinstance(to, Fact) or isinstance(by, Fact):
        gap = next(found for found in (to, by) if isinstance(found, Fact))
        nearest = absent(len(ctx), next(iter(gap.missing)), text=True)
        return Fact(gap.value, missing=gap.missing, parts={"nearest": nearest, "snap_m": gap})
    roads = roads_of(ctx.shared, by)
    centres = shapely.centroid(to.features.geometry)
    walks = ctx.shared(
        ("walks", layer, network, max_snap_m), lambda: _walks(roads, to, centres, max_snap_m)
    )
    geometry = ctx.features.geometry
    rings = ctx.rings
    if start == "centroid":
        geometry, rings = shapely.centroid(geometry), no_outlines(len(ctx))
    way = walks.nearest(geometry)
    _note_snap(roads, ctx.features.role, way.off_m[way.place >= 0])

    value = np.where(ctx.placed, way.metres, np.nan)
    straight = distance_to(ctx, layer=layer, start=start).value
    strays = ctx.shared(
        ("strays", layer, network, max_snap_m),
        lambda: distance.Centres(or_none(walks.stray, centres)),
    )
    stray = distance.nearest(geometry, rings, strays)
    off = np.where(stray.feature < 0, np.inf, stray.distance_m)
    closed = np.minimum(way.closed_m, np.where(way.connected, off, straight))
    beyond = np.minimum(ctx.room_m(to), np.maximum(ctx.room_m(by), straight))
    accuracy = (ctx.features.accuracy_m, to.features.accuracy_m, by.features.accuracy_m)
    return Fact(
        value,
        float(np.linalg.norm(accuracy)),
        unplaced(ctx),
        bounds=(
            Bound("low", closed, "network_gap"),
            Bound("low", np.minimum(value, np.maximum(beyond, 0.0)), "outside_coverage"),
        ),
        parts={
            "nearest": Fact(or_none(way.place >= 0, called(to)[way.place])),
            "snap_m": Fact(way.off_m),
        },
    )


def roads_of(shared: Callable[[object, Callable[[], Roads]], Roads], layer: Layer) -> Roads:
    """Return the network of a road layer, built once."""

    def build() -> Roads:
        features = layer.features
        walkable = np.ones(len(features), bool)
        if "walkable" in features.fields:
            walkable = features.fields["walkable"] != 0.0
        kept = features.where(walkable)
        return Roads(Network.of(kept.geometry), kept.ids, int((~walkable).sum()))

    return shared(("roads", layer.features.role), build)


def road_report(roads: Roads) -> dict[str, Any]:
    """Return what a run says of its network: parts that do not hang together, gaps, crossings.

    Coordinates are in the evaluation system; lists are cut off, counts are not.
    """
    network = roads.network
    length = network.component_m()
    line_of = np.zeros(len(network.xy), np.intp)
    line_of[network.pieces.b] = network.pieces.line
    line_of[network.pieces.a] = network.pieces.line

    def place(node: int) -> dict[str, Any]:
        return {"road": roads.ids[line_of[node]], **_at(network.xy[node])}

    first = np.unique(network.label[network.pieces.a], return_index=True)[1]
    gaps = [
        {**place(end), "to_road": roads.ids[line_of[opposite]], "gap_m": round(metres, 3)}
        for end, opposite, metres in zip(
            *(part[:SHOWN].tolist() for part in network.gaps), strict=True
        )
    ]
    return {
        "roads": len(roads.ids),
        "roads_not_walkable": roads.unwalkable,
        "length_m": round(float(length.sum()), 3),
        "components": network.components,
        "islands": [
            {**place(int(network.pieces.a[first[k]])), "length_m": round(float(length[k]), 3)}
            for k in range(1, min(network.components, SHOWN + 1))
        ],
        "gap_limit_m": GAP_M,
        "gaps": len(network.gaps.end),
        "gaps_at": gaps,
        "crossings_not_joined": len(network.crossings),
        "crossings_at": [_at(xy) for xy in network.crossings[:SHOWN]],
        "largest_snap_m": {role: round(m, 3) for role, m in sorted(roads.snaps.items())},
        "off_network": {
            role: {"count": len(ids), "ids": ids[:SHOWN]}
            for role, ids in sorted(roads.off_network.items())
        },
    }


def _at(xy: Floats) -> dict[str, float]:
    return {"x": round(float(xy[0]), 3), "y": round(float(xy[1]), 3)}


def _walks(roads: Roads, to: Layer, centres: np.ndarray, max_snap_m: float) -> Walks:
    walks = Walks(roads.network, centres, max_snap_m)
    off = ~shapely.is_missing(centres) & np.isnan(walks.off_m)
    roads.off_network[to.features.role] = to.features.ids[off].tolist()
    _note_snap(roads, to.features.role, walks.off_m)
    return walks


def _note_snap(roads: Roads, role: str, metres: Floats) -> None:
    most = float(np.nanmax(metres, initial=0.0)) if len(metres) else 0.0
    roads.snaps[role] = max(roads.snaps.get(role, 0.0), most)
