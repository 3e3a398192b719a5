"""Every parcel is accounted for: ids, broken outlines, wrong kinds, shifted datums."""

from __future__ import annotations

import json
import struct

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo_urc.errors import CrsError, LayerError
from geo_urc.inputs import read_inputs
from geo_urc.inputs.datum import shift
from geo_urc.inputs.ids import subject_ids
from geo_urc.wkb import promote


def frame(geometry, crs="EPSG:4548", **columns):
    return gpd.GeoDataFrame(columns, geometry=list(geometry), crs=crs)


def whole(subjects):
    batches = list(subjects.batches(2))  # small, so that runs have to be joined
    return (
        np.concatenate([b.features.geometry for b in batches]),
        [v for b in batches for v in b.wkb.to_pylist()],
        [v for b in batches for v in b.raw_wkb.to_pylist()],
        [i for b in batches for i in b.features.ids],
    )


def test_zoo_of_outlines(square, tmp_path):
    spike = shapely.Polygon(
        [*square(1).exterior.coords[:2], *[(448250.0, 4418100.5), (448200, 4418100)]]
    )
    crossed = shapely.from_wkt(
        "POLYGON ((448400 4418000, 448500 4418000, 448500 4418100, 448500 4418130,"
        " 448500 4418100, 448400 4418100, 448400 4418000))"
    )
    bow_tie = shapely.from_wkt(
        "POLYGON ((448600 4418000, 448700 4418100, 448700 4418000, 448600 4418100, 448600 4418000))"
    )
    point, line = shapely.Point(448800, 4418000), shapely.LineString([(448800, 0), (1, 1)])
    given = [square(0), spike, crossed, bow_tie, None, point, shapely.Polygon(), line]
    subjects = read_inputs(frame(given, n=range(8))).parcels
    source = subjects.source
    assert (source.records_in, source.records_used, source.records_set_aside) == (8, 6, 2)
    assert (source.repaired, source.unusable) == (1, 3)
    assert [(s.record, s.reason.en[:22]) for s in subjects.set_aside] == [
        (6, "The geometry is a POIN"),
        (8, "The geometry is a LINE"),
    ]
    content = json.loads(subjects.set_aside[0].content)
    assert content == {"attributes": {"n": 5}, "wkb": point.wkb_hex.lower()}

    geometry, wkb, raw, ids = whole(subjects)
    assert ids == ["parcels-1", "parcels-2", "parcels-3", "parcels-4", "parcels-5", "parcels-7"]
    assert shapely.is_missing(geometry).tolist() == [False, False, False, True, True, True]
    assert wkb[0] == square(0).wkb and raw[0] is None
    assert shapely.from_wkb(wkb[2]).area == pytest.approx(10_000)
    assert wkb[3] is None and raw[3] == bow_tie.wkb
    assert wkb[4] is None and raw[4] is None
    (repair,) = [n for n in subjects.notices if n.kind == "repair"]
    assert "parcels-3" in repair.text.zh and "10000.00" in repair.text.zh


def test_arcs_are_unusable_and_harm_no_neighbour(square, tmp_path):
    ring = [(0.0, 0.0), (1.0, 1.0), (2.0, 0.0), (1.0, -1.0), (0.0, 0.0)]
    arcs = struct.pack("<BII", 1, 10, 1) + struct.pack("<BII", 1, 8, 5)
    arcs += b"".join(struct.pack("<dd", *p) for p in ring)
    path = tmp_path / "a.parquet"
    frame([square(0), square(1)]).to_parquet(path)
    table = pq.read_table(path)
    column = pa.array([square(0).wkb, arcs], pa.binary())
    place = table.schema.get_field_index("geometry")
    field = table.schema.field("geometry")
    pq.write_table(table.set_column(place, field, column.cast(field.type)), path)
    subjects = read_inputs(path).parcels
    _, wkb, raw, _ = whole(subjects)
    assert wkb == [square(0).wkb, None] and raw == [None, arcs]


def test_mixed_polygons_are_promoted_without_touching_coordinates(square):
    multi = shapely.MultiPolygon([square(1), square(2)])
    subjects = read_inputs(frame([square(0), multi, square(3)])).parcels
    assert subjects.geometry_type == "MultiPolygon"
    _, wkb, _, _ = whole(subjects)
    assert wkb[1] == multi.wkb
    assert wkb[0] == shapely.MultiPolygon([square(0)]).wkb
    assert read_inputs(frame([square(0)])).parcels.geometry_type == "Polygon"


@pytest.mark.parametrize("flavor", ["iso", "extended"])
@pytest.mark.parametrize("byte_order", [0, 1])
def test_promotion_keeps_dimensions(flavor, byte_order):
    solid = shapely.from_wkt("POLYGON Z ((0 0 5, 1 0 5, 1 1 5, 0 0 5))")
    given = [shapely.to_wkb(solid, flavor=flavor, byte_order=byte_order), None]
    promoted = promote(pa.array(given, pa.binary())).to_pylist()
    back = shapely.from_wkb(promoted[0])
    assert back.geom_type == "MultiPolygon" and back.has_z
    assert back.geoms[0].equals(solid)
    assert promoted[1] is None


def test_third_dimension_is_ignored_for_facts_and_kept_for_outputs(square):
    solid = shapely.force_3d(square(0), 44.0)
    geometry, wkb, _, _ = whole(read_inputs(frame([solid])).parcels)
    assert not geometry[0].has_z
    assert wkb[0] == shapely.to_wkb(solid, flavor="iso")


def test_ids_of_a_file(square, tmp_path, layers_toml):
    given = ["a", None, "a", "parcels-2", " ", "a", "a#2"]
    frame([square(i) for i in range(7)], no=given).to_file(tmp_path / "a.gpkg")
    subjects = read_inputs(tmp_path / "a.gpkg", layers=layers_toml('[parcels]\nid = "no"')).parcels
    *_, ids = whole(subjects)
    assert ids == ["a", "parcels-2#2", "a#3", "parcels-2", "parcels-5", "a#4", "a#2"]
    said = " ".join(n.text.en for n in subjects.notices)
    assert "2 empty ids" in said and "2 repeated ids" in said


def test_whole_numbers_stored_as_floats_make_plain_ids(square, tmp_path, layers_toml):
    frame([square(0), square(1)], no=[7.0, 8.0]).to_file(tmp_path / "a.gpkg")
    subjects = read_inputs(tmp_path / "a.gpkg", layers=layers_toml('[parcels]\nid = "no"')).parcels
    assert whole(subjects)[-1] == ["7", "8"]


@given(st.lists(st.sampled_from(["a", "a#2", "a#3", "p-1", "p-2", "p-2#2", None]), max_size=12))
def test_ids_are_always_unique(given_ids):
    column = pa.array(given_ids, pa.string())
    values = subject_ids("p", np.arange(1, len(given_ids) + 1), column).values.to_pylist()
    assert len(set(values)) == len(values) == len(given_ids)
    assert None not in values
    for row, own in enumerate(given_ids):
        if own is not None and own not in given_ids[:row]:
            assert values[row] == own


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
def test_shifted_parcels_come_out_in_4490(square, tmp_path, layers_toml, datum):
    true = frame([square(0), None], n=[1, 2])
    degrees = true.to_crs("EPSG:4490")
    xy = shapely.get_coordinates(degrees.geometry.iloc[0])
    x, y = shift(xy[:, 0], xy[:, 1], "wgs84", datum)
    moved = frame([shapely.Polygon(np.column_stack([x, y])), None], crs="EPSG:4326", n=[1, 2])
    moved.to_file(tmp_path / "a.gpkg")
    toml = layers_toml(f'[parcels]\ndatum = "{datum}"')
    subjects = read_inputs(tmp_path / "a.gpkg", layers=toml).parcels
    geometry, wkb, _, _ = whole(subjects)
    assert subjects.output_crs == "EPSG:4490"
    assert subjects.source.datum == datum and not subjects.source.datum_assumed
    corners = shapely.points(square(0).exterior.coords)
    assert shapely.distance(corners, geometry[0].exterior).max() < 0.01
    # BD-09 ripples: its edges, straight on the web map, are not quite so on the ground.
    assert shapely.hausdorff_distance(geometry[0], square(0)) < 0.05
    metres = (shapely.get_coordinates(shapely.from_wkb(wkb[0])) - xy) * 111_320
    assert np.abs(metres).max() < 0.01
    assert wkb[1] is None


def test_datum_key_on_a_file_without_crs(square, tmp_path, layers_toml):
    degrees = frame([square(0)]).to_crs("EPSG:4490").set_crs(None, allow_override=True)
    degrees.to_file(tmp_path / "a.shp")
    with pytest.raises(CrsError, match="crs ="):
        read_inputs(tmp_path / "a.shp")
    toml = layers_toml('[parcels]\ndatum = "cgcs2000"')
    subjects = read_inputs(tmp_path / "a.shp", layers=toml).parcels
    assert subjects.source.crs == "EPSG:4490"
    assert shapely.hausdorff_distance(whole(subjects)[0][0], square(0)) < 0.001
    toml = layers_toml('[parcels]\ncrs = "EPSG:4490"')
    assert read_inputs(tmp_path / "a.shp", layers=toml).parcels.count == 1


def test_assumed_datum_counts_as_unknown_when_strict(square):
    data = frame([square(0)])
    assert read_inputs(data).parcels.datum_known
    assert not read_inputs(data, strict=True).parcels.datum_known


def test_parcels_elsewhere_are_refused():
    with pytest.raises(CrsError, match="Beijing"):
        read_inputs(frame([shapely.box(0, 0, 100, 100)]))


def test_only_wrong_kinds_is_an_error(square):
    with pytest.raises(LayerError, match="none of the 2 records"):
        read_inputs(frame([shapely.Point(448000, 4418000), shapely.Point(448001, 4418000)]))


def test_no_parcels_at_all(square, tmp_path):
    empty = frame([square(0)], n=[1]).iloc[:0]
    empty.to_file(tmp_path / "a.gpkg")
    subjects = read_inputs(tmp_path / "a.gpkg").parcels
    assert subjects.count == 0 and list(subjects.batches()) == []


def test_nothing_but_geometry(square, tmp_path):
    frame([square(0), None, square(1)]).to_parquet(tmp_path / "a.parquet")
    subjects = read_inputs(tmp_path / "a.parquet").parcels
    assert subjects.column_schema.names == []
    assert len(whole(subjects)[3]) == 3
