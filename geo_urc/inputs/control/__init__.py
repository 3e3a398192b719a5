"""The control check: whether layers lie where their declared datum puts them."""

from geo_urc.inputs.control.checking import CHECKING, control_of, with_control, with_findings

__all__ = ["CHECKING", "control_of", "with_control", "with_findings"]
