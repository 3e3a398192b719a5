"""Beijing's urban-renewal policy as data, evaluated against parcel geometries.

Examples
--------
>>> import geo_urc
>>> result = geo_urc.screen("parcels.gpkg", layers="layers.toml")  # doctest: +SKIP
>>> result.parcels  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["GeoUrcError", "Result", "Rulebook", "load_rulebook", "price", "read_inputs", "screen"]

_HOME = {
    "GeoUrcError": "geo_urc.errors",
    "Result": "geo_urc.api",
    "Rulebook": "geo_urc.policy",
    "load_rulebook": "geo_urc.policy",
    "price": "geo_urc.api",
    "read_inputs": "geo_urc.inputs",
    "screen": "geo_urc.api",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: ``geo-urc --help`` needs none of them."""
    if name not in _HOME:
        raise AttributeError(f"module 'geo_urc' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
