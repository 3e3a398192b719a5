"""What comes to mind first: buffer, join, overlay with what was dissolved.

python naive.py CITY OUT FORMAT

Its answers are off: a buffer is a polygon inside the circle, so it misses what lies at the edge.
"""

from phases import LAYERS, PHASES  # isort: skip

import sys
from pathlib import Path

import geopandas


def main() -> None:
    city, out, format_ = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    reader = geopandas.read_parquet if format_ == "parquet" else geopandas.read_file
    layer = {name: reader(city / f"{name}.{format_}") for name in LAYERS}
    PHASES.phase("read")

    parcels, stations = layer["parcels"], layer["stations"]
    plots = parcels[["parcel_id", "geometry"]]
    middles = plots.set_geometry(plots.centroid)
    zone = stations[["geometry"]].set_geometry(stations.buffer(800))
    for shapes, prefix in ((plots, "rail"), (middles, "rail_centroid")):
        joined = shapes.sjoin_nearest(stations, distance_col="metres")
        metres = joined.drop_duplicates("parcel_id").set_index("parcel_id")["metres"]
        parcels[f"{prefix}_distance_m"] = parcels["parcel_id"].map(metres)
        parcels[f"{prefix}_near"] = parcels["parcel_id"].isin(shapes.sjoin(zone)["parcel_id"])
    PHASES.step("nearest")
    parcels["rail_share"] = share_in(plots, zone.dissolve())
    PHASES.step("circles")
    parts = plots.overlay(layer["districts"])
    parts["m2"] = parts.area
    most = parts.sort_values("m2").drop_duplicates("parcel_id", keep="last")
    parcels["district"] = parcels["parcel_id"].map(most.set_index("parcel_id")["name"])
    PHASES.step("district")
    parcels["green_share"] = share_in(plots, layer["greens"])
    PHASES.step("greens")
    parcels["blue_share"] = share_in(plots, layer["rivers"])
    PHASES.step("rivers")
    about = middles.set_geometry(middles.buffer(800)).sjoin(
        layer["facilities"], predicate="contains"
    )
    counted = about.groupby("parcel_id").size()
    parcels["facilities"] = parcels["parcel_id"].map(counted).fillna(0).astype(int)
    PHASES.step("facilities")
    greens, dug = layer["greens"], layer["underground"]
    under = greens[["green_id", "geometry"]].overlay(dug[["geometry"]]).dissolve("green_id").area
    greens["underground_share"] = (greens["green_id"].map(under) / greens.area).fillna(0)
    greens["over_cap"] = greens["underground_share"] > 0.3
    PHASES.step("cap")
    near = dug.sjoin(layer["trees"][["geometry"]].set_geometry(layer["trees"].buffer(5)))
    dug["tree_near"] = dug["project_id"].isin(near["project_id"])
    PHASES.step("trees")
    PHASES.phase("evaluate")

    for name in ("parcels", "greens", "underground"):
        path = out / f"{name}.{format_}"
        path.unlink(missing_ok=True)
        layer[name].to_parquet(path) if format_ == "parquet" else layer[name].to_file(path)
    PHASES.phase("write")
    PHASES.tell()


def share_in(plots: geopandas.GeoDataFrame, areas: geopandas.GeoDataFrame):
    inside = plots.overlay(areas[["geometry"]])
    m2 = inside.dissolve("parcel_id").area
    return (plots["parcel_id"].map(m2) / plots.area).fillna(0)


if __name__ == "__main__":
    main()
