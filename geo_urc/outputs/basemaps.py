"""Base maps from outside, for who asks for one. Each is drawn in its own datum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from geo_urc.errors import GeoUrcError, Problem
from geo_urc.text import Lang, Text

_TIANDITU = (
    "https://t{{s}}.tianditu.gov.cn/{0}_w/wmts?SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0&LAYER={0}"
    "&STYLE=default&TILEMATRIXSET=w&FORMAT=tiles&TILEMATRIX={{z}}&TILEROW={{y}}&TILECOL={{x}}&tk={{key}}"
)


@dataclass(frozen=True)
class _Service:
    title: Text
    urls: tuple[str, ...]
    subdomains: str
    datum: Literal["cgcs2000", "wgs84", "gcj02"]
    credit: str


SERVICES: dict[str, _Service] = {
    "tianditu": _Service(
        Text("天地图矢量底图", "Tianditu, streets"),
        (_TIANDITU.format("vec"), _TIANDITU.format("cva")),
        "01234567",
        "cgcs2000",
        "天地图",
    ),
    "tianditu-image": _Service(
        Text("天地图影像底图", "Tianditu, images"),
        (_TIANDITU.format("img"), _TIANDITU.format("cia")),
        "01234567",
        "cgcs2000",
        "天地图",
    ),
    "amap": _Service(
        Text("高德底图（GCJ-02，已移到实地位置）", "Amap (GCJ-02, moved to where it belongs)"),
        (
            "https://webrd0{s}.is.autonavi.com/appmaptile?lang=zh_cn&size=1&scale=1&style=8"
            "&x={x}&y={y}&z={z}&key={key}",
        ),
        "1234",
        "gcj02",
        "高德地图",
    ),
    "osm": _Service(
        Text("OpenStreetMap 底图", "OpenStreetMap"),
        ("https://tile.openstreetmap.org/{z}/{x}/{y}.png",),
        "",
        "wgs84",
        "© OpenStreetMap contributors",
    ),
}
"""Name → where its pictures are, and in which datum. ``{key}`` is the reader's own key."""


@dataclass(frozen=True)
class Basemap:
    """One base map as a run was asked for.

    Attributes
    ----------
    name
        A key of `SERVICES`.
    key
        What the provider gave the reader; it stands in the page for all to read.
    """

    name: str
    key: str | None = None

    def __post_init__(self) -> None:
        if self.name not in SERVICES:
            what = Text(f"没有底图“{self.name}”。", f"there is no base map {self.name!r}.")
            known = ", ".join(SERVICES)
            raise GeoUrcError(
                Problem("--basemap", what, Text(f"可用：{known}。", f"Known: {known}."))
            )
        if self.key is None and any("{key}" in url for url in SERVICES[self.name].urls):
            what = Text(f"底图“{self.name}”需要密钥。", f"the base map {self.name!r} needs a key.")
            fix = Text(
                "用 --basemap-key 给出向服务商申请的密钥。",
                "Give the key that its provider issued with --basemap-key.",
            )
            raise GeoUrcError(Problem("--basemap", what, fix))

    def describe(self, lang: Lang) -> dict[str, Any]:
        """Return what the page knows of it.

        Examples
        --------
        >>> Basemap("osm").describe("en")["urls"]
        ['https://tile.openstreetmap.org/{z}/{x}/{y}.png']
        """
        service = SERVICES[self.name]
        return {
            "title": service.title.to(lang),
            "datum": service.datum,
            "credit": service.credit,
            "urls": list(service.urls),
            "subdomains": service.subdomains,
            "key": self.key or "",
        }
