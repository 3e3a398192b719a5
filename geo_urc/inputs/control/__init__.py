"""The control check: whether layers lie where their declared datum puts them."""

from geo_urc.inputs.control.checking import control_of, with_control, with_findings

__all__ = ["control_of", "with_control", "with_findings"]
