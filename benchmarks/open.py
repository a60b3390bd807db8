"""Opening and closing a stored image: wall seconds."""

from .common import classes

globals().update(classes("open"))
