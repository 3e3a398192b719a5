"""What is found in order without a geometry library is in order by the library too."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.inputs.sound import sound_outlines
from geo_urc.wkb import rings_in


def column(*shapes: shapely.Geometry | bytes | None) -> pa.Array:
    """Return a column of WKB."""
    return pa.array(
        [shapely.to_wkb(s) if s is not None and not isinstance(s, bytes) else s for s in shapes],
        pa.binary(),
    )


def ring(*vertices: tuple[float, float]) -> bytes:
    """Return the WKB of a polygon of one ring, whatever its vertices."""
    flat = [number for vertex in vertices for number in vertex]
    return struct.pack(f"<BIII{len(flat)}d", 1, 3, 1, len(vertices), *flat)


def test_usual_parcels_are_plainly_in_order():
    ell = shapely.Polygon([(0, 0), (9, 0), (9, 8), (3, 8), (3, 6), (0, 6)])
    turned = shapely.Polygon([(0, 0), (0, 5), (5, 5), (5, 0)])  # clockwise
    found = sound_outlines(column(shapely.box(0, 0, 3, 2), ell, turned))
    assert found.rows.all()
    assert found.bounds.tolist() == [[0, 0, 3, 2], [0, 0, 9, 8], [0, 0, 5, 5]]
    assert found.type_ids == {shapely.GeometryType.POLYGON}


def test_a_multipolygon_of_one_is_as_plain():
    one = shapely.MultiPolygon([shapely.box(0, 0, 3, 2)])
    two = shapely.MultiPolygon([shapely.box(0, 0, 3, 2), shapely.box(4, 0, 5, 5)])
    found = sound_outlines(column(one, two))
    assert found.rows.tolist() == [True, False]
    assert found.type_ids == {shapely.GeometryType.MULTIPOLYGON}


STAR = [(np.cos(a), np.sin(a)) for a in np.radians(90 + 144 * np.arange(5))]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(ring((0, 0), (1, 1), (1, 0), (0, 1), (0, 0)), id="bow-tie"),
        pytest.param(ring(*STAR, STAR[0]), id="twice around, always the same way"),
        pytest.param(ring((0, 0), (4, 0), (4, 4), (0, 4)), id="not closed"),
        pytest.param(ring((0, 0), (4, 0), (4, 4), (4, 9), (4, 4), (0, 4), (0, 0)), id="spike"),
        pytest.param(ring((0, 0), (4, 0), (float("nan"), 4), (0, 0)), id="not a number"),
        pytest.param(ring((0, 0), (4, 0), (float("inf"), 4), (0, 0)), id="infinite"),
        pytest.param(ring((0, 0), (4e9, 0), (4e9, 4e9), (0, 0)), id="not on Earth"),
        pytest.param(ring((0, 0), (2, 2), (4, 4), (0, 0)), id="no area"),
        pytest.param(ring((1, 1), (1, 1), (1, 1), (1, 1)), id="a point"),
        pytest.param(ring((0, 0), (4, 0), (0, 0)), id="too short"),
        pytest.param(ring(), id="empty"),
        pytest.param(b"", id="no bytes"),
        pytest.param(None, id="null"),
        pytest.param(shapely.Point(1, 2), id="a point's bytes"),
        pytest.param(shapely.from_wkt("POLYGON Z ((0 0 1, 4 0 1, 4 4 1, 0 0 1))"), id="heights"),
        pytest.param(shapely.box(0, 0, 9, 9).difference(shapely.box(3, 3, 4, 4)), id="a hole"),
    ],
)
def test_anything_else_gets_a_closer_look(given):
    square = shapely.box(0, 0, 1, 1)
    assert sound_outlines(column(square, given, square)).rows.tolist() == [True, False, True]


def test_nothing_but_what_is_odd():
    assert not sound_outlines(column(None, b"", ring())).rows.any()
    assert not len(sound_outlines(column()).rows)


def test_part_of_a_column():
    shapes = [shapely.box(k, 0, k + 1, 1) for k in range(6)]
    part = column(None, *shapes).slice(2, 3)
    assert sound_outlines(part).bounds[:, 0].tolist() == [1, 2, 3]
    assert rings_in(part).xy.tolist() == [list(v) for s in shapes[1:4] for v in s.exterior.coords]


grids = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=9)
fine = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=9)


@given(st.lists(st.one_of(grids, fine), min_size=1, max_size=5), st.sampled_from([0.0, 116.4, 4e6]))
def test_what_is_sound_is_valid(rings, offset):
    given = [ring(*[(x + offset, y + offset) for x, y in (*r, r[0])]) for r in rings]
    found = sound_outlines(column(*given))
    shapes = shapely.from_wkb([g for g, sound in zip(given, found.rows, strict=True) if sound])
    assert shapely.is_valid(shapes).all() and (shapely.area(shapes) > 0).all()
    assert (shapely.bounds(shapes).reshape(-1, 4) == found.bounds).all()
