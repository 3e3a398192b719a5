"""Which features of a run make a role, and what is known of them, as columns."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.osm.extract import GEOMETRY, ID, Run
from geo_urc.osm.mapping import NUMBER, Beside, RoleMapping, Selector, Sort, Tags
from geo_urc.roles import Role
from geo_urc.text import Text

TAGS = "osm_tags"
"""Column with the tags by which a feature was taken."""
MERGED = "osm_merged"
"""Column with the ids of features that were found to be the same thing."""
Mask = npt.NDArray[np.bool_]
S = TypeVar("S", bound=Selector)
_SUFFIX = re.compile(r"(\(.*\))?(地铁站|火车站|站)?$")


@dataclass
class Tally:
    """What was seen of a role.

    Attributes
    ----------
    left
        Title → features that were counted and left out.
    unread
        Field → values that are no number.
    shapeless
        Features without a geometry: their parts are not in the extract.
    """

    left: Counter[Text] = field(default_factory=partial(Counter))
    unread: Counter[str] = field(default_factory=partial(Counter))
    shapeless: int = 0


class Taker:
    """Takes a role out of the runs of an extract."""

    def __init__(self, role: Role, mapping: RoleMapping, sort: Sort) -> None:
        self.role, self.mapping, self.sort = role, mapping, sort
        self.tally = Tally()
        self.take = [self._bound(s) for s in mapping.take if s.sort == sort]
        self.leave = [self._bound(s) for s in mapping.leave if s.sort == sort]
        self.beside = [self._bound(s) for s in mapping.beside if s.sort == sort]
        given = [*mapping.fields, *(name for take in self.take for name in take.gives)]
        if mapping.inside is not None:
            given.append(mapping.inside.field)
        self.fields = list(dict.fromkeys(["name", "kind", *given]))
        self.schema = pa.schema(
            [
                pa.field(ID, pa.string()),
                *(pa.field(name, self._type(name)) for name in self.fields),
                pa.field(TAGS, pa.string()),
                *([pa.field(MERGED, pa.string())] if mapping.merge else []),
                pa.field(GEOMETRY, pa.binary()),
            ]
        )

    @property
    def selectors(self) -> list[Selector]:
        """All that is looked for, each with its kinds of geometry."""
        return [*self.take, *self.leave, *self.beside]

    @property
    def keys(self) -> frozenset[str]:
        """All tags that are looked at."""
        of_fields = (key for keys in self.mapping.fields.values() for key in keys)
        names = ("name", "name:zh")
        return frozenset({*names, *of_fields, *(k for s in self.selectors for k in s.keys)})

    def taken(self, run: Run) -> pa.RecordBatch | None:
        """Return the features of a run that make the role; None if there are none."""
        columns = run.columns
        free = np.ones(columns.num_rows, bool)
        for leave in self.leave:
            if run.kind in leave.geometry:
                left = free & matching(columns, leave)
                self.tally.left[leave.title] += int(left.sum())
                free &= ~left
        parts = []
        for take in self.take:
            if run.kind in take.geometry:
                found = free & matching(columns, take)
                free &= ~found
                if found.any():
                    parts.append(self._made(columns.filter(pa.array(found)), take.gives, take))
        whole = pa.Table.from_batches(parts, self.schema).combine_chunks()
        shaped = pc.is_valid(whole[GEOMETRY])
        self.tally.shapeless += whole.num_rows - (pc.sum(shaped).as_py() or 0)
        batches = whole.filter(shaped).combine_chunks().to_batches()
        return batches[0] if batches else None

    def witnesses(self, run: Run) -> Iterable[tuple[Beside, pa.RecordBatch]]:
        """Yield the features of a run that should be near one of the role."""
        for beside in self.beside:
            if run.kind in beside.geometry:
                found = matching(run.columns, beside)
                if found.any():
                    names = [ID, GEOMETRY, *(n for n in ("name",) if n in run.columns.schema.names)]
                    yield beside, run.columns.filter(pa.array(found)).select(names)

    def _bound(self, selector: S) -> S:
        if selector.geometry:
            return selector
        return selector.model_copy(update={"geometry": sorted(self.role.kinds)})

    def _type(self, name: str) -> pa.DataType:
        return pa.float64() if self.role.fields[name].type == "number" else pa.string()

    def _made(self, some: pa.RecordBatch, gives: dict[str, str], take: Selector) -> pa.RecordBatch:
        rows = some.num_rows
        columns = {ID: some[ID], GEOMETRY: some[GEOMETRY], TAGS: _told(some, take)}
        for name in self.fields:
            kind = self._type(name)
            if name in gives:
                columns[name] = pa.array([gives[name]] * rows, pa.string()).cast(kind)
                continue
            keys = [k for k in self.mapping.fields.get(name, ()) if k in some.schema.names]
            text = (
                pc.coalesce(*(some[key] for key in keys)) if keys else pa.nulls(rows, pa.string())
            )
            columns[name] = self._number(name, text) if kind == pa.float64() else _trimmed(text)
        if MERGED in self.schema.names:
            columns[MERGED] = pa.nulls(rows, pa.string())
        arrays = [columns[field.name].cast(field.type) for field in self.schema]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _number(self, name: str, text: pa.Array) -> pa.Array:
        found = pc.extract_regex(_trimmed(text), self.mapping.patterns.get(name, NUMBER))
        values = pc.struct_field(found, "value").cast(pa.float64())
        self.tally.unread[name] += values.null_count - text.null_count
        return values


def matching(columns: pa.RecordBatch, selector: Selector) -> Mask:
    """Return which features a selector means.

    Examples
    --------
    >>> tags = pa.RecordBatch.from_pydict({"railway": ["station", "stop", None], "subway": ["yes"] * 3})
    >>> matching(tags, Selector(tags={"railway": ["st*"]}, unless={"railway": ["stop"]})).tolist()
    [True, False, False]
    """
    found = np.ones(columns.num_rows, bool)
    for key, values in selector.tags.items():
        found &= _has(columns, key, values)
    found &= ~_any_of(columns, selector.unless)
    if selector.names and found.any():
        found[found] = _named(columns.filter(pa.array(found)), selector.names)
    return found


def _any_of(columns: pa.RecordBatch, tags: Tags) -> Mask:
    found = np.zeros(columns.num_rows, bool)
    for key, values in tags.items():
        found |= _has(columns, key, values)
    return found


def _has(columns: pa.RecordBatch, key: str, values: list[str]) -> Mask:
    """Return which features have one of these values, whole or by their beginning."""
    if key not in columns.schema.names:
        return np.zeros(columns.num_rows, bool)
    column = columns[key]
    found = pc.is_in(column, pa.array([v for v in values if not v.endswith("*")], pa.string()))
    for value in values:
        if value.endswith("*"):
            found = pc.or_(found, pc.fill_null(pc.starts_with(column, value[:-1]), False))
    return np.asarray(found.to_numpy(zero_copy_only=False), bool)


def _named(columns: pa.RecordBatch, names: list[str]) -> Mask:
    wanted = {plain_name(name) for name in names}
    found = np.zeros(columns.num_rows, bool)
    for key in ("name", "name:zh"):
        if key in columns.schema.names:
            found |= np.array([plain_name(v) in wanted for v in columns[key].to_pylist()], bool)
    return found


def plain_name(name: str | None) -> str | None:
    """Return a name without what two mappers write in two ways.

    Examples
    --------
    >>> plain_name("北宫门站"), plain_name(" 西直门 (13号线)"), plain_name("站"), plain_name(None)
    ('北宫门', '西直门', '站', None)
    """
    if name is None:
        return None
    plain = "".join(unicodedata.normalize("NFKC", name).casefold().split())
    return _SUFFIX.sub("", plain) or plain or None


def _told(some: pa.RecordBatch, selector: Selector) -> pa.Array:
    """Return the tags that a selector looked at, as ``key=value`` joined by ``;``."""
    pairs = [pc.binary_join_element_wise(f"{key}=", some[key], "") for key in selector.tags]
    return pc.binary_join_element_wise(*pairs, ";")


def _trimmed(text: pa.Array) -> pa.Array:
    plain = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.equal(plain, ""), None, plain)
