"""Writes as instruments and pipelines do them."""

from .common import classes

globals().update(classes("streaming"))
