"""What the inputs hand on: tables of features whose geometry and fields can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from geo_urc.text import Text

A = TypeVar("A")
B = TypeVar("B")

Geometries = npt.NDArray[np.object_]
"""Shapely geometries in the evaluation system, two-dimensional; None where unusable."""


@dataclass(frozen=True)
class Features:
    """Features of one role, as facts see them. All arrays have one entry a feature.

    Attributes
    ----------
    role
        Role name of the layer catalogue, e.g. ``rail_stations``.
    ids
        ``subject_id`` of each feature: unique text, never null.
    names
        What a person calls the feature (the ``name`` field); None where not given.
    geometry
        Valid 2D geometry in the evaluation system (metres); None where unusable.
    fields
        Catalogue field → values: float64 with NaN for numbers and yes/no (1.0/0.0),
        object array of str with None for text. Only fields that the file really has.
    accuracy_m
        Positional accuracy of the features (one standard figure for the layer).
    """

    role: str
    ids: npt.NDArray[np.object_]
    names: npt.NDArray[np.object_]
    geometry: Geometries
    fields: Mapping[str, np.ndarray]
    accuracy_m: float

    def __len__(self) -> int:
        return len(self.ids)

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """Return a number or yes/no field, all missing where the file lacks it."""
        return self.fields.get(name, np.full(len(self), np.nan))

    def words(self, name: str) -> npt.NDArray[np.object_]:
        """Return a text field, all empty where the file lacks it."""
        return self.fields.get(name, np.full(len(self), None, dtype=object))

    def where(self, kept: npt.NDArray[np.bool_ | np.intp]) -> Features:
        """Return the features for which a mask holds, in the same order, or those at places."""
        return Features(
            role=self.role,
            ids=self.ids[kept],
            names=self.names[kept],
            geometry=self.geometry[kept],
            fields={name: values[kept] for name, values in self.fields.items()},
            accuracy_m=self.accuracy_m,
        )


def joined_features(runs: Sequence[Features]) -> Features:
    """Return runs of one file's features as one."""
    first = runs[0]
    return Features(
        role=first.role,
        ids=np.concatenate([run.ids for run in runs]),
        names=np.concatenate([run.names for run in runs]),
        geometry=np.concatenate([run.geometry for run in runs]),
        fields={name: np.concatenate([run.fields[name] for run in runs]) for name in first.fields},
        accuracy_m=first.accuracy_m,
    )


@dataclass(frozen=True)
class Batch:
    """A run of subjects in input order, with what the outputs must give back untouched.

    Attributes
    ----------
    features
        The same rows as facts see them.
    columns
        The user's own columns, names and values untouched.
    wkb
        Geometry for the outputs in the output system: the input's own bytes unless
        repaired or shifted; null where unusable.
    raw_wkb
        The input's bytes where the geometry is unusable, else null.
    """

    features: Features
    columns: pa.RecordBatch
    wkb: pa.Array
    raw_wkb: pa.Array


@dataclass(frozen=True)
class SetAside:
    """One record of the input that is not among the subjects or layer features."""

    role: str
    file: str
    record: int
    """1-based position in the file."""
    reason: Text
    content: str
    """The record's attributes as JSON and its geometry as WKB hex, as far as readable."""


@dataclass(frozen=True)
class Notice:
    """Something a user should know about an input: an assumption, a repair, a warning."""

    kind: str
    """``assumption`` | ``repair`` | ``warning``."""
    where: str
    """File and layer, or role."""
    text: Text
    count: int = 1


@dataclass(frozen=True)
class Control:
    """What comparing a layer's named places with others says of its declared datum.

    Shift, bearing and spread are of the layer as declared: from where its places belong to
    where it has them.
    """

    verdict: str
    """``fits`` | ``looks_like`` | ``displaced`` (fits no datum) | ``disagrees`` (with another
    layer, and nothing tells which is wrong) | ``not_sure``."""
    looks_like: str | None = None
    """``wgs84 | gcj02 | bd09``, or the code of another system of metres."""
    against: str = ""
    """``control_points``, or the roles that were compared with, joined by ``;``."""
    by: str = "names"
    """``names`` (places that share one) or ``outlines`` (points on edges)."""
    pairs: int = 0
    """Places, or points on edges, that were compared."""
    shift_m: float | None = None
    bearing_deg: float | None = None
    """Clockwise from north."""
    spread_m: float | None = None
    """Half the differences lie within this of their middle."""
    why: str | None = None
    """With ``not_sure``: ``too_few`` | ``scattered`` | ``between``."""

    @property
    def contradicts(self) -> bool:
        """Whether the declared or assumed datum cannot be right."""
        return self.verdict in ("looks_like", "displaced", "disagrees")


@dataclass(frozen=True)
class SourceRecord:
    """What ``run.json`` says of one input file."""

    role: str
    path: str
    """As the user gave it (LAYERS.toml or command line)."""
    sha256: Mapping[str, str]
    """File name → hash, for every file of a multi-file format."""
    driver: str
    crs: str
    """Declared or assumed system of the coordinates, as an authority code or WKT."""
    datum: str
    """wgs84 | cgcs2000 | gcj02 | bd09 | unknown | (name found in the file)."""
    datum_assumed: bool
    operation: str
    """The coordinate operation to the evaluation system, in PROJ's words."""
    operation_accuracy_m: float | None
    encoding: str
    records_in: int
    records_used: int
    records_set_aside: int
    repaired: int
    unusable: int
    accuracy_m: float
    coverage: str
    """``assumed`` or what was declared."""
    fields: Mapping[str, str]
    """Catalogue field → the user's column."""
    converted: tuple[str, ...] = ()
    """Columns whose values were changed by `units` or `values` on the way to the field."""
    control: Control | None = None
    """What the control check says of the datum; None before it was made."""
    coverage_sha256: Mapping[str, str] = field(default_factory=dict)
    """As ``sha256``, where ``coverage`` is a file of its own."""


@dataclass(frozen=True)
class Layer:
    """One role, whole in memory, both to measure against and as subjects.

    Attributes
    ----------
    coverage
        Geometry (evaluation system) inside which the layer is complete; None when
        completeness is assumed everywhere.
    datum_known
        False when the coordinates' datum was declared ``unknown``: nothing may be
        decided with such a layer.
    """

    features: Features
    batch: Batch
    output_crs: str
    source: SourceRecord
    coverage: Any | None = None
    coverage_assumed: bool = True
    datum_known: bool = True
    notices: tuple[Notice, ...] = ()
    set_aside: tuple[SetAside, ...] = ()


class Over(Protocol):
    """How something is done for each of many: the built-in ``map``, or its like on a cluster."""

    def __call__(self, function: Callable[[A], B], items: Iterable[A], /) -> Iterable[B]:
        """Return the results in the order of the items."""
        ...


class SubjectSource(Protocol):
    """Parcels: too many to hold, so they come in batches, and can be asked for again."""

    role: str
    output_crs: str
    geometry_type: str
    """``Polygon`` or ``MultiPolygon``: type of the output layer."""
    column_schema: pa.Schema
    """The user's own columns."""
    field_names: tuple[str, ...]
    """Catalogue fields that the file has."""
    count: int
    accuracy_m: float
    source: SourceRecord
    notices: tuple[Notice, ...]
    set_aside: tuple[SetAside, ...]
    datum_known: bool
    over: Over
    """How the work on parts is done."""

    @property
    def name(self) -> str:
        """The name of the file, without its ending."""
        ...

    @property
    def order(self) -> str | None:
        """Of partitions: the column with each record's place in the file they were made of."""
        ...

    def batches(self, rows: int = 16_384, first: int = 0, step: int = 1) -> Iterator[Batch]:
        """Yield subjects in input order: the batches ``first``, ``first + step`` …, all by default.

        A batch may be without any subject, where all its records are set aside.
        """
        ...

    def select(self, keep: Callable[[Features], npt.NDArray[np.bool_]]) -> Features:
        """Return the subjects for which ``keep`` holds, in the order in which they were made."""
        ...

    def parts(self) -> Iterator[SubjectSource]:
        """Yield the partitions, each for itself; nothing where there are none."""
        ...

    def elsewhere(self) -> SubjectSource:
        """Return what another process knows of the subjects, which come to it in parts."""
        ...

    def empty(self) -> Batch:
        """Return a batch without rows, in the right types."""
        ...


@dataclass(frozen=True)
class RasterRecord:
    """What ``run.json`` says of one raster."""

    role: str
    path: str
    """As the user gave it (LAYERS.toml or Python)."""
    sha256: Mapping[str, str]
    """File name → hash, for every file that the raster is made of."""
    driver: str
    crs: str
    """Declared or own system of the cells, as an authority code or WKT."""
    datum: str
    datum_assumed: bool
    operation: str
    """The coordinate operation that leads between the cells and the evaluation system."""
    operation_accuracy_m: float | None
    columns: int
    rows: int
    cell_width: float
    cell_height: float
    """In the unit of ``crs``."""
    bands: int
    """How many the file has; the first is read."""
    nodata: float | None
    unit: str
    """Of the values in the file."""
    accuracy_m: float
    """Vertical accuracy of the values; 0 where they are not metres."""


ReadWindow = Callable[[int, int, int, int], npt.NDArray[np.float64]]
"""From first column, first row, columns and rows to the values there; NaN without a value."""


class Raster(Protocol):
    """Cells of one role, too many to hold: they are read window by window.

    Columns run east and rows south from the north-west corner.
    """

    role: str
    extent: tuple[float, float, float, float]
    """West, south, east and north edge in the raster's own system."""
    shape: tuple[int, int]
    """Rows and columns."""
    accuracy_m: float
    """How far a value may be from the true one; 0 where values are not metres."""
    datum_known: bool
    source: RasterRecord
    notices: tuple[Notice, ...]

    def place(self, geometry: Geometries) -> Geometries:
        """Return geometries of the evaluation system in the raster's own."""
        ...

    def opened(self) -> AbstractContextManager[ReadWindow]:
        """Return what reads windows for as long as it is entered."""
        ...


@dataclass(frozen=True)
class Inputs:
    """Everything read for one run."""

    parcels: SubjectSource
    layers: Mapping[str, Layer]
    rasters: Mapping[str, Raster] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """``[rules]`` of LAYERS.toml: parameter name (``T08a.radius_m``) → value."""
    evaluation_crs: str = "EPSG:4548"

    @property
    def unchecked(self) -> bool:
        """Whether the control check has still to be made."""
        return self.parcels.source.control is None

    def count(self, role: str) -> int:
        """Return how many subjects a role has."""
        if role == self.parcels.role:
            return self.parcels.count
        return len(self.layers[role].features)
