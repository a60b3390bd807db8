"""Growth of resident memory at the peak of one call, measured in a process of its own."""

from .common import classes

globals().update(classes("memory"))
