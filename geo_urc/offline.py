"""No file sends this process to the network."""

from __future__ import annotations

import os


def stay_offline() -> None:
    """Let no file send GDAL to the network: a VRT, a WFS or GML heading holds addresses.

    Only GDAL is told, by a proxy of a kind that does not exist; exceptions from proxies would
    get past it.
    """
    for name in ("GDAL_HTTP_PROXY", "GDAL_HTTPS_PROXY"):
        os.environ[name] = "no-network://geo-urc-reads-files-only"
    for name in ("no_proxy", "NO_PROXY"):
        os.environ.pop(name, None)
