"""Read a finished run back from its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from geo_urc.command import command_from
from geo_urc.errors import GeoUrcError, OutputError, Problem
from geo_urc.inputs.reading import read_layers
from geo_urc.outputs.staging import recover
from geo_urc.record import catalogue_from, layers_from
from geo_urc.results import Column, ContextLayer, LayerInfo, Results
from geo_urc.screening import CONTEXT, as_context
from geo_urc.text import Text


class Context(NamedTuple):
    """Layers that show a reader where things lie, and why there are none."""

    layers: tuple[ContextLayer, ...]
    why_not: Text | None = None


def load_results(
    folder: Path,
    *,
    subject_id: str | Sequence[str] | None = None,
    shapes: bool = True,
    wanted: Callable[[dict[str, Any], LayerInfo, Column], bool] = lambda run, info, column: True,
) -> Results:
    """Return a run's record and tables.

    Parameters
    ----------
    folder
        What ``geo-urc screen --out`` wrote.
    subject_id
        Read only the rows of this subject, or of these, whatever layer they are in.
    shapes
        Whether to read geometries; without them the tables lack those columns.
    wanted
        Tells from the record, the layer and a column whether to read it; the tables lack the others.

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
    ids = (subject_id,) if isinstance(subject_id, str) else subject_id
    tables = {}
    for role, info in infos.items():
        drawn = shapes and any(wanted(run, info, c) for c in info.columns if c.origin == "geometry")
        names = [
            c.name
            for c in info.columns
            if (drawn or c.origin not in ("geometry", "raw")) and wanted(run, info, c)
        ]
        tables[role] = _table(folder, info, names, ids, drawn)
    return Results(run, infos, tables, catalogue=catalogue_from(run))


def _table(
    folder: Path, info: LayerInfo, names: list[str], ids: Sequence[str] | None, shapes: bool
) -> pa.Table:
    key = info.one("id")
    geopackage, parquet = folder / "eligibility.gpkg", folder / f"{info.role}.parquet"
    if geopackage.exists():
        from pyogrio.raw import read_arrow

        geometry = info.one("geometry")
        where = None if ids is None else f'"{key}" IN ({", ".join(map(_quoted, ids))})'
        columns = [name for name in names if name != geometry]
        _, table = read_arrow(
            geopackage, layer=info.role, where=where, read_geometry=shapes, columns=columns
        )
        return table.select([n for n in names if n in table.column_names])
    if parquet.exists():
        import pyarrow.parquet as pq

        filters = None if ids is None else [(key, "in", list(ids))]
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


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def neighbours(folder: Path, results: Results, reach_m: float) -> tuple[ContextLayer, ...]:
    """Return the geometries of all result layers around the subjects of `results`.

    Parameters
    ----------
    reach_m
        How far around the subjects' bounding box is looked.
    """
    import shapely

    found = []
    for role, info in results.layers.items():
        own = [
            shapely.from_wkb(results.tables[other.role][other.one("geometry")].to_numpy())
            for other in results.layers.values()
            if other.crs == info.crs
        ]
        shapes = [shape for column in own for shape in column if shape is not None]
        bounds = shapely.total_bounds(shapes or [shapely.Point()])
        if bounds[0] <= bounds[2]:  # not where there is no geometry
            reach = reach_m / (80_000.0 if abs(bounds).max() <= 360 else 1.0)
            box = (*(bounds[:2] - reach), *(bounds[2:] + reach))
            found.append(
                ContextLayer(role, info.title, info.crs, _shapes_within(folder, info, box))
            )
    return tuple(found)


def _shapes_within(folder: Path, info: LayerInfo, box: tuple[Any, ...]) -> pa.Array:
    geometry = info.one("geometry")
    geopackage = folder / "eligibility.gpkg"
    if geopackage.exists():
        from pyogrio.raw import read_arrow

        _, table = read_arrow(geopackage, layer=info.role, columns=[], bbox=box)
        column = table[next(n for n in table.column_names if n in (geometry, "wkb_geometry"))]
    else:
        import pyarrow.parquet as pq

        column = pq.read_table(folder / f"{info.role}.parquet", columns=[geometry])[geometry]
    return pa.array(column.to_pylist(), pa.binary())


def context_of(run: dict[str, Any], wanted: Collection[str], start: Path) -> Context:
    """Read layers of a run's inputs again, to show what lies around its subjects.

    Only files that have not changed since are taken.

    Parameters
    ----------
    wanted
        Roles.
    start
        Folder that the command's relative paths start from.
    """
    try:
        command = command_from(run)
    except (KeyError, ValueError):
        what = Text("结果未记录所用的图层文件。", "the record does not name the files of layers.")
        return Context((), what)
    if command.layers is None:
        return Context(())
    start = command.start(start)
    try:
        layers = read_layers(
            start / command.layers,
            wanted,
            evaluation_crs=command.crs,
            strict=command.strict,
        )
    except (GeoUrcError, OSError) as error:
        told = error.problems[0] if isinstance(error, GeoUrcError) else None
        what = Text(told.to("zh") if told else str(error), told.to("en") if told else str(error))
        return Context((), what)
    known = {source["role"]: source["sha256"] for source in run.get("inputs", [])}
    changed = [role for role, layer in layers.items() if layer.source.sha256 != known.get(role)]
    if changed:
        names = "、".join(changed), ", ".join(changed)
        return Context(
            (), Text(f"输入文件已改变：{names[0]}。", f"the inputs have changed: {names[1]}.")
        )
    ordered = sorted(layers, key=lambda role: CONTEXT.index(role) if role in CONTEXT else 99)
    return Context(tuple(as_context(layers[role], command.crs) for role in ordered))
