"""The small parts that all of QGIS's XML is made of: options, symbols, reference systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, SubElement

QGIS_VERSION = "3.22.0-Białowieża"
"""The form that is written; newer ones read it."""

Numbers = tuple[float, float, float, float]
"""West, south, east, north."""


class SymbolLayer(NamedTuple):
    """One layer of a symbol: its class, properties, and the symbol that it repeats, if any."""

    kind: str
    properties: Mapping[str, str]
    inner: Element | None = None


def option(parent: Element, value: Any, name: str | None = None) -> None:
    """Add a value to QGIS's own form of nested data.

    Examples
    --------
    >>> from xml.etree.ElementTree import tostring
    >>> top = Element("config")
    >>> option(top, {"map": [{"是": "yes"}], "on": True})
    >>> tostring(top[0][0][0], encoding="unicode")
    '<Option type="Map"><Option name="是" type="QString" value="yes" /></Option>'
    """
    at = {} if name is None else {"name": name}
    match value:
        case Mapping():
            table = SubElement(parent, "Option", at, type="Map")
            for key, inner in value.items():
                option(table, inner, key)
        case list():
            table = SubElement(parent, "Option", at, type="List")
            for inner in value:
                option(table, inner)
        case bool():
            SubElement(parent, "Option", at, type="bool", value=str(value).lower())
        case int():
            SubElement(parent, "Option", at, type="int", value=str(value))
        case _:
            SubElement(parent, "Option", at, type="QString", value=str(value))


def symbol(kind: str, layers: Sequence[SymbolLayer], name: str = "") -> Element:
    """Return a symbol (``marker``, ``line`` or ``fill``), the layer below first."""
    made = Element("symbol", type=kind, name=name, alpha="1", clip_to_extent="1", force_rhr="0")
    for place in layers:
        layer = SubElement(made, "layer", {"class": place.kind, "enabled": "1", "pass": "0"})
        layer.set("locked", "0")
        option(layer, place.properties)
        # QGIS before 3.22 reads only the older form.
        for key, value in place.properties.items():
            SubElement(layer, "prop", k=key, v=value)
        if place.inner is not None:
            layer.append(place.inner)
    return made


def rgba(colour: str) -> str:
    """Return ``#rrggbb`` as QGIS writes it.

    Examples
    --------
    >>> rgba("#ff8000")
    '255,128,0,255'
    """
    return ",".join(str(int(colour[place : place + 2], 16)) for place in (1, 3, 5)) + ",255"


def reference_system(crs: str) -> Element | None:
    """Return a coordinate system as QGIS reads it; None for one that PROJ does not know.

    QGIS finds a system by its WKT, so that one without a code is known as well.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        system = CRS.from_user_input(crs)
    except CRSError:
        return None
    authority = system.to_authority(min_confidence=100)
    made = Element("spatialrefsys", nativeFormat="Wkt")
    SubElement(made, "wkt").text = system.to_wkt()
    SubElement(made, "authid").text = ":".join(authority) if authority else ""
    SubElement(made, "description").text = system.name
    SubElement(made, "geographicflag").text = str(system.is_geographic).lower()
    return made


def system_in(parent: Element, tag: str, crs: str) -> None:
    """Add a coordinate system under a tag; nothing for one that PROJ does not know."""
    system = reference_system(crs)
    if system is not None:
        SubElement(parent, tag).append(system)


def extent_in(parent: Element, tag: str, bounds: Numbers) -> None:
    """Add west, south, east and north as elements."""
    made = SubElement(parent, tag)
    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True):
        SubElement(made, name).text = repr(float(value))
