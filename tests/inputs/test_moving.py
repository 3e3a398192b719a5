"""Coordinates moved inside WKB, checked by shapely and by hand-made bytes."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.inputs.datum import in_gcj_box, shift
from geo_urc.inputs.moving import move_wkb

SHAPES = [
    "POINT (1 2)", "POINT Z (1 2 3)", "POINT EMPTY", "LINESTRING (1 2, 3 4)",
    "POLYGON ((0 0, 9 0, 9 9, 0 0), (1 1, 2 1, 2 2, 1 1))", "POLYGON EMPTY",
    "MULTIPOLYGON Z (((0 0 5, 1 0 6, 1 1 7, 0 0 5)))", "MULTIPOINT ((1 2), (3 4))",
    "GEOMETRYCOLLECTION (POINT (1 2), LINESTRING (1 2, 3 4))",
]  # fmt: skip


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("flavor", ["iso", "extended"])
def test_every_vertex_moves_and_nothing_else(order, flavor):
    shapes = shapely.from_wkt([*SHAPES, None])
    wkb = pa.array(shapely.to_wkb(shapes, byte_order=order, flavor=flavor), pa.binary())
    moved = shapely.from_wkb(move_wkb(wkb, lambda x, y: (x + 10, y - 1)).to_pylist())
    for before, after in zip(shapes, moved, strict=True):
        if before is None:
            assert after is None
            continue
        xyz = shapely.get_coordinates(before, include_z=True) + np.array([10, -1, 0])
        assert np.array_equal(shapely.get_coordinates(after, include_z=True), xyz, equal_nan=True)
        assert after.geom_type == before.geom_type and after.has_z == before.has_z


def test_arcs_and_measures_are_kept():
    arc = struct.pack("<BII", 1, 8, 3) + struct.pack("<6d", 0, 0, 1, 1, 2, 0)
    curve = struct.pack("<BII", 1, 10, 1) + arc
    measured = struct.pack("<BI", 1, 3001) + struct.pack("<4d", 1, 2, 3, 4)
    moved = move_wkb(pa.array([curve, measured], pa.binary()), lambda x, y: (x + 1, y))
    assert moved[0].as_py()[:18] == curve[:18]
    assert struct.unpack("<6d", moved[0].as_py()[18:]) == (1, 0, 2, 1, 3, 0)
    assert struct.unpack("<4d", moved[1].as_py()[5:]) == (2, 2, 3, 4)


@pytest.mark.parametrize("cut", [3, 7, 20])
def test_bytes_that_are_no_geometry_are_refused(cut):
    with pytest.raises(ValueError, match=r"WKB|type"):
        move_wkb(
            pa.array([shapely.to_wkb(shapely.LineString([(0, 0), (1, 1)]))[:cut]]),
            lambda x, y: (x, y),
        )


@given(
    lon=st.floats(73, 137), lat=st.floats(2, 55),
    pair=st.permutations(["wgs84", "cgcs2000", "gcj02", "bd09"]),
)  # fmt: skip
def test_there_and_back_is_within_a_centimetre_all_over_china(lon, lat, pair):
    there = shift([lon], [lat], pair[0], pair[1])
    back = shift(*there, pair[1], pair[0])
    assert np.hypot(back[0] - lon, back[1] - lat)[0] * 111_320 < 0.01


@pytest.mark.parametrize(("lon", "lat", "inside"), [(116.4, 39.9, True), (2.3, 48.9, False)])
def test_the_box_around_china(lon, lat, inside):
    assert in_gcj_box(np.array([lon]), np.array([lat])).tolist() == [inside]
