"""Where the data files that travel with the package are, in a wheel and in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def layers_dir() -> Path:
    """Return the folder of the layer catalogue (one TOML file a role)."""
    return _packaged("layers")


def data_dir() -> Path:
    """Return the folder of the embedded sample city."""
    return _packaged("data")


def _packaged(name: str) -> Path:
    """Return ``geo_urc/_name`` of a wheel, else ``name`` at the top of the checkout."""
    inside = _PACKAGE / f"_{name}"
    return inside if inside.is_dir() else _PACKAGE.parent / name
