"""GeoDataFrames (and DataFrames) as sources, for callers of the Python interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from geo_urc.errors import LayerError, Problem
from geo_urc.inputs.salvage import in_memory
from geo_urc.inputs.sources import Source, plain_batch, plain_schema, visible_nul
from geo_urc.text import Text

if TYPE_CHECKING:
    import geopandas


def is_frame(given: object) -> bool:
    """Return whether something is a GeoDataFrame, without importing geopandas for it."""
    return _is_a(given, "GeoDataFrame")


def is_plain_frame(given: object) -> bool:
    """Return whether something is a DataFrame without geometry."""
    return _is_a(given, "DataFrame") and not is_frame(given)


def _is_a(given: object, name: str) -> bool:
    return any(c.__name__ == name for c in type(given).__mro__)


def open_frame(frame: geopandas.GeoDataFrame, role: str) -> Source:
    """Return a source over a GeoDataFrame, or a DataFrame; its index is not a column.

    Raises
    ------
    LayerError
        If it has no geometry, columns of one name, or a column of mixed types.
    """
    placeless = is_plain_frame(frame)
    driver = "DataFrame" if placeless else "GeoDataFrame"
    name = f"{driver} {role}"

    def fault(zh: str, en: str) -> LayerError:
        return LayerError(Problem(name, Text(zh, en), Text("请先整理。", "Put it in order first.")))

    if not placeless and frame._geometry_column_name not in frame.columns:
        raise fault("没有图形列。", "has no geometry column.")
    if not frame.columns.is_unique:
        raise fault("列名重复。", "has several columns of one name.")
    plain = frame.copy() if placeless else frame.drop(columns=frame.geometry.name)
    for column in plain.columns[plain.dtypes == "geometry"]:
        plain[column] = plain[column].to_wkb()
    plain.columns = plain.columns.astype(str)
    try:
        table = pa.Table.from_pandas(plain, preserve_index=False).replace_schema_metadata()
    except (pa.ArrowException, TypeError) as error:
        raise fault(
            f"有不能转换的列：{error}。", f"has a column that cannot be used: {error}."
        ) from error
    schema = plain_schema(table.schema, ())
    arrays = [
        pa.concat_arrays(c.chunks) if c.num_chunks else pa.array([], c.type) for c in table.columns
    ]
    ready = pa.Table.from_batches(
        [plain_batch([visible_nul(a) for a in arrays], schema)], schema=schema
    )
    if placeless:
        wkb = pa.nulls(len(frame), pa.binary())
    else:
        wkb = pa.array(frame.geometry.to_wkb(flavor="iso"), pa.binary())
    source = Source(
        path=name,
        driver=driver,
        crs=frame.crs.to_wkt() if not placeless and frame.crs is not None else None,
        schema=schema,
        records=lambda rows, columns: iter(()),
        placeless=placeless,
    )
    return in_memory(source, ready, wkb)
