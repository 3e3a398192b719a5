"""The toolkit from Python: the same screening as the command, with GeoDataFrames."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely

from geo_urc import evidence, explaining, pricing
from geo_urc.errors import OutputError, Problem, RulebookError
from geo_urc.inputs import load_settings, read_inputs
from geo_urc.policy import Rulebook, load_rulebook
from geo_urc.progress import SILENT, Progress
from geo_urc.record import catalogue_of, run_record
from geo_urc.run import VOLUMES, database_sheets, volumes_of, write_geopackage
from geo_urc.screening import Screening
from geo_urc.text import Lang, Text

if TYPE_CHECKING:
    import folium
    import geopandas
    import pandas


def screen(
    parcels: Any,
    *,
    layers: Any = None,
    rules: Iterable[str | Path] = (),
    parameters: Mapping[str, Any] | None = None,
    only: Iterable[str] | None = None,
    as_of: dt.date | str | None = None,
    crs: str = "EPSG:4548",
    strict: bool = False,
    lang: Lang = "zh",
    progress: Progress = SILENT,
) -> Result:
    """Screen parcels against the rulebook and return the verdicts.

    Parameters
    ----------
    parcels : path or GeoDataFrame
        One row a parcel; polygons.
    layers : path or mapping, optional
        A LAYERS.toml, or role → path, GeoDataFrame or a table of LAYERS.toml's keys.
    rules
        Rule files laid over the built-in rulebook, in order.
    parameters
        Parameters to change, e.g. ``{"T08a.radius_m": 1000}``; they go over those of
        LAYERS.toml and of the rule files.
    only
        Rules or measures to evaluate; all by default.
    as_of
        Date that the verdicts speak for, or its text such as ``2026-11-30``. By default the day on which the rulebook was
        last checked against the documents, so that the same call gives the same result.
    crs
        Evaluation system, in metres.
    strict
        Treat what could only be assumed (coverage, datum) as not known.
    lang
        Language of explanations, map and report.
    progress
        Is told of each phase and of the subjects done; see :mod:`geo_urc.progress`.

    Raises
    ------
    GeoUrcError
        Files, layers, coordinate systems or rules are wrong; every problem is told.

    Examples
    --------
    >>> import geopandas, shapely
    >>> plot = geopandas.GeoDataFrame(geometry=[shapely.box(448000, 4418000, 448100, 4418100)],
    ...                               crs=4548)
    >>> station = geopandas.GeoDataFrame({"name": ["柳堤"]},
    ...                                  geometry=[shapely.Point(448500, 4418050)], crs=4548)
    >>> result = screen(plot, layers={"rail_stations": station}, only=["T08a"])
    >>> result.parcels[["rail_distance_m", "t08a_verdict"]].values.tolist()
    [[400.0, 'eligible']]
    """
    book = load_rulebook([Path(path) for path in rules])
    date = _day(as_of, book)
    inputs = read_inputs(
        parcels, layers=layers, evaluation_crs=crs, strict=strict, progress=progress
    )
    base = Path(layers).parent if isinstance(layers, str | Path) else Path()
    book = book.with_parameters_below(inputs.parameters, "[rules]", base)
    book = book.with_parameters(parameters or {}, "parameters")
    book = (book if only is None else book.only(only)).as_of(date)
    return Result(Screening(inputs, book, strict), date, lang, progress)


def price(
    projects: Any,
    *,
    layers: Any = None,
    rules: Iterable[str | Path] = (),
    parameters: Mapping[str, Any] | None = None,
    as_of: dt.date | str | None = None,
    strict: bool = False,
    lang: Lang = "zh",
) -> pandas.DataFrame:
    """Return what projects owe for land: a row for each project and clause applied or open.

    Parameters
    ----------
    projects : path, GeoDataFrame or DataFrame
        One row a project. Without geometry the clauses that ask where it lies stay unknown.
    layers : path or mapping, optional
        As for :func:`screen`; the table ``projects`` says how the projects are to be read.
    rules, parameters, as_of, strict, lang
        As for :func:`screen`.

    Returns
    -------
    DataFrame
        ``subject_id, clause, base_yuan, factor, amount_yuan, verdict, reason, source``; the
        figures are :class:`decimal.Decimal`, None where there is none.

    Raises
    ------
    GeoUrcError
        Files, layers, coordinate systems or rules are wrong; every problem is told.

    Examples
    --------
    >>> import pandas
    >>> plant = {"land_supply": "granted", "built_as_planned": "yes", "commodity_housing": "no",
    ...          "stock_type": "old_factory", "changes_use": "yes", "to_commodity_housing": "no",
    ...          "market_price_yuan": 1000000.05}
    >>> due = price(pandas.DataFrame([plant])).set_index("clause").loc["P4a"]
    >>> due["factor"], due["amount_yuan"], due["verdict"]
    (Decimal('0.900000'), Decimal('900000.05'), 'eligible')
    """
    book = load_rulebook([Path(path) for path in rules])
    if isinstance(layers, Mapping) and isinstance(layers.get(pricing.SUBJECT), Mapping):
        layers = {**layers, pricing.SUBJECT: {"path": "", **layers[pricing.SUBJECT]}}
    if isinstance(layers, str | Path):
        below = load_settings(Path(layers)).rules
        book = book.with_parameters_below(below, "[rules]", Path(layers).parent)
    book = book.with_parameters(parameters or {}, "parameters")
    book = book.as_of(_day(as_of, book))
    inputs = pricing.read_projects(projects, layers, book, strict=strict)
    return pricing.breakdown(inputs, book, strict=strict, lang=lang).to_pandas()


def _day(as_of: dt.date | str | None, book: Rulebook) -> dt.date:
    """Return a date as given, else the day on which the rulebook was last checked."""
    if as_of is None:
        return max(measure.checked_on for measure in book.measures.values())
    if isinstance(as_of, dt.datetime):
        return as_of.date()
    if isinstance(as_of, dt.date):
        return as_of
    try:
        return dt.date.fromisoformat(as_of)
    except (TypeError, ValueError):
        raise RulebookError(
            Problem(
                "as_of",
                Text(f"“{as_of}”不是日期。", f"{as_of!r} is no date."),
                Text("写成 2026-11-30 这样。", "Write it as 2026-11-30."),
            )
        ) from None


class Result:
    """The verdicts of one screening, in memory.

    Attributes
    ----------
    run
        The run record, as in ``run.json``.
    """

    def __init__(
        self,
        screening: Screening,
        as_of: dt.date,
        lang: Lang = "zh",
        progress: Progress = SILENT,
    ) -> None:
        self._screening = screening
        self._as_of = as_of
        self._lang = lang
        self._results = screening.results(progress)
        self.run = self._results.run = run_record(screening, as_of=as_of)
        self._results.catalogue = catalogue_of(screening)

    @property
    def roles(self) -> list[str]:
        """Subjects that have verdicts, parcels first."""
        return list(self._results.tables)

    @property
    def parcels(self) -> geopandas.GeoDataFrame:
        """The parcels with their verdicts, in input order."""
        return self["parcels"]

    def __getitem__(self, role: str) -> geopandas.GeoDataFrame:
        """Return one subject role with its verdicts."""
        import geopandas

        info, table = self._results.layers[role], self._results.tables[role]
        geometry, raw = info.one("geometry"), info.one("raw")
        frame = table.drop_columns([geometry, raw]).to_pandas()
        shapes = shapely.from_wkb(table[geometry].to_numpy())
        return geopandas.GeoDataFrame(frame, geometry=shapes, crs=info.crs)

    def explain(self, subject_id: str, rule: str | None = None) -> str:
        """Return why a subject got its verdicts, in words."""
        return explaining.explain(self._results, subject_id, rule, self._lang)

    def evidence(self) -> pandas.DataFrame:
        """Return the long form: a row for each subject, rule and fact."""
        return evidence.evidence(self._results, self._lang).to_pandas()

    def to_gpkg(self, path: str | Path) -> None:
        """Write all subjects, the rules and what was set aside, styled for QGIS."""
        tables = self._results.tables
        write_geopackage(
            Path(path),
            self._screening,
            lambda role: tables[role].to_batches(),
            lang=self._lang,
            as_of=self._as_of,
        )

    def to_postgis(self, address: str, *, overwrite: bool = False) -> None:
        """Write all subjects, the rules and what was set aside into a PostGIS database.

        Parameters
        ----------
        address
            ``postgresql://USER@HOST:PORT/DATABASE?table=SCHEMA.NAME``.
        overwrite
            Replace earlier results of this name.

        Raises
        ------
        OutputError
            The database cannot be reached or written; earlier results are as they were.
        """
        from geo_urc.outputs.postgis import writing

        with writing(address, overwrite=overwrite) as transaction:
            sheets = database_sheets(self._screening, self._results.tables)
            record = {**self.run, "postgis": transaction.load(sheets)}
            transaction.finish(json.dumps(record, ensure_ascii=False, indent=1))

    def to_cityjson(self, path: str | Path) -> None:
        """Write the property volumes as CityJSON solids.

        Raises
        ------
        OutputError
            No layer of property volumes was given, or no rule that reads their levels applied.
        """
        from geo_urc.outputs.solids import write_cityjson

        model = volumes_of(self._screening, self._results.tables.get(VOLUMES))
        if model is None:
            raise OutputError(
                Problem(
                    str(path),
                    Text("没有产权体可写。", "there are no property volumes to write."),
                    Text(
                        "给出 property_volumes 图层，并计算读取高程的规则。",
                        "Give a layer property_volumes, and evaluate a rule that reads levels.",
                    ),
                )
            )
        write_cityjson(Path(path), model, as_of=self._as_of)

    def map(self, basemap: str | None = None, key: str | None = None) -> folium.Map:
        """Return the map, to be shown in a notebook or saved; it holds all data itself.

        Parameters
        ----------
        basemap
            A base map from outside: ``tianditu``, ``tianditu-image``, ``amap`` or ``osm``. Without
            it the map asks for nothing from the network.
        key
            What the provider of the base map gave you; it stands in the map for all to read.

        Raises
        ------
        GeoUrcError
            There is no such base map, or it needs a key.
        """
        from geo_urc.outlook import outlooks
        from geo_urc.outputs.basemaps import Basemap
        from geo_urc.outputs.web_map import build_map

        below = None if basemap is None else Basemap(basemap, key)
        return build_map(self._results, self._lang, below, outlooks)

    def report(
        self,
        path: str | Path,
        *,
        subjects: Iterable[str] = (),
        template: str | Path | None = None,
    ) -> None:
        """Write the report, or the sheets of single subjects.

        Parameters
        ----------
        path
            Ends in ``.html``, ``.pdf``, ``.docx`` or, for the whole report, ``.xlsx``; a file of
            the name is replaced.
        subjects
            Ids: instead of the report, a sheet of each with its map and every rule.
        template
            A Word file that a ``.docx`` is made from instead of the built-in template.

        Raises
        ------
        OutputError
            Another ending, no such subject, a template that cannot be used, or the disk refuses.
        """
        from geo_urc import reporting

        given = None if template is None else Path(template)
        chosen = [subjects] if isinstance(subjects, str) else [*subjects]
        reporting.report(self._results, Path(path), self._lang, subjects=chosen, template=given)
