"""Views of a viewer, one after the other, and what their levels cost."""

from .common import classes

globals().update(classes("multiscale"))
