"""LAYERS.toml: from text to checked settings, with every fault reported at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from geo_urc.errors import LayerError, Problem
from geo_urc.inputs.encoding import codec_of
from geo_urc.inputs.suggest import suggestion
from geo_urc.inputs.units import factor, units_for
from geo_urc.roles import Role, roles
from geo_urc.text import Text
from geo_urc.validation import finding, wanted

Datum = Literal["wgs84", "cgcs2000", "gcj02", "bd09", "unknown"]
ASSUMED_ACCURACY_M = 1.0


class ParcelsEntry(BaseModel):
    """How the parcels' file is to be read; also the part that every layer shares."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str | None = None
    fields: dict[str, str] = {}
    units: dict[str, str] = {}
    values: dict[str, dict[str, str | bool]] = {}
    datum: Datum | None = None
    crs: str | None = None
    encoding: str | None = None
    accuracy_m: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None

    @property
    def accuracy(self) -> float:
        """Positional accuracy in metres, assumed where not declared."""
        return ASSUMED_ACCURACY_M if self.accuracy_m is None else self.accuracy_m


class LayerEntry(ParcelsEntry):
    """How one layer is to be read."""

    path: str
    where: str | None = None
    x: str | None = None
    y: str | None = None
    coverage: str = "assumed"
    nodata: float | None = None


class Settings(BaseModel):
    """A whole LAYERS.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parcels: ParcelsEntry = ParcelsEntry()
    layers: dict[str, LayerEntry] = {}
    rules: dict[str, Any] = {}


def load_settings(path: Path) -> Settings:
    """Return the checked settings of a LAYERS.toml.

    Raises
    ------
    LayerError
        With one problem for every fault of the file.
    """
    try:
        raw = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        what = Text("无法打开。", f"cannot be opened ({error.strerror}).")
        fix = Text("请检查路径。", "Check the path.")
        raise LayerError(Problem(str(path), what, fix)) from error
    except UnicodeDecodeError as error:
        what = Text("不是 UTF-8 文本。", "is not UTF-8 text.")
        fix = Text("请另存为 UTF-8 编码。", "Save it as UTF-8.")
        raise LayerError(Problem(str(path), what, fix)) from error
    except tomllib.TOMLDecodeError as error:
        what = Text(f"不是有效的 TOML：{error}。", f"is not valid TOML: {error}.")
        fix = Text("请改正该处写法。", "Correct the text at that place.")
        raise LayerError(Problem(str(path), what, fix)) from error
    return check_settings(raw, str(path))


def check_settings(raw: Mapping[str, Any], where: str) -> Settings:
    """Return settings from parsed TOML; raise LayerError with every fault found."""
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        problems = [_problem(where, detail) for detail in error.errors()]
        raise LayerError(problems) from error
    problems = list(_catalogue_faults(settings, where))
    if problems:
        raise LayerError(problems)
    return settings.model_copy(update={"rules": dict(_flat(settings.rules))})


def _flat(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield dotted names: TOML reads an unquoted ``T08a.radius_m`` as a nested table."""
    for key, value in table.items():
        if isinstance(value, Mapping) and "." not in key:
            yield from ((f"{key}.{name}", inner) for name, inner in value.items())
        else:
            yield key, value


def _problem(where: str, detail: ErrorDetails) -> Problem:
    """Put one finding of pydantic into the program's words."""
    *table, key = [str(part) for part in detail["loc"]]
    place = f"{where}: [{'.'.join(table)}] {key}" if table else f"{where}: {key}"
    match detail["type"]:
        case "extra_forbidden":
            return Problem(
                place,
                Text("不是已知的键。", "is not a known key."),
                suggestion(key, _keys_at(table)),
            )
        case "missing":
            what = Text("缺少此键。", "is missing.")
            fix = Text(f"请写上 {key} = …。", f"Add {key} = ….")
        case _:
            what, needed = finding(detail), wanted(detail)
            fix = Text("请改正。", "Correct it.")
            if detail["type"] == "literal_error" and needed is not None:
                fix = Text(f"可用的值：{needed.zh}。", f"It can be {needed.en}.")
    return Problem(place, what, fix)


def _keys_at(table: list[str]) -> list[str]:
    """Return the keys that a table of LAYERS.toml may hold."""
    model: type[BaseModel] = Settings
    if table:
        model = ParcelsEntry if table[0] == "parcels" else LayerEntry
    return list(model.model_fields)


def _catalogue_faults(settings: Settings, where: str) -> Iterator[Problem]:
    """Yield what disagrees with the catalogue of roles."""
    yield from _entry_faults(settings.parcels, roles()["parcels"], f"{where}: [parcels]")
    known = [role for role in roles() if role != "parcels"]
    for name, entry in settings.layers.items():
        place = f"{where}: [layers.{name}]"
        if name not in known:
            yield Problem(
                place, Text("不是已知的图层角色。", "is not a known role."), suggestion(name, known)
            )
            continue
        yield from _entry_faults(entry, roles()[name], place)
        yield from _unfit_keys(entry, roles()[name], place)
        if (entry.x is None) != (entry.y is None):
            what = Text("x 与 y 只写了一个。", "has only one of x and y.")
            fix = Text("请两个都写，或都不写。", "Give both or neither.")
            yield Problem(place, what, fix)
        if entry.coverage in roles() and entry.coverage not in settings.layers:
            what = Text(
                f"的 coverage 引用了未提供的图层“{entry.coverage}”。",
                f'takes its coverage from the layer "{entry.coverage}", which is not given.',
            )
            fix = Text(
                f"请添加 [layers.{entry.coverage}]，或改用范围文件。",
                f"Add [layers.{entry.coverage}] or name a file.",
            )
            yield Problem(place, what, fix)


_OF_RASTERS = ("path", "crs", "datum", "nodata", "units", "accuracy_m")


def _unfit_keys(entry: LayerEntry, role: Role, place: str) -> Iterator[Problem]:
    """Yield the keys that say nothing about a raster, or only about a raster."""
    unfit = entry.model_fields_set - set(_OF_RASTERS) if role.raster else {"nodata"}
    if role.raster and role.cell.unit != "m":
        unfit |= {"accuracy_m"}
    for key in sorted(entry.model_fields_set & unfit):
        what = (
            Text(f"{key} 对此栅格没有意义。", f"{key} means nothing for this raster.")
            if role.raster
            else Text(f"{key} 只用于栅格。", f"{key} is for rasters only.")
        )
        yield Problem(place, what, Text("请删去。", "Remove it."))


def _entry_faults(entry: ParcelsEntry, role: Role, place: str) -> Iterator[Problem]:
    if entry.encoding is not None and codec_of(entry.encoding) is None:
        what = Text(f"没有编码“{entry.encoding}”。", f'There is no encoding "{entry.encoding}".')
        yield Problem(place, what, Text('如 "gbk"、"utf-8"。', 'Such as "gbk" or "utf-8".'))
    for section in ("fields", "units", "values"):
        for name in getattr(entry, section):
            if name not in role.fields:
                what = Text(
                    f"{section} 中的“{name}”不是该角色的字段。",
                    f'{section}: "{name}" is not a field of this role.',
                )
                yield Problem(place, what, suggestion(name, role.fields))
    for name, unit in entry.units.items():
        field = role.fields.get(name)
        if field is not None and factor(unit, field.unit) is None:
            known = units_for(field.unit)
            what = Text(
                f"units.{name} = “{unit}”无法使用。", f'units.{name} = "{unit}" is unusable.'
            )
            no_unit = Text("该字段没有单位，请删去。", "The field has no unit; remove it.")
            yield Problem(place, what, suggestion(unit, known) if known else no_unit)
    for name, words in entry.values.items():
        field = role.fields.get(name)
        if field is not None and field.type == "number":
            what = Text(
                f"values.{name}：数值字段不能换词。", f"values.{name}: the field holds numbers."
            )
            fix = Text("请删去，或改用 units。", "Remove it, or use units.")
            yield Problem(place, what, fix)
        elif field is not None and field.type == "text":
            for word, target in words.items():
                if not isinstance(target, str):
                    what = Text(
                        f"values.{name}.{word} 应为文字。", f"values.{name}.{word} must be text."
                    )
                    yield Problem(place, what, Text("请加引号。", "Put it in quotes."))
