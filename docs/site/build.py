"""Build the documentation as a site in Chinese and in English: ``python docs/site/build.py``.

The pages of docs/ are read as they stand: ``NAME.zh.md`` is the Chinese twin of ``NAME.md``, and a
page of BILINGUAL speaks both languages. Here they are laid out as a folder of sources for each
language, with links led to where the pages are in the site; Sphinx makes the rest, and any
warning of it stops the build. Nothing is loaded from outside, and the site works from a file share.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

import geo_urc  # noqa: E402
from geo_urc import describe  # noqa: E402
from geo_urc.policy import load_rulebook  # noqa: E402
from geo_urc.text import Lang, Text  # noqa: E402

LANGUAGES: tuple[Lang, ...] = ("zh", "en")
BILINGUAL = frozenset({"layers", "measures"})
EXTRA: dict[Lang, dict[str, Path]] = {
    "zh": {"about": ROOT / "README.zh.md"},
    "en": {
        "about": ROOT / "README.md",
        "contributing": ROOT / "CONTRIBUTING.md",
        "changelog": ROOT / "CHANGELOG.md",
    },
}
"""Pages from outside of docs/."""

NAVIGATION: tuple[tuple[Text, tuple[str, ...]], ...] = (
    (Text("入门", "Start"), ("about", "tutorial")),
    (Text("操作指南", "How to"), ("howto-gis", "howto-planner", "howto-qgis", "howto", "cluster")),
    (
        Text("参考", "Reference"),
        ("measures", "layers", "outputs", "columns", "commands", "python", "rulebook"),
    ),
    (Text("说明", "Explanation"), ("accuracy", "datums")),
    (
        Text("开发", "Development"),
        ("architecture", "decisions/README", "contributing", "changelog"),
    ),
)

_FENCE = re.compile(r"^(```.*?^```$)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
_TWIN = re.compile(r"^\[(?:中文|English)\]\(\S+\)\n+", re.MULTILINE)
_PICTURE = re.compile(r"^<!-- picture: (\S+) \| (.+) -->$", re.MULTILINE)


def pages() -> dict[Lang, dict[str, Path]]:
    """Return, by language, every page that stands in a file: its name in the site → the file."""
    files = {p.relative_to(DOCS).as_posix().removesuffix(".md"): p for p in DOCS.rglob("*.md")}
    chinese = {name.removesuffix(".zh"): p for name, p in files.items() if name.endswith(".zh")}
    english = {name: p for name, p in files.items() if not name.endswith(".zh")}
    both = {name: p for name, p in english.items() if name in BILINGUAL}
    return {"zh": {**both, **chinese, **EXTRA["zh"]}, "en": {**english, **EXTRA["en"]}}


class Layout:
    """The sources of one language, written into a folder.

    Parameters
    ----------
    lang
        The language.
    folder
        Where the sources go; it is made.
    pictures
        A folder with pictures ``NAME.LANG.png`` for the places that pages name, if there is one.
    """

    def __init__(self, lang: Lang, folder: Path, pictures: Path | None) -> None:
        self.lang = lang
        self.folder = folder
        self.pictures = pictures
        every = pages()
        self._own = every[lang]
        self._home = {file: (lang, name) for name, file in every[lang].items()}
        for other in LANGUAGES:
            for name, file in every[other].items():
                self._home.setdefault(file, (other, name))

    def write(self) -> None:
        """Write all pages, and the first one with what the sidebar shows."""
        for name, file in self._own.items():
            self._put(f"{name}.md", self.converted(name, file, file.read_text(encoding="utf-8")))
        for file, lines in REFERENCE.items():
            text = "\n".join(lines(self.lang)) + "\n"
            self._put(file, self.converted(Path(file).stem, DOCS / file, text))
        there = {*self._own, *(Path(file).stem for file in REFERENCE)}
        with (self.folder / "index.md").open("a", encoding="utf-8") as index:
            for caption, names in NAVIGATION:
                listed = [name for name in names if name in there]
                if listed:
                    index.write(_toctree(caption.to(self.lang), listed))
        decisions = sorted(n for n in self._own if re.match(r"decisions/\d", n))
        if decisions:
            with (self.folder / "decisions" / "README.md").open("a", encoding="utf-8") as page:
                page.write(_toctree(None, [name.removeprefix("decisions/") for name in decisions]))

    def converted(self, name: str, file: Path, text: str) -> str:
        """Return the text of a page that stands in a file, as the site has it."""
        parts = _FENCE.split(text)
        parts[::2] = [self._prose(name, file, part) for part in parts[::2]]
        return "".join(parts)

    def _prose(self, name: str, file: Path, text: str) -> str:
        text = _TWIN.sub("", text)
        text = _PICTURE.sub(lambda found: self._picture(name, *found.groups()), text)
        return _LINK.sub(lambda found: f"]({self._led(name, file, *found.groups())}", text)

    def _led(self, name: str, file: Path, path: str, anchor: str | None) -> str:
        """Return where a link of a page leads in the site, with the bracket that ends it."""
        target = (file.parent / unquote(path)).resolve()
        lang, there = self._home.get(target, (None, None))
        up = "../" * name.count("/")
        if there is None:
            if not target.is_file():
                raise SystemExit(f"{file}: nothing at {path}")
            copy = self.folder / "files" / target.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(target, copy)
            return f"{up}files/{target.name})"
        if lang == self.lang or (there in self._own and not anchor):
            return f"{up}{there}.md{anchor or ''})"
        # The anchors of the twins differ, and some pages are in English only.
        return f"{up}../{lang}/{there}.html{anchor or ''}){{.external}}"

    def _picture(self, name: str, picture: str, caption: str) -> str:
        """Return a picture with its caption, or nothing where it was not made."""
        source = self.pictures / f"{picture}.{self.lang}.png" if self.pictures else None
        if source is None or not source.exists():
            return ""
        copy = self.folder / "pictures" / source.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        place = f"{'../' * name.count('/')}pictures/{source.name}"
        return f"```{{figure}} {place}\n:alt: {caption}\n:target: {place}\n{caption}\n```"

    def _put(self, file: str, text: str) -> None:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def _toctree(caption: str | None, names: Iterable[str]) -> str:
    head = ":hidden:\n:maxdepth: 1\n" + (f":caption: {caption}\n" if caption else "")
    return f"\n```{{toctree}}\n{head}\n" + "\n".join(names) + "\n```\n"


def _commands(lang: Lang) -> Iterator[str]:
    about = Text(
        "与 ``geo-urc 命令 --help`` 相同，中英对照。", "What ``geo-urc COMMAND --help`` says."
    )
    yield from (Text("命令", "Commands").to(lang), "=" * 8, "", about.to(lang), "")
    yield from (".. click:: geo_urc.cli.main:cli", "   :prog: geo-urc", "   :nested: full")


def _python(lang: Lang) -> Iterator[str]:
    yield Text("# Python 接口", "# Python").to(lang)
    about = Text(
        "与命令行同样的筛查，输入输出都可以是 GeoDataFrame。以下说明取自程序，为英文；其中的例子随测试执行。",
        "The same screening as the command, with GeoDataFrames. The examples run with the tests.",
    )
    yield from ("", about.to(lang), "", "```{eval-rst}")
    for name in geo_urc.__all__:
        kind = "autoclass" if isinstance(getattr(geo_urc, name), type) else "autofunction"
        yield f".. {kind}:: geo_urc.{name}"
        if name == "Result":
            yield from ("   :members:", "   :special-members: __getitem__")
        yield ""
    yield "```"


def _columns(lang: Lang) -> Iterator[str]:
    """Yield every fact of the rulebook, which is a column wherever a rule asks for it."""
    yield Text("# 事实列", "# Columns of facts").to(lang)
    about = Text(
        "规则库里的全部事实。某个对象有哪些列，取决于对它计算的规则；比例为 0–1，未经舍入。"
        "结论、差值、精度、原因各列见[输出](outputs.md)。",
        "Every fact of the rulebook. Which of them a subject has depends on its rules; shares are 0–1 "
        "and nothing is rounded. The columns of verdicts are in [outputs](outputs.md).",
    )
    heads = Text("列 | 内容 | 单位 | 用到它的规则", "column | what | unit | asked by")
    yield from ("", about.to(lang), "", f"| {heads.to(lang)} |", "|---|---|---|---|")
    book = load_rulebook()
    asked: dict[str, list[str]] = {}
    for rule in book.rules.values():
        for fact in describe.facts_of(book, rule):
            asked.setdefault(fact, []).append(rule.id)
    for name, fact in sorted(book.facts.items()):
        rules = " ".join(asked.get(name, ()))
        yield f"| `{name}` | {fact.title.to(lang)} | {fact.unit or ''} | {rules} |"


REFERENCE: dict[str, Callable[[Lang], Iterator[str]]] = {
    "columns.md": _columns,
    "commands.rst": _commands,
    "python.md": _python,
}
"""Pages that are made from the program each time, and kept nowhere."""


def build(out: Path, pictures: Path | None = None) -> None:
    """Build both languages and a first page that leads to the Chinese one.

    Parameters
    ----------
    out
        The folder of the site. It is made anew; one that is no site is left alone.
    pictures
        A folder with the pictures of screenshots.py, if there is one.

    Raises
    ------
    SystemExit
        A link of a page leads nowhere, Sphinx warns, or ``out`` holds something else.
    """
    if out.exists() and any(out.iterdir()) and not (out / FIRST).exists():
        raise SystemExit(f"{out} holds something that is no site: name another folder")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        for lang in LANGUAGES:
            Layout(lang, work / lang, pictures).write()
        for lang in LANGUAGES:
            sphinx = (sys.executable, "-m", "sphinx", "--builder", "html", "--quiet")
            strict = ("--fail-on-warning", "--keep-going", "--conf-dir", str(DOCS / "site"))
            where = ("--doctree-dir", str(work / "doctrees" / lang), str(work / lang))
            command = [*sphinx, *strict, "--tag", lang, *where, str(work / "site" / lang)]
            done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)
            if done.returncode:
                raise SystemExit(done.returncode)
        (work / "site" / FIRST).write_text(_FIRST, encoding="utf-8", newline="\n")
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(
            work / "site",
            out,
            ignore=shutil.ignore_patterns(".buildinfo", "objects.inv", "_sources"),
        )


FIRST = "index.html"
_FIRST = """<!doctype html>
<html lang="zh-CN">
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url=zh/index.html">
<title>geo_urc</title>
<p><a href="zh/index.html">中文</a> · <a href="en/index.html" lang="en">English</a></p>
</html>
"""


def main() -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site")
    parser.add_argument("--pictures", type=Path, help="a folder written by docs/screenshots.py")
    given = parser.parse_args()
    build(given.out, given.pictures)
    print(given.out / FIRST)


if __name__ == "__main__":
    main()
