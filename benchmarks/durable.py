"""Writes until everything is on the device: wall seconds."""

from .common import classes

globals().update(classes("durable"))
