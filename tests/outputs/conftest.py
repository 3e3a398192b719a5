"""A made-up finished run: a street grid of parcels and two greens near 116.4 E, 39.9 N."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import replace

import pyarrow as pa
import pytest
import shapely
from pyproj import Transformer

from geo_urc.results import About, Column, FactLine, LayerInfo, Results, RuleInfo
from geo_urc.text import Text

AS_OF = dt.date(2026, 11, 22)
HOSTILE = "</script><img src=x onerror=window.hacked=1>`${window.hacked=2}`\\u0041\\ {{7*7}} {% if %} & \u2028"
FORMULA = "=HYPERLINK(1)"
CITATION = Text("北京市城市更新激励政策工具箱 第8条", "Toolbox, measure 8")

# Thirty parcels, five in a row; the verdict repeats every five so that each row has all words.
WORDS = ["eligible", "ineligible", "review", "unknown", "not_applicable"]
COUNT = 30
UNUSABLE = 17


def _rule(rule_id: str, title: Text, column: str, limit: Text, **changes) -> RuleInfo:
    return replace(
        RuleInfo(
            id=rule_id,
            measure=rule_id[:3],
            title=title,
            explanation=Text("宗地与车站中心的距离不超过限值。", "The parcel is near a station."),
            citation=CITATION,
            policy_class=Text("全面实施", "in force"),
            assess="spatial",
            parameters={"radius_m": 1000.0},
            changed_parameters=(),
            headline=column,
            facts=(
                FactLine(column, Text("到车站的距离", "distance to station"), "m", limit, "near"),
                FactLine("rail_nearest", Text("最近车站", "nearest station"), None, None),
            ),
            layers=("rail_stations",),
            layers_missing=(),
        ),
        **changes,
    )


T08A = _rule(
    "T08a",
    Text("轨道站点周边", "near a rail station"),
    "rail_distance_m",
    Text("≤ 1000 米", "≤ 1000 m"),
    changed_parameters=("radius_m",),
)
T23 = _rule(
    "T23",
    Text("蓝线内便民设施", "inside a blue line"),
    "blue_share",
    Text("= 1", "= 1"),
    facts=(FactLine("blue_share", Text("蓝线内比例", "share inside"), "share", None),),
    parameters={},
    layers=("blue_lines",),
    layers_missing=("blue_lines",),
)
T20 = _rule(
    "T20",
    Text("绿地地下空间", "under green space"),
    "underground_share",
    Text("≤ 0.3", "≤ 0.3"),
    facts=(
        FactLine(
            "underground_share", Text("地下占比", "share"), "share", Text("≤ 0.3", "≤ 0.3"), "share"
        ),
    ),
    parameters={"max_share": 0.3},
    layers=("green_spaces",),
)


def _verdict_columns(rule: RuleInfo, unit: str) -> list[Column]:
    return [
        Column(
            f"{rule.prefix}_{part}",
            Text(f"{rule.id} {zh}", f"{rule.id} {part}"),
            "verdict",
            unit if part in ("margin", "accuracy") else None,
            rule.id,
            part,  # type: ignore[arg-type]
        )
        for part, zh in (
            ("verdict", "结论"),
            ("margin", "余量"),
            ("accuracy", "精度"),
            ("reason", "原因"),
        )
    ]


def parcels_info(crs: str = "EPSG:4490") -> LayerInfo:
    return LayerInfo(
        role="parcels",
        title=Text("宗地", "parcels"),
        geometry_type="MultiPolygon",
        crs=crs,
        columns=(
            Column("subject_id", Text("编号", "id"), "id"),
            Column("名称", Text("名称", "名称"), "user"),
            Column("FID", Text("FID", "FID"), "user"),
            Column("rail_distance_m", Text("到车站的距离", "distance to station"), "fact", "m"),
            Column("rail_nearest", Text("最近车站", "nearest station"), "fact"),
            Column("blue_share", Text("蓝线内比例", "share inside"), "fact", "share"),
            Column("district", Text("所在区", "district"), "fact"),
            *_verdict_columns(T08A, "m"),
            *_verdict_columns(T23, "share"),
            Column("raw_wkb", Text("原始图形", "raw geometry"), "raw"),
            Column("geom", Text("图形", "geometry"), "geometry"),
        ),
        rules=(T08A, T23),
    )


def greens_info(crs: str = "EPSG:4490") -> LayerInfo:
    return LayerInfo(
        role="green_spaces",
        title=Text("绿地", "green spaces"),
        geometry_type="Polygon",
        crs=crs,
        columns=(
            Column("subject_id", Text("编号", "id"), "id"),
            Column("underground_share", Text("地下占比", "share under"), "fact", "share"),
            *_verdict_columns(T20, "share"),
            Column("geom", Text("图形", "geometry"), "geometry"),
        ),
        rules=(T20,),
    )


def _placed(shape: shapely.Geometry, crs: str) -> bytes:
    to = Transformer.from_crs("EPSG:4490", crs, always_xy=True)
    return shapely.to_wkb(
        shapely.transform(shape, lambda xy: _pairs(to, xy)) if crs != "EPSG:4490" else shape
    )


def _pairs(to: Transformer, xy):
    import numpy as np

    return np.column_stack(to.transform(xy[:, 0], xy[:, 1]))


def parcel_shape(place: int) -> shapely.Polygon:
    west, south = 116.40 + 0.002 * (place % 5), 39.90 + 0.002 * (place // 5)
    return shapely.box(west, south, west + 0.0015, south + 0.0015)


def parcels_table(crs: str = "EPSG:4490") -> pa.Table:
    words = [WORDS[i % 5] for i in range(COUNT)]
    words[UNUSABLE] = "unknown"
    reasons = {
        "eligible": None,
        "ineligible": "not_met:near",
        "review": "within_accuracy;straddles",
        "unknown": "layer_missing",
        "not_applicable": None,
    }
    names = [f"宗地{i}号" for i in range(COUNT)]
    names[0], names[1], names[2] = HOSTILE, FORMULA, None
    shapes = [_placed(parcel_shape(i), crs) for i in range(COUNT)]
    shapes[UNUSABLE] = None
    shapes[6] = _placed(shapely.multipolygons([parcel_shape(6)]), crs)
    distances = [100.0 * i for i in range(COUNT)]
    distances[UNUSABLE] = None
    columns = {
        "subject_id": pa.array([f"110101-{i:04d}" for i in range(COUNT)]),
        "名称": pa.array(names),
        "FID": pa.array(range(100, 100 + COUNT), pa.int64()),
        "rail_distance_m": pa.array(distances, pa.float64()),
        "rail_nearest": pa.array(["东单"] * 20 + [HOSTILE] * 10),
        "blue_share": pa.nulls(COUNT, pa.float64()),
        "district": pa.array(["东城区"] * 20 + ["西城区"] * 9 + [None]),
        "t08a_verdict": pa.array(words),
        "t08a_margin": pa.array([None if d is None else 1000 - d for d in distances]),
        "t08a_accuracy": pa.array([1.41] * COUNT),
        "t08a_reason": pa.array(
            [
                "geometry_unusable" if i == UNUSABLE else reasons[word]
                for i, word in enumerate(words)
            ],
            pa.string(),
        ),
        "t23_verdict": pa.array(["unknown"] * COUNT),
        "t23_margin": pa.nulls(COUNT, pa.float64()),
        "t23_accuracy": pa.nulls(COUNT, pa.float64()),
        "t23_reason": pa.array(["layer_missing"] * COUNT),
        "raw_wkb": pa.array(
            [b"\x00broken" if i == UNUSABLE else None for i in range(COUNT)], pa.binary()
        ),
        "geom": pa.array(shapes, pa.binary()),
    }
    return pa.table(columns)


def greens_table(crs: str = "EPSG:4490") -> pa.Table:
    shapes = [shapely.box(116.411 + d, 39.90, 116.412 + d, 39.91) for d in (0.0, 0.002)]
    return pa.table(
        {
            "subject_id": ["green_spaces-1", "green_spaces-2"],
            "underground_share": [0.25, 0.35],
            "t20_verdict": ["eligible", "ineligible"],
            "t20_margin": [0.05, -0.05],
            "t20_accuracy": [0.001, 0.001],
            "t20_reason": pa.array([None, "not_met:share"], pa.string()),
            "geom": pa.array([_placed(shape, crs) for shape in shapes], pa.binary()),
        }
    )


ABOUT = About(
    title=Text("北京市城市更新政策适用性筛查", "Beijing urban renewal: policy screening"),
    as_of=AS_OF,
    rulebook_version="2026.11",
    software="geo-urc 0.1.0",
    crs="EPSG:4548",
    sources=(Text("宗地：宗地.gpkg", "Parcels: 宗地.gpkg"),),
    names={"parcels": "名称"},
    counts={"parcels": {"T08a": {"eligible": 1206, "unknown": 7}}},
)

RUN = {
    "geo_urc_version": "0.1.0",
    "rulebook_version": "2026.11",
    "as_of": AS_OF.isoformat(),
    "evaluation_crs": "EPSG:4548",
    "parameters": {
        "T08a.radius_m": {"value": 1000.0, "unit": "m", "changed": True},
        "T20.max_share": {"value": 0.3, "unit": "share", "changed": False},
    },
    "inputs": [
        {
            "role": "parcels",
            "path": "宗地.gpkg",
            "sha256": {"宗地.gpkg": "ab" * 32},
            "driver": "GPKG",
            "crs": "EPSG:4490",
            "datum": "cgcs2000",
            "datum_assumed": True,
            "operation": "noop",
            "operation_accuracy_m": 0.0,
            "encoding": "UTF-8",
            "records_in": 31,
            "records_used": 30,
            "records_set_aside": 1,
            "repaired": 0,
            "unusable": 1,
            "accuracy_m": 1.0,
            "coverage": "assumed",
            "fields": {"name": "名称"},
        }
    ],
    "notices": [
        {
            "kind": "assumption",
            "where": "rail_stations",
            "text_zh": "假定图层在全市完整",
            "text_en": "the layer is assumed to be complete",
            "count": 1,
        }
    ],
    "set_aside": [
        {
            "role": "parcels",
            "file": HOSTILE,
            "record": 31,
            "reason_zh": "不是面图形",
            "reason_en": "not a polygon",
        }
    ],
    "layers_missing": {"blue_lines": ["T23"]},
}


@pytest.fixture(params=["EPSG:4490", "EPSG:4548"])
def crs(request) -> str:
    return request.param


def make_results(crs: str = "EPSG:4490") -> Results:
    return Results(
        run=RUN,
        layers={"parcels": parcels_info(crs), "green_spaces": greens_info(crs)},
        tables={"parcels": parcels_table(crs), "green_spaces": greens_table(crs)},
    )


def many_results(count: int) -> Results:
    """Return so many small parcels in a square field, in several batches and no spatial order."""
    import numpy as np

    rng = np.random.default_rng(count)
    place = rng.permutation(count)
    side = int(np.ceil(count**0.5))
    west, south = 116.2 + 0.001 * (place % side), 39.8 + 0.001 * (place // side)
    info = parcels_info()
    words = np.array(WORDS)[rng.integers(0, 5, count)]
    table = pa.table(
        {
            "subject_id": [f"PQ{i:06d}" for i in rng.permutation(count)],
            "名称": pa.array([None if i % 3 else f"院{i % 500}" for i in range(count)]),
            "FID": pa.array(range(count), pa.int64()),
            "rail_distance_m": rng.uniform(0, 3000, count),
            "rail_nearest": pa.array(["东单"] * count),
            "blue_share": pa.nulls(count, pa.float64()),
            "district": pa.array(np.where(west < 116.3, "东城区", "西城区").astype(object)),
            "t08a_verdict": pa.array(words.astype(object), pa.string()),
            "t08a_margin": rng.uniform(-100, 100, count),
            "t08a_accuracy": np.full(count, 1.41),
            "t08a_reason": pa.nulls(count, pa.string()),
            "t23_verdict": pa.array(["unknown"] * count),
            "t23_margin": pa.nulls(count, pa.float64()),
            "t23_accuracy": pa.nulls(count, pa.float64()),
            "t23_reason": pa.array(["layer_missing"] * count),
            "raw_wkb": pa.nulls(count, pa.binary()),
            "geom": pa.array(
                shapely.to_wkb(shapely.box(west, south, west + 0.0008, south + 0.0008)), pa.binary()
            ),
        }
    )
    batches = [table.slice(start, 17_001) for start in range(0, count, 17_001)]
    tables = {"parcels": pa.concat_tables(batches)}
    return Results(run=RUN, layers={"parcels": info}, tables=tables)


@pytest.fixture
def results() -> Results:
    return make_results()


def need(program: str | None, what: str) -> None:
    """Skip where a program is absent, but fail in continuous integration."""
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(f"{what} must be installed in CI")
        pytest.skip(f"{what} is not installed")
