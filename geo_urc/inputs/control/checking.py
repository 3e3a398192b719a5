"""The control check of a whole run: with the control points first, then layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any, cast

import numpy as np
import pyproj

from geo_urc.errors import CrsError, Problem
from geo_urc.inputs.control import wording
from geo_urc.inputs.control.judging import FEWEST_PAIRS, judge, too_few
from geo_urc.inputs.control.outlines import Outlines, judge_outlines, outlines_of, spots
from geo_urc.inputs.control.places import NOWHERE, Places, control_kind, control_points, places_of
from geo_urc.inputs.datum import Datum, shift
from geo_urc.inputs.extent import candidates
from geo_urc.inputs.systems import Numbers, conversion, geographic, read_system
from geo_urc.inputs.table import (
    Control,
    Features,
    Inputs,
    Layer,
    SourceRecord,
    SubjectSource,
    joined_features,
)
from geo_urc.text import Text

CHECKING = Text("核对坐标基准", "Checking the datums")
"""What a run calls this phase."""

_BATCHES = 3
"""Runs of parcels looked at: some ten thousand are enough."""
_SAME_SYSTEM_M = 10.0
"""Systems that put the coordinates this near to each other are one for this purpose."""
_METRES_A_DEGREE = 111_195.0

Tried = dict[str, tuple[Numbers, Numbers]]
"""What coordinates might be on → longitudes and latitudes, if so."""


@dataclass
class Placed:
    """What a layer has to be compared by; nothing is worked out before it is asked for.

    Attributes
    ----------
    given
        The layer, or the parcels.
    plane
        The evaluation system.
    """

    given: Layer | SubjectSource
    plane: pyproj.CRS

    @property
    def source(self) -> SourceRecord:
        """Where the layer comes from."""
        return self.given.source

    @cached_property
    def features(self) -> Features:
        """The layer's features; of parcels the first runs."""
        return self.given.features if isinstance(self.given, Layer) else _sample(self.given)

    @cached_property
    def places(self) -> Places:
        """Named features, degrees as the declared datum puts them."""
        if not isinstance(self.given, Layer) and "name" not in self.given.field_names:
            return NOWHERE
        places = places_of(self.features)
        return Places(places.names, *self._degrees(places.x, places.y))

    @cached_property
    def outlines(self) -> Outlines | None:
        """A sample of its edges, in degrees too; None if it has none."""
        return outlines_of(self.features, self._degrees)

    @cached_property
    def tried_outlines(self) -> Tried:
        """The points on its edges, on each datum; they are asked for beside every other layer."""
        edges = self.outlines
        return {} if edges is None else self.tried(edges.lon, edges.lat)

    @cached_property
    def spots(self) -> dict[str, np.ndarray]:
        """The same in metres, for comparison with edges."""
        return spots(self.tried_outlines)

    def _degrees(self, x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        return conversion(self.plane, geographic(self.plane)).transform(x, y)

    @property
    def kind(self) -> str:
        """Which names it can have in common with others."""
        return control_kind(self.source.role)

    @property
    def declared(self) -> str:
        """Name of the declared datum among those that are tried."""
        return self.source.datum if self.source.datum in ("gcj02", "bd09") else "wgs84"

    def tried(self, lon: Numbers, lat: Numbers) -> Tried:
        """Return where coordinates would lie on each datum, and in each other usual system.

        Parameters
        ----------
        lon, lat
            Degrees as the declared datum puts them.
        """
        declared = cast(Datum, self.declared)
        stored = shift(lon, lat, "wgs84", declared)
        datums: tuple[Datum, ...] = ("wgs84", "gcj02", "bd09")
        found: Tried = {datum: shift(*stored, datum, "wgs84") for datum in datums}
        system = read_system(self.source.role, self.source.crs)
        if system.is_projected and declared == "wgs84":
            found |= _in_other_systems(system, lon, lat)
        return found


def with_control(inputs: Inputs, *, strict: bool = False) -> Inputs:
    """Return the inputs with what the control check says of each, and a warning where it must.

    Parameters
    ----------
    strict : bool
        Whether a datum that is contradicted stops the run.

    Raises
    ------
    CrsError
        If so: every layer whose declared or assumed datum cannot be right.
    """
    found = control_of(inputs)
    if strict:
        _refuse(inputs, found)
    return with_findings(inputs, found)


def control_of(inputs: Inputs) -> dict[str, Control]:
    """Return what the control check says of the parcels and each layer, by role.

    Every layer is compared with the control points by the names of its features. Those that
    the points do not settle are compared with the layers that fit them, by name and by
    outline, and then with each other by name.
    """
    plane = read_system("--crs", inputs.evaluation_crs)
    return check({role: Placed(given, plane) for role, given in _all(inputs)})


def with_findings(inputs: Inputs, found: Mapping[str, Control]) -> Inputs:
    """Return the inputs with what was found of each, and a warning where it must be given."""

    def told(given: Any, role: str) -> Any:
        record = replace(given.source, control=found[role])
        said = wording.notices(record)
        return replace(given, source=record, notices=(*given.notices, *said))

    return replace(
        inputs,
        parcels=told(inputs.parcels, inputs.parcels.role),
        layers={role: told(layer, role) for role, layer in inputs.layers.items()},
    )


def check(placed: Mapping[str, Placed]) -> dict[str, Control]:
    """Return what the comparison says of each layer, by role."""
    found = {role: _by_name(one, control_points(one.kind)) for role, one in placed.items()}
    fitting = [role for role, said in found.items() if said.verdict == "fits"]
    fitting = [role for role in fitting if placed[role].source.datum != "unknown"]
    for role in _open(found):
        found[role] = _against_layers(placed, role, fitting, found[role])
    declared = [role for role in _open(found) if placed[role].source.datum != "unknown"]
    for a, b in combinations(declared, 2):
        for one, other in ((a, b), (b, a)):
            said = _disagreement(placed[one], placed[other])
            if said is not None:
                found[one] = said
    return found


def _open(found: Mapping[str, Control]) -> list[str]:
    return [role for role, said in found.items() if said.verdict == "not_sure"]


def _by_name(one: Placed, truth: Places, against: str = "control_points") -> Control:
    mine, theirs = one.places.shared_with(truth)
    if len(mine.names) < FEWEST_PAIRS:  # the usual case, and there may be many layers
        return too_few(len(mine.names), against)
    tried = one.tried(mine.x, mine.y)
    return judge(tried, (theirs.x, theirs.y), one.declared, against)


def _against_layers(
    placed: Mapping[str, Placed], role: str, fitting: Sequence[str], before: Control
) -> Control:
    """Return what the layers that fit say of one that the control points do not settle."""
    one = placed[role]
    alike = [name for name in fitting if placed[name].kind == one.kind]
    if alike:
        said = _by_name(one, _united([placed[name].places for name in alike]), ";".join(alike))
        if said.verdict != "not_sure":
            return said
        before = max(before, said, key=lambda c: c.pairs)
    for name in fitting:
        on_edges = _by_outline(one, placed[name])
        if on_edges is not None:
            return on_edges
    return before


def _by_outline(one: Placed, other: Placed) -> Control | None:
    if other.outlines is None or one.outlines is None:
        return None
    return judge_outlines(
        one.tried_outlines, one.spots, other.outlines, one.declared, other.source.role
    )


def _disagreement(one: Placed, other: Placed) -> Control | None:
    """Return that two layers are apart as two datums are, if that is beyond doubt.

    Neither fits the control points, so which of them is wrong cannot be told. Any other
    difference is left alone: two layers may mean different places by one name.
    """
    said = _by_name(one, other.places, other.source.role) if one.kind == other.kind else None
    if said is None or said.verdict == "not_sure":
        said = _by_outline(one, other)
    if said is None or said.verdict != "looks_like":
        return None
    return replace(said, verdict="disagrees")


def _united(parts: Sequence[Places]) -> Places:
    """Return the places of several layers; of one name the first."""
    at: dict[str, tuple[float, float]] = {}
    for part in parts:
        for name, x, y in zip(part.names, part.x.tolist(), part.y.tolist(), strict=True):
            at.setdefault(name, (x, y))
    xy = np.array(list(at.values()), np.float64).reshape(-1, 2)
    return Places(tuple(at), xy[:, 0], xy[:, 1])


def _all(inputs: Inputs) -> Iterator[tuple[str, Layer | SubjectSource]]:
    yield inputs.parcels.role, inputs.parcels
    yield from inputs.layers.items()


def _sample(parcels: SubjectSource) -> Features:
    """Return the first parcels."""
    runs = [batch.features for batch, _ in zip(parcels.batches(), range(_BATCHES), strict=False)]
    return joined_features(runs or [parcels.empty().features])


def _in_other_systems(system: pyproj.CRS, lon: Numbers, lat: Numbers) -> Tried:
    """Return where the metres of a system would lie, were they of another usual one."""
    if not len(lon):
        return {}
    x, y = conversion(geographic(system), system).transform(lon, lat)
    found: Tried = {}
    for code in candidates(float(np.median(x)), float(np.median(y))):
        other = read_system(code, code)
        at = conversion(other, geographic(other)).transform(x, y)
        apart_m = np.hypot(at[0] - lon, at[1] - lat) * _METRES_A_DEGREE
        known = [there for there in found.values() if np.abs(there[1] - at[1]).max() < 1e-4]
        if apart_m.max() > _SAME_SYSTEM_M and not known:
            found[code] = at
    return found


def _refuse(inputs: Inputs, found: Mapping[str, Control]) -> None:
    """Raise CrsError for every datum that was declared or assumed and cannot be right."""
    problems = [
        Problem(wording.where(one.source), *wording.contradiction(one.source, found[role]))
        for role, one in _all(inputs)
        if found[role].contradicts and one.source.datum != "unknown"
    ]
    if problems:
        raise CrsError(problems)
