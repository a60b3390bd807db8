"""Threads and processes on one image."""

from .common import classes

globals().update(classes("parallel"))
