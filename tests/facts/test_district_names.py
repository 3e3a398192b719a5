"""A layer of districts whose names are not Beijing's, or come twice, is told of."""

from __future__ import annotations

import geopandas as gpd
import pytest
import shapely

from geo_urc.inputs import read_inputs
from geo_urc.record import district_notices


@pytest.fixture
def remarks(tmp_path):
    """Return a function from names to what is said of districts so named."""

    def say(names: list[str | None], column: str = "name") -> list[str]:
        boxes = [shapely.box(448_000 + i, 4_418_000, 448_001 + i, 4_418_001) for i in range(9)]
        frame = gpd.GeoDataFrame({column: names}, geometry=boxes[: len(names)], crs=4548)
        frame.to_file(tmp_path / "d.gpkg")
        layers = {"districts": {"path": str(tmp_path / "d.gpkg"), "fields": {"name": column}}}
        found = read_inputs(frame, layers=layers).layers["districts"]
        return [notice.text.en for notice in district_notices(found)]

    return say


def test_good_names_need_no_word(remarks):
    assert remarks(["朝阳区", "西城", "密云县"]) == []


def test_names_that_are_no_district_are_told(remarks):
    (said,) = remarks(["朝阳区", "Haidian", None])
    assert said.startswith("2 records have neither") and "Haidian, districts-3" in said


def test_a_district_that_comes_twice_is_told(remarks):
    (said,) = remarks(["朝阳区", "朝阳", "西城区"])
    assert said.startswith("1 districts are there more than once: 朝阳区")
    assert len(remarks(["Chaoyang", "Chaoyang"])) == 2
