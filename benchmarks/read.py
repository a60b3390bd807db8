"""Reads, whole and in part: wall seconds per format, layout, codec and access pattern."""

from .common import classes

globals().update(classes("read"))
