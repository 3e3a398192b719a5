"""Which file a report becomes: the ending says it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from geo_urc.errors import OutputError, Problem
from geo_urc.outputs.report.model import Document
from geo_urc.outputs.report.summary import LayerFigures, figures_of, summary
from geo_urc.results import Results
from geo_urc.text import Lang, Text

ENDINGS = (".html", ".pdf", ".docx", ".xlsx")


@dataclass
class Writing:
    """The report of a run, in as many forms as are asked for; it is worked out once."""

    results: Results
    lang: Lang = "zh"

    @cached_property
    def figures(self) -> list[LayerFigures]:
        """The numbers of every subject."""
        return figures_of(self.results, self.lang)

    @cached_property
    def document(self) -> Document:
        """The summary report."""
        return summary(self.results, self.lang, self.figures)

    def write(self, path: Path, template: Path | None = None) -> None:
        """Write the summary report; the workbook has every row as well."""
        ready(path, template)
        if path.suffix.lower() == ".xlsx":
            from geo_urc.outputs.report.excel import write_excel

            write_excel(self.results, self.document, self.figures, path)
        else:
            write_document(self.document, path, template)


def write_report(
    results: Results, path: Path, lang: Lang = "zh", template: Path | None = None
) -> None:
    """Write the report of a run: ``.html``, ``.pdf``, ``.docx`` or ``.xlsx``.

    Parameters
    ----------
    template
        A Word file that the ``.docx`` is made from instead of the built-in one.

    Raises
    ------
    OutputError
        Another ending, or a template that cannot be used.
    """
    Writing(results, lang).write(path, template)


def write_reports(results: Results, paths: Sequence[Path], lang: Lang = "zh") -> None:
    """Write the report of a run in several forms at once.

    Pages are set beside the writing of the workbook: typst uses another core meanwhile.
    """
    from concurrent.futures import ThreadPoolExecutor

    writing = Writing(results, lang)
    books = [path for path in paths if path.suffix.lower() == ".xlsx"]
    pages = [path for path in paths if path not in books]
    assert writing.document  # worked out once, before two use it
    with ThreadPoolExecutor(1) as aside:
        done = [aside.submit(writing.write, path) for path in (pages if books else [])]
        for path in books or pages:
            writing.write(path)
        for one in done:
            one.result()


def write_document(document: Document, path: Path, template: Path | None = None) -> None:
    """Write any report but a workbook."""
    _WRITERS[path.suffix.lower()](document, path, template)


def ready(path: Path, template: Path | None = None, *, sheets: bool = False) -> None:
    """Raise an OutputError if a report cannot become this file.

    Parameters
    ----------
    sheets
        Whether the report is one of single subjects, which are no rows of a workbook.
    """
    ending = path.suffix.lower()
    known = [e for e in ENDINGS if not (sheets and e == ".xlsx")]
    if ending not in known:
        what = Text(
            f"{'单个对象的核查单' if sheets else '报告'}不支持格式 {path.suffix!r}。",
            f"{'sheets of single subjects' if sheets else 'a report'} cannot have the ending {path.suffix!r}.",
        )
        fix = Text(f"用 {'、'.join(known)}。", f"Use {', '.join(known)}.")
        raise OutputError(Problem(str(path), what, fix))
    if template is not None and ending != ".docx":
        what = Text("模板只用于 .docx。", "a template is for .docx only.")
        fix = Text("把输出改为 .docx，或去掉模板。", "Write a .docx, or leave the template out.")
        raise OutputError(Problem(str(path), what, fix))


def _html(document: Document, path: Path, template: Path | None) -> None:
    from geo_urc.outputs.report.html import write_html

    write_html(document, path)


def _pdf(document: Document, path: Path, template: Path | None) -> None:
    from geo_urc.outputs.report.pdf import write_pdf

    write_pdf(document, path)


def _word(document: Document, path: Path, template: Path | None) -> None:
    from geo_urc.outputs.report.word import write_word

    write_word(document, path, template)


_WRITERS: dict[str, Callable[[Document, Path, Path | None], None]] = {
    ".html": _html,
    ".pdf": _pdf,
    ".docx": _word,
}
