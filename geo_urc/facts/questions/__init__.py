"""The questions that the catalogue of facts may ask, by name.

Each takes the subjects' context and its arguments and answers with a
:class:`~geo_urc.facts.fact.Fact`. Here missing layers, unknown datums, coverage and accuracy
meet the plain measuring functions beside this folder. Nothing here knows a rule or a limit.
"""

from geo_urc.facts.questions import (
    areas,
    choices,
    counts,
    demand,
    derived,
    distances,
    floor_uses,
    grounds,
    holdings,
    neighbours,
    pools,
    terrain,
    ties,
    turns,
    volumes,
    walking,
    zones,
)
from geo_urc.facts.questions.asking import (
    QUESTIONS,
    SEARCH_M,
    Context,
    own_field,
    required_arguments,
)

__all__ = [
    "QUESTIONS",
    "SEARCH_M",
    "Context",
    "areas",
    "choices",
    "counts",
    "demand",
    "derived",
    "distances",
    "floor_uses",
    "grounds",
    "holdings",
    "neighbours",
    "own_field",
    "pools",
    "required_arguments",
    "terrain",
    "ties",
    "turns",
    "volumes",
    "walking",
    "zones",
]
