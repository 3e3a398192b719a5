"""A tiny city that can be worked out by hand, and no way out to the network."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import rasterio
import shapely
from hypothesis import HealthCheck, settings

from geo_urc.cli.main import main
from geo_urc.evaluation import Scene
from geo_urc.inputs.rasters import RasterFile, open_raster
from geo_urc.inputs.settings import LayerEntry
from geo_urc.inputs.table import Batch, Features, Layer, SourceRecord
from geo_urc.policy import load_rulebook
from geo_urc.roles import roles

_QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
settings.register_profile(
    "fast", max_examples=25, deadline=None, derandomize=True, suppress_health_check=_QUIET
)
settings.register_profile("ci", max_examples=150, deadline=None, suppress_health_check=_QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
os.environ["PROJ_NETWORK"] = "OFF"

ORIGIN = (448_000.0, 4_418_000.0)
"""South-west corner of the tiny city: near Tiananmen in EPSG:4548."""


@pytest.fixture(scope="session", autouse=True)
def no_network():
    """Refuse every connection but those to this machine (a browser's remote control)."""
    connect = socket.socket.connect

    def guarded(self, address):
        host = address[0] if isinstance(address, tuple) else "localhost"
        if host not in ("localhost", "127.0.0.1", "::1"):
            raise AssertionError(f"a test wanted to connect to {address}")
        return connect(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded)
    patch.setattr(socket.socket, "connect_ex", guarded)
    yield
    patch.undo()


@pytest.fixture
def urc(capsys):
    """Return a function that runs the command and gives status, output and errors."""

    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(a) for a in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return stopped.value.code, said.out, said.err

    return run


@pytest.fixture(scope="session")
def book():
    """Return the built-in rulebook."""
    return load_rulebook()


def shape_of(feature: Mapping[str, Any]) -> Any:
    """Return a feature's geometry: ``box``, ``point`` or ``wkt`` counted from ORIGIN, or none."""
    if "box" in feature:
        local = shapely.box(*feature["box"])
    elif "point" in feature:
        local = shapely.Point(feature["point"])
    elif "wkt" in feature:
        local = shapely.from_wkt(feature["wkt"])
    else:
        return feature.get("geometry")
    return shapely.transform(local, lambda xy: xy + np.array(ORIGIN))


def layer_of(
    role: str,
    features: Sequence[Mapping[str, Any]],
    *,
    accuracy_m: float = 1.0,
    coverage: Any = None,
    datum_known: bool = True,
    fields: Sequence[str] = (),
) -> Layer:
    """Return a layer of a few features, as the inputs hand it on.

    A field that no feature mentions is one that the file does not have, unless it is among
    ``fields``; one that only some mention is empty in the others.
    """
    n = len(features)
    known = roles()[role].fields
    given = {k for f in features for k in f} | set(fields)
    columns: dict[str, np.ndarray] = {}
    for name in sorted(given & set(known)):
        values = [f.get(name) for f in features]
        columns[name] = (
            np.array([*values, None], dtype=object)[:n]
            if known[name].type == "text"
            else np.array([np.nan if v is None else float(v) for v in values], dtype=float)
        )
    ids = np.array([f.get("id", f"{role}-{i + 1}") for i, f in enumerate(features)], dtype=object)
    geometry = np.empty(n, dtype=object)
    geometry[:] = [shape_of(f) for f in features]
    names = np.array([*(f.get("name") for f in features), None], dtype=object)[:n]
    wkb = pa.array(shapely.to_wkb(geometry), pa.binary())
    source = SourceRecord(
        role, f"{role}.gpkg", {}, "GPKG", "EPSG:4548", "cgcs2000", False, "", 0.0, "UTF-8",
        n, n, 0, 0, 0, accuracy_m, "assumed" if coverage is None else "declared", {},
    )  # fmt: skip
    return Layer(
        Features(role, ids, names, geometry, columns, accuracy_m),
        Batch(
            Features(role, ids, names, geometry, columns, accuracy_m),
            pa.record_batch({"own": pa.array(ids, pa.string())}),
            wkb,
            pa.nulls(n, pa.binary()),
        ),
        "EPSG:4548",
        source,
        coverage=coverage,
        coverage_assumed=coverage is None,
        datum_known=datum_known,
    )


@pytest.fixture(scope="session")
def make_layer():
    """Return :func:`layer_of`."""
    return layer_of


def raster_of(
    role: str,
    cells: Sequence[Sequence[float]],
    path: Path,
    *,
    origin: Sequence[float] = (0, 0),
    cell_m: float = 10.0,
    nodata: float | None = None,
    **entry: Any,
) -> RasterFile:
    """Return a raster as the inputs hand it on, written to ``path`` as a GeoTIFF of EPSG:4548.

    ``cells`` are rows from north to south, ``origin`` is the south-west corner counted from
    ORIGIN; what else there is are keys of ``[layers.ROLE]``.
    """
    values = np.array(cells, float)
    west, north = ORIGIN[0] + origin[0], ORIGIN[1] + origin[1] + cell_m * len(values)
    profile = {
        "driver": "GTiff", "count": 1, "dtype": "float64", "crs": "EPSG:4548", "nodata": nodata,
        "height": values.shape[0], "width": values.shape[1],
        "transform": rasterio.Affine(cell_m, 0, west, 0, -cell_m, north),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(values, 1)
    settings = LayerEntry(path=path.name, **{"accuracy_m": 0.0, **entry})
    return open_raster(roles()[role], settings, path.parent, evaluation_crs="EPSG:4548")


@pytest.fixture
def make_raster(tmp_path):
    """Return :func:`raster_of`, writing into the test's own folder."""

    def make(role: str, cells: Sequence[Sequence[float]], **options: Any) -> RasterFile:
        return raster_of(role, cells, tmp_path / f"{role}.tif", **options)

    return make


@pytest.fixture(scope="session")
def make_shape():
    """Return :func:`shape_of`."""
    return shape_of


@pytest.fixture(scope="session")
def make_scene(book):
    """Return a function from layers and parameters to a scene with the built-in rules."""

    def build(layers: Mapping[str, Layer], parameters: Mapping[str, Any] | None = None, **more):
        return Scene(book.with_parameters(parameters or {}, "test"), layers, **more)

    return build
