"""Parcels screened partition by partition, here or on other machines, into a dataset of the like."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from geo_urc.errors import OutputError, Problem
from geo_urc.inputs.partitions import Manifest, Partition
from geo_urc.inputs.table import SubjectSource
from geo_urc.outputs.flat_files import write_geoparquet
from geo_urc.progress import SILENT, Progress
from geo_urc.screening import Concerned, Screening
from geo_urc.text import Text

UNFINISHED = ".unfinished"
"""Where partitions are written before they get their names."""


@dataclass(frozen=True)
class PartDone:
    """What came of one partition.

    Attributes
    ----------
    counts, concerned
        As of :class:`~geo_urc.screening.Screening`, of this partition alone.
    snaps
        Role → the largest distance to a road, of whatever this process has measured so far.
    """

    file: Partition
    counts: dict[str, Counter[str]]
    concerned: dict[str, Concerned]
    snaps: dict[str, float]


def screen_parts(
    screening: Screening, folder: Path, dataset: str, progress: Progress = SILENT
) -> int:
    """Screen every partition of the parcels into a dataset inside a folder; return its rows.

    The counts of the screening become the sums over all partitions. They come with the answer
    to each partition, and to each there is one, however often it was begun: a process that was
    lost leaves behind at most a file without its name.

    Raises
    ------
    OutputError
        If the dataset is not exactly the partitions that were answered.
    """
    parcels = screening.inputs.parcels
    place = folder / dataset
    (folder / UNFINISHED).mkdir()
    place.mkdir()
    screening.look_up()
    one = partial(screen_part, screening, folder.resolve(), dataset)
    done: list[PartDone] = []
    for part in parcels.over(one, parcels.parts()):
        progress.done(part.file.rows)
        done.append(part)
    shutil.rmtree(folder / UNFINISHED)
    _refuse_unless_whole(place, done)

    plan = screening.plans[parcels.role]
    screening.counts[parcels.role] = {
        rule.id: sum((part.counts[rule.id] for part in done), Counter()) for rule in plan.rules
    }
    screening.concerned[parcels.role] = {
        rule.id: sum((part.concerned[rule.id] for part in done), Concerned())
        for rule in plan.concerns
    }
    for part in done:
        screening.take_snaps(part.snaps)
    rows = sum(part.file.rows for part in done)
    Manifest(rows, parcels.order or "", tuple(part.file for part in done)).write(place)
    return rows


def screen_part(screening: Screening, folder: Path, dataset: str, part: SubjectSource) -> PartDone:
    """Screen one partition into a file of its own, which gets its name when it is whole."""
    role = screening.inputs.parcels.role
    info, schema = screening.plans[role].info, screening.plans[role].schema
    name = f"{part.name}.parquet"
    own = Path(mkdtemp(dir=folder / UNFINISHED))  # the same partition may be begun elsewhere, too
    written = write_geoparquet(
        own / name, schema, info.one("geometry"), info.crs, screening.batches(role, part)
    )
    with (own / name).open("rb+") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    (own / name).replace(folder / dataset / name)
    own.rmdir()
    roads = screening.roads()
    return PartDone(
        Partition(name, written.rows, written.bbox, digest),
        screening.counts[role],
        screening.concerned[role],
        {} if roads is None else dict(roads.snaps),
    )


def _refuse_unless_whole(place: Path, done: list[PartDone]) -> None:
    found = sorted(path.name for path in place.iterdir())
    if found != sorted(one.file.file for one in done):
        what = Text(
            f"应有 {len(done)} 个分区文件，实有 {len(found)} 个。",
            f"There should be {len(done)} files of partitions, and there are {len(found)}.",
        )
        fix = Text(
            "各计算节点须能按同一路径读写输出文件夹。",
            "Every worker must reach the output folder under the same path.",
        )
        raise OutputError(Problem(str(place), what, fix))
