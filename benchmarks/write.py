"""Whole writes to a fresh target: wall seconds."""

from .common import classes

globals().update(classes("write"))
