"""The layer catalogue: what each role must hold, read from ``layers/*.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from geo_urc.resources import layers_dir
from geo_urc.text import Text

FieldType = Literal["text", "number", "yes_no"]
Kind = Literal["point", "line", "polygon"]


@dataclass(frozen=True)
class Field:
    """One attribute of a role."""

    name: str
    type: FieldType
    title: Text
    unit: str | None = None
    """``m2``, ``m``, ``yuan`` or ``people``; None for text, yes/no and plain numbers."""
    minimum: float | None = None
    """Values below it are impossible and count as missing."""
    words: Mapping[str, str] = field(default_factory=dict)
    """For text with a vocabulary: code → Chinese label."""


@dataclass(frozen=True)
class Role:
    """What one layer must hold."""

    id: str
    title: Text
    kinds: frozenset[Kind]
    """Allowed kinds of geometry; empty for a raster."""
    about: Text
    subject: bool
    """Whether rules can be asked of the features themselves."""
    raster: bool
    fields: Mapping[str, Field]

    @property
    def cell(self) -> Field:
        """What the cells of a raster hold: its one number."""
        return next(field for field in self.fields.values() if field.type == "number")


_COMMON = (
    Field("name", "text", Text("名称", "Name")),
    Field("kind", "text", Text("类别", "Kind")),
)


@cache
def roles() -> Mapping[str, Role]:
    """Return every role of the catalogue by its id, ``parcels`` first.

    Examples
    --------
    >>> roles()["rail_stations"].title.zh
    '轨道交通站点'
    """
    found = (
        _role(tomllib.loads(p.read_text("utf-8"))) for p in sorted(layers_dir().glob("*.toml"))
    )
    ordered = sorted(found, key=lambda role: role.id != "parcels")
    return MappingProxyType({role.id: role for role in ordered})


def _role(raw: Mapping[str, Any]) -> Role:
    own = {name: _field(name, spec) for name, spec in raw.get("fields", {}).items()}
    return Role(
        id=raw["id"],
        title=Text(raw["title_zh"], raw["title_en"]),
        kinds=frozenset(raw.get("kinds", ())),
        about=Text(raw["about_zh"], raw["about_en"]),
        subject=raw.get("subject", False),
        raster=raw.get("raster", False),
        fields=MappingProxyType({**{f.name: f for f in _COMMON}, **own}),
    )


def _field(name: str, raw: Mapping[str, Any]) -> Field:
    return Field(
        name=name,
        type=raw["type"],
        title=Text(raw["title_zh"], raw["title_en"]),
        unit=raw.get("unit"),
        minimum=raw.get("minimum"),
        words=MappingProxyType(raw.get("words", {})),
    )
