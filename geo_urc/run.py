"""A run from inputs to a folder of outputs, which appears whole or not at all."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from geo_urc import describe
from geo_urc.command import Command
from geo_urc.inputs.control import CHECKING, control_of, with_findings
from geo_urc.inputs.table import Inputs
from geo_urc.outputs.basemaps import Basemap
from geo_urc.outputs.staging import RECORD, staged
from geo_urc.policy.rulebook import Rulebook
from geo_urc.processes import ahead
from geo_urc.progress import SILENT, Progress, counted
from geo_urc.record import about_of, catalogue_of, rule_rows, run_record, set_aside_of
from geo_urc.results import Results
from geo_urc.screening import Screening, SubjectPlan
from geo_urc.text import Lang, Text

if TYPE_CHECKING:
    from geo_urc.outputs.postgis import Sheet
    from geo_urc.outputs.solids import Model

GEOPACKAGE = "eligibility.gpkg"
VOLUMES = "property_volumes"
"""The role whose features are solids."""
OUTPUTS = ("gpkg", "map", "report")
EXTRAS = ("qgz",)
"""Outputs that are written only if asked for by name."""
FORMATS = ("gpkg", "parquet", "csv")
REPORTS = ("html", "pdf", "docx", "xlsx")
MOST_IN_WORKBOOK = 20_000
"""With more subjects a run writes the workbook only if asked: it would take longer than the rest."""


@dataclass(frozen=True)
class Request:
    """What a run is to leave behind.

    Attributes
    ----------
    outputs
        Of ``gpkg`` (the result tables), ``map``, ``report`` and ``qgz`` (the QGIS project of
        each GeoPackage, which is in it, once more as a file beside it).
    formats
        In which formats the tables are written.
    as_of
        The date that the run speaks for; goes into every file instead of the clock.
    command
        What the run was asked for, as data for its record.
    workers
        Processes that work out the parcels.
    postgis
        Address of a database that gets the result tables too.
    reports
        Which reports are written; none named writes all, but for the workbook of many subjects.
    rehearsal
        Whether what goes to the database is taken back, once it is known what it would be.
    basemap
        A base map from outside for the map page.
    """

    out: Path
    as_of: dt.date
    outputs: Collection[str] = OUTPUTS
    formats: Collection[str] = ("gpkg",)
    lang: Lang = "zh"
    overwrite: bool = False
    strict: bool = False
    command: Mapping[str, Any] | None = None
    workers: int = 1
    postgis: str | None = None
    rehearsal: bool = False
    reports: Collection[str] = ()
    basemap: Basemap | None = None


def request_for(
    command: Command,
    out: Path,
    start: Path = Path(),
    *,
    overwrite: bool = False,
    workers: int = 1,
    rehearsal: bool = False,
) -> Request:
    """Return what a command is to leave behind in a folder.

    Parameters
    ----------
    start
        Folder that the command's relative paths start from.
    """
    return Request(
        out,
        command.as_of,
        command.outputs,
        command.formats,
        command.lang,
        overwrite,
        command.strict,
        command.record(start),
        workers,
        command.postgis,
        rehearsal,
        command.reports,
        None if command.basemap is None else Basemap(command.basemap, command.basemap_key),
    )


def run(
    inputs: Inputs, book: Rulebook, request: Request, progress: Progress = SILENT
) -> dict[str, Any]:
    """Screen the inputs and write the folder; return the run record.

    Parameters
    ----------
    progress
        Is told of subjects as they are screened, and of each output.

    Raises
    ------
    OutputError
        The folder is in the way or cannot be written; an earlier result is untouched.
    """
    screening = Screening(inputs, book, request.strict, request.workers)
    said = None
    if inputs.unchecked:
        progress.phase(CHECKING)
        said = ahead(partial(control_of, inputs), request.workers)
    with staged(request.out, overwrite=request.overwrite) as folder:
        wanted = [name for name in FORMATS if name in request.formats and "gpkg" in request.outputs]
        alone = request.postgis is None and set(request.outputs) - {*EXTRAS} == {"gpkg"}
        parted = alone and wanted == ["parquet"] and screening.inputs.parcels.order is not None
        single = alone and len(wanted) == 1  # the rows go from the processes straight into it
        spool = None if single or parted else folder / ".spool"
        tables: dict[str, pa.Table] = {}
        if spool is not None:
            for role, plan in screening.plans.items():
                rows = screening.told_batches(progress, role)
                tables[role] = _spooled(spool / f"{role}.arrow", plan, rows)
        written: dict[str, dict[str, int]] = {}
        if "gpkg" in wanted:
            written[GEOPACKAGE] = write_geopackage(
                folder / GEOPACKAGE,
                screening,
                partial(_retold, tables, progress, GEOPACKAGE)
                if tables
                else partial(screening.told_batches, progress),
                lang=request.lang,
                as_of=request.as_of,
            )
        if parted:
            written |= _write_parted(folder, screening, progress)
        else:
            written |= _write_flat_files(
                folder,
                screening,
                [ending for ending in wanted if ending != "gpkg"],
                partial(_retold, tables, progress)
                if tables
                else lambda _, role: screening.told_batches(progress, role),
            )
        if said is not None:
            screening.inputs = with_findings(inputs, said())
        record = run_record(screening, as_of=request.as_of, written=written)
        if request.command is not None:
            record["command"] = request.command
        if "gpkg" in request.outputs:
            record |= _write_volumes(folder, screening, tables.get(VOLUMES), request)
        if "qgz" in request.outputs:
            _write_projects(folder)
        infos = {role: plan.info for role, plan in screening.plans.items()}
        results = Results(record, infos, tables, screening.context(), catalogue_of(screening))
        if "map" in request.outputs:
            from geo_urc.outlook import outlooks
            from geo_urc.outputs.web_map import write_map

            progress.phase(Text("绘制地图", "Drawing the map"))
            write_map(results, folder / "map.html", request.lang, request.basemap, outlooks)
        if "report" in request.outputs:
            from geo_urc.outputs.report import write_reports

            progress.phase(Text("撰写报告", "Writing the report"))
            endings = request.reports or _reports_for(tables)
            write_reports(results, [folder / f"report.{e}" for e in endings], request.lang)
        if request.postgis is None:
            progress.phase(Text("存盘", "Saving"))
            _write_record(folder, record)
        else:
            progress.phase(Text("写入数据库", "Writing to the database"))
            _write_database(request, folder, screening, tables, record)
        if spool is not None:
            _drop(spool, tables)
    return record


def _reports_for(tables: Mapping[str, pa.Table]) -> list[str]:
    """Return the reports of a run that was asked for none in particular."""
    many = any(table.num_rows > MOST_IN_WORKBOOK for table in tables.values())
    return [ending for ending in REPORTS if not (many and ending == "xlsx")]


def _retold(
    tables: Mapping[str, pa.Table], progress: Progress, file: str, role: str
) -> Iterator[pa.RecordBatch]:
    """Return the rows of a subject role as the phase in which they go into a file."""
    progress.phase(Text(f"写出 {file}", f"Writing {file}"), tables[role].num_rows)
    return counted(tables[role].to_batches(), progress)


def _write_record(folder: Path, record: Mapping[str, Any]) -> str:
    text = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")
    return text


def _write_database(
    request: Request,
    folder: Path,
    screening: Screening,
    tables: Mapping[str, pa.Table],
    record: dict[str, Any],
) -> None:
    """Write the tables into the database, and what it then holds into the record.

    All of it becomes visible at once, just before the folder does.
    """
    from geo_urc.outputs.postgis import writing

    assert request.postgis is not None
    with writing(
        request.postgis, overwrite=request.overwrite, rehearsal=request.rehearsal
    ) as transaction:
        record["postgis"] = transaction.load(database_sheets(screening, tables))
        transaction.finish(_write_record(folder, record))


def database_sheets(screening: Screening, tables: Mapping[str, pa.Table]) -> list[Sheet]:
    """Return all tables that a database gets: subjects, rules, and what was set aside.

    Parameters
    ----------
    tables
        Role → finished rows.
    """
    from geo_urc.outputs.postgis import Sheet, layer_sheet

    main = screening.inputs.parcels.role
    return [
        *(
            layer_sheet(plan.info, tables[role], main=role == main)
            for role, plan in screening.plans.items()
        ),
        Sheet("rules", "规则库：规则、依据和所用参数", _rules_table(screening)),
        Sheet("set_aside", "搁置的记录：无法读取或图形类型不符", _aside_table(screening)),
    ]


def _spooled(path: Path, plan: SubjectPlan, batches: Iterator[pa.RecordBatch]) -> pa.Table:
    """Keep the rows on disk, to be read as often as there are outputs without filling memory."""
    path.parent.mkdir(exist_ok=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, plan.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _drop(spool: Path, tables: dict[str, pa.Table]) -> None:
    """Remove the spool; the tables go first, because Windows keeps a mapped file."""
    import shutil

    tables.clear()
    shutil.rmtree(spool)


def write_geopackage(
    path: Path,
    screening: Screening,
    batches: Callable[[str], Iterable[pa.RecordBatch]],
    *,
    lang: Lang,
    as_of: dt.date,
) -> dict[str, int]:
    """Write every subject, the rules as evaluated and what was set aside, styled for QGIS.

    Parameters
    ----------
    batches
        Gives the finished rows of a subject role.

    Returns
    -------
    dict
        Role → rows in the file.
    """
    from geo_urc.outputs import geopackage

    infos = [plan.info for plan in screening.plans.values()]
    rows = {
        role: geopackage.write_geopackage_layer(path, plan.info, plan.schema, batches(role))
        for role, plan in screening.plans.items()
    }
    geopackage.write_attribute_table(path, "rules", _rules_table(screening))
    geopackage.write_attribute_table(path, "set_aside", _aside_table(screening))
    geopackage.finish_geopackage(path, infos, about_of(screening, as_of), lang)
    return rows


def volumes_of(screening: Screening, table: pa.Table | None = None) -> Model | None:
    """Return the property volumes as solids; None if none are given or no rule reads levels.

    Parameters
    ----------
    table
        Their finished rows, if they are at hand.
    """
    from geo_urc.outputs.solids import build_model

    if VOLUMES not in screening.plans:
        return None
    plan = screening.plans[VOLUMES]
    if table is None:
        table = pa.Table.from_batches(screening.batches(VOLUMES), plan.schema)
    return build_model(plan.info, table, screening.shapes(VOLUMES))


def _write_volumes(
    folder: Path, screening: Screening, table: pa.Table | None, request: Request
) -> dict[str, Any]:
    """Write the property volumes as solids; return what the record says of them."""
    from geo_urc.outputs.solids import write_volumes

    model = volumes_of(screening, table)
    if model is None:
        return {}
    write_volumes(folder, model, about_of(screening, request.as_of), request.lang)
    return {"volumes": model.record()}


def _write_projects(folder: Path) -> None:
    """Write the project of each GeoPackage as a file beside it, for those who look for one."""
    from geo_urc.outputs.geopackage import stored_project

    for path in sorted(folder.glob("*.gpkg")):
        path.with_suffix(".qgz").write_bytes(stored_project(path))


def _write_flat_files(
    folder: Path,
    screening: Screening,
    endings: Sequence[str],
    batches: Callable[[str, str], Iterable[pa.RecordBatch]],
) -> dict[str, dict[str, int]]:
    """Write a file for each subject and format; return file → role → rows in it.

    Parameters
    ----------
    batches
        Gives the finished rows for a file and a subject role.
    """
    from geo_urc.outputs import flat_files

    writers = {"parquet": flat_files.write_parquet, "csv": flat_files.write_csv}
    written = {}
    for ending in endings:
        for role, plan in screening.plans.items():
            path = folder / f"{role}.{ending}"
            rows = writers[ending](path, plan.info, plan.schema, batches(path.name, role))
            written[path.name] = {role: rows}
    return written


def _write_parted(
    folder: Path, screening: Screening, progress: Progress
) -> dict[str, dict[str, int]]:
    """Write the parcels as partitions like the input's, every other table as one file."""
    from geo_urc.outputs import flat_files
    from geo_urc.parted import screen_parts
    from geo_urc.tables import write_table

    parcels = screening.inputs.parcels.role
    dataset = f"{parcels}.parquet"
    screening.tell(progress, parcels)
    written = {dataset: {parcels: screen_parts(screening, folder, dataset, progress)}}
    for role, plan in screening.plans.items():
        if role != parcels:
            path = folder / f"{role}.parquet"
            batches = screening.told_batches(progress, role)
            written[path.name] = {
                role: flat_files.write_parquet(path, plan.info, plan.schema, batches)
            }
    write_table(_rules_table(screening), folder / "rules.parquet", "rules")
    write_table(_aside_table(screening), folder / "set_aside.parquet", "set_aside")
    return written


def _aside_table(screening: Screening) -> pa.Table:
    """Return what was set aside of all inputs."""
    rows = [
        {
            "role": s.role,
            "file": s.file,
            "record": s.record,
            "reason_zh": s.reason.zh,
            "reason_en": s.reason.en,
            "content": s.content,
        }
        for s in set_aside_of(screening.inputs)
    ]
    return pa.Table.from_pylist(rows, _ASIDE)


_ASIDE = pa.schema(
    [
        ("role", pa.string()),
        ("file", pa.string()),
        ("record", pa.int64()),
        ("reason_zh", pa.string()),
        ("reason_en", pa.string()),
        ("content", pa.string()),
    ]
)


def _rules_table(screening: Screening) -> pa.Table:
    """Return the rulebook as evaluated: every rule, its source, and its parameters in force."""
    evaluated = {
        (rule.id, plan.info.role): rule
        for plan in screening.plans.values()
        for rule in plan.info.rules
    }
    book = screening.book
    rows = []
    for row in rule_rows(book):
        spec = book.known[row["id"], row["subject"]]
        rule = evaluated.get((row["id"], row["subject"]))
        used = rule is not None or row["status"] == "matched"
        parameters = json.dumps(describe.parameters_of(book, spec), ensure_ascii=False)
        missing = ";".join(rule.layers_missing) if rule else None
        changed = ";".join(rule.changed_parameters) if rule else None
        if row.pop("computed"):
            row["status"] = "evaluated" if rule else "not_evaluated"
        if row.pop("in_force") is False:
            row["status"] = "not_in_force"
        rows.append(
            row
            | {
                "parameters": parameters if used else None,
                "changed_parameters": changed,
                "layers_missing": missing,
            }
        )
    table = pa.Table.from_pylist(rows)
    untyped = [f.with_type(pa.string()) if pa.types.is_null(f.type) else f for f in table.schema]
    return table.cast(pa.schema(untyped))
