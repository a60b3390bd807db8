"""First reads from the disk, each shown to be cold: wall seconds."""

from .common import classes

globals().update(classes("cold"))
