"""Files in, trusted tables out: formats, encodings, datums, repair, coverage, accuracy."""

from geo_urc.inputs.draft import draft_layers_toml
from geo_urc.inputs.reading import read_inputs
from geo_urc.inputs.roles import Field, Role, roles
from geo_urc.inputs.settings import load_settings

__all__ = ["Field", "Role", "draft_layers_toml", "load_settings", "read_inputs", "roles"]
