"""The documentation does what it says: commands run, examples are valid, links lead somewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from geo_urc.inputs.settings import check_settings

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
RUN_HERE = [page for page in PAGES if re.search(r"```(console|python)\n", page.read_text("utf-8"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
GEO_URC = [sys.executable, "-c", "from geo_urc.cli.main import main; main()"]


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", RUN_HERE, ids=named)
def test_examples_run(page: Path, tmp_path: Path) -> None:
    """Blocks of a page run in order, in a folder that looks like the checkout."""
    shutil.copytree(ROOT / "data" / "sample", tmp_path / "data" / "sample")
    python = []
    for language, text in blocks(page):
        if language == "console":
            run_console(text, tmp_path)
        elif language == "toml" and text.startswith("# file: "):
            name = text.splitlines()[0].removeprefix("# file: ")
            (tmp_path / name).write_text(text, encoding="utf-8")
        elif language == "python":
            python.append(text)
    if python:
        run([sys.executable, "-c", "\n".join(python)], tmp_path)


def run_console(text: str, folder: Path) -> None:
    """Run each ``$`` line; the lines below it are found in its output, in order."""
    for example in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, *shown = example.splitlines()
        program, *arguments = shlex.split(line)
        assert program == "geo-urc", line
        target = None
        if ">" in arguments:
            *arguments, _, target = arguments
        output = run([*GEO_URC, *arguments], folder)
        if target:
            (folder / target).write_text(output, encoding="utf-8")
        said = iter(squeezed(output))
        for expected in squeezed("\n".join(shown)):
            assert expected == "…" or expected in said, (
                f"$ {line}\n{expected}\n--- not in\n{output}"
            )


def run(command: list[str], folder: Path) -> str:
    """Return what a command prints; a status of 1 says that some input was set aside."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode in ((0, 1) if "geo_urc.cli" in command[2] else (0,)), done.stderr
    return done.stdout


def squeezed(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_toml_is_valid(page: Path) -> None:
    for language, text in blocks(page):
        if language == "toml":
            content = tomllib.loads(text)
            if text.startswith("# LAYERS.toml"):
                check_settings(content, named(page))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.findall(text):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_generated_pages_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for path, text in generate.pages().items():
        assert path.read_text(encoding="utf-8") == text, "run python docs/generate.py"


@pytest.mark.parametrize("name", ["rulebook.md", "rulebook.zh.md"])
def test_every_layer_and_rule_key_is_documented(name: str) -> None:
    """Keys that a rule file may hold are all named on the page that explains them."""
    from geo_urc.facts.questions import QUESTIONS
    from geo_urc.policy import model

    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    tables = [
        value
        for value in vars(model).values()
        if isinstance(value, type) and issubclass(value, model.Table)
    ]
    keys = {f.alias or name for table in tables for name, f in table.model_fields.items()}
    keys |= set(QUESTIONS)
    assert not {key for key in keys if f"`{key}`" not in page}


@pytest.mark.parametrize("name", ["outputs.md", "outputs.zh.md"])
def test_reason_codes_are_documented(name: str) -> None:
    from geo_urc.verdicts import REASONS

    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert not {code for code in REASONS if f"`{code}" not in page}


def test_the_test_command_is_one_and_the_same() -> None:
    """Both READMEs and continuous integration run the same line."""
    (line,) = {
        text.strip()
        for name in ("README.md", "README.zh.md")
        for _, text in blocks(ROOT / name)
        if text.strip().endswith(".venv/bin/nox")
    }
    assert line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_demo_command_is_one_and_the_same() -> None:
    commands = {
        text.strip()
        for name in ("README.md", "README.zh.md")
        for _, text in blocks(ROOT / name)
        if text.strip().endswith(".venv/bin/geo-urc demo --out demo")
    }
    assert len(commands) == 1
