"""Reads what each contestant answered, and counts where two differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import shapely

RADIUS_M = 800.0
CIRCLE_SIDES = 256
SHORT_M = RADIUS_M * (1 - math.cos(math.pi / CIRCLE_SIDES))
"""By how much the peers' circles, polygons with their corners on the circle, fall short of it: 6 cm."""
DISTANCE_M, SHARE = 1e-6, 1e-7
QUESTIONS = {
    "rail_distance_m": DISTANCE_M,
    "rail_near": None,
    "rail_centroid_distance_m": DISTANCE_M,
    "rail_centroid_near": None,
    "rail_share": SHARE,
    "district": None,
    "green_share": SHARE,
    "blue_share": SHARE,
    "facilities": None,
    "underground_share": SHARE,
    "over_cap": None,
    "tree_near": None,
}
"""Column → how far two answers may differ; none at all where there is nothing to round."""
SUBJECTS = {"parcels": "parcel_id", "greens": "green_id", "underground": "project_id"}
ROLES = {"parcels": "parcels", "greens": "green_spaces", "underground": "underground_projects"}


@dataclass(frozen=True)
class Outlines:
    """Area and length of the parcels' outlines, in the order of their ids."""

    area_m2: np.ndarray
    length_m: np.ndarray

    @property
    def circle_slack(self) -> np.ndarray:
        """By how much a share in circles may differ if the circles are polygons."""
        return SHORT_M * self.length_m / self.area_m2


def outlines_of(city: Path, format_: str) -> Outlines:
    """Return the outlines of the parcels of a city, whose file is in the order of their ids."""
    path = city / f"parcels.{format_}"
    if format_ == "parquet":
        wkb = pq.read_table(path, columns=["geometry"])["geometry"].to_numpy()
        shapes = shapely.from_wkb(wkb)
    else:
        shapes = np.asarray(pyogrio.read_dataframe(path, columns=[], use_arrow=True).geometry)
    return Outlines(shapely.area(shapes), shapely.length(shapes))


def of_peer(out: Path, format_: str) -> dict[str, np.ndarray]:
    """Return question → answers of a peer, in the order of the subjects' ids."""
    found = {}
    for name, key in SUBJECTS.items():
        table = _read(out / f"{name}.{format_}", name, [key, *QUESTIONS]).sort_values(key)
        found |= {column: table[column].to_numpy() for column in table.columns if column != key}
    return found


def of_geo_urc(out: Path, format_: str) -> dict[str, np.ndarray]:
    """Return question → answers of geo_urc; its verdicts are the flags.

    Within accuracy of a limit it says *review* where others say yes or no: there its own distance
    or share decides. A flag that its distance contradicts elsewhere is a difference.
    """
    table = {}
    for name, key in SUBJECTS.items():
        role = ROLES[name]
        path = out / (f"{role}.parquet" if format_ == "parquet" else "eligibility.gpkg")
        table[name] = _read(path, role, None).sort_values(key)
    parcels, greens, dug = table.values()
    edge, middle = parcels["rail_distance_m"], parcels["rail_centroid_distance_m"]
    share, room = greens["underground_share"], dug["shared_tree_clearance_m"]
    return {
        "rail_distance_m": edge.to_numpy(),
        "rail_near": _yes(parcels["x90a_verdict"], edge <= RADIUS_M),
        "rail_centroid_distance_m": middle.to_numpy(),
        "rail_centroid_near": _yes(parcels["x90b_verdict"], middle <= RADIUS_M),
        "rail_share": parcels["shared_rail_share"].to_numpy(),
        "district": parcels["district"].to_numpy(),
        "green_share": parcels["shared_green_share"].to_numpy(),
        "blue_share": parcels["blue_share"].to_numpy(),
        "facilities": parcels["shared_facilities"].to_numpy(),
        "underground_share": share.to_numpy(),
        "over_cap": ~_yes(greens["x90c_verdict"], share <= 0.30),
        "tree_near": ~_yes(dug["x90d_verdict"], ~(room <= 0)),
    }


def differences(
    ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray], slack: np.ndarray
) -> dict[str, int]:
    """Return question → on how many subjects two contestants differ.

    Parameters
    ----------
    slack
        By how much a share in circles may differ, parcel by parcel.
    """
    found = {}
    for question, tolerance in QUESTIONS.items():
        a, b = ours[question], theirs[question]
        if len(a) != len(b):
            found[question] = max(len(a), len(b))
        elif tolerance is None:
            found[question] = int((a != b).sum())
        else:
            allowed = tolerance + (slack if question == "rail_share" else 0.0)
            found[question] = int((~(np.abs(a - b) <= allowed)).sum())
    return found


def _yes(verdict: pd.Series, otherwise: pd.Series) -> np.ndarray:
    said = {"eligible": True, "ineligible": False}
    return verdict.map(said).astype(object).where(verdict.isin(said), otherwise).to_numpy(bool)


def _read(path: Path, layer: str, columns: list[str] | None) -> pd.DataFrame:
    if path.suffix == ".parquet":
        names = pq.read_schema(path).names
        kept = [n for n in names if n in columns] if columns else _plain(names)
        return pd.read_parquet(path, columns=kept)
    return pyogrio.read_dataframe(
        path, layer=layer, columns=columns, read_geometry=False, use_arrow=True
    )


def _plain(names: list[str]) -> list[str]:
    return [name for name in names if name not in ("geometry", "geom", "raw_wkb")]
