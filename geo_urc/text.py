"""Bilingual text: everything a user reads exists in Chinese and in English."""

from __future__ import annotations

from typing import Literal, NamedTuple

Lang = Literal["zh", "en"]


class Text(NamedTuple):
    """One sentence or label in both languages of the project."""

    zh: str
    en: str

    def to(self, lang: Lang) -> str:
        """Return the text in the language asked for.

        Examples
        --------
        >>> Text("符合", "eligible").to("zh")
        '符合'
        """
        return self.zh if lang == "zh" else self.en
