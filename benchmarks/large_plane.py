"""One large plane: JPEG 2000 of every kind beside TIFF, PNG and OME-Zarr."""

from .common import classes

globals().update(classes("large-plane"))
