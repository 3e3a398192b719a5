"""Everything the map page knows, as plain values and arrays. Nothing here is HTML.

Subjects lie along a curve and are cut into tiles of some thousand: a tile's outlines, verdicts and
districts are one chunk, drawn when the tile is in view; its facts are another, loaded for a popup. Where
too many would be in view the page draws cells with counts, which are a chunk besides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.outputs.labels import (
    changed_parameters,
    layer_order,
    name_column,
    reason_words,
    role_titles,
    rule_label,
    unit_text,
)
from geo_urc.outputs.map_chunks import Chunks
from geo_urc.outputs.map_geometry import (
    QUANTUM,
    along_a_curve,
    cells_of,
    degree_shapes,
    middle_points,
    packed,
)
from geo_urc.outputs.palette import LOOKS, OTHER
from geo_urc.results import ContextLayer, FactLine, LayerInfo, Results, RuleInfo
from geo_urc.text import Lang, Text
from geo_urc.verdicts import GAPS, LABELS

TILE_ROWS = 4096
"""Features of a tile; the last has fewer."""
MOST_IN_VIEW = 30_000
"""Single features are drawn from the zoom on at which no view holds more."""
SEARCH_ROWS = 8192
"""Entries of one chunk of the search index."""

_WORDS = len(LOOKS) + 1
_TILES_AT_ONCE = 16
_CLOSEST = 18
_VIEW_LEVELS = 2
"""A view is about as wide as a cell this many levels above the tiles of its zoom."""
_CELL_LEVELS = 3
"""Cells with counts are this many levels below the tiles of the zoom at which they are drawn."""
_RADIUS = "radius_m"
_STATIONS = "rail_stations"
_NAMED = ("districts", _STATIONS)
"""Layers whose features are written by name."""

Ints = npt.NDArray[np.int64]


OutlookOf = Callable[[pa.Table, LayerInfo, RuleInfo, Mapping[str, Any], Lang], Any]
"""Says what would change the verdicts of a table's rows under a rule: `geo_urc.outlook.outlooks`."""


def feature_count(results: Results) -> int:
    """Return how many features the map draws, context included."""
    drawn = sum(
        results.tables[info.role].num_rows for info in results.layers.values() if info.rules
    )
    return drawn + sum(len(layer.wkb) for layer in results.context)


def map_data(
    results: Results,
    lang: Lang,
    chunks: Chunks,
    at_once: Chunks,
    outlook_of: OutlookOf | None = None,
) -> dict[str, Any]:
    """Return what the page must know before it draws; all else goes into chunks.

    Parameters
    ----------
    outlook_of
        Says what would change a verdict; without it popups do not tell.
    chunks
        Gets the chunks that are loaded when they are needed.
    at_once
        Gets those that the first picture needs.
    """
    looks = [
        {"label": LABELS[word].to(lang), "colour": look.colour, "mark": look.mark}
        for word, look in LOOKS.items()
    ]
    looks.append({"label": Text("其他", "other").to(lang), "colour": OTHER, "mark": ""})
    judged = [info for info in layer_order(results) if info.rules]
    return {
        "quantum": QUANTUM,
        "tileRows": TILE_ROWS,
        "verdicts": looks,
        "subjects": [
            _subject(results, info, lang, chunks, chunks if place else at_once, outlook_of)
            for place, info in enumerate(judged)
        ],
        "context": [_context(layer, lang, chunks) for layer in results.context],
    }


# --- features in tiles ----------------------------------------------------------------------------


class _Tiled:
    """Features of one layer in the order of a curve, and the tiles written so far."""

    def __init__(self, key: str, wkb: pa.ChunkedArray, crs: str) -> None:
        self.key = key
        self.middles = middle_points(wkb, crs)
        self.order = along_a_curve(self.middles)
        self.boxes: list[list[int] | None] = []

    def add(self, chunks: Chunks, wkb: pa.ChunkedArray, crs: str, beside: dict[str, Ints]) -> None:
        """Write the outlines of the next tile, with arrays of one number a feature."""
        import shapely

        shapes = degree_shapes(wkb, crs)
        chunks.add(f"{self.key}/shapes/{len(self.boxes)}", None, packed(shapes) | beside)
        box = np.rint(shapely.total_bounds(shapes) / QUANTUM)
        self.boxes.append(box.astype(np.int64).tolist() if np.isfinite(box).all() else None)

    def describe(self) -> dict[str, Any]:
        """Return what the page knows of the tiles.

        ``boxes`` has west, south, east, north of each in whole steps, None where nothing is drawn.
        """
        return {
            "key": self.key,
            "count": len(self.order),
            "boxes": self.boxes,
            "from": closest_needed(self.middles),
        }


def closest_needed(middles: npt.NDArray[np.float64]) -> int:
    """Return the smallest zoom at which no view holds more than `MOST_IN_VIEW` of the points.

    At the closest zoom all are drawn one by one, however many lie in one place.
    """
    cells = cells_of(middles, _CLOSEST - _VIEW_LEVELS)
    cells, counts = np.unique(cells[cells[:, 0] >= 0], axis=0, return_counts=True)
    for zoom in range(_CLOSEST - 1, -1, -1):
        cells, place = np.unique(cells >> 1, axis=0, return_inverse=True)
        counts = np.bincount(place.reshape(-1), counts).astype(np.int64)
        if counts.max(initial=0) > MOST_IN_VIEW:
            return zoom + 1
    return 0


def in_order(table: pa.Table, order: Ints, rows: int) -> Iterator[pa.Table]:
    """Yield the rows of a table in an order, so many at a time.

    Each batch of the table is asked for its own rows only: the table may lie on disk, and a
    row taken out of all batches at once would have them copied as a whole.
    """
    batches = table.to_batches()
    starts = np.cumsum([0, *map(len, batches)])
    for first in range(0, len(order), rows):
        wanted = order[first : first + rows]
        by_place = np.argsort(wanted, kind="stable")
        cuts = np.searchsorted(wanted[by_place], starts)
        found = [
            batch.take(pa.array(wanted[by_place[begin:end]] - start))
            for batch, start, begin, end in zip(batches, starts, cuts, cuts[1:], strict=False)
            if end > begin
        ]
        back = np.empty(len(wanted), np.int64)
        back[by_place] = np.arange(len(wanted))
        yield pa.Table.from_batches(found, table.schema).combine_chunks().take(pa.array(back))


def _tiles(table: pa.Table, order: Ints) -> Iterator[pa.Table]:
    for many in in_order(table, order, TILE_ROWS * _TILES_AT_ONCE):
        for first in range(0, many.num_rows, TILE_ROWS):
            yield many.slice(first, TILE_ROWS)


# --- subjects -------------------------------------------------------------------------------------


def _subject(
    results: Results,
    info: LayerInfo,
    lang: Lang,
    chunks: Chunks,
    at_once: Chunks,
    outlook_of: OutlookOf | None,
) -> dict[str, Any]:
    table = results.tables[info.role]
    geometry, crs = info.one("geometry"), info.crs
    tiled = _Tiled(info.role, table[geometry], crs)
    names = name_column(results, info.role)
    districts, district = _districts(info, table)
    codes = {
        rule.id: verdict_codes(table[info.column_of(rule.id, "verdict")]) for rule in info.rules
    }
    facts = _fact_columns(info)
    lean = table.select(_columns_read(info, table, names, facts))
    for place, tile in enumerate(_tiles(lean, tiled.order)):
        rows = tiled.order[place * TILE_ROWS :][: tile.num_rows]
        coded_rows = {f"v{i}": of[rows] for i, of in enumerate(codes.values())}
        tiled.add(chunks, tile[geometry], crs, coded_rows | {"district": district[rows]})
        told = _facts(info, tile, names, facts, lang)
        if outlook_of is not None:
            told["outlooks"] = [
                _outlooks(outlook_of(tile, info, rule, results.run, lang)) for rule in info.rules
            ]
        chunks.add(f"{info.role}/facts/{place}", told)
    described = tiled.describe()
    if described["from"]:
        described["cells"] = _cells(tiled, described["from"], district, codes, at_once, chunks)
    return {
        "role": info.role,
        "title": info.title.to(lang),
        "set": described,
        "districts": districts,
        "rules": [
            _rule(info, rule, np.bincount(district * _WORDS + codes[rule.id],
                                          minlength=len(districts) * _WORDS), lang)
            for rule in info.rules
        ],
        "search": _search_index(info, table, names, tiled, chunks),
    }  # fmt: skip


def verdict_codes(column: pa.ChunkedArray) -> Ints:
    """Return the place of each verdict among the five words, 5 for anything else."""
    codes = pc.fill_null(pc.index_in(column, pa.array(list(LOOKS))), len(LOOKS))
    return codes.to_numpy().astype(np.uint8)


def _districts(info: LayerInfo, table: pa.Table) -> tuple[list[str], Ints]:
    """Return the districts by name and the place of each row's; an empty name where not known."""
    column = next(
        (c.name for c in info.columns if c.origin == "fact" and c.name.removeprefix("urc_") == "district"),
        None,
    )  # fmt: skip
    if column is None:
        return [""], np.zeros(table.num_rows, np.int64)
    words = pc.fill_null(table[column].cast(pa.string()), "")
    names = sorted(pc.unique(words).to_pylist()) or [""]
    return names, pc.index_in(words, pa.array(names)).to_numpy().astype(np.int64)


def _fact_columns(info: LayerInfo) -> list[str]:
    """Return the columns that popups show besides verdicts and reasons."""
    named = dict.fromkeys(
        name
        for rule in info.rules
        for fact in rule.facts
        for name in (fact.column, fact.feature_column)
        if name
    )
    for rule in info.rules:
        named |= dict.fromkeys(info.column_of(rule.id, part) for part in ("margin", "accuracy"))
    return list(named)


def _columns_read(
    info: LayerInfo, table: pa.Table, names: str | None, facts: list[str]
) -> list[str]:
    """Return all columns that tiles are made from."""
    wanted = [info.one("geometry"), info.one("id"), *facts, *([names] if names else [])]
    for rule in info.rules:
        wanted += [info.column_of(rule.id, part) for part in ("verdict", "reason")]
        for fact in rule.facts:
            wanted += [name for name in (fact.limit_column, fact.share_of) if name]
    return [name for name in dict.fromkeys(wanted) if name in table.schema.names]


def _outlooks(found: Any) -> dict[str, Any]:
    """Return outlooks for JSON; ``of`` as :func:`coded`."""
    return {
        "wordings": [None if said is None else said._asdict() for said in found.wordings],
        "of": coded(pa.chunked_array([found.of])),
        "numbers": [[column.tolist() for column in columns] for columns in found.numbers],
    }


def _facts(
    info: LayerInfo, tile: pa.Table, names: str | None, facts: list[str], lang: Lang
) -> dict[str, Any]:
    """Return what popups say of the subjects of a tile, column-wise; see :func:`coded`."""
    worded = {fact.column: fact for rule in info.rules for fact in rule.facts if fact.words}
    return {
        "ids": tile[info.one("id")].to_pylist(),
        "names": coded(tile[names]) if names else {"k": None},
        "facts": {
            column: _worded(coded(_rounded(tile[column])), worded.get(column), lang)
            for column in facts
            if column in tile.schema.names
        },
        "reasons": [
            _reasons(tile[info.column_of(rule.id, "reason")], info, rule, lang)
            for rule in info.rules
        ],
    }


def _rule(info: LayerInfo, rule: RuleInfo, counts: Ints, lang: Lang) -> dict[str, Any]:
    units = {column.name: column.unit for column in info.columns}
    margin = info.column_of(rule.id, "margin")
    return {
        "id": rule.id,
        "label": rule_label(rule, lang),
        "explanation": rule.explanation.to(lang),
        "citation": rule.citation.to(lang),
        "policyClass": rule.policy_class.to(lang) if rule.policy_class else "",
        "changed": changed_parameters(rule),
        "layersMissing": [role_titles([role], lang) for role in rule.layers_missing],
        "counts": counts.reshape(-1, _WORDS).tolist(),
        "radius": _radius(rule),
        "headline": rule.headline,
        "margin": margin,
        "accuracy": info.column_of(rule.id, "accuracy"),
        "marginUnit": _unit(units[margin], lang),
        "facts": [
            {
                "column": fact.column,
                "feature": fact.feature_column,
                "title": fact.title.to(lang),
                "unit": _unit(fact.unit, lang),
                "limit": fact.asked.to(lang) if fact.asked else "",
                "empty": fact.empty.to(lang) if fact.empty else "",
            }
            for fact in rule.facts
        ],
    }


def _radius(rule: RuleInfo) -> float | None:
    """Return the radius about stations that the rule speaks of, in metres."""
    if _STATIONS not in rule.layers:
        return None
    found = [v for name, v in rule.parameters.items() if name.rpartition(".")[2] == _RADIUS]
    return float(found[0]) if found and isinstance(found[0], int | float) else None


def _unit(unit: str | None, lang: Lang) -> dict[str, str]:
    return {"code": unit or "", "label": unit_text(unit, lang)}


# --- columns --------------------------------------------------------------------------------------


def coded(column: pa.ChunkedArray) -> dict[str, Any]:
    """Return a column in the smallest of three forms.

    ``k``: one value for all. ``d`` and ``c``: different values, and a place among them for
    each row. ``v``: the values as they are. NaN and null are None.

    Examples
    --------
    >>> coded(pa.chunked_array([["a", "b", "a", "a"]]))
    {'d': ['a', 'b'], 'c': [0, 1, 0, 0]}
    >>> coded(pa.chunked_array([[1.5, 1.5]]))
    {'k': 1.5}
    """
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, None)
    elif pa.types.is_nested(column.type) or pa.types.is_temporal(column.type):
        column = pa.chunked_array([[None if v is None else str(v) for v in column.to_pylist()]])
    dictionary = pc.dictionary_encode(column.combine_chunks(), null_encoding="encode")
    values = dictionary.dictionary.to_pylist()
    if len(values) == 1:
        return {"k": values[0]}
    if len(values) <= len(column) // 2:
        return {"d": values, "c": dictionary.indices.to_pylist()}
    return {"v": column.to_pylist()}


def _rounded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return numbers at the precision of the page: a ten-thousandth, six digits below one."""
    if not pa.types.is_floating(column.type):
        return column
    fine = pc.less(pc.abs(column), 1.0)
    return pc.if_else(fine, pc.round(column, 6), pc.round(column, 4))


def _worded(form: dict[str, Any], fact: FactLine | None, lang: Lang) -> dict[str, Any]:
    """Return a coded column with the words of its vocabulary instead of their codes."""
    if fact is None:
        return form
    key = next(iter(form))
    if key == "k":
        return {"k": fact.worded(form["k"], lang)}
    return form | {key: [fact.worded(value, lang) for value in form[key]]}


def _reasons(
    column: pa.ChunkedArray, info: LayerInfo, rule: RuleInfo, lang: Lang
) -> dict[str, Any]:
    """Return a reason column as :func:`coded`: sentences, and whether something is missing."""
    form = coded(pc.fill_null(column.cast(pa.string()), ""))
    key = next(iter(form))
    worded = [
        {
            "said": [reason_words(code, info, rule, lang) for code in codes.split(";") if code],
            "missing": re.search(GAPS, codes) is not None,
        }
        for codes in (form[key] if key != "k" else [form[key]])
    ]
    return form | {key: worded if key != "k" else worded[0]}


# --- counts in cells ------------------------------------------------------------------------------


def _cells(
    tiled: _Tiled,
    first: int,
    district: Ints,
    codes: dict[str, Ints],
    at_once: Chunks,
    chunks: Chunks,
) -> dict[str, Any]:
    """Write how many subjects of each verdict lie in each cell and district, a chunk a rule.

    The cells are those of the last zoom before single subjects are drawn; the page adds them up
    for the zooms above.
    """
    level = first - 1 + _CELL_LEVELS
    cells = cells_of(tiled.middles, level)
    drawn = cells[:, 0] >= 0
    place = np.column_stack([cells, district])[drawn]
    parts, part = np.unique(place, axis=0, return_inverse=True)
    part = part.reshape(-1)
    corner = parts[:, :2].min(axis=0)
    key = f"{tiled.key}/cells"
    at_once.add(
        f"{key}/where",
        None,
        {
            "x": parts[:, 0] - corner[0],
            "y": parts[:, 1] - corner[1],
            "district": parts[:, 2],
        },
    )
    for i, of in enumerate(codes.values()):
        counts = np.bincount(part * _WORDS + of[drawn], minlength=len(parts) * _WORDS)
        (chunks if i else at_once).add(f"{key}/{i}", None, {"counts": counts})
    return {"level": level, "corner": corner.tolist()}


# --- search ---------------------------------------------------------------------------------------


def _search_index(
    info: LayerInfo, table: pa.Table, names: str | None, tiled: _Tiled, chunks: Chunks
) -> list[str]:
    """Write all ids and names in alphabetical order; return the first of each chunk.

    The order is that of the characters' numbers, with A to Z as a to z. Each entry has the place of
    its subject along the curve.
    """
    place = np.empty(len(tiled.order), np.int64)
    place[tiled.order] = np.arange(len(tiled.order))
    ids = table[info.one("id")].cast(pa.large_string()).combine_chunks()
    other = (
        table[names].cast(pa.large_string()).combine_chunks()
        if names
        else pa.nulls(len(ids), pa.large_string())
    )
    told = pc.and_(pc.not_equal(other, ids), pc.greater(pc.utf8_length(other), 0))
    by_name = np.flatnonzero(pc.fill_null(told, fill_value=False).to_numpy(zero_copy_only=False))
    text = pa.concat_arrays([ids, other.take(pa.array(by_name))])
    entries = pa.table(
        {
            "text": text,
            "other": pa.concat_arrays([other, ids.take(pa.array(by_name))]),
            "key": pc.ascii_lower(text),
            "place": np.concatenate([place, place[by_name]]),
            "named": (np.arange(len(text)) >= len(ids)).astype(np.uint8),
        }
    )
    order = pc.sort_indices(entries, [("key", "ascending"), ("place", "ascending")])
    firsts = []
    for number, start in enumerate(range(0, len(order), SEARCH_ROWS)):
        part = entries.take(order.slice(start, SEARCH_ROWS))
        firsts.append(part["key"][0].as_py())
        chunks.add(
            f"{info.role}/search/{number}",
            {"text": part["text"].to_pylist(), "other": coded(part["other"])},
            {
                "place": part["place"].to_numpy(),
                "named": part["named"].to_numpy(),
            },
        )
    return firsts


# --- context --------------------------------------------------------------------------------------


def _context(layer: ContextLayer, lang: Lang, chunks: Chunks) -> dict[str, Any]:
    """Write a layer that the subjects are measured against."""
    wkb = pa.chunked_array([layer.wkb])
    tiled = _Tiled(f"context/{layer.role}", wkb, layer.crs)
    table = pa.table({"wkb": wkb})
    for tile in _tiles(table, tiled.order):
        tiled.add(chunks, tile["wkb"], layer.crs, {})
    return {
        "role": layer.role,
        "title": layer.title.to(lang),
        "set": tiled.describe(),
        "anchors": _anchors(layer) if layer.role in _NAMED else [],
    }


def _anchors(layer: ContextLayer) -> list[list[Any]]:
    """Return where features are written by name: longitude, latitude, name.

    A station's is its centre, which radii are about; others' is well inside.
    """
    import shapely

    shapes = degree_shapes(layer.wkb, layer.crs)
    points = (
        shapely.centroid(shapes) if layer.role == _STATIONS else shapely.point_on_surface(shapes)
    )
    xy = np.round(np.column_stack([shapely.get_x(points), shapely.get_y(points)]), 6)
    names = layer.names.to_pylist() if layer.names is not None else [None] * len(xy)
    return [
        [*where, name]
        for where, name in zip(xy.tolist(), names, strict=True)
        if np.isfinite(where).all()
    ]
