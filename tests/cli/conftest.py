"""A small city written to disk."""

from __future__ import annotations

import geopandas as gpd
import pytest


@pytest.fixture
def city(tmp_path, make_shape):
    """Write five parcels, a station and a green with a garage under it; return the folder."""

    def write(name, shapes, **columns):
        frame = gpd.GeoDataFrame(columns, geometry=[make_shape(s) for s in shapes], crs="EPSG:4548")
        frame.to_file(tmp_path / name, driver="GPKG")

    write(
        "parcels.gpkg",
        # 400 m, 798.5 m (within accuracy), 1400 m from the station; one at the green
        [
            {"box": [0, 0, 100, 100]},
            {"box": [-400, 0, -299.5, 100]},
            {"box": [-1000, 0, -900, 100]},
            {"box": [2000, 0, 2100, 100]},
        ],
        宗地代码=["A-1", "A-2", "A-3", "A-4"],
        现状建筑面积=[1000.0, 2000.0, 3000.0, None],
    )
    write("green.gpkg", [{"box": [3000, 0, 3100, 100]}], 名称=["柳园"])
    write(
        "garage.gpkg",
        [{"box": [3010, 10, 3030, 30]}],
        用途=["公共停车"],
        覆土=[3.0],
    )
    (tmp_path / "stations.csv").write_text("站名,x,y\n柳堤,448500,4418050\n", encoding="utf-8")
    (tmp_path / "layers.toml").write_text(
        """
[parcels]
id = "宗地代码"
fields = { existing_above_gfa_m2 = "现状建筑面积" }

[layers.rail_stations]
path = "stations.csv"
x = "x"
y = "y"
crs = "EPSG:4548"
fields = { name = "站名" }

[layers.green_spaces]
path = "green.gpkg"
fields = { name = "名称" }

[layers.underground_projects]
path = "garage.gpkg"
fields = { use = "用途", soil_cover_m = "覆土" }
values = { use = { "公共停车" = "public_parking" } }
""",
        encoding="utf-8",
    )
    return tmp_path
