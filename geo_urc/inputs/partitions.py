"""Partitions: a folder of GeoParquet files in spatial order, with a manifest of what they hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from geo_urc.errors import LayerError, Problem
from geo_urc.inputs.sources import BadRecord, Records, Request, Source, sha256_of
from geo_urc.text import Text

MANIFEST = "_partitions.json"
"""Programs that read a folder of Parquet files pass over a name with this beginning."""
FORMAT = 1


@dataclass(frozen=True)
class Partition:
    """One file of a dataset.

    Attributes
    ----------
    bbox
        West, south, east and north edge in the dataset's own system; None without a geometry.
    """

    file: str
    rows: int
    bbox: tuple[float, float, float, float] | None
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a dataset holds.

    Attributes
    ----------
    order
        The column with each record's place, from 1, in the file that it was made of.
    made_of
        That file: path, driver, encoding and hashes.
    from_text
        Whether its coordinates were written as text, without any mention of a system.
    bad
        (record from 1, reason) of those that could not be read there.
    notes
        What a user should know of how it was read.
    """

    rows: int
    order: str
    partitions: tuple[Partition, ...]
    made_of: Mapping[str, str | Mapping[str, str]] = field(default_factory=dict)
    from_text: bool = False
    bad: tuple[tuple[int, Text], ...] = ()
    notes: tuple[Text, ...] = ()
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write the manifest into the folder of the files."""
        content = json.dumps(_MANIFEST.dump_python(self, mode="json"), ensure_ascii=False, indent=1)
        (folder / MANIFEST).write_text(content + "\n", encoding="utf-8")


_MANIFEST: TypeAdapter[Manifest] = TypeAdapter(Manifest)


def are_in(folder: Path) -> bool:
    """Return whether a folder is a dataset of partitions."""
    return (folder / MANIFEST).is_file()


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a folder.

    Raises
    ------
    ValueError
        It cannot be understood, or is of a later form.
    """
    found = _MANIFEST.validate_json((folder / MANIFEST).read_bytes())
    if found.format != FORMAT or any("/" in p.file or "\\" in p.file for p in found.partitions):
        raise ValueError(f"format {found.format}")
    return found


def open_partitions(
    folder: Path, request: Request, open_file: Callable[[Path, Request], Source]
) -> Source:
    """Open a dataset of partitions in the order of its manifest.

    Raises
    ------
    LayerError
        If the manifest is damaged, a file that it names is not there, or their columns differ.
    """
    try:
        manifest = read_manifest(folder)
    except (ValidationError, ValueError, OSError) as error:
        told = str(error).splitlines()[0]
        raise request.fault(
            Text(f"{MANIFEST} 无法读懂（{told}）。", f"holds a damaged {MANIFEST} ({told})."),
            _AGAIN,
        ) from error
    files = [(folder / p.file).resolve() for p in manifest.partitions]
    missing = [file.name for file in files if not file.is_file()]
    if missing or not files:
        names = "、".join(missing[:3])
        what = Text(f"缺少分区文件：{names}。", f"lacks files of its partitions: {names}.")
        raise request.fault(what, _AGAIN)
    first = open_file(files[0], replace(request, path=str(files[0])))
    parts = tuple(
        replace(
            open_file(file, replace(request, path=str(file))),
            path=str(file),
            sha256={file.name: p.sha256},
            order=manifest.order,
        )
        for file, p in zip(files, manifest.partitions, strict=True)
    )
    if any(part.schema != first.schema or part.crs != first.crs for part in parts):
        what = Text(
            "各分区的列或坐标系不一致。", "has partitions with different columns or systems."
        )
        raise request.fault(what, _AGAIN)

    def records(rows: int, columns: Sequence[str] | None) -> Iterator[Records]:
        return chain.from_iterable(part.records(rows, columns) for part in parts)

    hashes = {p.file: p.sha256 for p in manifest.partitions}
    return replace(
        first,
        path=request.path,
        records=records,
        sha256={MANIFEST: sha256_of(folder / MANIFEST), **hashes},
        notes=manifest.notes,
        bad=tuple(BadRecord(*record) for record in manifest.bad),
        from_text=manifest.from_text,
        order=manifest.order,
        parts=parts,
    )


def refuse_if_changed(part: Source) -> None:
    """Raise LayerError if a partition's bytes are not those that the manifest tells."""
    file = Path(part.path)
    if sha256_of(file) != part.sha256[file.name]:
        what = Text(f"与 {MANIFEST} 所记的内容不符。", f"is not what {MANIFEST} says it is.")
        raise LayerError(Problem(part.path, what, _AGAIN))


_AGAIN = Text("请用 geo-urc partition 重新分区。", "Make it again with geo-urc partition.")
