"""Repeat a run from its record, and say whether it comes out the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

from geo_urc.command import Command, command_from
from geo_urc.errors import OutputError, Problem
from geo_urc.identity import Difference, differences
from geo_urc.inputs.sources import hashes, sha256_of
from geo_urc.outputs.staging import RECORD, recover
from geo_urc.progress import SILENT, Progress
from geo_urc.record import software
from geo_urc.run import request_for, run
from geo_urc.text import Text

_SOFTWARE = ("software", "geo_urc_version")
"""Keys of the record that are told by themselves and make no difference of their own."""


class InputFile(NamedTuple):
    """A file that the run has read, as it is now."""

    file: str
    """As it stands in the record; a part of it after a ``:``."""
    state: Literal["unchanged", "changed", "missing"]


@dataclass(frozen=True)
class Repeated:
    """What came of repeating a run.

    Attributes
    ----------
    inputs
        Every file that the run has read.
    software
        What has another version now: name → version of the run, version of now.
    different
        What the new run wrote otherwise; nothing if the two are identical.
    strangers
        Files in the folder that the run has not written.
    """

    inputs: tuple[InputFile, ...]
    software: dict[str, tuple[str, str]]
    different: tuple[Difference, ...]
    strangers: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether the new run left the same behind."""
        return not self.different


def repeat(folder: Path, start: Path = Path(), progress: Progress = SILENT) -> Repeated:
    """Run again what a folder's record says, into a folder that is thrown away, and compare.

    Parameters
    ----------
    folder
        What ``geo-urc screen --out`` or ``geo-urc demo`` wrote; it is only read.
    start
        Folder that the relative paths of the record start from.
    progress
        Is told of what the run does, and of the comparison.

    Raises
    ------
    OutputError
        The folder is not that of a run, its record does not say how to repeat it, or a
        file that the run has read is not there.
    GeoUrcError
        What the new run raises.
    """
    recover(folder)
    record = _record(folder)
    command = _command(folder, record)
    start = command.start(start)
    # Layers of one GeoPackage are one file.
    read = list({named.path: named for named in _read(record, command, start)}.values())
    _refuse_what_is_missing(read, start)
    files = tuple(state for named in read for state in _states(named))
    with TemporaryDirectory(prefix="geo_urc-") as place:
        again = Path(place) / "again"
        book = command.book(start)
        inputs = command.inputs(start, progress=progress)
        run(inputs, book, request_for(command, again, start), progress)
        progress.phase(Text("逐项比较", "Comparing"))
        found = tuple(differences(folder, again, RECORD, _SOFTWARE))
        written = {path.relative_to(again) for path in again.rglob("*")}
    then, now = record["software"], software()
    return Repeated(
        inputs=files,
        software={
            name: (then.get(name, "–"), now.get(name, "–"))
            for name in dict.fromkeys([*then, *now])
            if then.get(name) != now.get(name)
        },
        different=found,
        strangers=tuple(
            sorted(
                path.relative_to(folder).as_posix()
                for path in folder.rglob("*")
                if path.is_file() and path.relative_to(folder) not in written
            )
        ),
    )


def _record(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            raise ValueError(type(record).__name__)
    except (OSError, ValueError) as error:
        raise OutputError(
            Problem(
                str(folder),
                Text(f"没有可读的 {RECORD}。", f"holds no {RECORD} that can be read ({error})."),
                Text(
                    "给出 geo-urc screen --out 写出的文件夹。",
                    "Give what geo-urc screen --out wrote.",
                ),
            )
        ) from error
    return record


def _command(folder: Path, record: Mapping[str, Any]) -> Command:
    try:
        return command_from(record)
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise OutputError(
            Problem(
                str(folder / RECORD),
                Text(
                    "没有记录这次运行的命令，无法重复。",
                    "does not say how the run was asked for, so it cannot be repeated.",
                ),
                Text(
                    "只有 geo-urc screen 和 demo 的结果能重复；旧版本的结果请重新筛查。",
                    "Only results of geo-urc screen and demo can be; screen those of older "
                    "versions again.",
                ),
            )
        ) from error


class _Named(NamedTuple):
    """Something that the record has hashes of."""

    given: str
    path: Path
    then: Mapping[str, str]
    """Part → SHA-256."""


def _read(record: Mapping[str, Any], command: Command, start: Path) -> Iterator[_Named]:
    """Yield everything that the run has read, as the record names it."""
    for name, then in record["command"]["sha256"].items():
        yield _Named(name, start / name, {Path(name).name: then})
    layers = start if command.layers is None else (start / command.layers).parent
    for source in (*record["inputs"], *record["rasters"]):
        base = start if source["role"] == "parcels" else layers
        pairs = [(source["path"], source["sha256"])]
        if source.get("coverage_sha256"):
            pairs.append((source["coverage"], source["coverage_sha256"]))
        for given, then in pairs:
            file = given.partition("|layername=")[0]
            yield _Named(file, base / file, then)


def _states(named: _Named) -> Iterator[InputFile]:
    """Yield the state of every file of an input, those that came to it since included."""
    _, path, then = named
    folder = path if path.is_dir() else path.parent
    now = hashes(path) | {
        part: sha256_of(folder / part) for part in then if (folder / part).is_file()
    }
    for part in dict.fromkeys([*then, *now]):
        name = named.given if part == path.name else f"{named.given}: {part}"
        if part not in now:
            yield InputFile(name, "missing")
        else:
            yield InputFile(name, "unchanged" if then.get(part) == now[part] else "changed")


def _refuse_what_is_missing(read: Sequence[_Named], start: Path) -> None:
    missing = dict.fromkeys(named.given for named in read if not named.path.exists())
    if missing:
        raise OutputError(
            [
                Problem(
                    name,
                    Text(
                        f"原来的输入文件不见了（起点：{start.resolve()}）。",
                        f"the run has read it, and it is not there (from {start.resolve()}).",
                    ),
                    Text(
                        "放回文件；相对路径的起点用 --from 给出。",
                        "Put it back; name the folder that relative paths start from with --from.",
                    ),
                )
                for name in missing
            ]
        )
