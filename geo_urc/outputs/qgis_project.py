"""A QGIS project for a GeoPackage of results: kept in the file itself, or as ``.qgz`` beside it."""

from __future__ import annotations

import io
import sqlite3
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element, SubElement, tostring

from geo_urc.outputs.labels import TABLE_TITLES, TABLES, rule_label
from geo_urc.outputs.map_geometry import bounds_in
from geo_urc.outputs.qgis_layout import Sheet, add_layout, fitting
from geo_urc.outputs.qgis_style import fill_style
from geo_urc.outputs.qgis_symbols import BACKGROUNDS, Shape, shape_of
from geo_urc.outputs.qgis_xml import QGIS_VERSION, Numbers, extent_in, system_in
from geo_urc.results import About, LayerInfo, RuleInfo
from geo_urc.safe_text import xml_text
from geo_urc.text import Lang, Text

_VERDICTS = Text("政策结论", "Verdicts")
_OTHERS = Text("其他图层", "Other layers")
_TABLES = Text("表", "Tables")
_BACKGROUND = Text("底图", "Background")
SHAPES: dict[Shape, Text] = {
    "point": Text("（点）", " (points)"),
    "line": Text("（线）", " (lines)"),
    "polygon": Text("（面）", " (areas)"),
}
_OF_QGIS = {"point": "Point", "line": "Line", "polygon": "Polygon"}
_OF_OGR = {"point": "Point", "line": "LineString", "polygon": "Polygon"}
_ANYWHERE: Numbers = (0.0, 0.0, 1000.0, 1000.0)


@dataclass(frozen=True)
class Drawn:
    """A layer of the project: result rows of one kind of geometry.

    Attributes
    ----------
    shape
        What is drawn.
    mixed
        Whether the rows have other kinds of geometry too, which are another layer.
    """

    info: LayerInfo
    shape: Shape
    mixed: bool
    file: str

    @property
    def id(self) -> str:
        """The layer's id; QGIS passes over one of ten characters or less."""
        return f"geo_urc_{self.info.role}" + (f"_{self.shape}" if self.mixed else "")

    @property
    def source(self) -> str:
        """Where the rows are, seen from the file's folder."""
        kind = f"|geometrytype={_OF_OGR[self.shape]}" if self.mixed else ""
        return f"./{self.file}|layername={self.info.role}{kind}"

    def node(self, lang: Lang) -> tuple[str, str, str]:
        """Return id, title and source."""
        kind = SHAPES[self.shape].to(lang) if self.mixed else ""
        return self.id, xml_text(self.info.title.to(lang) + kind), self.source


@dataclass(frozen=True)
class _Table:
    """A table without geometry."""

    name: str
    file: str

    def node(self, lang: Lang) -> tuple[str, str, str]:
        """Return id, title and source."""
        title = TABLE_TITLES[self.name].to(lang)
        return f"geo_urc_table_{self.name}", title, f"./{self.file}|layername={self.name}"


def project_qgz(
    connection: sqlite3.Connection,
    file: str,
    layers: Sequence[LayerInfo],
    about: About,
    lang: Lang,
) -> bytes:
    """Return the project of a finished GeoPackage as the bytes of a ``.qgz``.

    Nothing in it grows with the number of subjects. The same file gives the same bytes.

    Parameters
    ----------
    connection
        To the GeoPackage; read for extents and kinds of geometry.
    file
        Its name: the project lies beside it, or in it.
    """
    project = _project(connection, file, layers, about, lang)
    head = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    text = head + tostring(project, encoding="unicode")
    packed = io.BytesIO()
    day = about.as_of
    member = zipfile.ZipInfo("project.qgs", (max(day.year, 1980), day.month, day.day, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    member.create_system = 3  # the same bytes on every system
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(member, text.encode("utf-8"))
    return packed.getvalue()


def shapes_in(connection: sqlite3.Connection, info: LayerInfo) -> list[Shape]:
    """Return what a layer is drawn as: more than one where its geometry types are mixed.

    The first is that of its first geometry: QGIS opens such a layer by it.
    """
    if info.geometry_type not in ("Unknown", "GeometryCollection"):
        return [shape_of(info.geometry_type)]
    table, geometry = (name.replace('"', '""') for name in (info.role, info.one("geometry")))
    # The byte after the header and its envelope says the byte order, the next four the type.
    envelope = " ".join(
        f"WHEN {kind} THEN {8 + 8 * doubles}" for kind, doubles in enumerate((0, 4, 6, 6, 8))
    )
    flags = f"instr(x'00010203040506070809', substr(\"{geometry}\", 4, 1)) - 1"
    header = f"CASE ({flags}) / 2 {envelope} END"
    kinds = connection.execute(
        f'SELECT substr("{geometry}", {header} + 1, 5) AS kind FROM "{table}"'
        f' WHERE "{geometry}" IS NOT NULL GROUP BY kind ORDER BY min(rowid)'
    )
    found: dict[Shape, None] = {}
    for (kind,) in kinds:
        if kind:
            number = int.from_bytes(kind[1:], "little" if kind[0] else "big")
            plain: dict[int, Shape] = {1: "point", 4: "point", 2: "line", 5: "line"}
            found[plain.get(number % 1000, "polygon")] = None
    return list(found) or ["polygon"]


def _project(
    connection: sqlite3.Connection,
    file: str,
    layers: Sequence[LayerInfo],
    about: About,
    lang: Lang,
) -> Element:
    about = about if about.crs else replace(about, crs=layers[0].crs)
    drawn = [
        Drawn(info, shape, len(shapes) > 1, file)
        for info in layers
        for shapes in [shapes_in(connection, info)]
        for shape in shapes
    ]
    extents = dict(_extents(connection, layers))
    bounds = {
        info.role: bounds_in(extents[info.role], info.crs, about.crs)
        for info in layers
        if info.role in extents
    }
    whole = next(iter(bounds.values()), _ANYWHERE)
    there = {name for (name,) in connection.execute("SELECT table_name FROM gpkg_contents")}
    tables = [_Table(name, file) for name in TABLES if name in there]

    project = Element("qgis", version=QGIS_VERSION, projectname=about.title.to(lang))
    SubElement(project, "title").text = about.title.to(lang)
    system_in(project, "projectCrs", about.crs)
    _add_tree(project, drawn, tables, lang)
    canvas = SubElement(project, "mapcanvas", name="theMapCanvas", annotationsVisible="1")
    SubElement(canvas, "units").text = "meters"
    extent_in(canvas, "extent", fitting(whole))
    SubElement(canvas, "rotation").text = "0"
    system_in(canvas, "destinationsrs", about.crs)
    held = SubElement(project, "projectlayers")
    for layer in drawn:
        _add_layer(held, layer, extents.get(layer.info.role), about, lang)
    for table in tables:
        _add_table(held, table, lang)
    _add_settings(project)
    themes = SubElement(project, "visibility-presets")
    for info in layers:
        _add_themes(themes, drawn, info, lang)
    _add_metadata(project, about, lang)
    layouts = SubElement(project, "Layouts")
    rules = next((t.node(lang) for t in tables if t.name == "rules"), None)
    for info in layers:
        if info.rules:
            seen = _seen_with(drawn, info)
            sheet = Sheet(
                info,
                {_page(info, rule, lang): rule for rule in info.rules},
                [layer.node(lang) for layer in seen if layer.info is info],
                [(d.info.role, d.info.title.to(lang)) for d in seen if d.info is not info],
                bounds.get(info.role, whole),
                rules,
            )
            add_layout(layouts, sheet, about, lang)
    return project


def _extents(
    connection: sqlite3.Connection, layers: Sequence[LayerInfo]
) -> Iterator[tuple[str, Numbers]]:
    """Yield the extent of every layer that has one, in its own system."""
    for info in layers:
        row = connection.execute(
            "SELECT min_x, min_y, max_x, max_y FROM gpkg_contents WHERE table_name = ?",
            (info.role,),
        ).fetchone()
        if row is not None and None not in row:
            yield info.role, row


def _page(info: LayerInfo, rule: RuleInfo, lang: Lang) -> str:
    """Return what a rule's map theme and page are called; a rule may have several subjects."""
    return xml_text(f"{info.title.to(lang)} · {rule_label(rule, lang)}")


def _seen_with(drawn: Sequence[Drawn], info: LayerInfo) -> list[Drawn]:
    """Return the layers that are on the map of a subject: its own, then those behind."""
    own = [layer for layer in drawn if layer.info.role == info.role]
    return own + [layer for layer in drawn if layer not in own and layer.info.role in BACKGROUNDS]


def _add_tree(
    project: Element, drawn: Sequence[Drawn], tables: Sequence[_Table], lang: Lang
) -> None:
    """Add the groups of layers: small things above large ones, the first subject switched on."""
    tree = SubElement(project, "layer-tree-group")
    rank: dict[Shape, int] = {"point": 0, "line": 1, "polygon": 2}
    ordered = sorted(drawn, key=lambda layer: (rank[layer.shape], layer.info.role == "parcels"))
    first = drawn[0].info.role if drawn else ""
    for title, members in (
        (_VERDICTS, [layer for layer in ordered if layer.info.rules]),
        (_OTHERS, [layer for layer in ordered if not layer.info.rules]),
        (_TABLES, tables),
    ):
        if members:
            group = SubElement(tree, "layer-tree-group", name=title.to(lang), expanded="1")
            group.set("checked", "Qt::Checked")
        for member in members:
            layer, name, source = member.node(lang)
            on = isinstance(member, _Table) or member.info.role == first
            node = SubElement(group, "layer-tree-layer", id=layer, name=name, source=source)
            node.set("providerKey", "ogr")
            node.set("checked", "Qt::Checked" if on else "Qt::Unchecked")
            node.set("expanded", str(int(on and isinstance(member, Drawn))))


def _add_layer(
    held: Element, layer: Drawn, extent: Numbers | None, about: About, lang: Lang
) -> None:
    info = layer.info
    names = about.names.get(info.role)
    made = SubElement(held, "maplayer", type="vector", geometry=_OF_QGIS[layer.shape])
    if extent is not None:
        extent_in(made, "extent", extent)
    _add_source(made, layer.node(lang))
    system_in(made, "srs", info.crs)
    made.append(metadata(info, about, lang))
    rules = info.rules or (None,)
    fill_style(made, info, rules[0], lang, shape=layer.shape, name=names)
    current = _style_name(rules[0], lang)
    styles = SubElement(made, "map-layer-style-manager", current=current)
    SubElement(styles, "map-layer-style", name=current)
    others: list[RuleInfo | None] = [*rules[1:], *([None] if info.rules else [])]
    for rule in others:
        style = SubElement(styles, "map-layer-style", name=_style_name(rule, lang))
        look = SubElement(style, "qgis", version=QGIS_VERSION)
        fill_style(look, info, rule, lang, shape=layer.shape, name=names, part="look")


def _style_name(rule: RuleInfo | None, lang: Lang) -> str:
    return xml_text(_BACKGROUND.to(lang) if rule is None else rule_label(rule, lang))


def _add_table(held: Element, table: _Table, lang: Lang) -> None:
    made = SubElement(held, "maplayer", type="vector", geometry="No geometry")
    _add_source(made, table.node(lang))
    aliases = SubElement(made, "aliases")
    for index, (name, title) in enumerate(TABLES[table.name].items(), start=1):
        SubElement(aliases, "alias", field=name, index=str(index), name=title.to(lang))


def _add_source(made: Element, node: tuple[str, str, str]) -> None:
    layer, name, source = node
    SubElement(made, "id").text = layer
    SubElement(made, "datasource").text = source
    SubElement(made, "layername").text = name
    SubElement(made, "provider", encoding="UTF-8").text = "ogr"


def _add_settings(project: Element) -> None:
    properties = SubElement(project, "properties")
    for group, name, kind, value in (
        ("SpatialRefSys", "ProjectionsEnabled", "int", "1"),
        ("Paths", "Absolute", "bool", "false"),
        ("PAL", "PlacementEngineVersion", "int", "1"),
        ("PAL", "DrawUnplaced", "bool", "false"),
    ):
        place = properties.find(group)
        place = SubElement(properties, group) if place is None else place
        SubElement(place, name, type=kind).text = value


def _add_themes(themes: Element, drawn: Sequence[Drawn], info: LayerInfo, lang: Lang) -> None:
    """Add a map theme for each rule: its subjects by verdict, what lies around them plain."""
    for rule in info.rules:
        theme = SubElement(themes, "visibility-preset", name=_page(info, rule, lang))
        theme.set("has-expanded-info", "0")
        for layer in _seen_with(drawn, info):
            style = _style_name(rule if layer.info.role == info.role else None, lang)
            SubElement(theme, "layer", id=layer.id, visible="1", style=style)


def metadata(info: LayerInfo, about: About, lang: Lang) -> Element:
    """Return what QGIS tells of a layer: what it is, from what, by which rules, of which day."""
    made = Element("resourceMetadata")
    SubElement(made, "identifier").text = info.role
    SubElement(made, "language").text = "ZH" if lang == "zh" else "EN"
    SubElement(made, "type").text = "dataset"
    SubElement(made, "title").text = f"{about.title.to(lang)} · {info.title.to(lang)}"
    rules = "；".join(rule_label(rule, lang) for rule in info.rules)
    SubElement(made, "abstract").text = xml_text(rules)
    for line in history(about, lang):
        SubElement(made, "history").text = line
    return made


def history(about: About, lang: Lang) -> Iterator[str]:
    """Yield what a file came from: the day, the rulebook, the program, every input."""
    colon = Text("：", ": ").to(lang)
    for title, value in (
        (Text("政策日期", "Policies as of"), about.as_of.isoformat()),
        (Text("规则库版本", "Rulebook version"), about.rulebook_version),
        (Text("软件版本", "Software"), about.software),
    ):
        if value:
            yield f"{title.to(lang)}{colon}{value}"
    for source in about.sources:
        yield xml_text(f"{Text('输入', 'Input').to(lang)}{colon}{source.to(lang)}")


def _add_metadata(project: Element, about: About, lang: Lang) -> None:
    made = SubElement(project, "projectMetadata")
    SubElement(made, "title").text = about.title.to(lang)
    SubElement(made, "abstract").text = "\n".join(history(about, lang))
    SubElement(made, "author").text = about.software
    SubElement(made, "creation").text = f"{about.as_of.isoformat()}T00:00:00"
