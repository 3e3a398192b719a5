"""Numbers of subjects by verdict, district and reason."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.outputs.palette import LOOKS

OPEN = ("review", "unknown")
"""The verdicts that leave something to do."""


def verdict_counts(verdicts: pa.ChunkedArray) -> list[int]:
    """Return how many subjects have each of the five words, in the order of the legend."""
    counts = Counter({e["values"]: e["counts"] for e in pc.value_counts(verdicts).to_pylist()})
    return [counts[word] for word in LOOKS]


def district_counts(
    districts: pa.ChunkedArray, verdicts: pa.ChunkedArray
) -> list[tuple[str | None, list[int]]]:
    """Return :func:`verdict_counts` for each district, by name, those without one last."""
    table = pa.table({"district": districts, "verdict": verdicts})
    grouped = table.group_by(["district", "verdict"]).aggregate([([], "count_all")])
    counts: dict[str | None, Counter[str]] = {}
    for row in grouped.to_pylist():
        counts.setdefault(row["district"], Counter())[row["verdict"]] += row["count_all"]
    ordered = sorted(counts, key=lambda name: (name is None, name or ""))
    return [(name, [counts[name][word] for word in LOOKS]) for name in ordered]


class OpenReason(NamedTuple):
    """Why subjects are left open, how many they are, and the first of them."""

    verdict: str
    code: str
    number: int
    first: list[str]


def open_reasons(
    verdicts: pa.ChunkedArray, reasons: pa.ChunkedArray, ids: pa.ChunkedArray, most: int
) -> list[OpenReason]:
    """Return every reason of a review or unknown, with up to `most` ids in input order.

    A subject with two reasons counts under both; most frequent first.
    """
    found: list[OpenReason] = []
    for word in OPEN:
        places = pc.indices_nonzero(pc.fill_null(pc.equal(verdicts, word), False))
        codes = pc.fill_null(reasons.take(places).cast(pa.string()), "").combine_chunks()
        coded = codes.dictionary_encode()
        texts, text_of = coded.dictionary.to_pylist(), coded.indices.to_numpy()
        counts = np.bincount(text_of, minlength=len(texts))
        having: dict[str, list[int]] = {}
        for place, text in enumerate(texts):
            for code in dict.fromkeys(text.split(";")):
                having.setdefault(code, []).append(place)
        lines = []
        for code, texts_with in having.items():
            chosen = np.zeros(len(texts), dtype=bool)
            chosen[texts_with] = True
            rows = places.take(pa.array(np.flatnonzero(chosen[text_of])[:most]))
            first = ids.take(rows).cast(pa.string()).to_pylist()
            lines.append(OpenReason(word, code, int(counts[texts_with].sum()), first))
        found += sorted(lines, key=lambda line: (-line.number, line.code))
    return found
