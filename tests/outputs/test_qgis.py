from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from geo_urc.outputs.geopackage import (
    finish_geopackage,
    write_attribute_table,
    write_geopackage_layer,
)
from tests.outputs.conftest import (
    AS_OF,
    COUNT,
    greens_info,
    greens_table,
    need,
    parcels_info,
    parcels_table,
)

PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> dict:
    need(shutil.which("qgis") if Path(PYTHON).exists() else None, "QGIS")
    import pyarrow as pa

    path = tmp_path_factory.mktemp("成果") / "eligibility.gpkg"
    for info, table in ((parcels_info(), parcels_table()), (greens_info(), greens_table())):
        write_geopackage_layer(path, info, table.schema, table.to_batches())
    write_attribute_table(path, "rules", pa.table({"id": ["T08a"]}))
    finish_geopackage(path, [parcels_info(), greens_info()], as_of=AS_OF)
    probe = Path(__file__).with_name("qgis_probe.py")
    done = subprocess.run(
        [PYTHON, str(probe), str(path), "parcels", "green_spaces"],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("SEEN")]
    assert lines, done.stderr
    return json.loads(lines[0][4:])


def test_both_layers_open_whole(seen):
    assert seen["parcels"]["valid"]
    assert seen["parcels"]["features"] == COUNT
    assert seen["parcels"]["crs"] == "EPSG:4490"
    assert seen["green_spaces"]["features"] == 2


def test_layers_open_coloured_by_their_first_rule(seen):
    assert seen["parcels"]["renderer"] == "categorizedSymbol"
    assert seen["parcels"]["attribute"] == "t08a_verdict"
    assert seen["green_spaces"]["attribute"] == "t20_verdict"
    assert seen["parcels"]["labels"] == [
        "✓ 符合",
        "✗ 不符合",
        "! 需人工研判",
        "? 资料不足",
        "– 不适用",
        "其他",
    ]


def test_no_feature_is_invisible_and_each_word_has_its_own_colour(seen):
    assert seen["parcels"]["hidden"] == 0
    assert seen["parcels"]["colours"] == {
        "eligible": "#009e73",
        "ineligible": "#d55e00",
        "review": "#f0e442",
        "unknown": "#8c8c8c",
        "not_applicable": "#e6e6e6",
    }


def test_headings_are_chinese(seen):
    aliases = seen["parcels"]["aliases"]
    assert aliases["rail_distance_m"] == "到车站的距离（米）"
    assert aliases["t08a_verdict"] == "T08a 结论"
    assert seen["parcels"]["display"] == '"subject_id"'


def test_every_rule_can_be_chosen_as_a_style(seen):
    assert {"T08a 轨道站点周边", "T23 蓝线内便民设施"} <= set(seen["parcels"]["styles"])
