"""The rulebook's list of questions and the functions that answer them are one list."""

from __future__ import annotations

from geo_urc.facts.questions import QUESTIONS
from geo_urc.policy import model


def test_every_question_that_a_fact_may_ask_is_answered():
    assert set(QUESTIONS) == model.QUESTIONS
