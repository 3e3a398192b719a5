"""``geo-urc layers from-osm``: an extract of OpenStreetMap as role layers, ready to be used.

Features stream through: those of each role go to a file of its own on disk, and from there into
the GeoPackage. Only roles with duplicates, or that lie inside another, are held in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.errors import LayerError, Problem
from geo_urc.osm.extract import Extract, open_extract
from geo_urc.osm.mapping import Beside, RoleMapping, Sort, mappings, needed
from geo_urc.osm.refining import alone, inside, merged
from geo_urc.osm.selection import MERGED, Taker, plain_name
from geo_urc.osm.writing import RECORD, write_all, write_layer
from geo_urc.outputs.staging import staged
from geo_urc.progress import SILENT, Progress
from geo_urc.roles import Kind, roles
from geo_urc.text import Lang, Text

_READING: dict[Kind, Text] = {
    "point": Text("读取点", "Reading points"),
    "line": Text("读取线", "Reading lines"),
    "polygon": Text("读取面", "Reading areas"),
}
_WRITING = Text("写入图层", "Writing layers")
SORTS: dict[Sort, Text] = {
    "osm": Text("OpenStreetMap 原始数据", "OpenStreetMap data"),
    "geofabrik": Text("Geofabrik Shapefile", "Shapefiles by Geofabrik"),
    "bbbike": Text("BBBike Shapefile", "Shapefiles by BBBike"),
}


@dataclass
class Made:
    """What became of one role.

    Attributes
    ----------
    count
        Features in the layer; 0 where none was found and no layer is written.
    kinds
        Kind → features.
    unnamed
        Features without a name.
    merged
        Features that were another one mapped twice.
    left
        Title → features that were counted and left out.
    alone
        Title, features that have none of the role nearby, and names of theirs.
    missing
        Names that a whole extract of Beijing has and this one has not.
    unread
        Field → values that are no number.
    shapeless
        Features whose geometry is not in the extract.
    outside
        Features that are not inside one of the role that they should be in.
    """

    role: str
    mapping: RoleMapping
    fields: list[str]
    count: int = 0
    kinds: Counter[str] = field(default_factory=partial(Counter))
    unnamed: int = 0
    merged: int = 0
    left: dict[Text, int] = field(default_factory=dict)
    alone: list[tuple[Text, int, Sequence[str]]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unread: dict[str, int] = field(default_factory=dict)
    shapeless: int = 0
    outside: int = 0

    @property
    def remarks(self) -> Iterator[Text]:
        """What a user should know of this layer, beside what OpenStreetMap lacks in general."""
        if self.unnamed:
            yield Text(f"{self.unnamed} 个没有名称", f"{self.unnamed} without a name")
        if self.merged:
            yield Text(
                f"{self.merged} 个与另一个是同一处，已合并（见 {MERGED} 列）",
                f"{self.merged} are another one mapped twice and were merged (column {MERGED})",
            )
        for title, count in self.left.items():
            yield Text(f"未取：{title.zh} {count} 个", f"left out: {count} {title.en}")
        for title, count, names in self.alone:
            shown = "、".join(names[:5]), ", ".join(names[:5])
            yield Text(
                f"{count} 个{title.zh}附近没有本角色的对象，可能有缺"
                + (f"，如：{shown[0]}" if names else ""),
                f"{count} {title.en} have none of the role nearby: some may be missing"
                + (f", such as at {shown[1]}" if names else ""),
            )
        if self.missing:
            yield Text(
                f"没有找到：{'、'.join(self.missing)}", f"not found: {', '.join(self.missing)}"
            )
        for name, count in self.unread.items():
            yield Text(
                f"{name} 有 {count} 个值不是数，按缺失处理",
                f"{name}: {count} values are no number and count as missing",
            )
        if self.shapeless:
            yield Text(
                f"{self.shapeless} 个的图形不在提取范围内，未取",
                f"{self.shapeless} have no geometry in the extract and were left out",
            )
        if self.outside:
            yield Text(
                f"{self.outside} 个不在所属对象的面内，未取",
                f"{self.outside} are not inside the area that they should be in and were left out",
            )


@dataclass
class Done:
    """What an extract gave.

    Attributes
    ----------
    made
        Each role that was looked for.
    none
        Role → why this extract does not give it.
    """

    extract: Extract
    made: list[Made]
    none: dict[str, Text]


def from_osm(
    given: str,
    out: Path,
    *,
    only: Sequence[str] | None = None,
    lang: Lang = "zh",
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Done:
    """Write role layers made of an extract of OpenStreetMap into a folder.

    The folder holds ``layers.gpkg`` (a layer a role), ``LAYERS.toml``, ``LICENSE.txt`` with the
    terms of OpenStreetMap, ``osm.json`` with counts and SHA-256, and, where land use was found,
    ``LAYERS-landuse.toml`` in which it stands for the parcels.

    Parameters
    ----------
    given
        A ``.osm.pbf`` or ``.osm``, or Shapefiles of Geofabrik or BBBike in a folder or ``.zip``.
    only
        Roles wanted; all that there are without it.

    Raises
    ------
    GeoUrcError
        The extract cannot be read, a role wanted cannot be made of it, or the output is in the
        way.
    """
    with staged(out, overwrite=overwrite, mark=RECORD) as folder:
        extract = open_extract(given, progress)
        wanted, none = _wanted(only, extract)
        done = Done(extract, [], none)
        takers = {
            role: Taker(roles()[role], mappings()[role], extract.sort) for role in needed(wanted)
        }
        spool = folder / ".spool"
        spool.mkdir()
        beside = _read(extract, takers, spool, progress)
        progress.phase(_WRITING)
        _write(takers, wanted, beside, spool, folder, done)
        spool.rmdir()
        write_all(folder, done, lang)
    return done


def _wanted(only: Sequence[str] | None, extract: Extract) -> tuple[list[str], dict[str, Text]]:
    """Return the roles to make, and why the others are not."""
    none = {}
    for role, mapping in mappings().items():
        if mapping.none is not None:
            none[role] = mapping.none
        elif not mapping.gives(extract.sort):
            sort = SORTS[extract.sort]
            none[role] = Text(
                f"{sort.zh} 没有所需的类别，请用 .osm.pbf",
                f"{sort.en} have no class for it: use a .osm.pbf",
            )
        elif extract.sort != "osm" and not mapping.themes(extract.sort) & set(extract.themes):
            layers = sorted(mapping.themes(extract.sort))
            none[role] = Text(
                f"缺少图层 {'、'.join(layers)}", f"the layer {' or '.join(layers)} is not there"
            )
    if only is None:
        return [role for role in mappings() if role not in none], none
    refused = [role for role in only if role in none]
    if refused:
        raise LayerError(
            [
                Problem(
                    f"--only {role}",
                    Text(f"做不出：{none[role].zh}。", f"cannot be made: {none[role].en}."),
                    Text("请删去。", "Leave it out."),
                )
                for role in refused
            ]
        )
    return [role for role in mappings() if role in only], {}


Witnesses = dict[tuple[str, Text], tuple[Beside, list[pa.RecordBatch]]]


def _read(extract: Extract, takers: dict[str, Taker], spool: Path, progress: Progress) -> Witnesses:
    """Spool what makes each role; return what should be near features of a role."""
    selectors = [selector for taker in takers.values() for selector in taker.selectors]
    keys = frozenset(key for taker in takers.values() for key in taker.keys)
    beside: Witnesses = {}
    files = {role: pa.OSFile(str(spool / role), "wb") for role in takers}
    writers = {role: pa.ipc.new_file(files[role], takers[role].schema) for role in takers}
    phase = None
    try:
        for run in extract.runs(selectors, keys):
            if run.kind != phase:
                phase = run.kind
                progress.phase(_READING[run.kind])
            for role, taker in takers.items():
                taken = taker.taken(run)
                if taken is not None:
                    writers[role].write_batch(taken)
                for one, some in taker.witnesses(run):
                    beside.setdefault((role, one.title), (one, []))[1].append(some)
            progress.done(run.columns.num_rows)
    finally:
        for writer, file in zip(writers.values(), files.values(), strict=True):
            writer.close()
            file.close()
    return beside


def _write(
    takers: dict[str, Taker],
    wanted: list[str],
    beside: Witnesses,
    spool: Path,
    folder: Path,
    done: Done,
) -> None:
    """Write each spooled role into the GeoPackage, refined where it must be."""
    holders = {t.mapping.inside.role for t in takers.values() if t.mapping.inside}
    held: dict[str, pa.Table] = {}
    found = {}
    for role, taker in takers.items():
        mapping = taker.mapping
        made = Made(role, mapping, taker.fields)
        made.shapeless = taker.tally.shapeless
        made.left = {title: n for title, n in taker.tally.left.items() if n}
        made.unread = {name: n for name, n in taker.tally.unread.items() if n}
        with pa.memory_map(str(spool / role)) as file, pa.ipc.open_file(file) as reader:
            small = mapping.merge or mapping.inside or mapping.beside or role in holders
            if small:
                table = _refined(reader.read_all(), mapping, held, made)
                held[role] = table
                _look_beside(role, table, beside, made)
                batches = table.to_batches()
            else:
                batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
            if role in wanted:
                write_layer(folder, roles()[role], taker.schema, _counted(batches, made))
        (spool / role).unlink()
        found[role] = made
    done.made = [found[role] for role in wanted]


def _refined(
    table: pa.Table, mapping: RoleMapping, held: dict[str, pa.Table], made: Made
) -> pa.Table:
    before = table.num_rows
    if mapping.merge is not None:
        table = merged(table, mapping.merge)
        made.merged = before - table.num_rows
    if mapping.inside is not None:
        before = table.num_rows
        table = inside(table, held[mapping.inside.role], mapping.inside.field)
        made.outside = before - table.num_rows
    return table


def _look_beside(role: str, table: pa.Table, beside: Witnesses, made: Made) -> None:
    for (of, title), (one, parts) in beside.items():
        if of == role:
            seen = pa.Table.from_batches(parts).combine_chunks()
            count, names = alone(seen, table, one.within_m)
            if count:
                made.alone.append((title, count, names))


def _counted(batches: Iterable[pa.RecordBatch], made: Made) -> Iterator[pa.RecordBatch]:
    """Yield the batches, and count; at the end tell which names are missing."""
    names: set[str | None] = set()
    for batch in batches:
        made.count += batch.num_rows
        made.unnamed += batch["name"].null_count
        for entry in pc.value_counts(batch["kind"]).to_pylist():
            if entry["values"] is not None:
                made.kinds[entry["values"]] += entry["counts"]
        if made.mapping.expects:
            names |= {plain_name(name) for name in batch["name"].to_pylist()}
        yield batch
    made.missing = [n for n in made.mapping.expects if plain_name(n) not in names]
