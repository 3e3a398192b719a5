"""Rasters of the catalogue: what their cells are worth, where they lie, or why they are refused."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geo_urc.database import is_address
from geo_urc.errors import LayerError, Problem
from geo_urc.inputs import crs, remarks
from geo_urc.inputs.settings import LayerEntry
from geo_urc.inputs.sources import refuse_unspeakable, sha256_of
from geo_urc.inputs.table import Geometries, Notice, RasterRecord, ReadWindow
from geo_urc.inputs.units import factor, units_for
from geo_urc.roles import Field, Role
from geo_urc.text import Text

if TYPE_CHECKING:
    from rasterio import DatasetReader

_PICTURES = ("red", "palette")
"""What the first band of a scanned or drawn map is: colours, which say nothing of heights."""


@dataclass
class RasterFile:
    """The first band of a file as a :class:`~geo_urc.inputs.table.Raster`.

    Only what describes the cells is held; the file is open while windows are read.
    """

    role: str
    extent: tuple[float, float, float, float]
    shape: tuple[int, int]
    accuracy_m: float
    datum_known: bool
    source: RasterRecord
    notices: tuple[Notice, ...]
    file: Path
    reprojection: crs.Reprojection
    nodata: float | None
    """Overrides the file's own; None lets the file say which cells have a value."""
    scale: float
    offset: float
    minimum: float

    def place(self, geometry: Geometries) -> Geometries:
        """Return geometries of the evaluation system in the raster's own."""
        return self.reprojection.back(geometry)

    @contextmanager
    def opened(self) -> Iterator[ReadWindow]:
        """Give what reads windows while the file is open.

        Raises
        ------
        LayerError
            When a window cannot be read: the file is damaged, or no longer there.
        """
        with _reading(self.source.role, self.source.path), _open(self.file) as file:
            yield partial(self._window, file)

    def _window(
        self, file: DatasetReader, column: int, row: int, columns: int, rows: int
    ) -> npt.NDArray[np.float64]:
        """Return the values of a window in the catalogue's unit; NaN where there is none."""
        if not columns or not rows:
            return np.empty((rows, columns))
        from rasterio.windows import Window

        window = Window(column, row, columns, rows)
        if self.nodata is None:
            cells = file.read(1, window=window, masked=True)
            raw, valid = cells.data, ~np.ma.getmaskarray(cells)
        else:
            raw = file.read(1, window=window)
            valid = raw != self.nodata
        values = raw.astype(np.float64) * self.scale + self.offset
        return np.where(valid & np.isfinite(values) & (values >= self.minimum), values, np.nan)


def open_raster(
    role: Role, entry: LayerEntry, base: Path, *, evaluation_crs: str, strict: bool = False
) -> RasterFile:
    """Look at a raster without reading its cells.

    Raises
    ------
    LayerError
        No such file, no raster, a picture, cells that do not lie along the axes of their
        system, an unknown unit, a web map's datum.
    CrsError
        If the cells cannot be placed.
    """
    where = f"{role.id} ({entry.path})"
    if is_address(entry.path):
        what = Text("栅格不能从数据库读取。", "is a raster, which is not read from a database.")
        raise LayerError(Problem(where, what, Text("请给出栅格文件。", "Give a raster file.")))
    path = (base / entry.path).absolute()  # another process may start elsewhere
    refuse_unspeakable(path, where)
    if not path.exists():
        what = Text("文件不存在。", "does not exist.")
        fix = Text(f"请检查路径（查找位置：{path}）。", f"Check the path (looked for at {path}).")
        raise LayerError(Problem(where, what, fix))
    if not path.is_file() and not path.is_dir():
        what = Text("不是文件，也不是文件夹。", "is neither a file nor a folder.")
        raise LayerError(Problem(where, what, Text("请给出栅格文件。", "Give a raster file.")))
    with _reading(role.id, entry.path), _open(path) as file:
        return _looked_at(file, role, entry, path, where, evaluation_crs, strict)


def _looked_at(
    file: DatasetReader,
    role: Role,
    entry: LayerEntry,
    path: Path,
    where: str,
    evaluation_crs: str,
    strict: bool,
) -> RasterFile:
    _refuse_unmeasured(file, where)
    _refuse_crooked(file, where)
    if entry.datum in crs.SHIFTED:
        raise LayerError(_shifted(where, entry.datum))
    found = _system_of(file)
    system = entry.crs or found
    plan = crs.plan(where, system, entry.datum, evaluation_crs)
    west, south, east, north = file.bounds
    crs.check_extent(where, plan.source, entry.datum, [west, south, east, north])
    unit, worth = _unit(file, role.cell, entry, where)

    nodata = file.nodata if entry.nodata is None else entry.nodata
    masked = any(flag.name != "all_valid" for flag in file.mask_flag_enums[0])
    metres = role.cell.unit == "m"
    record = RasterRecord(
        role=role.id,
        path=entry.path,
        sha256={p.name: sha256_of(p) for p in map(Path, sorted(file.files)) if p.is_file()},
        driver=file.driver,
        crs=str(system),
        datum=plan.datum,
        datum_assumed=entry.datum is None,
        operation=plan.operation,
        operation_accuracy_m=plan.accuracy_m,
        columns=file.width,
        rows=file.height,
        cell_width=file.res[0],
        cell_height=file.res[1],
        bands=file.count,
        nodata=nodata,
        unit=unit,
        accuracy_m=entry.accuracy if metres else 0.0,
    )
    notices = [
        *remarks.on_system(where, found, entry, plan, str(system)),
        *(remarks.on_accuracy(where, entry) if metres else ()),
        *remarks.on_raster(where, file.count, nodata, masked),
    ]
    return RasterFile(
        role=role.id,
        extent=(west, south, east, north),
        shape=file.shape,
        accuracy_m=record.accuracy_m,
        datum_known=entry.datum != "unknown" and not (strict and entry.datum is None),
        source=record,
        notices=tuple(notices),
        file=path,
        reprojection=plan,
        nodata=entry.nodata,
        scale=file.scales[0] * worth,
        offset=file.offsets[0] * worth,
        minimum=-math.inf if role.cell.minimum is None else role.cell.minimum,
    )


def _open(path: Path) -> DatasetReader:
    """Open a raster; whether it lies anywhere is looked into afterwards."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning):
        return rasterio.open(path)


@contextmanager
def _reading(role: str, path: str) -> Iterator[None]:
    """Turn what rasterio says of a file that it cannot read into our words."""
    from rasterio.errors import RasterioIOError

    try:
        yield
    except RasterioIOError as error:
        what = Text(f"不能作为栅格读取：{error}。", f"cannot be read as a raster: {error}.")
        fix = Text(
            "请提供完好的栅格文件，如 GeoTIFF。", "Supply a whole raster file, such as a GeoTIFF."
        )
        raise LayerError(Problem(f"{role} ({path})", what, fix)) from error


def _refuse_unmeasured(file: DatasetReader, where: str) -> None:
    """Raise for a picture: nothing to measure, or no place on the map."""
    if not file.count:
        what = Text("没有波段。", "has no band.")
        fix = Text("请把所需数据集另存为 GeoTIFF。", "Save the data set wanted as a GeoTIFF.")
        raise LayerError(Problem(where, what, fix))
    if file.colorinterp[0].name in _PICTURES:
        what = Text(
            "是图片：第一波段是颜色，不是数值。", "is a picture: its first band holds colours."
        )
        fix = Text("请提供数值栅格。", "Supply the raster of the values themselves.")
        raise LayerError(Problem(where, what, fix))
    if file.transform.is_identity:
        points = file.gcps[0]
        what = (
            Text("只有控制点，格网尚未纠正。", "has control points only; its grid is not laid out.")
            if points
            else Text(
                "没有地理配准，不知位于何处。", "is not georeferenced: it lies nowhere on the map."
            )
        )
        fix = (
            Text(
                "请先按控制点纠正（如 gdalwarp）。", "Warp it to them first (such as by gdalwarp)."
            )
            if points
            else Text(
                "请提供配准过的栅格（GeoTIFF，或连同坐标文件 .tfw）。",
                "Supply a georeferenced one (a GeoTIFF, or with its world file .tfw).",
            )
        )
        raise LayerError(Problem(where, what, fix))


def _refuse_crooked(file: DatasetReader, where: str) -> None:
    """Raise for cells that do not run east and south along the axes of their system."""
    grid = file.transform
    if grid.b == 0 and grid.d == 0 and grid.a > 0 and grid.e < 0:
        return
    what = Text(
        "格网有旋转或翻转，不与坐标轴一致。", "has cells that are turned or mirrored on the map."
    )
    fix = Text(
        "请重采样为正北格网（如 gdalwarp）。",
        "Resample it to a north-up grid (such as by gdalwarp).",
    )
    raise LayerError(Problem(where, what, fix))


def _shifted(where: str, datum: str | None) -> Problem:
    return Problem(
        where,
        Text(
            f"栅格声明为 {datum}：网络地图的偏移处处不同，整格搬动会改变数值。",
            f"is declared as {datum}: a web map's shift differs from place to place, and moving "
            "whole cells would change their values.",
        ),
        Text(
            "请先用专业软件把栅格纠正到 CGCS2000（如 EPSG:4490）。",
            "Warp the raster to CGCS2000 first (such as EPSG:4490).",
        ),
    )


def _system_of(file: DatasetReader) -> str | None:
    """Return the file's own system: its code where it has one, else WKT."""
    if not file.crs:
        return None
    code = file.crs.to_authority(confidence_threshold=100)
    return ":".join(code) if code else file.crs.to_wkt()


def _unit(file: DatasetReader, cell: Field, entry: LayerEntry, where: str) -> tuple[str, float]:
    """Return the unit of the cells (declared, else the file's) and its worth in the catalogue's."""
    declared: dict[str, Any] = entry.units
    unit = declared.get(cell.name) or file.units[0] or cell.unit or ""
    worth = factor(unit, cell.unit)
    if worth is not None:
        return unit, worth
    known = "、".join(units_for(cell.unit))
    what = Text(f"数值单位是“{unit}”，无法换算。", f'has values in "{unit}", which are unusable.')
    fix = Text(
        f'请换算后提供；若标注有误，设 units = {{ {cell.name} = "{cell.unit}" }}（可用：{known}）。',
        f'Convert them; if the label is wrong, set units = {{ {cell.name} = "{cell.unit}" }} '
        f"(one of {', '.join(units_for(cell.unit))}).",
    )
    raise LayerError(Problem(where, what, fix))
