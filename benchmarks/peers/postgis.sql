-- The shared work in PostGIS. Layers are loaded, each with a GiST index on its geometry.
-- step: prepare
CREATE UNLOGGED TABLE p AS
SELECT parcel_id AS id, geometry, ST_Area(geometry) AS m2, ST_Centroid(geometry) AS middle FROM parcels;
CREATE INDEX ON p USING gist (geometry);
CREATE INDEX ON p USING gist (middle);
ANALYZE p;
-- step: nearest
CREATE UNLOGGED TABLE nearest AS
SELECT p.id, edge.metres, middle.metres AS middle_m
FROM p
CROSS JOIN LATERAL (
    SELECT p.geometry <-> s.geometry AS metres FROM stations s ORDER BY 1 LIMIT 1
) edge
CROSS JOIN LATERAL (
    SELECT p.middle <-> s.geometry AS metres FROM stations s ORDER BY 1 LIMIT 1
) middle;
-- step: circles
CREATE UNLOGGED TABLE circles AS SELECT ST_Buffer(geometry, 800, 64) AS geometry FROM stations;
CREATE INDEX ON circles USING gist (geometry);
ANALYZE circles;
CREATE UNLOGGED TABLE inside AS
SELECT DISTINCT p.id FROM circles c JOIN p ON ST_Contains(c.geometry, p.geometry);
CREATE UNIQUE INDEX ON inside (id);
ANALYZE inside;
CREATE UNLOGGED TABLE in_circles AS
SELECT id, 1.0::float8 AS share FROM inside
UNION ALL
SELECT p.id, ST_Area(ST_Union(ST_Intersection(p.geometry, c.geometry))) / min(p.m2)
FROM circles c JOIN p ON ST_Intersects(c.geometry, p.geometry)
WHERE NOT EXISTS (SELECT FROM inside i WHERE i.id = p.id) GROUP BY p.id;
-- step: district
CREATE UNLOGGED TABLE districts_parts AS
SELECT name AS key, ST_Subdivide(geometry, 96) AS geometry FROM districts;
CREATE INDEX ON districts_parts USING gist (geometry);
ANALYZE districts_parts;
CREATE UNLOGGED TABLE met AS
SELECT p.id, d.key, p.geometry, d.geometry AS part
FROM districts_parts d JOIN p ON ST_Intersects(d.geometry, p.geometry);
CREATE UNLOGGED TABLE one AS SELECT id, min(key) AS district, max(key) AS last FROM met GROUP BY id;
CREATE UNLOGGED TABLE in_district AS
SELECT id, district FROM one WHERE district = last
UNION ALL
SELECT id, (array_agg(key ORDER BY m2 DESC))[1] FROM (
    SELECT m.id, m.key, sum(ST_Area(ST_Intersection(m.geometry, m.part))) AS m2
    FROM met m JOIN one USING (id) WHERE one.district <> one.last GROUP BY m.id, m.key
) border GROUP BY id;
-- step: greens
CREATE UNLOGGED TABLE greens_met AS
SELECT p.id, p.m2, a.green_id AS key, ST_Intersection(p.geometry, a.geometry) AS shared
FROM greens a JOIN p ON ST_Intersects(a.geometry, p.geometry);
CREATE UNLOGGED TABLE in_greens AS
SELECT id, CASE WHEN min(key) = max(key) THEN sum(ST_Area(shared)) ELSE ST_Area(ST_Union(shared)) END
    / min(m2) AS share
FROM greens_met GROUP BY id;
-- step: rivers
CREATE UNLOGGED TABLE rivers_parts AS
SELECT name AS key, ST_Subdivide(geometry, 96) AS geometry FROM rivers;
CREATE INDEX ON rivers_parts USING gist (geometry);
ANALYZE rivers_parts;
CREATE UNLOGGED TABLE rivers_met AS
SELECT p.id, p.m2, a.key, ST_Intersection(p.geometry, a.geometry) AS shared
FROM rivers_parts a JOIN p ON ST_Intersects(a.geometry, p.geometry);
CREATE UNLOGGED TABLE in_rivers AS
SELECT id, CASE WHEN min(key) = max(key) THEN sum(ST_Area(shared)) ELSE ST_Area(ST_Union(shared)) END
    / min(m2) AS share
FROM rivers_met GROUP BY id;
-- step: facilities
CREATE UNLOGGED TABLE counted AS
SELECT p.id, count(*) AS n FROM p JOIN facilities f ON ST_DWithin(p.middle, f.geometry, 800) GROUP BY p.id;
-- step: cap
CREATE UNLOGGED TABLE greens_out AS
SELECT g.green_id, coalesce(d.m2 / ST_Area(g.geometry), 0) AS underground_share,
    coalesce(d.m2 / ST_Area(g.geometry), 0) > 0.30 AS over_cap, ST_AsBinary(g.geometry) AS geometry
FROM greens g LEFT JOIN (
    SELECT g.green_id, ST_Area(ST_Union(ST_Intersection(g.geometry, u.geometry))) AS m2
    FROM greens g JOIN underground u ON ST_Intersects(g.geometry, u.geometry) GROUP BY 1
) d USING (green_id);
-- step: trees
CREATE UNLOGGED TABLE underground_out AS
SELECT u.project_id, u.soil_cover_m, u.use,
    EXISTS (SELECT FROM trees t WHERE ST_DWithin(u.geometry, t.geometry, 5)) AS tree_near,
    ST_AsBinary(u.geometry) AS geometry
FROM underground u;
-- step: join
CREATE UNLOGGED TABLE parcels_out AS
SELECT t.parcel_id, t.land_use, t.ownership, t.land_supply, t.existing_above_gfa_m2, t.planned_gfa_m2,
    t.built, t.rail_integration, t.urban_village, t.inefficient,
    n.metres AS rail_distance_m, n.metres <= 800 AS rail_near,
    n.middle_m AS rail_centroid_distance_m, n.middle_m <= 800 AS rail_centroid_near,
    least(coalesce(c.share, 0), 1) AS rail_share, d.district,
    least(coalesce(g.share, 0), 1) AS green_share, least(coalesce(w.share, 0), 1) AS blue_share,
    coalesce(f.n, 0)::int AS facilities, ST_AsBinary(t.geometry) AS geometry
FROM parcels t
JOIN nearest n ON n.id = t.parcel_id
LEFT JOIN in_circles c ON c.id = t.parcel_id
LEFT JOIN in_district d ON d.id = t.parcel_id
LEFT JOIN in_greens g ON g.id = t.parcel_id
LEFT JOIN in_rivers w ON w.id = t.parcel_id
LEFT JOIN counted f ON f.id = t.parcel_id;
