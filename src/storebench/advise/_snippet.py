"""What the writers of snippets take and give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from storebench.codecs import Codec
from storebench.grid import Shape

LAYOUT_GAP: Final = "<<layout>>"
CODEC_GAP: Final = "<<codec>>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The setting that a snippet stores.

    Attributes
    ----------
    shape : tuple of int
        Of the image, voxels.
    axes : str or None
        Axis names, slowest first.
    codec : Codec
        How blocks become bytes.
    chunk_shape, shard_shape : tuple of int or None
        Voxels.
    n_levels, stack_axis : int
        As in `records.Case`.
    halved : str
        The axes that levels halve, as far as the image has them.
    """

    shape: Shape
    axes: str | None
    codec: Codec
    chunk_shape: Shape | None
    shard_shape: Shape | None
    n_levels: int
    stack_axis: int
    halved: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """A snippet's text and what stands in its gaps; these are whole lines or nothing."""

    template: str
    layout: str = ""
    codec: str = ""
