"""The control check: whether layers lie where their declared datum puts them."""

from geo_urc.inputs.control.checking import with_control

__all__ = ["with_control"]
