"""A first LAYERS.toml, guessed from the columns of a file of parcels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from geo_urc.inputs.fields import as_text
from geo_urc.inputs.frames import is_frame, open_frame
from geo_urc.inputs.sources import READ_ERRORS, Request, Source, open_source
from geo_urc.roles import Field, Role, roles
from geo_urc.safe_text import escaped, one_line

_USUAL_IDS = (
    "宗地代码", "宗地编号", "宗地号", "地块编号", "地块编码", "不动产单元号", "编号", "标识码",
    "parcel_id", "zddm", "zdbh", "dkbh", "bsm", "osm_id", "id", "objectid",
)  # fmt: skip
_USUAL_NAMES = {
    "name": ("名称", "地块名称", "宗地名称", "项目名称", "mc"),
    "land_use": ("用地性质", "土地用途", "规划用途", "地类名称", "用地类型", "ydxz", "tdyt"),
    "existing_above_gfa_m2": ("现状地上建筑面积", "地上建筑面积", "现状建筑面积", "建筑面积"),
    "planned_gfa_m2": ("规划建筑面积", "规划建筑规模"),
}


def draft_layers_toml(parcels: Any) -> str:
    """Return the text of a draft LAYERS.toml for a file (or GeoDataFrame) of parcels.

    Columns are matched by name, an id column also by being unique; what is not found is
    left as a comment for the user to fill in, as are all layers of the catalogue.

    Raises
    ------
    LayerError
        If the file cannot be opened.
    """
    if is_frame(parcels):
        source = open_frame(parcels, "parcels")
    else:
        source = open_source(Request(str(parcels), Path()))
    return "\n".join([*_parcels_lines(source), *_layer_lines()]) + "\n"


def _parcels_lines(source: Source) -> Iterator[str]:
    role = roles()["parcels"]
    yield f"# {role.title.zh}：{role.about.zh}"
    yield one_line(f"# 文件中的列：{'、'.join(source.schema.names)}")
    yield "[parcels]"
    column = _id_column(source)
    yield f"id = {escaped(column)}" if column else '# id = "…"  # 编号列；不写则按顺序编号'
    yield '# datum = "cgcs2000"  # wgs84 | cgcs2000 | gcj02 | bd09 | unknown'
    if source.crs is None:
        yield '# crs = "EPSG:4548"  # 文件没有坐标系，必须填写'
    yield "# accuracy_m = 1.0"
    yield "[parcels.fields]"
    for name, field in role.fields.items():
        if name != "kind":
            found = _column_for(field, source.schema.names)
            given = f"{name} = {escaped(found)}" if found else f'# {name} = "…"'
            yield f"{given}  # {field.title.zh}{_unit(field)}"


def _layer_lines() -> Iterator[str]:
    for role in roles().values():
        if role.id != "parcels":
            yield ""
            yield from _layer_template(role)


def _layer_template(role: Role) -> Iterator[str]:
    """Yield a commented table for one role."""
    yield f"# {role.title.zh}：{role.about.zh}"
    yield f"# [layers.{role.id}]"
    yield '# path = "…"'
    if role.raster:
        yield from raster_keys(role)
        return
    fields = ", ".join(f'{name} = "…"' for name in role.fields)
    yield f"# fields = {{ {fields} }}"


def raster_keys(role: Role) -> Iterator[str]:
    """Yield, as comments, the keys that a raster may need."""
    if role.cell.unit == "m":
        yield "# accuracy_m = 1.0"
    yield "# nodata = -9999"
    yield f'# units = {{ {role.cell.name} = "{role.cell.unit}" }}'


def _id_column(source: Source) -> str | None:
    """Return the first column with a usual name whose values are all there and differ."""
    plain = {name.strip().lower(): name for name in source.schema.names}
    candidates = [plain[usual] for usual in _USUAL_IDS if usual in plain]
    return next((name for name in candidates if _is_unique(source, name)), None)


def _is_unique(source: Source, column: str) -> bool:
    try:
        parts = [as_text(r.columns.column(column)) for r in source.records(32_768, [column])]
    except READ_ERRORS:  # a damaged file; reading it in earnest says so
        return False
    values = pa.chunked_array(parts, pa.string())
    return not values.null_count and bool(pc.count_distinct(values).as_py() == len(values))


def _column_for(field: Field, names: list[str]) -> str | None:
    plain = {name.strip().lower(): name for name in reversed(names)}
    usual = (field.name, field.title.zh, *_USUAL_NAMES.get(field.name, ()))
    return next((plain[word.lower()] for word in usual if word.lower() in plain), None)


def _unit(field: Field) -> str:
    return f"（{field.unit}）" if field.unit else ""
