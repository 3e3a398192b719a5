"""SedonaDB: python sedona.py CITY OUT FORMAT   (a file named sedonadb.py would hide the package)

Without subdividing, and its nearest-neighbour join is slower than rings of growing radius.
"""

from phases import LAYERS, PHASES  # isort: skip

import sys
from collections.abc import Callable
from pathlib import Path

import sedonadb

RINGS_M = (3_000, 12_000, None)
MIDDLE_TO_EDGE_M = 500
"""No parcel reaches farther from its centroid: what was found for that within a ring less this is certain."""

Define = Callable[[str, str], None]


def main() -> None:
    city, out, format_ = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    base = sedonadb.connect()

    def define(name: str, sql: str) -> None:
        base.sql(sql).to_memtable().to_view(name, overwrite=True)

    for name in LAYERS:
        path = city / f"{name}.{format_}"
        if format_ == "parquet":
            base.read_parquet(path).to_memtable().to_view(name, overwrite=True)
        else:
            base.read_pyogrio(path).to_view("file", overwrite=True)
            define(name, "SELECT * EXCEPT (geom), geom AS geometry FROM file")
    PHASES.phase("read")

    define(
        "p",
        "SELECT parcel_id AS id, geometry, ST_Area(geometry) AS m2, "
        "ST_Centroid(geometry) AS middle FROM parcels",
    )
    nearest(define)
    PHASES.step("nearest")
    circles(define)
    PHASES.step("circles")
    cut(define, "districts", "name", 6_000)
    district(define)
    PHASES.step("district")
    define("greens_parts", "SELECT green_id AS key, geometry FROM greens")
    share_in(define, "greens")
    PHASES.step("greens")
    cut(define, "rivers", "name", 2_000)
    share_in(define, "rivers")
    PHASES.step("rivers")
    define(
        "counted",
        "SELECT p.id, count(*) AS n FROM p JOIN facilities f "
        "ON ST_DWithin(p.middle, f.geometry, 800.0) GROUP BY p.id",
    )
    PHASES.step("facilities")
    cap(define)
    PHASES.step("cap")
    trees(define)
    PHASES.step("trees")
    together(define)
    PHASES.step("join")
    PHASES.phase("evaluate")

    for name in ("parcels", "greens", "underground"):
        path = out / f"{name}.{format_}"
        path.unlink(missing_ok=True)
        result = base.sql(f"SELECT * FROM {name}_out")
        if format_ == "parquet":
            result.to_parquet(path)
        else:
            result.to_pyogrio(path, layer=name)
    PHASES.phase("write")
    PHASES.tell()


def nearest(define: Define) -> None:
    """Search ring by ring; each looks only at what the ones before left open."""
    found = []
    for ring, metres in enumerate(RINGS_M):
        left = "p" if ring == 0 else f"left_{ring}"
        if ring:
            before = "p" if ring == 1 else f"left_{ring - 1}"
            define(
                left,
                f"SELECT b.* FROM {before} b LEFT ANTI JOIN ring_{ring - 1} r ON b.id = r.id",
            )
        join, sure = "CROSS JOIN stations s", ""
        if metres is not None:
            join = f"JOIN stations s ON ST_DWithin(p.geometry, s.geometry, {float(metres)})"
            sure = f"HAVING min(ST_Distance(p.middle, s.geometry)) < {metres - MIDDLE_TO_EDGE_M}"
        define(
            f"ring_{ring}",
            f"""SELECT p.id, min(ST_Distance(p.geometry, s.geometry)) AS metres,
                min(ST_Distance(p.middle, s.geometry)) AS middle_m
                FROM {left} p {join} GROUP BY p.id {sure}""",
        )
        found.append(f"SELECT * FROM ring_{ring}")
    define("nearest", " UNION ALL ".join(found))


def circles(define: Define) -> None:
    define("circles", "SELECT ST_Buffer(geometry, 800.0, 'quad_segs=64') AS geometry FROM stations")
    define(
        "inside",
        "SELECT DISTINCT p.id FROM p JOIN circles c ON ST_Within(p.geometry, c.geometry)",
    )
    define("rest", "SELECT p.* FROM p LEFT ANTI JOIN inside i ON p.id = i.id")
    define(
        "in_circles",
        """SELECT id, CAST(1.0 AS DOUBLE) AS share FROM inside
        UNION ALL
        SELECT p.id,
            ST_Area(ST_Union_Agg(ST_Intersection(p.geometry, c.geometry))) / min(p.m2) AS share
        FROM rest p JOIN circles c ON ST_Intersects(p.geometry, c.geometry) GROUP BY p.id""",
    )


def cut(define: Define, name: str, key: str, cell: int) -> None:
    define(
        f"{name}_parts",
        f"""SELECT a.{key} AS key, ST_Intersection(a.geometry, g.cell) AS geometry
        FROM {name} a JOIN (
            SELECT ST_SetSRID(ST_MakeEnvelope(x.value, y.value, x.value + {cell}, y.value + {cell}),
                   4548) AS cell
            FROM generate_series(360000, 550000, {cell}) x
            CROSS JOIN generate_series(4360000, 4560000, {cell}) y
        ) g ON ST_Intersects(a.geometry, g.cell)""",
    )


def district(define: Define) -> None:
    define(
        "met",
        """SELECT p.id, d.key, p.geometry, d.geometry AS part
        FROM p JOIN districts_parts d ON ST_Intersects(p.geometry, d.geometry)""",
    )
    define("one", "SELECT id, min(key) AS district, max(key) AS last FROM met GROUP BY id")
    define(
        "border",
        """SELECT m.id, m.key, sum(ST_Area(ST_Intersection(m.geometry, m.part))) AS m2
        FROM met m JOIN one o ON m.id = o.id WHERE o.district <> o.last GROUP BY m.id, m.key""",
    )
    define(
        "in_district",
        """SELECT id, district FROM one WHERE district = last
        UNION ALL
        SELECT id, first_value(key ORDER BY m2 DESC) AS district FROM border GROUP BY id""",
    )


def share_in(define: Define, name: str) -> None:
    define(
        "met",
        f"""SELECT p.id, p.m2, a.key, ST_Intersection(p.geometry, a.geometry) AS shared
        FROM p JOIN {name}_parts a ON ST_Intersects(p.geometry, a.geometry)""",
    )
    define("several", "SELECT id FROM met GROUP BY id HAVING min(key) <> max(key)")
    define(
        f"in_{name}",
        """SELECT m.id, sum(ST_Area(m.shared)) / min(m.m2) AS share
        FROM met m LEFT ANTI JOIN several s ON m.id = s.id GROUP BY m.id
        UNION ALL
        SELECT m.id, ST_Area(ST_Union_Agg(m.shared)) / min(m.m2) AS share
        FROM met m LEFT SEMI JOIN several s ON m.id = s.id GROUP BY m.id""",
    )


def cap(define: Define) -> None:
    define(
        "dug",
        """SELECT g.green_id, ST_Area(ST_Union_Agg(ST_Intersection(g.geometry, u.geometry))) AS m2
        FROM greens g JOIN underground u ON ST_Intersects(g.geometry, u.geometry)
        GROUP BY g.green_id""",
    )
    define(
        "greens_out",
        """SELECT g.green_id, coalesce(d.m2 / ST_Area(g.geometry), 0) AS underground_share,
            coalesce(d.m2 / ST_Area(g.geometry), 0) > 0.30 AS over_cap, g.geometry
        FROM greens g LEFT JOIN dug d ON g.green_id = d.green_id""",
    )


def trees(define: Define) -> None:
    define(
        "trees_near",
        """SELECT DISTINCT u.project_id FROM underground u
        JOIN trees t ON ST_DWithin(u.geometry, t.geometry, 5.0)""",
    )
    define(
        "underground_out",
        """SELECT u.project_id, u.soil_cover_m, u.use, n.project_id IS NOT NULL AS tree_near, u.geometry
        FROM underground u LEFT JOIN trees_near n ON u.project_id = n.project_id""",
    )


def together(define: Define) -> None:
    define(
        "parcels_out",
        """SELECT t.parcel_id, t.land_use, t.ownership, t.land_supply, t.existing_above_gfa_m2,
            t.planned_gfa_m2, t.built, t.rail_integration, t.urban_village, t.inefficient,
            n.metres AS rail_distance_m, n.metres <= 800 AS rail_near,
            n.middle_m AS rail_centroid_distance_m, n.middle_m <= 800 AS rail_centroid_near,
            least(coalesce(c.share, 0), 1) AS rail_share, d.district,
            least(coalesce(g.share, 0), 1) AS green_share,
            least(coalesce(w.share, 0), 1) AS blue_share,
            CAST(coalesce(f.n, 0) AS INT) AS facilities, t.geometry
        FROM parcels t JOIN nearest n ON t.parcel_id = n.id
        LEFT JOIN in_circles c ON t.parcel_id = c.id LEFT JOIN in_district d ON t.parcel_id = d.id
        LEFT JOIN in_greens g ON t.parcel_id = g.id LEFT JOIN in_rivers w ON t.parcel_id = w.id
        LEFT JOIN counted f ON t.parcel_id = f.id""",
    )


if __name__ == "__main__":
    main()
