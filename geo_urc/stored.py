"""Read a finished run back from its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from geo_urc.errors import OutputError, Problem
from geo_urc.outputs.staging import recover
from geo_urc.record import catalogue_from, layers_from
from geo_urc.results import LayerInfo, Results
from geo_urc.text import Text


def load_results(folder: Path, *, subject_id: str | None = None, shapes: bool = True) -> Results:
    """Return a run's record and tables.

    Parameters
    ----------
    folder
        What ``geo-urc screen --out`` wrote.
    subject_id
        Read only the rows of this subject, whatever layer it is in.
    shapes
        Whether to read geometries; without them the tables lack those columns.

    Raises
    ------
    OutputError
        The folder is not a run's, or holds no tables.
    """
    recover(folder)
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        infos = layers_from(run)
    except (OSError, ValueError, KeyError) as error:
        raise OutputError(
            Problem(
                str(folder),
                Text("不是一次筛查的结果文件夹。", f"is not the folder of a run ({error})."),
                Text(
                    "给出 geo-urc screen --out 写出的文件夹。",
                    "Give what geo-urc screen --out wrote.",
                ),
            )
        ) from error
    tables = {role: _table(folder, info, subject_id, shapes) for role, info in infos.items()}
    return Results(run, infos, tables, catalogue=catalogue_from(run))


def _table(folder: Path, info: LayerInfo, subject_id: str | None, shapes: bool) -> pa.Table:
    names = [c.name for c in info.columns if shapes or c.origin not in ("geometry", "raw")]
    key = info.one("id")
    geopackage, parquet = folder / "eligibility.gpkg", folder / f"{info.role}.parquet"
    if geopackage.exists():
        from pyogrio.raw import read_arrow

        geometry = info.one("geometry")
        quoted = (subject_id or "").replace("'", "''")
        where = None if subject_id is None else f"\"{key}\" = '{quoted}'"
        _, table = read_arrow(geopackage, layer=info.role, where=where, read_geometry=shapes)
        wanted = [n for n in names if n in table.column_names or (shapes and n == geometry)]
        return table.select(wanted)
    if parquet.exists():
        import pyarrow.parquet as pq

        filters = None if subject_id is None else [(key, "=", subject_id)]
        return pq.read_table(parquet, columns=names, filters=filters)
    raise OutputError(
        Problem(
            str(folder),
            Text("文件夹里没有结果表。", "the folder holds no result tables."),
            Text(
                "重新运行 geo-urc screen，--outputs 含 gpkg，--format 含 gpkg 或 parquet。",
                "Run geo-urc screen again with gpkg among --outputs and --format gpkg or parquet.",
            ),
        )
    )
