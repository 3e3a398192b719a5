"""What of OpenStreetMap makes which role, read from the ``[osm]`` table of ``layers/ROLE.toml``.

A selector looks at tags. Shapefiles made of OpenStreetMap hold a class and few tags; the class
is taken as a tag of its own, ``geofabrik`` or ``bbbike``, with the value ``theme/class``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from geo_urc.errors import LayerError, Problem
from geo_urc.resources import layers_dir
from geo_urc.roles import Kind, Role, roles
from geo_urc.text import Text
from geo_urc.validation import UnfitError, finding

Sort = Literal["osm", "geofabrik", "bbbike"]
"""A file of OpenStreetMap itself, or Shapefiles made of it in one of two ways."""
CLASSES: tuple[Sort, ...] = ("geofabrik", "bbbike")
Tags = dict[str, Annotated[list[str], Field(min_length=1)]]
Metres = Annotated[float, Field(ge=0, allow_inf_nan=False)]
NUMBER = r"^(?P<value>[0-9]+(?:\.[0-9]+)?)(?: ?m)?$"
"""How a number is written in a tag: plain, or in metres."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Selector(_Table):
    """Which features are meant.

    Attributes
    ----------
    tags
        Key → values; each key must have one of its values. ``*`` stands for any value and, at
        the end, for any ending.
    unless
        Likewise; a feature with any of these is not meant.
    names
        If given, only features of these names.
    geometry
        Only these kinds; without it those of the role.
    """

    tags: Tags = Field(min_length=1)
    unless: Tags = {}
    names: list[str] = []
    geometry: list[Kind] = []

    @property
    def sort(self) -> Sort:
        """The sort of extract that the selector is for."""
        return next((sort for sort in CLASSES if sort in self.tags), "osm")

    @property
    def keys(self) -> frozenset[str]:
        """The tags that it looks at."""
        return frozenset({*self.tags, *self.unless})

    @property
    def told(self) -> str:
        """The selector as tags are usually written.

        Examples
        --------
        >>> Selector(tags={"railway": ["station", "halt"], "subway": ["yes"]}).told
        'railway=station|halt + subway=yes'
        """
        return " + ".join(f"{key}={'|'.join(values)}" for key, values in self.tags.items())


class Take(Selector):
    """Features that make the role, and what is known of them by that."""

    gives: dict[str, str] = Field({}, description="Field of the catalogue → value.")


class Leave(Selector):
    """Features that are counted and left out, whatever else they are."""

    zh: str
    en: str

    @property
    def title(self) -> Text:
        """What they are called."""
        return Text(self.zh, self.en)


class Beside(Selector):
    """Features that should be near one of the role; those that are not show what is missing."""

    within_m: Metres
    zh: str
    en: str

    @property
    def title(self) -> Text:
        """What they are called."""
        return Text(self.zh, self.en)


class Merge(_Table):
    """When two features are one thing.

    Features of one name and kind, or of which one has no name and lies in the other, are one
    thing if they are within `within_m` metres and of different geometry: the one that is not
    `prefer` is dropped. Two points of one name and kind are one within `same_m`.
    """

    prefer: Literal["point", "polygon"]
    within_m: Metres
    same_m: Metres = 0.0


class Inside(_Table):
    """Only features inside one of another role, whose id goes into a field."""

    role: str
    field: str


class RoleMapping(_Table):
    """The ``[osm]`` table of a role: how it is made of OpenStreetMap, or why it is not."""

    none_zh: str | None = None
    none_en: str | None = None
    coverage: Literal["extract", "none"] | None = Field(
        None, description="Whether OSM is complete within the extract, or nowhere."
    )
    accuracy_m: Metres | None = None
    accuracy_zh: str = ""
    accuracy_en: str = ""
    lacks_zh: str = ""
    lacks_en: str = ""
    where: str | None = Field(None, description="The filter that LAYERS.toml gets.")
    where_zh: str = ""
    where_en: str = ""
    expects: list[str] = Field([], description="Names that a whole extract of Beijing has.")
    fields: dict[str, list[str]] = Field({}, description="Field → tags, the first that is there.")
    patterns: dict[str, str] = Field({}, description="Number → expression with the group value.")
    merge: Merge | None = None
    inside: Inside | None = None
    take: list[Take] = []
    leave: list[Leave] = []
    beside: list[Beside] = []

    @model_validator(mode="after")
    def _one_or_the_other(self) -> RoleMapping:
        if (self.none_zh is None) != (self.none_en is None):
            raise UnfitError("none_zh 与 none_en 须同时写", "give both none_zh and none_en")
        if (self.none_zh is None) != bool(self.take):
            raise UnfitError("须写 take 或 none_zh 之一", "give either take or none_zh")
        if self.take and (self.accuracy_m is None or self.coverage is None):
            raise UnfitError("缺少 accuracy_m 或 coverage", "accuracy_m or coverage is missing")
        return self

    @property
    def none(self) -> Text | None:
        """Why OpenStreetMap cannot give the role; None where it can."""
        return None if self.none_zh is None else Text(self.none_zh, self.none_en or "")

    @property
    def accuracy(self) -> Text:
        """Why `accuracy_m` is what it is."""
        return Text(self.accuracy_zh, self.accuracy_en)

    @property
    def lacks(self) -> Text:
        """What OpenStreetMap typically lacks of the role."""
        return Text(self.lacks_zh, self.lacks_en)

    @property
    def where_why(self) -> Text:
        """What the filter leaves out."""
        return Text(self.where_zh, self.where_en)

    def selectors(self, sort: Sort) -> Iterator[Selector]:
        """Yield all selectors for a sort of extract."""
        for selector in (*self.take, *self.leave, *self.beside):
            if selector.sort == sort:
                yield selector

    def gives(self, sort: Sort) -> bool:
        """Return whether a sort of extract can give the role."""
        return any(take.sort == sort for take in self.take)

    def themes(self, sort: Sort) -> frozenset[str]:
        """Return which layers of Shapefiles hold the role."""
        values = (value for take in self.take for value in take.tags.get(sort, ()))
        return frozenset(value.partition("/")[0] for value in values)


@cache
def mappings() -> Mapping[str, RoleMapping]:
    """Return the mapping of every role by its id, in the order of the catalogue.

    Raises
    ------
    LayerError
        With every fault of the files.

    Examples
    --------
    >>> mappings()["rail_stations"].take[0].told
    'railway=station|halt + station=subway'
    >>> mappings()["blue_lines"].none.en
    "The blue line is drawn by the plan and not the water's edge: banks or water surfaces are no substitute"
    """
    found = {}
    problems: list[Problem] = []
    for role in roles().values():
        raw = tomllib.loads((layers_dir() / f"{role.id}.toml").read_text("utf-8"))
        try:
            found[role.id] = check_mapping(raw.get("osm", {}), role)
        except LayerError as error:
            problems += error.problems
    if problems:
        raise LayerError(problems)
    return MappingProxyType(found)


def check_mapping(raw: Mapping[str, Any], role: Role) -> RoleMapping:
    """Return a mapping from parsed TOML; raise LayerError with every fault found."""
    place = f"layers/{role.id}.toml: [osm]"
    fix = Text("请改正。", "Correct it.")
    try:
        mapping = RoleMapping.model_validate(raw)
    except ValidationError as error:
        raise LayerError(
            [
                Problem(f"{place} {'.'.join(str(part) for part in d['loc'])}", finding(d), fix)
                for d in error.errors()
            ]
        ) from error
    problems = [Problem(place, what, fix) for what in _catalogue_faults(mapping, role)]
    if problems:
        raise LayerError(problems)
    return mapping


def _catalogue_faults(mapping: RoleMapping, role: Role) -> Iterator[Text]:
    """Yield what disagrees with the catalogue of roles."""
    named = {*mapping.fields, *(name for take in mapping.take for name in take.gives)}
    if mapping.inside is not None:
        named.add(mapping.inside.field)
        if mapping.inside.role not in roles():
            yield Text(
                f"没有角色“{mapping.inside.role}”。", f'there is no role "{mapping.inside.role}".'
            )
    for name in sorted(named - set(role.fields)):
        yield Text(f"“{name}”不是该角色的字段。", f'"{name}" is not a field of this role.')
    for name in sorted(set(mapping.patterns) - set(mapping.fields)):
        yield Text(
            f"patterns 中的“{name}”不在 fields 中。", f'patterns: "{name}" is not in fields.'
        )
    for name, pattern in mapping.patterns.items():
        if not _usable(pattern):
            yield Text(
                f"patterns 中 {name} 不是只含一个组 value 的表达式。",
                f"patterns: that of {name} is no expression with the one group value.",
            )
    for take in mapping.take:
        for name, value in take.gives.items():
            field = role.fields.get(name)
            if field is not None and field.words and value not in field.words:
                yield Text(
                    f"{name} 的“{value}”不在目录用词之内。",
                    f'{name}: "{value}" is no word of the catalogue.',
                )
            if field is not None and field.type == "yes_no" and value not in ("yes", "no"):
                yield Text(f"{name} 须为 yes 或 no。", f"{name} must be yes or no.")
        for kind in take.geometry:
            if kind not in role.kinds:
                yield Text(f"该角色没有图形“{kind}”。", f'the role has no geometry "{kind}".')


def _usable(pattern: str) -> bool:
    try:
        found = re.compile(pattern)
    except re.error:
        return False
    return found.groups == 1 and "value" in found.groupindex


def needed(chosen: list[str]) -> list[str]:
    """Return the roles that must be read to make some: those that others lie inside first.

    Examples
    --------
    >>> needed(["playgrounds"])
    ['schools', 'playgrounds']
    """
    order: list[str] = []
    for role in chosen:
        inside = mappings()[role].inside
        for name in (*((inside.role,) if inside else ()), role):
            if name not in order:
                order.append(name)
    return order
