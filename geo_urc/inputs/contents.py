"""What a file is by its first bytes, whatever its name says."""

from __future__ import annotations

from pathlib import Path

from geo_urc.text import Text

_HEAD = 512
_SIGNS = (
    (b"SQLite format 3\0", ".gpkg"),
    (b"PK\x03\x04", ".zip"),
    (b"PAR1", ".parquet"),
    (b"fgb\x03", ".fgb"),
)
_KNOWN = {
    ".shp": ".shp",
    ".gpkg": ".gpkg",
    ".sqlite": ".gpkg",
    ".zip": ".zip",
    ".parquet": ".parquet",
    ".geoparquet": ".parquet",
    ".pq": ".parquet",
    ".fgb": ".fgb",
    ".geojson": ".geojson",
    ".json": ".geojson",
    ".geojsonl": ".geojson",
    ".geojsons": ".geojson",
    ".ndjson": ".geojson",
    ".csv": ".csv",
    ".txt": ".csv",
    ".tsv": ".csv",
}
"""Extension → the one that stands for its format. Others are left to GDAL."""
_NAMES = {
    ".gpkg": "GeoPackage",
    ".zip": "ZIP",
    ".parquet": "GeoParquet",
    ".fgb": "FlatGeobuf",
    ".geojson": "GeoJSON",
}


def format_of(path: Path) -> str:
    """Return the extension that stands for a file's format: what is in it, else its own.

    Parameters
    ----------
    path
        A file, or a folder, of which only the name is looked at.
    """
    own = path.suffix.lower()
    named = _KNOWN.get(own, own)
    if named not in _KNOWN.values() or not path.is_file():
        return named
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for sign, found in _SIGNS:
        if head.startswith(sign):
            return found
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and b'"type"' in head:
        return ".geojson"
    return named


def misnamed(path: Path) -> Text | None:
    """Return what to say of a file whose name promises another format than it has."""
    own, found = path.suffix.lower(), format_of(path)
    if _KNOWN.get(own, own) == found:
        return None
    name = _NAMES[found]
    return Text(
        f"扩展名为 {own}，内容是 {name}，按内容读取。",
        f"is named {own} and holds {name}; read as what it holds.",
    )
