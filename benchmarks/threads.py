"""The same work by one thread and by two: wall seconds."""

from .common import classes

globals().update(classes("threads"))
