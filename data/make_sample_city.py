"""Make the sample city that ``geo-urc demo`` screens: invented, seeded, the same each time.

    python data/make_sample_city.py [FOLDER]

The plan is drawn by hand (river, parks, lines, districts); streets, blocks and parcels are cut
by a seeded generator; some two hundred objects with fixed ids are put in on purpose, so that every
rule gives every verdict that it can: those whose place matters are drawn here, those whose
attributes matter are listed in sample_objects.toml. Metres east and north of ORIGIN in EPSG:4548.
"""

from __future__ import annotations

import itertools
import sys
import tomllib
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import rasterio
import shapely
from pyproj import Transformer
from shapely import LineString, Point, Polygon, box
from shapely.affinity import translate

from geo_urc.inputs.datum import shift
from geo_urc.roles import roles

SEED, DATE = 20261123, "2026-11-23"
ORIGIN = (455_000.0, 4_411_000.0)
CRS = "EPSG:4548"
HERE = Path(__file__).parent / "sample"
OBJECTS = tomllib.loads(Path(__file__).with_name("sample_objects.toml").read_text("utf-8"))
BY_HAND = {"LAYERS.toml", "mixing_caps.csv"}
LAYERS = tomllib.loads((HERE / "LAYERS.toml").read_text("utf-8"))

STATIONS = {  # name → place on the plan
    "柳堤": (700, 3300), "鼓铺": (1750, 3250), "槐市口": (2850, 3300), "长亭": (3950, 3330),
    "望津": (5050, 3300), "河沿": (6050, 3250), "东埠": (7350, 3300), "稻香里": (8500, 3340),
    "新埠": (9600, 3300), "北仓": (5000, 5700), "工坊": (5080, 4500), "南园": (4950, 2100),
    "砖窑": (5020, 900),
}  # fmt: skip
PARKS = {  # name → (x, y, half width, half height, high demand)
    "槐荫公园": (3450, 4500, 330, 260, "是"), "长亭公园": (4250, 2350, 300, 230, "是"),
    "望津绿地": (5500, 3900, 210, 190, "是"), "工坊公园": (5700, 5300, 300, 230, None),
    "稻香公园": (8700, 2400, 330, 260, "否"), "东埠绿地": (7700, 4600, 240, 200, "是"),
    "砖窑遗址公园": (4100, 900, 300, 220, "是"), "北仓绿地": (3900, 5900, 230, 190, "是"),
    "新埠公园": (9300, 4700, 300, 260, None), "柳堤绿地": (1500, 5400, 260, 200, "是"),
    "南园绿地": (5900, 1300, 230, 190, "是"), "稻香小园": (8000, 1200, 160, 140, "是"),
}  # fmt: skip
FUNCTIONAL = {
    "槐荫公园",
    "长亭公园",
    "望津绿地",
    "工坊公园",
    "东埠绿地",
    "砖窑遗址公园",
    "北仓绿地",
}


def place(geometry: Any) -> Any:
    """Move from the plan to the map."""
    return translate(geometry, *ORIGIN)


def rectangle(x: float, y: float, width: float, height: float) -> Polygon:
    return box(x, y, x + width, y + height)


def rounded(x: float, y: float, half_width: float, half_height: float, turn: float) -> Polygon:
    """Return a park-like outline: a soft rectangle with an uneven edge."""
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    soft = (np.abs(np.cos(t)) ** 3 + np.abs(np.sin(t)) ** 3) ** (-1 / 3)
    soft *= 1 + 0.04 * np.sin(3 * t + turn) + 0.03 * np.sin(5 * t - turn)
    return Polygon(
        np.column_stack([x + half_width * soft * np.cos(t), y + half_height * soft * np.sin(t)])
    )


def curve(points: list[tuple[float, float]]) -> LineString:
    """Return a line with its corners cut again and again."""
    xy = np.array(points, float)
    for _ in range(4):
        a, b = xy[:-1], xy[1:]
        inner = np.stack([0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b], axis=1).reshape(-1, 2)
        xy = np.vstack([xy[:1], inner, xy[-1:]])
    return LineString(xy)


RIVER = curve(
    [
        (6700, 8200),
        (6650, 6800),
        (6350, 5600),
        (6750, 4300),
        (6500, 3000),
        (6900, 1800),
        (6600, 600),
        (6800, -1200),
    ]
)
CANAL = curve([(-700, 1500), (900, 1350), (2500, 1700), (4300, 1500), (5600, 1750), (6700, 1600)])
MOAT = (
    rectangle(500, 2250, 2100, 1900)
    .buffer(70)
    .difference(rectangle(500, 2250, 2100, 1900).buffer(25))
)
OLD_TOWN = rectangle(530, 2280, 2040, 1840)
WATER = shapely.union_all([RIVER.buffer(75), CANAL.buffer(28), MOAT])

WEST, EAST, SOUTH, NORTH = -1500.0, 11_400.0, -1500.0, 8200.0
FIRST = curve([(2950, SOUTH), (3000, 1200), (3150, 3300), (3000, 5200), (3100, NORTH)])
SECOND = curve([(7250, SOUTH), (7150, 1500), (7000, 3300), (7200, 5200), (7100, NORTH)])


def warp(xy: np.ndarray) -> np.ndarray:
    """Bend the street grid, so that it looks grown rather than ruled."""
    x, y = xy.T
    return np.column_stack([
        x + 90 * np.sin(y / 1500) + 40 * np.sin(x / 700 + 1),
        y + 80 * np.sin(x / 1800 + 0.5) + 30 * np.sin(y / 900),
    ])  # fmt: skip


def cut(rng: np.random.Generator, plot: tuple[float, float, float, float], most: float) -> list:
    """Split a block along its longer side until its plots are small enough."""
    x0, y0, x1, y1 = plot
    if (x1 - x0) * (y1 - y0) <= most:
        return [plot]
    share = rng.uniform(0.36, 0.64)
    if x1 - x0 >= y1 - y0:
        middle = x0 + share * (x1 - x0)
        halves = [(x0, y0, middle, y1), (middle, y0, x1, y1)]
    else:
        middle = y0 + share * (y1 - y0)
        halves = [(x0, y0, x1, middle), (x0, middle, x1, y1)]
    return [piece for half in halves for piece in cut(rng, half, most)]


def streets(rng: np.random.Generator, low: float, high: float) -> list[tuple[float, float]]:
    """Return the blocks between streets along one axis; every fourth street is an avenue."""
    blocks, at, k = [], low, 0
    while at < high - 250:
        width = rng.uniform(270, 430)
        blocks.append((at, min(at + width, high)))
        at += width + (46 if k % 4 == 3 else 24)
        k += 1
    return blocks


Column = tuple[float, float, list[tuple[float, float]]]
"""A column of blocks: its western and eastern edge, and the southern and northern edges in it."""


def plots(rng: np.random.Generator, taken: Any) -> tuple[list[Polygon], list[Column]]:
    """Return the parcels of the whole plan, outside water, parks and what is taken; the blocks."""
    made: list[Polygon] = []
    grid: list[Column] = []
    shapely.prepare(taken)
    for x0, x1 in streets(rng, 0, 10_100):
        blocks: list[tuple[float, float]] = []
        grid.append((x0, x1, blocks))
        for y0, y1 in streets(rng, 100, 6_700):
            middle = Point((x0 + x1) / 2, (y0 + y1) / 2)
            ragged = 700 * np.sin(x0 / 900) - 500 * np.cos(x0 / 1700)
            if y1 > 6400 + ragged or y0 < 250 - 0.4 * ragged:
                continue
            blocks.append((y0, y1))
            old = OLD_TOWN.contains(middle)
            most = rng.uniform(2200, 4500) if old else rng.uniform(9_000, 45_000)
            for a, b, c, d in cut(rng, (x0, y0, x1, y1), most):
                edge = shapely.segmentize(box(a + 1, b + 1, c - 1, d - 1), 60).exterior.coords
                plot = Polygon(np.round(warp(np.array(edge)), 2))
                if taken.intersects(plot):
                    plot = plot.difference(taken)
                    if plot.geom_type != "Polygon" or plot.area < 400:
                        continue
                made.append(shapely.set_precision(plot, 0.01))
    return made, grid


def roads(grid: list[Column]) -> gpd.GeoDataFrame:
    """Return the streets between the blocks: whole ones north, pieces east, joined at vertices.

    Only avenues cross the river; the easternmost street is closed to walkers.
    """
    lines: list[tuple[str, str, LineString]] = []
    corner = lambda x, y: tuple(np.round(warp(np.array([[x, y]])), 2)[0].tolist())
    gaps = [[(a + b) / 2 for (_, a), (b, _) in itertools.pairwise(ys)] for *_, ys in grid]
    middle = [(a + b) / 2 for (_, a, _), (b, _, _) in itertools.pairwise(grid)]
    bed = RIVER.buffer(60)
    joined = set()
    for k, x in enumerate(middle):
        at = [corner(x, y) for y in sorted({*gaps[k], *gaps[k + 1]})]
        runs: list[list[tuple[float, float]]] = [[]]
        for a, b in itertools.pairwise(at):
            if LineString([a, b]).intersects(bed):
                runs.append([])
            else:
                runs[-1] = [*(runs[-1] or [a]), b]
        for run in filter(None, runs):
            joined.update(run)
            lines.append((f"经{k + 1}街", "否" if k == len(middle) - 1 else "是", LineString(run)))
    for k, (west, east) in enumerate(itertools.pairwise(middle)):
        for j, y in enumerate(gaps[k + 1]):
            street = LineString([corner(x, y) for x in np.linspace(west, east, 5)])
            bridge = j % 4 == 3 or not street.intersects(bed)
            if bridge and joined.issuperset([street.coords[0], street.coords[-1]]):
                lines.append((f"纬{j + 1}街", "是", street))
    return frame([r[2] for r in lines], 名称=[r[0] for r in lines], 可步行=[r[1] for r in lines])


def land_use(rng: np.random.Generator, x: float, y: float) -> str:
    near = min(np.hypot(x - a, y - b) for a, b in STATIONS.values())
    if x > 4300 and y > 4300 and x < 6500 and rng.random() < 0.7:
        return "工业用地"
    odds = [0.25, 0.5, 0.15, 0.1] if near < 450 else [0.66, 0.1, 0.16, 0.08]
    words = ["居住用地", "商业服务业用地", "公共管理与公共服务用地", "公用设施用地"]
    return str(rng.choice(words, p=odds))


# --- what is put in on purpose ----------------------------------------------------------------

LAST = STATIONS["新埠"]  # the eastern end of the line; the special parcels lie beyond it


def fixed_parcels() -> list[dict[str, Any]]:
    """Return the parcels whose verdicts are worked out by hand in data/README.md."""
    x, y = LAST
    ring = lambda dy, metres: x + float(np.sqrt(metres**2 - dy**2))
    yes = {"rail": "是", "gfa": 1.0}
    bow_tie = Polygon([(10_250, 900), (10_310, 960), (10_310, 900), (10_250, 960)])
    spike = Polygon(
        [
            (10_250, 700),
            (10_310, 700),
            (10_310, 760),
            (10_280, 760),
            (10_280, 760.4),
            (10_280.2, 759.9),
            (10_250, 760),
        ]
    )
    return [
        {"id": "110112-9001", "name": "半径内侧宗地", "shape": rectangle(x + 795, y - 20, 40, 40)},
        {"id": "110112-9002", "name": "半径外侧宗地", "shape": rectangle(ring(100, 805), y + 100, 40, 40)},
        {"id": "110112-9003", "name": "半径线上宗地", "shape": rectangle(ring(200, 800.5), y + 200, 40, 40)},
        {"id": "110112-9004", "name": "尖刺可修复宗地", "shape": spike},
        {"id": "110112-9005", "name": "自相交宗地", "shape": bow_tie},
        {"id": "110112-9006", "name": "无图形宗地", "shape": None},
        {"id": "110112-9007", "name": "重号宗地甲", "shape": rectangle(10_250, 500, 60, 60)},
        {"id": "110112-9007", "name": "重号宗地乙", "shape": rectangle(10_330, 500, 60, 60)},
        {"id": "110112-9008", "name": "覆盖范围外宗地", "shape": rectangle(11_330, 6500, 30, 30)},
        {"id": "110112-9009", "name": "市域外宗地", "shape": rectangle(11_460, 6400, 30, 30)},
        {"id": "110105-9011", "name": "一体化合规宗地", "shape": rectangle(4830, 3420, 60, 50), **yes, "quota": 1500.0},
        {"id": "110105-9012", "name": "一体化超限宗地", "shape": rectangle(4900, 3420, 60, 50), **yes, "quota": 1500.5},
        {"id": "110105-9013", "name": "未申请指标宗地", "shape": rectangle(4970, 3420, 60, 50), **yes},
        {"id": "110105-9014", "name": "缺建筑规模宗地", "shape": rectangle(5040, 3420, 60, 50), "rail": "是"},
        {"id": "110105-9015", "name": "枢纽内宗地", "shape": rectangle(4880, 3180, 60, 50), "rail": "否", "gfa": 1.0},
        {"id": "110105-9016", "name": "枢纽边界宗地", "shape": rectangle(5180, 3180, 60, 50), "rail": "否", "gfa": 1.0},
        {"id": "110105-9021", "name": "码头宗地", "shape": rectangle(6515, 3100, 30, 24)},
        {"id": "110105-9022", "name": "滨水宗地", "shape": rectangle(6440, 2900, 90, 60)},
    ]  # fmt: skip


def parcels(rng: np.random.Generator, parks: Any) -> tuple[gpd.GeoDataFrame, list[Column]]:
    fixed = fixed_parcels()
    ours = [row["shape"] for row in fixed if row["shape"] is not None]
    kept = shapely.union_all([shapely.make_valid(shape).buffer(12) for shape in ours])
    taken = shapely.union_all([WATER.buffer(-20), parks.buffer(15), kept])
    rows = []
    number = {"110101": 0, "110105": 0, "110112": 0}
    west, middle = districts()[0][1], districts()[1][1]
    made, grid = plots(rng, taken)
    for shape in made:
        x, y = shape.centroid.x, shape.centroid.y
        code = (
            "110101"
            if west.contains(shape.centroid)
            else "110105"
            if middle.contains(shape.centroid)
            else "110112"
        )
        number[code] += 1
        use = land_use(rng, x, y)
        gfa = round(shape.area * rng.uniform(0.4, 2.6) / 1e4, 4)
        rail = rng.choice(["是", "否"], p=[0.12, 0.88])
        quota = round(gfa * 1e4 * rng.choice([0.08, 0.14, 0.19]), 1) if rail == "是" else None
        rows.append({
            "id": f"{code}-{number[code]:04d}", "name": None, "shape": shape, "use": use,
            "rail": None if rng.random() < 0.02 else rail, "gfa": None if rng.random() < 0.03 else gfa, "quota": quota,
        })  # fmt: skip
    rows += [{"use": "公用设施用地", "rail": "否", "gfa": 0.3} | row for row in fixed]
    table = frame(
        [row["shape"] for row in rows],
        宗地代码=[row["id"] for row in rows],
        名称=[row.get("name") for row in rows],
        用地性质=[row["use"] for row in rows],
        现状建面=[row.get("gfa") if row["id"] != "110105-9014" else None for row in rows],
        轨道一体=[row["rail"] for row in rows],
        专项指标=[row.get("quota") for row in rows],
    )
    usual = {"rail_integration": False, "existing_above_gfa_m2": 0.3}  # 万m2
    return listed("parcels", table, usual), grid


def districts() -> list[tuple[str, Polygon, str]]:
    extent = box(WEST, SOUTH, EAST, NORTH)
    first = Polygon([*FIRST.coords, (WEST - 9, NORTH), (WEST - 9, SOUTH)])
    second = Polygon([*SECOND.coords, (WEST - 9, NORTH), (WEST - 9, SOUTH)])
    return [
        ("东城", extent.intersection(first), "110101"),
        ("朝阳区", extent.intersection(second).difference(first), "110105"),
        ("通州区", extent.difference(second), "110112"),
    ]


def greens() -> tuple[gpd.GeoDataFrame, dict[str, Polygon]]:
    shapes = {
        name: rounded(x, y, a, b, k) for k, (name, (x, y, a, b, _)) in enumerate(PARKS.items())
    }
    # Three plain rectangles whose shares are round numbers: 100 m × 200 m = 20,000 m².
    plain = {"算例绿地甲": 9450.0, "算例绿地乙": 9600.0, "算例绿地丙": 9750.0}
    shapes |= {name: rectangle(x, 5600, 100, 200) for name, x in plain.items()}
    demand = [PARKS[name][4] if name in PARKS else "否" for name in shapes]
    ids = [f"G{k + 1:02d}" for k in range(len(shapes))]
    return frame(list(shapes.values()), 绿地编号=ids, 名称=list(shapes), 活动需求=demand), shapes


def underground() -> gpd.GeoDataFrame:
    """Return projects under greens: what is good, and each way of not being so."""
    parking, other = "public_parking", "商业仓储"
    x = [9450.0, 9600.0, 9750.0]
    rows = [  # id, shape, use, soil cover
        ("U01", rectangle(x[0] + 5, 5610, 75, 72), parking, 2.0),  # 5,400 of 20,000 m²: 27 %
        ("U02", rectangle(x[1] + 5, 5610, 80, 85), parking, 2.6),  # 6,800 of 20,000 m²: 34 %
        ("U03", rectangle(x[2] + 5, 5610, 75, 80), "commerce", 2.2),  # 6,000 of 20,000 m²: 30 %
        ("U04", rectangle(3350, 4400, 150, 120), parking, 1.99),
        ("U05", rectangle(4150, 2250, 160, 120), other, 3.0),
        ("U06", rectangle(5420, 3840, 90, 80), parking, None),
        ("U07", rectangle(5600, 5200, 160, 120), parking, 2.4),  # a tree inside its footprint
        ("U08", rectangle(8600, 2300, 150, 120), parking, 2.4),  # within a tree's protection
        ("U09", rectangle(7640, 4540, 100, 90), parking, 2.4),  # just clear of a tree
        ("U10", rectangle(4000, 840, 120, 100), "commerce", 2.4),  # near a tree of unknown protection
        ("U11", rectangle(3850, 5840, 110, 90), parking, 2.4),  # overlaps a memorial core
        ("U12", rectangle(2000, 5900, 140, 90), parking, 2.4),  # under no green
        ("U13", rectangle(9250, 4620, 110, 100), parking, 3.1),
    ]  # fmt: skip
    return frame(
        [row[1] for row in rows],
        项目编号=[row[0] for row in rows],
        用途=[row[2] for row in rows],
        覆土厚度=[row[3] for row in rows],
        状态=["已批" if k % 2 else "拟建" for k in range(len(rows))],
    )


def trees() -> gpd.GeoDataFrame:
    rows = [
        ("GS001", Point(5680, 5260), 6.0),  # inside U07
        ("GS002", Point(8755, 2360), 8.0),  # 5 m from U08
        ("GS003", Point(7748, 4585), 5.0),  # 8 m from U09
        ("GS004", Point(4140, 890), None),  # 20 m from U10, protection not stated
        ("GS005", Point(1200, 3000), 7.0),
        ("GS006", Point(2100, 2700), 6.0),
    ]
    return frame([r[1] for r in rows], 古树编号=[r[0] for r in rows], 保护范围=[r[2] for r in rows])


def amenities(shapes: dict[str, Polygon]) -> gpd.GeoDataFrame:
    """Return kiosks in greens; in 槐荫公园 and 长亭公园 some with large footprints as well."""
    big = shapes["长亭公园"].area * 0.09
    rows = [  # id, shape, storeys, floor area, height
        ("A01", rectangle(3300, 4600, 20, 15), 1, 300.0, 4.0),
        ("A02", rectangle(3500, 4600, 20, 15.2), 1, 300.1, 4.0),
        ("A03", rectangle(4350, 2350, big / 120, 120), 2, 1800.0, 9.0),
        ("A04", rectangle(5440, 3960, 14, 12), 1, 168.0, 4.1),
        ("A05", rectangle(7820, 4640, 15, 12), 1, 180.0, None),
        ("A06", translate(rectangle(0, 0, 24, 12), shapes["新埠公园"].bounds[0] - 10, 4700), 1, 288.0, 3.6),
        ("A07", Point(3950, 5950), 1, 90.0, 3.5),
        ("A08", rectangle(2100, 6000, 15, 12), 1, 180.0, 3.5),
    ]  # fmt: skip
    return frame(
        [r[1] for r in rows], 编号=[r[0] for r in rows], 层数=[r[2] for r in rows],
        建筑面积=[r[3] for r in rows], 高度=[r[4] for r in rows],
    )  # fmt: skip


CORNERS = {  # street-corner spaces: id → lower left corner; each 60 m × 40 m
    "C1": (3560, 3420), "C2": (4480, 2860), "C3": (5560, 2760), "C4": (1180, 4700), "C5": (8260, 3700),
}  # fmt: skip


def facilities() -> gpd.GeoDataFrame:
    """Return proposed small facilities, one for each way of the rule."""
    at = lambda corner, dx, dy: Point(CORNERS[corner][0] + dx, CORNERS[corner][1] + dy)
    rows = [  # id, kind, shape, storeys, height, floor area, radius
        ("F01", "便利店", at("C1", 20, 20), 1, 4.0, 300.0, 1000.0),
        ("F02", "便利店", at("C1", 40, 20), 1, 4.0, 300.1, 1000.0),
        ("F03", "养老服务", at("C2", 20, 20), 1, 4.1, 200.0, 1200.0),
        ("F04", "养老服务", at("C2", 40, 20), 1, 3.6, 200.0, 999.0),
        ("F05", "菜站", at("C3", 20, 20), 1, 3.6, 150.0, 800.0),
        ("F06", "菜站", at("C3", 40, 20), 1, 3.6, 150.0, 799.0),
        ("F07", "图书角", at("C4", 20, 20), 2, 3.9, 150.0, 1000.0),
        ("F08", "图书角", at("C4", 40, 20), 1, 3.9, None, 1000.0),
        ("F09", "便利店", at("C5", 60.5, 20), 1, 3.9, 120.0, 1000.0),
        ("F10", "便利店", at("C5", 160, 20), 1, 3.9, 120.0, 1000.0),
        ("F11", "理发店", at("C5", 20, 20), 1, 3.4, 80.0, 1500.0),
    ]  # fmt: skip
    return frame(
        [r[2] for r in rows], 编号=[r[0] for r in rows], 类别=[r[1] for r in rows], 层数=[r[3] for r in rows],
        高度=[r[4] for r in rows], 建筑面积=[r[5] for r in rows], 服务半径=[r[6] for r in rows],
    )  # fmt: skip


def small_facilities(rng: np.random.Generator) -> pd.DataFrame:
    kinds = ["便利店", "养老服务", "菜站", "图书角"]
    xy = np.column_stack([rng.uniform(400, 9800, 60), rng.uniform(500, 6000, 60)])
    lon, lat = degrees(xy + ORIGIN)
    return pd.DataFrame({
        "编号": [f"S{k + 1:02d}" for k in range(60)], "类别": [kinds[k % 4] for k in range(60)],
        "服务半径": [500 + 100 * (k % 6) for k in range(60)], "经度": lon.round(7), "纬度": lat.round(7),
    })  # fmt: skip


def courtyards(rng: np.random.Generator) -> gpd.GeoDataFrame:
    rows = []
    for k in range(24):
        shape = rectangle(
            800 + 240 * (k % 6), 2500 + 380 * (k // 6), 26, 30 + float(rng.integers(0, 12))
        )
        housing, works = ("是", "保护性修缮") if k % 3 else ("否", "恢复性修建")
        rows.append([f"H{k + 1:02d}", shape, housing, works])
    rows[1][3], rows[2][2] = "恢复性修建", None  # H02 restored; H03 ownership not known
    rows.append(["H25", rectangle(3900, 5000, 26, 30), "是", "保护性修缮"])  # outside the core
    rows.append(
        ["H26", translate(rectangle(-13, 0, 26, 30), border(FIRST, 2000), 2000), "是", "保护性修缮"]
    )
    return frame(
        [r[1] for r in rows],
        院落编号=[r[0] for r in rows],
        直管公房=[r[2] for r in rows],
        工程=[r[3] for r in rows],
    )


def border(line: LineString, y: float) -> float:
    """Return where a district border crosses a height of the plan."""
    return line.intersection(LineString([(WEST, y), (EAST, y)])).x


PROJECTS: list[dict[str, Any]] = [
    {"id": "X01", "name": "柳堤片区更新", "at": (900, 4300, 420, 320), "whole": "是", "signed": "是", "approved": 60_000.0,
     "dug": 8000.0, "total": 100_000.0, "before": 100_000.0, "after": 80_000.0, "revenue": 5e7},
    {"id": "X02", "name": "长亭片区更新", "at": (3650, 2900, 420, 300), "whole": "是", "signed": "否", "approved": 40_000.0,
     "dug": 5000.0, "total": 100_000.0, "before": 90_000.0, "after": 69_999.0, "revenue": 4e7},
    {"id": "X03", "name": "稻香里项目", "at": (7600, 2500, 380, 300), "whole": "否", "signed": "是", "approved": 30_000.0,
     "dug": 3000.0, "total": 50_000.0, "before": 50_000.0, "after": 30_000.0, "revenue": 2e7},
    {"id": "X04", "name": "新埠副中心项目", "at": (9000, 2700, 360, 300), "whole": "否", "signed": "是", "approved": 500.0,
     "dug": 4000.0, "total": 50_000.0, "before": 50_000.0, "after": 30_000.0, "revenue": 2e7},
    {"id": "X05", "name": "跨区项目", "at": None, "whole": "是", "signed": "是", "approved": 20_000.0,
     "dug": 2500.0, "total": 20_000.0, "before": 20_000.0, "after": 15_000.0, "revenue": 1e7},
    {"id": "X06", "name": "工坊厂区更新", "at": (4700, 4700, 420, 340), "whole": None, "signed": "是", "approved": 80_000.0,
     "dug": 0.0, "total": 80_000.0, "before": 80_000.0, "after": 80_000.0, "revenue": None},
    {"id": "X07", "name": "望津楼宇更新", "at": (5150, 2650, 260, 220), "whole": "是", "signed": "是", "approved": 45_000.0,
     "dug": None, "total": 45_000.0, "before": 45_000.0, "after": 26_999.0, "revenue": 3e7},
    {"id": "X08", "name": "砖窑楼宇更新", "at": (4500, 1050, 260, 220), "whole": "是", "signed": "是", "approved": None,
     "dug": 1500.0, "total": 45_000.0, "before": 45_000.0, "after": 26_999.0, "revenue": 3e7},
    {"id": "X09", "name": "南园项目", "at": (5350, 1900, 260, 200), "whole": "否", "signed": "是", "approved": 10_000.0,
     "dug": 900.0, "total": 10_000.0, "before": 10_000.0, "after": 10_500.0, "revenue": 1e6},
    {"id": "X10", "name": "缺减量资料项目", "at": (3400, 1900, 260, 200), "whole": "否", "signed": "是", "approved": 10_000.0,
     "dug": 900.0, "total": None, "before": 10_000.0, "after": 9000.0, "revenue": 1e6},
    {"id": "X11", "name": "朝通边界项目", "at": None, "whole": "否", "signed": "是", "approved": 10_000.0,
     "dug": 900.0, "total": 10_000.0, "before": 10_000.0, "after": 9000.0, "revenue": 1e6},
]  # fmt: skip


def projects() -> gpd.GeoDataFrame:
    shapes = []
    for row in PROJECTS:
        if row["at"] is None:  # astride a border: 120 m on one side, 180 m on the other
            line, y = (FIRST, 5600.0) if row["id"] == "X05" else (SECOND, 6000.0)
            shapes.append(rectangle(border(line, y) - 120, y, 300, 180))
        else:
            shapes.append(rectangle(*row["at"]))
    column = lambda key: [row[key] for row in PROJECTS]
    return frame(
        shapes, 项目编号=column("id"), 名称=column("name"), 区域综合=column("whole"), 已签协议=column("signed"),
        核定面积=column("approved"), 新增地下=column("dug"), 原总规模=column("total"),
        原地上=column("before"), 现地上=column("after"), 土地收益=column("revenue"),
    )  # fmt: skip


def contributions() -> gpd.GeoDataFrame:
    rows = [  # id, shape, land area stated, free, open
        ("K01", rectangle(1000, 4350, 60, 50), 3000.0, "是", "是"),
        ("K02", rectangle(1100, 4350, 40, 50), None, "是", "是"),
        ("K03", rectangle(3700, 2950, 60, 50), None, "是", "是"),
        ("K04", rectangle(9050, 2750, 60, 50), None, "是", "是"),
        ("K05", rectangle(4750, 4750, 60, 50), None, "否", "是"),
        ("K06", rectangle(7945, 2550, 60, 50), None, "是", "是"),  # 35 of 60 m in X03
        ("K07", rectangle(4550, 1100, 50, 40), None, "是", "是"),
        ("K08", rectangle(5400, 1950, 50, 40), None, None, "是"),
    ]
    return frame(
        [r[1] for r in rows], 编号=[r[0] for r in rows], 占地面积=[r[2] for r in rows],
        无偿=[r[3] for r in rows], 开放=[r[4] for r in rows],
    )  # fmt: skip


def areas(shapes: dict[str, Polygon]) -> dict[str, gpd.GeoDataFrame]:
    """Return the layers of areas, each by its role."""
    key = [("key_area", "柳堤重点地区", rectangle(200, 2800, 1500, 1100))]
    key += [("business", "望津商务片区", rectangle(4300, 2500, 1500, 560))]
    key += [("functional", f"{name}功能区", shapes[name].buffer(40)) for name in sorted(FUNCTIONAL)]
    key += [("functional", "新埠功能区", rectangle(9000, 4400, 320, 700))]  # half of 新埠公园
    key += [
        ("renewal", "柳堤更新单元", rectangle(700, 4200, 900, 600)),
        ("renewal", "砖窑更新单元", rectangle(4300, 850, 350, 700)),
    ]
    integration = [
        ("rail_micro_centre", "长亭微中心", Point(STATIONS["长亭"]).buffer(330)),
        ("family_centre", "稻香家园中心", rectangle(8200, 3450, 520, 380)),
        ("dilapidated_renewal", "北仓危旧房改造片", rectangle(4650, 5550, 600, 420)),
    ]

    def named(rows: list[tuple[str, str, Polygon]]) -> gpd.GeoDataFrame:
        return frame([r[2] for r in rows], 类别=[r[0] for r in rows], 名称=[r[1] for r in rows])

    return {
        "key_areas": named(key),
        "integration_areas": named(integration),
        "hubs": named([("rail_hub", "望津枢纽", rectangle(4850, 3130, 380, 250))]),
        "blue_lines": named([("river", "沁水河", RIVER.buffer(75)), ("canal", "漕渠", CANAL.buffer(28)), ("moat", "护城河", MOAT)]),
        "memorial_cores": named([("core", "北仓纪念林核心区", rectangle(3930, 5900, 60, 60))]),
        "street_corner_spaces": named([("corner", f"转角绿地 {k}", rectangle(*at, 60, 40)) for k, at in CORNERS.items()]),
        "heritage": named([("listed", "工坊老烟囱", rectangle(4900, 4850, 30, 30)), ("listed", "柳堤会馆", rectangle(1150, 3000, 40, 30))]),
        "subcentre": named([("subcentre", "副中心示意范围", box(8350, SOUTH + 100, EAST - 100, 4400))]),
    }  # fmt: skip


def listed(
    role: str, drawn: gpd.GeoDataFrame | None = None, usual: dict[str, Any] | None = None
) -> gpd.GeoDataFrame:
    """Return the objects of sample_objects.toml, after those that are drawn.

    Their columns are those that LAYERS.toml gives the role; yes and no, and the words of the
    catalogue, are written in Chinese.
    """
    entry = LAYERS["parcels"] if role == "parcels" else LAYERS["layers"][role]
    rows = [{**(usual or {}), **row} for row in OBJECTS[role]]
    shapes = [box(*row["box"]) if "box" in row else Point(row["point"]) for row in rows]
    columns = {"id": entry["id"], **entry["fields"]} if "id" in entry else entry["fields"]
    known = roles()[role].fields

    def told(name: str, value: Any) -> Any:
        if isinstance(value, bool):
            return "是" if value else "否"
        return known[name].words.get(value, value) if name in known else value

    table = frame(
        shapes,
        **{column: [told(name, row.get(name)) for row in rows] for name, column in columns.items()},
    )
    if drawn is None:
        return table
    return gpd.GeoDataFrame(pd.concat([drawn, table], ignore_index=True), crs=CRS)


def rasters() -> dict[str, tuple[np.ndarray, float, int]]:
    """Return ground in cm and people a cell, with the size of a cell in m and the nodata value.

    The ground falls to the south-east and into the river; the eastern fields are level.
    """
    x, y = cells(30)
    river = shapely.distance(RIVER, shapely.points(x, y))
    ground = 48 - 0.0022 * x + 0.0009 * y + 1.5 * np.sin(x / 900) * np.cos(y / 1100)
    ground -= 4 * np.exp(-((river / 160) ** 2))
    level = np.clip((x - 10_050) / 350, 0, 1)
    ground = np.round(10 * (ground * (1 - level) + 22 * level)) * 10
    surveyed = (x > -200) & (x < 11_320) & (y > -900) & (y < 6900)
    dem = np.where(surveyed, ground, -9999).astype(np.int16)

    x, y = cells(100)
    near = np.min([np.hypot(x - a, y - b) for a, b in STATIONS.values()], axis=0)
    people = np.where(x > 10_440, 10, np.round(20 + 160 * np.exp(-near / 900)))
    built = (x > -100) & (x < 11_320) & (y > -900) & (y < 6900)
    population = np.where(built, people, -9999).astype(np.int16)
    return {"dem": (dem, 30, -9999), "population": (population, 100, -9999)}


def cells(size: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the middles of the cells of a grid over the city, from the north-west."""
    x = np.arange(WEST + size / 2, EAST, size)
    y = np.arange(NORTH - size / 2, SOUTH, -size)
    return np.meshgrid(x, y)


# --- files ------------------------------------------------------------------------------------


def frame(shapes: list[Any], **columns: list[Any]) -> gpd.GeoDataFrame:
    placed = [None if shape is None else shapely.set_precision(place(shape), 0) for shape in shapes]
    return gpd.GeoDataFrame(columns, geometry=placed, crs=CRS)


def degrees(xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return Transformer.from_crs(CRS, "EPSG:4490", always_xy=True).transform(*xy.T)


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*"):
        if old.name not in BY_HAND:
            old.unlink()
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{DATE}T00:00:00.000Z"})
    rng = np.random.default_rng(SEED)
    green, shapes = greens()
    plan, grid = parcels(rng, shapely.union_all(list(shapes.values())))
    plan.to_file(folder / "parcels.shp", encoding="GBK", DBF_DATE_LAST_UPDATE=DATE, RESIZE="YES")
    (folder / "parcels.cpg").unlink(missing_ok=True)  # as such files come: nothing says GBK

    lon, lat = shift(*degrees(np.array(list(STATIONS.values())) + ORIGIN), "cgcs2000", "gcj02")
    points = gpd.GeoDataFrame(
        {"名称": list(STATIONS)}, geometry=gpd.points_from_xy(lon, lat), crs=4326
    )
    points.to_file(folder / "stations_gcj02.geojson", COORDINATE_PRECISION=9)

    whole = districts()
    names = frame([d[1] for d in whole], 区=[d[0] for d in whole], 代码=[d[2] for d in whole])
    names.geometry = shapely.segmentize(names.geometry.values, 200)
    names.to_crs(4490).to_file(folder / "districts.gpkg", layer="districts")
    layers = areas(shapes) | {
        "green_spaces": listed("green_spaces", green),
        "underground_projects": listed("underground_projects", underground()),
        "ancient_trees": trees(), "green_amenities": amenities(shapes),
        "facilities": listed("facilities", facilities()), "courtyards": courtyards(rng),
        "projects": listed("projects", projects()), "public_contributions": contributions(),
        "roads": roads(grid),
    }  # fmt: skip
    layers |= {role: listed(role) for role in OBJECTS if role not in layers and role != "parcels"}
    for role, table in layers.items():
        table.to_file(folder / "city.gpkg", layer=role)
    small_facilities(rng).to_csv(
        folder / "small_facilities.csv", index=False, encoding="utf-8-sig", lineterminator="\n"
    )
    for name, (values, size, nodata) in rasters().items():
        west, north = ORIGIN[0] + WEST, ORIGIN[1] + NORTH
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", dtype="int16", count=1, crs=CRS,
            height=values.shape[0], width=values.shape[1], nodata=nodata,
            transform=rasterio.Affine(size, 0, west, 0, -size, north), compress="deflate", predictor=2,
        ) as file:  # fmt: skip
            file.write(values, 1)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
