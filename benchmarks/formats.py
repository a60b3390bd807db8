"""Every format and library on one small volume: wall seconds of reads and of the write."""

from .common import classes

globals().update(classes("formats"))
