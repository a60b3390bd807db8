"""Compression and decompression alone, in memory: wall seconds."""

from .common import classes

globals().update(classes("codec"))
