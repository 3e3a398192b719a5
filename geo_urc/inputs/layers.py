"""One role whole in memory, with the area in which it is complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import shapely

from geo_urc.inputs import remarks
from geo_urc.inputs.settings import LayerEntry, ParcelsEntry
from geo_urc.inputs.sources import Request, open_source
from geo_urc.inputs.subjects import FileSubjects, open_subjects
from geo_urc.inputs.table import Batch, Features, Layer
from geo_urc.roles import Role
from geo_urc.text import Text

ASSUMED, NOWHERE = "assumed", "nowhere"
"""What may stand for a coverage: the layer is taken to be complete, or known not to be."""
_COVERAGE = Role(
    id="coverage",
    title=Text("覆盖范围", "Coverage"),
    kinds=frozenset({"polygon"}),
    about=Text("图层完整的范围", "Where a layer is complete"),
    subject=False,
    raster=False,
    fields={},
)


def as_layer(subjects: FileSubjects) -> Layer:
    """Return the features of a file as a layer whose coverage is not looked into yet."""
    batch = _whole(subjects)
    return Layer(
        features=batch.features,
        batch=batch,
        output_crs=subjects.output_crs,
        source=subjects.source,
        datum_known=subjects.datum_known,
        notices=subjects.notices,
        set_aside=subjects.set_aside,
    )


def with_coverage(
    layer: Layer,
    entry: LayerEntry,
    layers: Mapping[str, Layer],
    *,
    base: Path,
    evaluation_crs: str,
) -> Layer:
    """Return a layer with its declared coverage: the union of another layer's, or a file's.

    A covering layer whose datum is unknown covers nothing for certain, and so does ``nowhere``:
    what such a layer holds counts, and what it lacks may exist all the same.

    Raises
    ------
    LayerError
        If the coverage is a file that cannot be used.
    """
    if entry.coverage == ASSUMED:
        remark = remarks.on_coverage(f"{layer.features.role} ({layer.source.path})")
        return replace(layer, notices=(*layer.notices, remark))
    if entry.coverage == NOWHERE:
        return replace(layer, coverage=shapely.Polygon(), coverage_assumed=False)
    covering = layers.get(entry.coverage)
    if covering is None:
        file = open_source(Request(entry.coverage, base))
        covering = as_layer(
            open_subjects(file, _COVERAGE, ParcelsEntry(), evaluation_crs=evaluation_crs)
        )
        said, hashed = covering.notices, file.sha256
    else:
        said, hashed = (), {}
    known = covering.datum_known
    return replace(
        layer,
        coverage=_united(covering.features) if known else shapely.Polygon(),
        coverage_assumed=False,
        source=replace(layer.source, coverage_sha256=hashed),
        notices=(*layer.notices, *said),
    )


def _united(features: Features) -> shapely.Geometry:
    """Return the union of a layer without the cracks that its neighbours leave between them.

    Districts drawn one by one never meet to the last digit. A hole no wider on average than
    what both edges may be off is a crack in the drawing and not a place without data.
    """
    union = shapely.union_all(features.geometry)
    parts = []
    for part in shapely.get_parts(union):
        holes = [
            ring
            for ring in part.interiors
            if shapely.Polygon(ring).area > features.accuracy_m * ring.length
        ]
        parts.append(shapely.Polygon(part.exterior, holes))
    return shapely.union_all(parts)


def _whole(subjects: FileSubjects) -> Batch:
    """Return all batches of a file as one."""
    parts = list(subjects.batches()) or [subjects.empty()]
    if len(parts) == 1:
        return parts[0]
    features = [p.features for p in parts]
    names = features[0].fields
    return Batch(
        features=Features(
            role=subjects.role,
            ids=np.concatenate([f.ids for f in features]),
            names=np.concatenate([f.names for f in features]),
            geometry=np.concatenate([f.geometry for f in features]),
            fields={n: np.concatenate([f.fields[n] for f in features]) for n in names},
            accuracy_m=subjects.accuracy_m,
        ),
        columns=pa.concat_batches([p.columns for p in parts]),
        wkb=pa.concat_arrays([p.wkb for p in parts]),
        raw_wkb=pa.concat_arrays([p.raw_wkb for p in parts]),
    )
