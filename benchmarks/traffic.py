"""Chunks, voxels and bytes that a read touches, counted."""

from .common import classes

globals().update(classes("traffic"))
