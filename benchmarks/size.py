"""Bytes and files on disk, counted."""

from .common import classes

globals().update(classes("size"))
