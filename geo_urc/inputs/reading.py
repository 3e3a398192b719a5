"""Everything a run needs, from what the user named; all faults are reported together."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geo_urc.errors import CrsError, LayerError, Problem
from geo_urc.inputs import crs
from geo_urc.inputs.control import CHECKING, with_control
from geo_urc.inputs.encoding import codec_of
from geo_urc.inputs.frames import is_frame, is_plain_frame, open_frame
from geo_urc.inputs.layers import as_layer, with_coverage
from geo_urc.inputs.rasters import open_raster
from geo_urc.inputs.settings import (
    LayerEntry,
    ParcelsEntry,
    Settings,
    check_settings,
    load_settings,
)
from geo_urc.inputs.sources import Request, Source, open_source
from geo_urc.inputs.subjects import FileSubjects, open_subjects
from geo_urc.inputs.table import Inputs, Layer, Over, Raster
from geo_urc.progress import SILENT, Progress
from geo_urc.roles import roles
from geo_urc.text import Text


def read_inputs(
    parcels: Any,
    *,
    layers: Any = None,
    evaluation_crs: str = crs.EVALUATION_CRS,
    roles_needed: Container[str] | None = None,
    strict: bool = False,
    main_role: str = "parcels",
    table_will_do: bool = False,
    start: Path = Path(),
    workers: int = 1,
    progress: Progress = SILENT,
    over: Over = map,
    check_datums: bool = True,
) -> Inputs:
    """Read the parcels and the layers of a run.

    Parameters
    ----------
    parcels : str, Path or GeoDataFrame
        Surveyed now, handed out in batches later.
    layers : str, Path or mapping, optional
        A LAYERS.toml; or role → path, GeoDataFrame, or mapping with the keys of a
        ``[layers.ROLE]`` table.
    evaluation_crs : str
        System in which facts are measured.
    roles_needed : container of str, optional
        Roles that rules ask for; other layers are not read, unless they are another's
        coverage. None reads all.
    strict : bool
        Whether a datum that is only assumed counts as unknown, and one that the control
        check contradicts is an error.
    main_role : str
        What the parcels are, if not parcels; ``[layers.ROLE]`` then says how to read them.
    table_will_do : bool
        Whether the parcels may be a table without geometry, or a DataFrame.
    start : Path
        Folder that a relative path of the parcels starts from; paths of layers start from
        their LAYERS.toml.
    workers : int
        Processes that look at the parcels.
    progress : Progress
        Is told of records as they are surveyed, and of each layer.
    over
        How the work on each of the parcels' partitions is done: like the built-in ``map``.
    check_datums : bool
        Whether the control check is made; if not, who takes the inputs sees to it.

    Raises
    ------
    LayerError, CrsError
        With every problem of LAYERS.toml, or else of all the files.
    """
    crs.evaluation_crs(evaluation_crs)
    settings, base, frames = _described(layers)
    wanted = [name for name in _wanted(settings, roles_needed) if name != main_role]
    main = settings.parcels
    if main_role != "parcels":
        main = settings.layers.get(main_role, ParcelsEntry())
    faults = _Faults()

    subjects: FileSubjects | None = None
    with faults.collected():
        file = _opened(main_role, main, parcels, start, table_will_do)
        progress.phase(_reading(main_role), file.count)
        subjects = open_subjects(
            file,
            roles()[main_role],
            main,
            evaluation_crs=evaluation_crs,
            strict=strict,
            main=True,
            workers=workers,
            progress=progress,
            over=over,
        )
    found: dict[str, Layer] = {}
    rasters: dict[str, Raster] = {}
    for name in wanted:
        entry = settings.layers[name]
        progress.phase(_reading(name))
        if roles()[name].raster:
            with faults.collected():
                _refuse_frame(name, frames)
                rasters[name] = open_raster(
                    roles()[name], entry, base, evaluation_crs=evaluation_crs, strict=strict
                )
            continue
        with faults.collected():
            file = _opened(name, entry, frames.get(name, entry.path), base)
            found[name] = as_layer(
                open_subjects(
                    file, roles()[name], entry, evaluation_crs=evaluation_crs, strict=strict
                )
            )
    covered: dict[str, Layer] = {}
    for name, layer in found.items():
        entry = settings.layers[name]
        if entry.coverage in settings.layers and entry.coverage not in found:
            continue  # the covering layer has a fault of its own
        with faults.collected():
            covered[name] = with_coverage(
                layer, entry, found, base=base, evaluation_crs=evaluation_crs
            )
    faults.raise_all()
    assert subjects is not None  # else there were faults
    inputs = Inputs(
        parcels=subjects,
        layers=covered,
        rasters=rasters,
        parameters=settings.rules,
        evaluation_crs=evaluation_crs,
    )
    if not check_datums:
        return inputs
    progress.phase(CHECKING)
    return with_control(inputs, strict=strict)


def read_layers(
    layers: Path, wanted: Container[str], *, evaluation_crs: str, strict: bool = False
) -> dict[str, Layer]:
    """Read single layers of a LAYERS.toml, without their coverage.

    Raises
    ------
    LayerError, CrsError
        LAYERS.toml or one of the files cannot be read.
    """
    settings = load_settings(layers)
    found = {}
    for name, entry in settings.layers.items():
        if name in wanted and not roles()[name].raster:
            file = _opened(name, entry, entry.path, layers.parent)
            found[name] = as_layer(
                open_subjects(
                    file, roles()[name], entry, evaluation_crs=evaluation_crs, strict=strict
                )
            )
    return found


def _reading(role: str) -> Text:
    title = roles()[role].title
    return Text(f"读取{title.zh}", f"Reading: {title.en}")


@dataclass
class _Faults:
    """Problems of several files, raised as one error at the end."""

    errors: list[LayerError] = field(default_factory=list)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep a LayerError for later instead of raising it."""
        try:
            yield
        except LayerError as error:
            self.errors.append(error)

    def raise_all(self) -> None:
        """Raise what was kept; a CrsError if there was nothing else."""
        if not self.errors:
            return
        problems: dict[Problem, None] = {p: None for e in self.errors for p in e.problems}
        only_crs = all(isinstance(e, CrsError) for e in self.errors)
        raise (CrsError if only_crs else LayerError)(list(problems)) from self.errors[0]


def _described(layers: Any) -> tuple[Settings, Path, dict[str, Any]]:
    """Return settings, the folder that paths start from, and GeoDataFrames by role."""
    if layers is None:
        return Settings(), Path(), {}
    if not isinstance(layers, Mapping):
        path = Path(layers)
        return load_settings(path), path.parent, {}
    frames = {role: given for role, given in layers.items() if is_frame(given)}
    tables = {role: _table(given) for role, given in layers.items()}
    return check_settings({"layers": tables}, "layers"), Path(), frames


def _table(given: Any) -> Any:
    """Return what a ``[layers.ROLE]`` table would say of one value of a mapping."""
    if is_frame(given):
        return {"path": "GeoDataFrame"}
    return given if isinstance(given, Mapping) else {"path": str(given)}


def _refuse_frame(role: str, frames: Mapping[str, Any]) -> None:
    if role in frames:
        what = Text("须为栅格，给的是 GeoDataFrame。", "is a raster, and a GeoDataFrame was given.")
        fix = Text("请给出栅格文件的路径。", "Give the path of a raster file.")
        raise LayerError(Problem(role, what, fix))


def _wanted(settings: Settings, roles_needed: Container[str] | None) -> list[str]:
    """Return the roles to read, those that cover others among them."""
    if roles_needed is None:
        return list(settings.layers)
    needed = {name for name in settings.layers if name in roles_needed}
    covering = {settings.layers[name].coverage for name in needed}
    return [name for name in settings.layers if name in needed | covering]


def _opened(
    role: str, entry: ParcelsEntry, given: Any, base: Path, table_will_do: bool = False
) -> Source:
    if is_frame(given) or (table_will_do and is_plain_frame(given)):
        return open_frame(given, role)
    layer = entry if isinstance(entry, LayerEntry) else None
    return open_source(
        Request(
            path=str(given),
            base=base,
            encoding=codec_of(entry.encoding) if entry.encoding else None,
            where=layer.where if layer else None,
            x=layer.x if layer else None,
            y=layer.y if layer else None,
            table_will_do=table_will_do,
        )
    )
