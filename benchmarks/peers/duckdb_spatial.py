"""DuckDB with its spatial extension: python duckdb_spatial.py CITY OUT FORMAT

It has no nearest-neighbour join and no subdividing: rings of growing radius and a join with a grid
stand in for them.
"""

from phases import LAYERS, PHASES  # isort: skip

import sys
from collections.abc import Callable
from pathlib import Path

import duckdb

RINGS_M = (3_000, 12_000)
MIDDLE_TO_EDGE_M = 500
"""No parcel reaches farther from its centroid: what was found for that within a ring less this is certain."""

NEAREST = """
INSERT INTO nearest
SELECT p.id, min(ST_Distance(p.geometry, s.geometry)), min(ST_Distance(p.middle, s.geometry))
FROM (SELECT * FROM p ANTI JOIN nearest USING (id)) p JOIN stations s ON {near}
GROUP BY p.id
HAVING min(ST_Distance(p.middle, s.geometry)) < {sure}
"""
SHARE_IN_CIRCLES = """
CREATE TABLE circles AS SELECT ST_Buffer(geometry, 800, 64) AS geometry FROM stations;
CREATE TABLE inside AS
SELECT DISTINCT p.id FROM p JOIN circles c ON ST_Within(p.geometry, c.geometry);
CREATE TABLE in_circles AS
SELECT id, 1.0 AS share FROM inside
UNION ALL
SELECT p.id, ST_Area(ST_Union_Agg(ST_Intersection(p.geometry, c.geometry))) / any_value(p.m2)
FROM (SELECT * FROM p ANTI JOIN inside USING (id)) p
JOIN circles c ON ST_Intersects(p.geometry, c.geometry) GROUP BY p.id;
"""
CUT = """
CREATE TABLE {name}_parts AS
SELECT a.key, ST_Intersection(a.geometry, g.cell) AS geometry
FROM (SELECT {key} AS key, geometry FROM {name}) a JOIN (
    SELECT ST_MakeEnvelope(x, y, x + {cell}, y + {cell}) AS cell
    FROM range(360000, 550000, {cell}) c(x), range(4360000, 4560000, {cell}) r(y)
) g ON ST_Intersects(a.geometry, g.cell);
"""
DISTRICT = """
CREATE TABLE met AS
SELECT p.id, d.key, p.geometry, d.geometry AS part
FROM p JOIN districts_parts d ON ST_Intersects(p.geometry, d.geometry);
CREATE TABLE one AS
SELECT id, min(key) AS district, max(key) AS last FROM met GROUP BY id;
CREATE TABLE in_district AS
SELECT id, district FROM one WHERE district = last
UNION ALL
SELECT id, arg_max(key, m2) FROM (
    SELECT m.id, m.key, sum(ST_Area(ST_Intersection(m.geometry, m.part))) AS m2
    FROM met m JOIN one USING (id) WHERE one.district <> one.last GROUP BY ALL
) GROUP BY id;
"""
SHARE_IN = """
CREATE OR REPLACE TABLE met AS
SELECT p.id, p.m2, a.key, ST_Intersection(p.geometry, a.geometry) AS shared
FROM p JOIN {parts} a ON ST_Intersects(p.geometry, a.geometry);
CREATE OR REPLACE TABLE several AS
SELECT id FROM met GROUP BY id HAVING min(key) <> max(key);
CREATE TABLE in_{name} AS
SELECT id, sum(ST_Area(shared)) / any_value(m2) AS share
FROM met ANTI JOIN several USING (id) GROUP BY id
UNION ALL
SELECT id, ST_Area(ST_Union_Agg(shared)) / any_value(m2)
FROM met SEMI JOIN several USING (id) GROUP BY id;
"""
FACILITIES = """
CREATE TABLE counted AS
SELECT p.id, count(*) AS n FROM p JOIN facilities f ON ST_DWithin(p.middle, f.geometry, 800)
GROUP BY p.id;
"""
CAP = """
CREATE TABLE dug AS
SELECT g.green_id, ST_Area(ST_Union_Agg(ST_Intersection(g.geometry, u.geometry))) AS m2
FROM greens g JOIN underground u ON ST_Intersects(g.geometry, u.geometry) GROUP BY 1;
CREATE TABLE greens_out AS
SELECT g.* EXCLUDE (geometry), coalesce(m2 / ST_Area(geometry), 0) AS underground_share,
       coalesce(m2 / ST_Area(geometry), 0) > 0.30 AS over_cap, geometry
FROM greens g LEFT JOIN dug USING (green_id);
"""
TREES = """
CREATE TABLE underground_out AS
SELECT u.* EXCLUDE (geometry), n.project_id IS NOT NULL AS tree_near, geometry
FROM underground u LEFT JOIN (
    SELECT DISTINCT project_id
    FROM underground u JOIN trees t ON ST_DWithin(u.geometry, t.geometry, 5)
) n USING (project_id);
"""
TOGETHER = """
CREATE TABLE parcels_out AS
SELECT t.* EXCLUDE (geometry),
       n.metres AS rail_distance_m, n.metres <= 800 AS rail_near,
       n.middle_m AS rail_centroid_distance_m, n.middle_m <= 800 AS rail_centroid_near,
       least(coalesce(c.share, 0), 1) AS rail_share, d.district,
       least(coalesce(g.share, 0), 1) AS green_share, least(coalesce(w.share, 0), 1) AS blue_share,
       coalesce(f.n, 0)::INTEGER AS facilities, t.geometry
FROM parcels t
JOIN nearest n ON n.id = t.parcel_id
LEFT JOIN in_circles c ON c.id = t.parcel_id
LEFT JOIN in_district d ON d.id = t.parcel_id
LEFT JOIN in_greens g ON g.id = t.parcel_id
LEFT JOIN in_rivers w ON w.id = t.parcel_id
LEFT JOIN counted f ON f.id = t.parcel_id;
"""


def main() -> None:
    city, out, format_ = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    ask = connected()
    for name in LAYERS:
        ask(f"CREATE TABLE {name} AS {_select(city / f'{name}.{format_}')}")
    PHASES.phase("read")

    ask("""CREATE TABLE p AS SELECT parcel_id AS id, geometry, ST_Area(geometry) AS m2,
           ST_Centroid(geometry) AS middle FROM parcels""")
    ask("CREATE TABLE nearest (id VARCHAR, metres DOUBLE, middle_m DOUBLE)")
    for metres in RINGS_M:
        near = f"ST_DWithin(p.geometry, s.geometry, {metres})"
        ask(NEAREST.format(near=near, sure=metres - MIDDLE_TO_EDGE_M))
    ask(NEAREST.format(near="true", sure="'infinity'::DOUBLE"))
    PHASES.step("nearest")
    ask(SHARE_IN_CIRCLES)
    PHASES.step("circles")
    ask(CUT.format(name="districts", key="name", cell=6_000) + DISTRICT)
    PHASES.step("district")
    ask("CREATE VIEW greens_parts AS SELECT green_id AS key, geometry FROM greens")
    ask(SHARE_IN.format(name="greens", parts="greens_parts"))
    PHASES.step("greens")
    ask(CUT.format(name="rivers", key="name", cell=2_000))
    ask(SHARE_IN.format(name="rivers", parts="rivers_parts"))
    PHASES.step("rivers")
    ask(FACILITIES)
    PHASES.step("facilities")
    ask(CAP)
    PHASES.step("cap")
    ask(TREES)
    PHASES.step("trees")
    ask(TOGETHER)
    PHASES.step("join")
    PHASES.phase("evaluate")

    for name in ("parcels", "greens", "underground"):
        write(ask, name, out / f"{name}.{format_}")
    PHASES.phase("write")
    PHASES.tell()


def connected() -> Callable[[str], object]:
    """Return a function that runs SQL; the extension is the one that PyPI carries, no download."""
    import duckdb_extension_spatial

    (extension,) = Path(duckdb_extension_spatial.__file__).parent.rglob("*.duckdb_extension")
    database = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    database.execute(f"LOAD '{extension}'")
    database.execute("SET preserve_insertion_order = false")
    return database.execute


def _select(path: Path) -> str:
    if path.suffix == ".parquet":
        return f"SELECT * FROM read_parquet('{path}')"
    return f"SELECT * EXCLUDE (fid, geom), geom AS geometry FROM ST_Read('{path}')"


def write(ask: Callable[[str], object], name: str, path: Path) -> None:
    path.unlink(missing_ok=True)
    how = (
        "FORMAT parquet, COMPRESSION zstd"
        if path.suffix == ".parquet"
        else f"FORMAT gdal, DRIVER 'GPKG', LAYER_NAME '{name}', SRS 'EPSG:4548'"
    )
    ask(f"COPY {name}_out TO '{path}' ({how})")


if __name__ == "__main__":
    main()
