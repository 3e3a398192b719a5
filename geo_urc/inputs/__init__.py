"""Files in, trusted tables out: formats, encodings, datums, repair, coverage, accuracy."""

from geo_urc.inputs.draft import draft_layers_toml
from geo_urc.inputs.reading import read_inputs
from geo_urc.inputs.settings import load_settings

__all__ = ["draft_layers_toml", "load_settings", "read_inputs"]
