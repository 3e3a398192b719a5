"""The floor: the parcels read and written again, nothing in between. python copy_table.py IN OUT."""

from __future__ import annotations

import sys
from pathlib import Path

from pyogrio.raw import open_arrow, write_arrow


def main() -> None:
    source, target = sys.argv[1:]
    Path(target).unlink(missing_ok=True)
    with open_arrow(source, batch_size=65_536, use_pyarrow=True) as (info, reader):
        write_arrow(
            reader,
            target,
            layer="parcels",
            driver="GPKG",
            geometry_name=info["geometry_name"] or "wkb_geometry",
            geometry_type=info["geometry_type"],
            crs=info["crs"],
        )


if __name__ == "__main__":
    main()
