"""The options that several commands share, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

# option              commands
# --layers            screen sweep check price
# --rules --set       screen sweep check price rules
# --as-of --strict    screen sweep price (--as-of: rules)
# --only --crs …      screen sweep
# --workers --engine …  screen
# --from              verify report
# --lang              all
# --debug             all

DATUMS = click.Choice(["wgs84", "cgcs2000", "gcj02", "bd09"])

lang = click.option(
    "--lang",
    type=click.Choice(["zh", "en"]),
    default="zh",
    show_default=True,
    help="语言 / language of everything written and printed",
)
layers = click.option(
    "--layers",
    type=click.Path(path_type=Path, dir_okay=False),
    help="LAYERS.toml：图层清单 / the layers by role",
)
rules = click.option(
    "--rules",
    "overlays",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="叠加的规则文件 / a rule file laid over the built-in rulebook",
)
settings = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="改参数，如 T08a.radius_m=1000 / change a parameter; may be repeated",
)
as_of = click.option(
    "--as-of", "as_of", metavar="YYYY-MM-DD", help="判定日期 / date the verdicts speak for"
)
only = click.option("--only", help="只算这些规则，逗号分隔 / only these rules, by comma: T08a,T20")
crs = click.option(
    "--crs", default="EPSG:4548", show_default=True, help="计算坐标系 / evaluation system"
)
overwrite = click.option(
    "--overwrite", is_flag=True, help="替换以前的结果 / replace an earlier result"
)
strict = click.option(
    "--strict",
    is_flag=True,
    help="覆盖范围和坐标基准的假定一律作资料不足 / what is only assumed gives unknown",
)
engine = click.option(
    "--engine",
    type=click.Choice(["local", "dask"]),
    default="local",
    show_default=True,
    help="在本进程或 dask 集群上计算（后者须先 geo-urc partition） / where the work is done",
)
scheduler = click.option(
    "--scheduler", metavar="ADDRESS", help="dask 调度器，如 tcp://10.0.0.1:8786 / of the cluster"
)
workers = click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="进程数，本机默认等于可用的核数 / processes, as many as there are cores by default (Linux)",
)
start = click.option(
    "--from",
    "start",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="相对路径的起点，默认为当前文件夹 / folder that relative paths start from",
)
debug = click.option(
    "--debug", is_flag=True, help="出错时显示调用栈 / show the traceback of an error"
)


def shared(*options: Any) -> Any:
    """Return a decorator that adds the options to a command, the first one first."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
