"""What grows with the volume, and what with the number of objects."""

from .common import classes

globals().update(classes("growth"))
