"""geo_urc itself: python screen.py followed by the arguments of `geo-urc screen`."""

from phases import PHASES  # isort: skip

import sys


def main() -> None:
    from geo_urc.cli.main import main as geo_urc

    try:
        geo_urc(["screen", *sys.argv[1:]])
    finally:
        PHASES.phase("work")
        PHASES.tell()


if __name__ == "__main__":
    main()
