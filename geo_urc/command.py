"""What a run was asked for: kept in its record, so that someone else can ask for it again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from geo_urc.database import shown
from geo_urc.errors import GeoUrcError, Problem
from geo_urc.inputs import load_settings, read_inputs
from geo_urc.inputs.sources import sha256_of
from geo_urc.inputs.table import Inputs, Over
from geo_urc.policy import load_rulebook
from geo_urc.policy.rulebook import Rulebook
from geo_urc.progress import SILENT, Progress
from geo_urc.resources import data_dir
from geo_urc.text import Lang, Text


@dataclass(frozen=True)
class Command:
    """The arguments of a run, without those that change nothing in its results.

    Attributes
    ----------
    parcels, layers, rules
        Paths as the user gave them: relative ones start from where the run was started.
    settings
        ``NAME=VALUE`` as given with ``--set``.
    only
        Rules or measures to evaluate; None means all.
    as_of
        The date that the verdicts speak for, also where it was the day of the run.
    sample
        Whether paths start from the embedded sample city.
    postgis
        Address of the database that gets the results too.
    reports
        Endings of the reports; none means those that the number of subjects allows.
    basemap, basemap_key
        A base map from outside for the map page, and the key for it, which that page shows too.
    """

    parcels: str
    as_of: dt.date
    outputs: tuple[str, ...]
    formats: tuple[str, ...]
    layers: str | None = None
    rules: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    crs: str = "EPSG:4548"
    strict: bool = False
    lang: Lang = "zh"
    sample: bool = False
    postgis: str | None = None
    reports: tuple[str, ...] = ()
    basemap: str | None = None
    basemap_key: str | None = None

    def start(self, folder: Path = Path()) -> Path:
        """Return the folder that relative paths start from, `folder` unless it is the sample's."""
        return data_dir() / "sample" if self.sample else folder

    @property
    def texts(self) -> list[str]:
        """The text files that say what to read and what to evaluate."""
        return [*([] if self.layers is None else [self.layers]), *self.rules]

    def book(self, start: Path = Path()) -> Rulebook:
        """Return the rulebook that the run goes by, on its day."""
        layers = None if self.layers is None else start / self.layers
        rules = [start / path for path in self.rules]
        return rulebook_with(rules, self.settings, layers, self.only).as_of(self.as_of)

    def inputs(
        self,
        start: Path = Path(),
        workers: int = 1,
        progress: Progress = SILENT,
        over: Over = map,
    ) -> Inputs:
        """Read the parcels and layers; ``over`` does the work on partitions of the parcels.

        With several workers :func:`geo_urc.run.run` makes the control check, beside the work;
        not if a datum that is contradicted stops the run.
        """
        return read_inputs(
            self.parcels,
            layers=None if self.layers is None else start / self.layers,
            evaluation_crs=self.crs,
            strict=self.strict,
            start=start,
            workers=workers,
            progress=progress,
            over=over,
            check_datums=self.strict or workers < 2,
        )

    def record(self, start: Path = Path()) -> dict[str, Any]:
        """Return the command as data, with the SHA-256 of the text files it names."""
        hashes = {name: sha256_of(start / name) for name in self.texts}
        public = replace(
            self,
            parcels=shown(self.parcels),
            postgis=None if self.postgis is None else shown(self.postgis),
        )
        return {**_COMMAND.dump_python(public, mode="json"), "sha256": hashes}


_COMMAND: TypeAdapter[Command] = TypeAdapter(Command)


def command_from(record: Mapping[str, Any]) -> Command:
    """Return the command out of a run record.

    Raises
    ------
    KeyError, ValueError
        The record holds none, or none that can be understood.
    """
    given = {key: value for key, value in record["command"].items() if key != "sha256"}
    return _COMMAND.validate_python(given)


def rulebook_with(
    rules: Sequence[Path],
    settings: Sequence[str],
    layers: Path | None = None,
    only: Sequence[str] | None = None,
) -> Rulebook:
    """Return the rulebook with changes: settings over rule files over LAYERS.toml.

    Parameters
    ----------
    rules
        Rule files laid over the built-in rulebook, in order.
    settings
        ``NAME=VALUE`` each.
    layers
        A LAYERS.toml, for its ``[rules]``.
    only
        Rules or measures to keep; None keeps all.
    """
    book = load_rulebook(rules)
    if layers is not None:
        below = load_settings(layers).rules
        book = book.with_parameters_below(below, str(layers), layers.parent)
    book = book.with_parameters(dict(_pair(text) for text in settings), "--set")
    return book if only is None else book.only(only)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise GeoUrcError(
            Problem(
                f"--set {text}",
                Text("缺少等号。", "there is no equals sign."),
                Text("写作 --set T08a.radius_m=1000。", "Write --set T08a.radius_m=1000."),
            )
        )
    return name.strip(), value.strip()
