"""Small files in every format, built on the spot around one 100 m square in Beijing."""

from __future__ import annotations

import os
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

X0, Y0 = 448_000.0, 4_418_000.0
"""A corner near Tiananmen in EPSG:4548."""

REAL = Path(os.environ.get("GEO_URC_REAL_DATA", Path(__file__).parents[3] / "shared/data/real"))


@pytest.fixture
def real():
    """Return a function from a relative path to the real file, skipping where it is absent."""

    def find(name: str) -> Path:
        path = REAL / name
        if not path.exists():
            pytest.skip(f"no real data at {path}")
        return path

    return find


@pytest.fixture
def square():
    """Return a function from a column number to a 100 m square of EPSG:4548."""
    return lambda i: shapely.box(X0 + 200 * i, Y0, X0 + 200 * i + 100, Y0 + 100)


@pytest.fixture
def parcels(square):
    """Return three square parcels with Chinese attributes."""
    return gpd.GeoDataFrame(
        {
            "编号": ["甲一", "甲二", "甲三"],
            "用地": ["居住用地", "商业服务业用地", "居住用地"],
            "面积": [1.5, 2.5, 3.5],
        },
        geometry=[square(i) for i in range(3)],
        crs="EPSG:4548",
    )


@pytest.fixture
def layers_toml(tmp_path):
    """Return a function that writes a LAYERS.toml and gives its path."""

    def write(text: str) -> Path:
        path = tmp_path / "layers.toml"
        path.write_text(text, "utf-8")
        return path

    return write
