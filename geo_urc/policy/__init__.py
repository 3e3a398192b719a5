"""The rulebook as data: one TOML file a measure, a catalogue of facts, and the model of both."""

from geo_urc.policy.rulebook import Rulebook, load_rulebook

__all__ = ["Rulebook", "load_rulebook"]
