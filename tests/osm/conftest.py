"""A few streets as OpenStreetMap holds them, written as XML and as PBF by another library."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from geo_urc.cli.main import main

LON, LAT = 116.40, 39.90
"""Where station 甲 is; one thousandth of a degree is 85.4 m to the east, 111.0 m to the north."""
NAUGHTY = 'a"b\n[layers.x]\u202e<script>'


class Drawing:
    """Nodes, ways and relations by thousandths of a degree from station 甲."""

    def __init__(self) -> None:
        self.nodes: list[str] = []
        self.ways: list[str] = []
        self.relations: list[str] = []
        self.last = 1000

    def node(self, number, x, y, **tags):
        place = f'id="{number}" version="1" lat="{LAT + y / 1000:.7f}" lon="{LON + x / 1000:.7f}"'
        self.nodes.append(f"<node {place}>{_tags(tags)}</node>")

    def way(self, number, corners, closed=True, **tags):
        refs = []
        for x, y in corners:
            self.last += 1
            self.node(self.last, x, y)
            refs.append(self.last)
        inside = "".join(f'<nd ref="{ref}"/>' for ref in refs + refs[: int(closed)])
        self.ways.append(f'<way id="{number}" version="1">{inside}{_tags(tags)}</way>')

    def box(self, number, x, y, size, **tags):
        self.way(number, [(x, y), (x + size, y), (x + size, y + size), (x, y + size)], **tags)

    def relation(self, number, members, **tags):
        inside = "".join(f'<member type="way" ref="{way}" role="{role}"/>' for way, role in members)
        self.relations.append(
            f'<relation id="{number}" version="1">{inside}{_tags(tags)}</relation>'
        )

    def xml(self):
        bounds = (
            f'<bounds minlat="{LAT - 0.05}" minlon="{LON - 0.05}" '
            f'maxlat="{LAT + 0.05}" maxlon="{LON + 0.05}"/>'
        )
        # Readers want nodes, ways and relations each in the order of their numbers.
        nodes = sorted(self.nodes, key=lambda node: int(node.split('"')[1]))
        inside = "\n".join([bounds, *nodes, *self.ways, *self.relations])
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<osm version="0.6">\n{inside}\n</osm>\n'


def _tags(tags):
    return "".join(
        f"<tag k={quoteattr(key.replace('__', ':'))} v={quoteattr(value, {chr(10): '&#10;'})}/>"
        for key, value in tags.items()
    )


@pytest.fixture(scope="session")
def drawing():
    d = Drawing()
    # Stations
    d.node(1, 0, 0, railway="station", station="subway", name="甲站")
    d.node(2, 0.1, 0, railway="station", subway="yes", name="甲站")  # 8.5 m off: the same
    d.node(3, 2, 0, railway="station", station="subway", name="甲站")  # 171 m: another line's
    d.node(4, 30, 30, railway="station", train="yes", name="北京站")
    d.node(5, 1, 1, railway="construction", construction="station", name="乙")
    d.node(6, -10, 0, railway="station", station="light_rail")
    d.node(7, 1, 2, proposed__railway="station", name="丙")
    d.node(8, -30, -30, railway="subway_entrance", name="丁")  # no station for kilometres
    d.node(9, 0.5, 0.5, railway="subway_entrance", name="甲")
    d.node(10, 0, 0.1, public_transport="stop_position", subway="yes", name="甲")
    d.node(11, 5, 5, railway="station", station="subway", construction="yes", name="戊")
    d.box(101, 0.5, 0, 0.5, railway="station", station="subway", name="甲")  # 35 m from node 2
    # Greens
    d.box(102, -20, 10, 4, leisure="park", name="柳园")
    d.box(103, -20, 20, 4, natural="wood")
    d.box(104, 20, -20, 10)  # the outer ring of 201
    d.box(105, 22, -18, 2, landuse="grass")  # its hole, which is a lawn by itself
    d.box(106, -20, 30, 2, leisure="garden", access="private")
    # Roads
    d.way(110, [(0, -1), (5, -1)], closed=False, highway="footway")
    d.way(111, [(0, -2), (5, -2)], closed=False, highway="motorway")
    d.way(112, [(0, -3), (5, -3)], closed=False, highway="trunk", foot="yes")
    d.way(113, [(0, -4), (5, -4)], closed=False, highway="residential", access="private")
    d.way(114, [(0, -5), (5, -5)], closed=False, highway="construction")
    d.box(115, 0, -8, 1, highway="residential", name="环岛")  # closed, and no area
    # Buildings
    d.box(120, 5, 8, 0.3, building="office", building__levels="6", height="18.5 m",
          start_date="1998-05")  # fmt: skip
    d.box(121, 6, 8, 0.3, building="yes", building__levels="六")
    d.box(122, 7, 8, 0.3, building="construction")
    # A school with its playground, a school that is a point, a pitch elsewhere
    d.box(130, 10, 10, 3, amenity="school", name="实验小学")
    d.node(31, 11, 11, amenity="school", name="实验小学")
    d.node(32, 40, -40, amenity="school", name="山后小学")
    d.box(131, 10.5, 10.5, 1, leisure="track")
    d.box(132, 16, 10, 1, leisure="pitch")
    # Single things
    d.node(40, -5, -5, amenity="library", name="区图书馆")
    d.node(41, -5, -6, tourism="gallery", name="画廊")
    d.node(42, -6, -5, historic="city_gate", heritage="2", name="城门")
    d.node(43, -6, -6, historic="memorial", name="碑")
    d.node(44, -7, -5, natural="tree", denotation="natural_monument", name="古槐")
    d.node(45, -7, -6, natural="tree")
    d.node(46, -8, -5, amenity="parking", parking="underground")
    d.node(47, -8, -6, amenity="parking", parking="street_side")
    d.node(48, -9, -5, shop="convenience", name=NAUGHTY)
    d.box(140, 10, -10, 2, power="substation", name="变电站")
    d.box(150, 3, 3, 1, landuse="residential", name="甲小区")
    d.box(151, 3, 5, 1, landuse="farmland")
    d.box(160, -45, -45, 90)  # the ring of 202
    d.ways.sort(key=lambda way: int(way.split('"')[1]))
    d.relation(201, [(104, "outer"), (105, "inner")], type="multipolygon", leisure="park",
               name="大公园")  # fmt: skip
    d.relation(202, [(160, "outer")], type="boundary", boundary="administrative",
               admin_level="6", name="东城区", ref__admin__CN="110101")  # fmt: skip
    return d


@pytest.fixture(scope="session")
def xml(drawing, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("osm") / "small.osm"
    path.write_text(drawing.xml(), "utf-8")
    return path


@pytest.fixture(scope="session")
def pbf(xml) -> Path:
    """Return the same as PBF, written by libosmium."""
    import osmium

    path = xml.with_suffix(".osm.pbf")
    header = osmium.io.Reader(str(xml)).header()
    with osmium.SimpleWriter(str(path), header=header) as writer:
        for thing in osmium.FileProcessor(str(xml)):
            writer.add(thing)
    return path


@pytest.fixture
def urc(capsys):
    """Run a command; return status, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(a) for a in arguments])
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out, said.err

    return run
