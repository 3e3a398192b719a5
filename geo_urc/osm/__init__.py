"""OpenStreetMap extracts as role layers."""

from geo_urc.osm.making import Done, Made, from_osm

__all__ = ["Done", "Made", "from_osm"]
