"""How Sphinx makes a language of the site; build.py lays out the pages and says which language."""

from __future__ import annotations

import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.locale import _ as sphinx_words
from sphinx.search.en import SearchEnglish

sys.path.insert(0, str(Path(__file__).parents[2]))

CHINESE = "zh" in tags  # noqa: F821 (Sphinx puts it here)

project = "geo_urc"
language = "zh_CN" if CHINESE else "en"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]

myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 4
autodoc_preserve_defaults = True  # as written: no path of this machine
autodoc_typehints = "none"  # the docstrings say them
autodoc_class_signature = "separated"
autodoc_member_order = "bysource"
smartquotes = False  # options have two hyphens

templates_path = ["templates"]
html_theme = "furo"
html_title = "geo_urc 文档" if CHINESE else "geo_urc documentation"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_use_index = False
html_domain_indices = False
html_show_search_summary = False  # it would fetch pages, which a browser refuses on file://
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "language.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_search_language = "han"
pygments_style = "friendly"
highlight_language = "text"

_WORD = re.compile(r"[\u3400-\u9fff]+|[^\W\u3400-\u9fff]+")


class SearchHan(SearchEnglish):
    """English words by their stems, Chinese text by every two neighbouring characters.

    No dictionary decides what a word is, in the index as little as in the browser, so that
    what is asked for is found wherever it stands.
    """

    lang = "han"
    js_splitter_code = r"""
function splitQuery(query) {
  const words = query.match(/[\u3400-\u9fff]+|[^\s\u3400-\u9fff\p{P}\p{S}]+/gu) ?? [];
  return words.flatMap((word) =>
    /[\u3400-\u9fff]/.test(word) && word.length > 1
      ? [...word].slice(1).map((sign, i) => word[i] + sign)
      : [word],
  );
}
"""

    def split(self, input: str) -> list[str]:  # noqa: A002 (the name is Sphinx's)
        """Return the words of a text; of Chinese each character and each pair."""
        found: list[str] = []
        for word in _WORD.findall(input):
            han = "\u3400" <= word[0] <= "\u9fff"
            found += [*word, *map("".join, pairwise(word))] if han else [word]
        return found


_FURO = {
    "Back to top": "回到顶部",
    "Home": "首页",
    "Made with ": "版式：",
    "Next": "下一页",
    "On this page": "本页内容",
    "Previous": "上一页",
}
"""What Furo says and Sphinx has no Chinese for."""


def _in_chinese(text: str) -> str:
    return _FURO.get(text) or sphinx_words(text)


def speak(app: Sphinx, page: str, template: str, context: dict[str, Any], _: object) -> None:
    """Tell the template a page's place in each language, and the words of the theme.

    Where the other language has not got the page, its first page stands in.
    """
    here = "zh" if CHINESE else "en"
    up = "../" * (page.count("/") + 1)
    context["languages"] = []
    for code, name in (("zh", "中文"), ("en", "English")):
        there = page == "search" or any((app.srcdir.parent / code).glob(f"{page}.*"))
        href = f"{up}{code}/{page if there else 'index'}.html"
        context["languages"].append((code, name, None if code == here else href))
    if CHINESE:
        context["_"] = context["gettext"] = _in_chinese


def setup(app: Sphinx) -> None:
    """Register what is ours."""
    app.add_search_language(SearchHan)
    app.connect("html-page-context", speak)
