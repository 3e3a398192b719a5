"""Data flow one way: what may import what, and where the dangerous things are done."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import geo_urc
from geo_urc.resources import data_dir

PACKAGE = Path(geo_urc.__file__).parent
ARROW = [
    {"text", "safe_text", "offline"},
    {"edges", "errors", "progress", "resources", "results", "validation", "verdicts", "wkb"},
    {"processes"},
    {"roles", "tables", "concerns", "cluster", "database"},
    {"policy", "inputs"},
    {"facts"},
    {"exact"},
    {"evaluation"},
    {"grounds"},
    {"describe"},
    {"screening", "pricing"},
    {"record", "outputs", "evidence", "changes", "comparison", "command", "identity"},
    {"wording", "parted"},
    {"outlook"},
    {"run", "stored", "explaining", "sweep", "conversion", "partitioning", "osm", "boundaries"},
    {"repeat", "reporting"},
    {"api"},
    {"cli"},
]
"""Parts of the package, upstream first: each may import from those before it, never beside it."""
LEVEL = {part: i for i, level in enumerate(ARROW) for part in level}
TREES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}
GEOMETRY = {"shapely", "geopandas", "pyproj", "pyogrio", "fiona", "scipy", "rasterio"}


def part_of(file: str) -> str:
    """Return the part of the package that a file or a module's name belongs to."""
    return re.split(r"[./]", file)[0]


def imports(tree: ast.Module, *, at_once: bool = False) -> Iterator[str]:
    """Yield the full name of everything that a module imports, in functions too or at once."""
    for node in tree.body if at_once else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(file: str, *, at_once: bool = False) -> set[str]:
    """Return the modules of the package that a file imports, as ``part`` or ``part.module``."""
    found = set()
    for name in imports(TREES[file], at_once=at_once):
        parts = name.split(".")
        if parts[0] == "geo_urc" and len(parts) > 1:
            path = PACKAGE.joinpath(*parts[1:])
            whole = path.is_dir() or path.with_suffix(".py").exists()
            found.add(".".join(parts[1:] if whole else parts[1:-1]))
    return found


def test_every_part_has_its_place():
    assert {part_of(file) for file in TREES} - {"__init__"} == set(LEVEL)


@pytest.mark.parametrize("file", [f for f in TREES if f != "__init__.py"])
def test_no_import_against_the_arrow(file):
    here = part_of(file)
    for name in own_imports(file):
        there = part_of(name)
        assert there == here or LEVEL[there] < LEVEL[here], f"{file} imports {name}"


def test_modules_do_not_import_each_other_in_a_circle():
    graph = {
        file.removesuffix(".py").replace("/", ".").removesuffix(".__init__"): own_imports(
            file, at_once=True
        )
        for file in TREES
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " → ".join((*path, name))
        if name not in done:
            for other in sorted(graph.get(name, ())):
                visit(other, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_outputs_read_results_and_nothing_behind_them():
    allowed = {
        "results",
        "roles",  # the catalogue's words
        "text",
        "safe_text",
        "errors",
        "verdicts",
        "wkb",
        "outputs",
        "concerns",
        "database",
    }
    for file in TREES:
        if part_of(file) in ("outputs", "evidence", "concerns"):
            assert {part_of(name) for name in own_imports(file)} <= allowed | {"evidence"}, file


def test_facts_know_inputs_by_their_tables_only():
    for file in TREES:
        if part_of(file) == "facts":
            for name in own_imports(file):
                known = part_of(name) in ("facts", "edges") or name == "inputs.table"
                assert known, f"{file} imports {name}"


@pytest.mark.parametrize("part", ["policy", "verdicts", "text", "errors", "roles", "results"])
def test_no_geometry_where_there_is_none(part):
    for file, tree in TREES.items():
        if part_of(file) == part:
            assert not {name.split(".")[0] for name in imports(tree)} & GEOMETRY, file


def test_facts_and_logic_hold_no_policy():
    """No measure is named in code: figures and conditions are in the rulebook."""
    named = re.compile(r"\b(T(0[1-9]|[1-7]\d)|P[0-7])[a-z]?\b")
    for file, tree in TREES.items():
        if part_of(file) not in ("facts", "evaluation", "verdicts", "screening", "outputs"):
            continue
        described = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if id(node) in described or "\n" in node.value:
                    continue
                assert not named.search(node.value), f"{file}:{node.lineno}: {node.value!r}"


def calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


def test_only_the_command_line_prints_and_reads_the_clock():
    clock = re.compile(r"(^|\.)(now|today|utcnow|time|localtime|gmtime|perf_counter)$")
    for file, tree in TREES.items():
        for name, line in calls(tree):
            if part_of(file) == "cli":
                continue
            assert name not in ("print", "input"), f"{file}:{line}"
            assert not name.startswith("click."), f"{file}:{line}"
            assert not (clock.search(name) and "Column" not in name), f"{file}:{line}: {name}"


def test_no_code_is_made_of_text_and_nothing_is_drawn_by_lot():
    for file, tree in TREES.items():
        assert not {name.split(".")[0] for name in imports(tree)} & {
            "random", "secrets", "uuid", "urllib", "http", "requests", "pickle",
        }, file  # fmt: skip
        for name, line in calls(tree):
            assert name not in ("eval", "exec", "compile", "__import__"), f"{file}:{line}"
            assert "random" not in name, f"{file}:{line}"


def test_coordinates_are_transformed_in_three_places_only():
    """The inputs' one conversion, the degrees of a web map, and the metres of a drawn one."""
    where = {
        file
        for file, tree in TREES.items()
        for name, _ in calls(tree)
        if "Transformer" in name or name.endswith(".to_crs")
    }
    assert where == {"inputs/systems.py", "outputs/map_geometry.py", "outputs/report/plane.py"}


def test_no_bare_exceptions():
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and node.exc is not None:
                name = ast.unparse(node.exc).split("(")[0]
                assert name not in ("Exception", "BaseException"), file
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, f"{file}:{node.lineno} catches everything"


def run_python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    "code",
    [
        "import geo_urc",
        "import geo_urc.policy",
        "from geo_urc.cli.main import cli; cli(['--help'], standalone_mode=False)",
    ],
)
def test_light_commands_load_no_heavy_library(code):
    heavy = (
        "{'geopandas', 'pandas', 'shapely', 'pyproj', 'pyogrio', 'folium', 'scipy', 'pyarrow', "
        "'rasterio', 'exactextract'}"
    )
    said = run_python(f"{code}\nimport sys; print('\\nheavy', sorted({heavy} & set(sys.modules)))")
    assert said.splitlines()[-1] == "heavy []"


def test_screening_without_a_raster_loads_no_raster_library():
    code = """
import geopandas, shapely, sys, geo_urc
plot = geopandas.GeoDataFrame(geometry=[shapely.box(448000, 4418000, 448100, 4418100)], crs=4548)
geo_urc.screen(plot)
print("raster", sorted({"rasterio", "exactextract"} & set(sys.modules)))
"""
    assert run_python(code).splitlines()[-1] == "raster []"


def test_a_screening_to_a_geopackage_loads_only_what_it_needs(tmp_path):
    """Loading pandas takes as long as all else that such a run loads."""
    sample = data_dir() / "sample"
    layers = tmp_path / "layers.toml"
    layers.write_text(
        "".join(
            f'[layers.{role}]\npath = "{(sample / "city.gpkg").as_posix()}|layername={role}"\n'
            for role in ("green_spaces", "underground_projects", "subcentre")
        ),
        "utf-8",
    )
    asked = ["geo-urc", "screen", str(sample / "parcels.shp"), "--layers", str(layers)]
    asked += ["--outputs", "gpkg", "--out", str(tmp_path / "out")]
    code = f"""
import sys
from geo_urc.cli.main import main
sys.argv = {asked!r}
try:
    main()
except SystemExit as end:
    print("status", end.code)
needless = {{"pandas", "geopandas", "folium", "jinja2", "matplotlib", "fiona", "xlsxwriter",
            "rasterio", "exactextract", "rich.progress"}}
print("needless", sorted(needless & set(sys.modules)))
"""
    assert run_python(code).splitlines()[-2:] == ["status 1", "needless []"]


def test_the_public_names_are_there():
    for name in geo_urc.__all__:
        assert getattr(geo_urc, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = geo_urc.no_such_name
